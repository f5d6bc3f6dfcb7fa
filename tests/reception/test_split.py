"""Several copies of one message: all durable, or none of them."""

from collections import deque
from collections.abc import Callable

import pytest
from tests.support.delivery import CONTENT, make_message

from outgate.mail.message import Message
from outgate.reception.holding import Holding
from outgate.reception.split import Copy, Split
from outgate.spool.interface import INLINE_MAX, LargeContent, SpoolError, SpoolFull
from outgate.spool.memory import MemorySpool

LARGE = b"x" * (INLINE_MAX + 1)


class Store(MemorySpool):
    """Takes what is to be held without sealing it, and says what it was asked to."""

    def hold(
        self, message: Message, content: bytes | LargeContent, key: bytes, done: Callable[[SpoolError | None], None]
    ) -> None:
        if isinstance(content, bytes):
            self.accept(message, content, done)
            return
        peeked = content.peek()
        assert isinstance(peeked, bytes)
        own = self.large()
        own.write(peeked)
        content.abandon()
        self.accept(message, own, done)


class Desk:
    def __init__(self) -> None:
        self.posted: deque[Callable[[], None]] = deque()
        self.spool = MemorySpool(post=self.posted.append)
        self.store = Store(post=self.posted.append)
        self.holding = Holding(self.store, lambda event: None, lambda message, content: None)
        self.answers: list[SpoolError | None] = []

    def split(self, content: bytes | LargeContent, *copies: Copy) -> None:
        Split(copies, content, self.spool, self.answers.append).begin()
        while self.posted:
            self.posted.popleft()()

    def large(self) -> LargeContent:
        large = self.spool.large()
        large.write(LARGE)
        return large

    @property
    def kept(self) -> list[tuple[str, bytes]]:
        disks = (self.store.disk, self.spool.disk)
        return [(name, content) for disk in disks for name, (_, _, content) in disk.messages.items()]


@pytest.mark.parametrize("is_large", [False, True])
def test_each_copy_has_all_the_content(is_large: bool) -> None:
    desk = Desk()
    held = [Copy(make_message(name), desk.holding, b"key") for name in "AB"]
    desk.split(desk.large() if is_large else CONTENT, *held, Copy(make_message("C")))
    content = LARGE if is_large else CONTENT
    assert desk.kept == [("A", content), ("B", content), ("C", content)]
    assert desk.answers == [None]


@pytest.mark.parametrize("is_large", [False, True])
@pytest.mark.parametrize("where", ["store", "spool"])
def test_failure_of_one_leaves_none(where: str, is_large: bool) -> None:
    desk = Desk()
    failing = desk.store if where == "store" else desk.spool
    failing.fail_next(SpoolFull("no room"))
    content = desk.large() if is_large else CONTENT
    desk.split(content, Copy(make_message("A"), desk.holding, b"key"), Copy(make_message("B")))
    assert desk.kept == []
    assert [str(answer) for answer in desk.answers] == ["no room"]
    assert desk.spool.can_accept(desk.spool.disk.available_octets)  # nothing is under way any more


def test_nothing_is_answered_before_the_last_is_durable() -> None:
    desk = Desk()
    desk.spool.hold_answers()
    desk.split(CONTENT, Copy(make_message("A"), desk.holding, b"key"), Copy(make_message("B")))
    assert desk.answers == []
    desk.spool.give_answers()
    while desk.posted:
        desk.posted.popleft()()
    assert desk.answers == [None]


def test_where_nothing_is_sealed_all_go_to_the_spool() -> None:
    desk = Desk()
    desk.split(CONTENT, Copy(make_message("A")), Copy(make_message("B")))
    assert desk.kept == [("A", CONTENT), ("B", CONTENT)]
    desk.spool.fail_next(SpoolFull("no room"))
    desk.split(CONTENT, Copy(make_message("C")))
    assert desk.kept == [("A", CONTENT), ("B", CONTENT)]
