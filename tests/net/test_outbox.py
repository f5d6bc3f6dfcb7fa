"""What a turn of the loop has to say, all at its end."""

import asyncio
from collections.abc import Callable
from typing import Any

from outgate.net.outbox import TOGETHER_MAX, Outbox


class Told:
    """A connection that notes when it is pushed."""

    def __init__(self, name: str, pushed: list[str], then: Callable[[], None] = lambda: None) -> None:
        self.name = name
        self.pushed = pushed
        self.then = then

    def push(self) -> None:
        self.pushed.append(self.name)
        self.then()


def in_one_turn(play: Callable[[Outbox, list[str]], None]) -> list[str]:
    """What had been pushed when the turn was over, and when the next was: "|" stands between them."""
    pushed: list[str] = []

    async def turns() -> None:
        outbox = Outbox(asyncio.get_running_loop())
        play(outbox, pushed)
        pushed.append("|")
        await asyncio.sleep(0)
        pushed.append("|")
        await asyncio.sleep(0)

    asyncio.run(turns())
    return pushed


def test_everybody_is_pushed_once_the_turn_is_over_and_in_order() -> None:
    def play(outbox: Outbox, pushed: list[str]) -> None:
        outbox.put(Told("a", pushed))
        outbox.put(Told("b", pushed))

    assert in_one_turn(play) == ["|", "a", "b", "|"]


def test_what_is_put_while_others_are_pushed_comes_in_the_next_turn() -> None:
    def play(outbox: Outbox, pushed: list[str]) -> None:
        outbox.put(Told("a", pushed, lambda: outbox.put(Told("c", pushed))))
        outbox.put(Told("b", pushed))

    assert in_one_turn(play) == ["|", "a", "b", "|", "c"]


def test_no_more_than_a_bound_waits_for_the_end() -> None:
    def play(outbox: Outbox, pushed: list[str]) -> None:
        for number in range(TOGETHER_MAX + 1):
            outbox.put(Told(str(number), pushed))

    assert in_one_turn(play) == [*map(str, range(TOGETHER_MAX)), "|", str(TOGETHER_MAX), "|"]


def test_one_that_fails_is_told_of_and_hinders_no_other() -> None:
    contexts: list[dict[str, Any]] = []

    def fail() -> None:
        raise RuntimeError("broken")

    def play(outbox: Outbox, pushed: list[str]) -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: contexts.append(context))
        outbox.put(Told("a", pushed, fail))
        outbox.put(Told("b", pushed))

    assert in_one_turn(play) == ["|", "a", "b", "|"]
    assert [str(context["exception"]) for context in contexts] == ["broken"]
