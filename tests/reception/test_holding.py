"""Mail that is held: sealed for its customer, and promised only when the store of held mail has it."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec import structs
from tests.reception.test_conversation import ENVELOPE, HEAD, Peer
from tests.support.delivery import make_message

from outgate.contract.events import Event, MessageAccepted
from outgate.contract.policy import PolicyItem
from outgate.contract.scanning import Comparison, Condition, ContentAction, CustomRule, Field, ScanPolicy
from outgate.mail.findings import Category, Finding, ScanReport
from outgate.mail.message import Message
from outgate.reception.holding import Holding, seal_for
from outgate.reception.interface import ScanRequest
from outgate.sealing.content import ContentSealer
from outgate.sealing.keys import new_private_key, open_key, public_key_of
from outgate.spool.interface import INLINE_MAX, SpoolFull
from outgate.spool.memory import MemorySpool
from outgate.spool.sealed import SealedSpool

PRIVATE = bytes(range(1, 33))
CONTENT = HEAD + b"\r\nall about Project Falcon\r\n"


class Suspicious:
    """Scanners that find every message worth holding."""

    def scan(self, request: ScanRequest, content: bytes | Path, done: Callable[[ScanReport], None]) -> "Suspicious":
        done(ScanReport((Finding(Category.UNSCANNABLE, "guards", "too-deep"),)))
        return self

    def abandon(self) -> None: ...


class Scene:
    """A peer whose customer has scanning on and a key, and the store of held mail."""

    def __init__(self, held_key: bytes) -> None:
        self.peer = Peer()
        view = self.peer.snapshot.customer("1")
        assert view is not None
        document = structs.replace(view.document, scanning=ScanPolicy(is_on=True), held_key=held_key)
        self.peer.snapshot.apply_all([PolicyItem("customer:1", 2, document)], revision=2)
        self.inner = MemorySpool(post=self.peer.posted.append)
        self.events: list[Event] = []
        self.submitted: list[Message] = []
        self.peer.reception.scanning = Suspicious()
        self.peer.reception.holding = Holding(
            SealedSpool(self.inner, run=asyncio.to_thread),
            self.events.append,
            lambda message, content: self.submitted.append(message),
        )

    def send(self, content: bytes = CONTENT) -> str:
        return self.peer.say(ENVELOPE + b"DATA\r\n" + content + b".\r\n")[-1]


def test_held_mail_is_sealed_for_its_customer_into_the_store_of_held_mail() -> None:
    scene = Scene(public_key_of(PRIVATE))

    assert scene.send().startswith("250 2.0.0 queued as ")
    (message,) = scene.submitted
    (event,) = scene.events
    assert isinstance(event, MessageAccepted)
    assert (event.queue_id, event.lane, event.sealed_key) == (message.queue_id, "held", message.sealed_key)
    sealed = scene.inner.disk.messages[message.queue_id][2]
    assert b"Falcon" not in sealed
    key = open_key(message.sealed_key, PRIVATE)
    assert ContentSealer(key, message.size_octets).open(0, sealed) == CONTENT
    assert not scene.peer.spool.disk.messages
    assert not scene.peer.submitted
    assert not [one for one in scene.peer.events if isinstance(one, MessageAccepted)]


def test_250_of_held_mail_comes_only_after_its_store_has_spoken() -> None:
    scene = Scene(public_key_of(PRIVATE))
    scene.inner.hold_answers()
    assert scene.send().startswith("354")
    scene.inner.give_answers()
    scene.peer.run_loop()
    assert scene.peer.session.outgoing().startswith(b"250 2.0.0 queued as ")


def test_store_without_room_defers() -> None:
    scene = Scene(public_key_of(PRIVATE))
    scene.inner.fail_next(SpoolFull("no room"))
    assert scene.send().startswith("452 4.3.1")
    assert not scene.events


def test_customer_without_a_key_has_held_mail_in_the_spool() -> None:
    scene = Scene(b"")
    assert scene.send().startswith("250 2.0.0")
    assert not scene.inner.disk.messages
    (message, _) = scene.peer.submitted[0]
    assert message.sealed_key == b""
    assert scene.peer.spool.disk.messages[message.queue_id][2] == CONTENT


def test_key_that_is_none_keeps_nothing_and_defers() -> None:
    scene = Scene(b"short")
    assert scene.send().startswith("451 4.3.0")
    assert not scene.inner.disk.messages
    assert not scene.peer.spool.disk.messages


def test_large_held_mail_is_sealed_and_its_sender_may_go_on() -> None:
    content = HEAD + b"\r\n" + b"all about Project Falcon\r\n" * (INLINE_MAX // 20)

    async def scenario() -> None:
        scene = Scene(public_key_of(PRIVATE))
        scene.send(content)
        async with asyncio.timeout(20):
            while not scene.submitted:
                await asyncio.sleep(0.001)
                scene.peer.run_loop()
        assert scene.peer.session.outgoing().startswith(b"250 2.0.0 queued as ")
        (message,) = scene.submitted
        sealed = scene.inner.disk.messages[message.queue_id][2]
        assert b"Falcon" not in sealed
        key = open_key(message.sealed_key, PRIVATE)
        assert ContentSealer(key, message.size_octets).open(0, sealed) == content
        assert scene.peer.resumed

    asyncio.run(scenario())


def test_each_message_has_a_key_of_its_own() -> None:
    public_key = public_key_of(new_private_key())
    message = make_message("1")
    (first, first_key), (second, second_key) = seal_for(message, public_key), seal_for(message, public_key)
    assert first_key != second_key
    assert first.sealed_key != second.sealed_key
    assert structs.replace(first, sealed_key=b"") == message
    with pytest.raises(ValueError, match="public key"):
        seal_for(message, b"short")


@pytest.mark.parametrize("is_large", [False, True])
def test_held_copy_is_sealed_beside_the_one_that_is_delivered(is_large: bool) -> None:
    content = CONTENT if not is_large else HEAD + b"\r\n" + b"all about Project Falcon\r\n" * (INLINE_MAX // 20)

    async def scenario() -> None:
        scene = Scene(public_key_of(PRIVATE))
        view = scene.peer.snapshot.customer("1")
        assert view is not None
        condition = Condition(Field.RECIPIENT, Comparison.IS, "carol@receiver.example")
        rule = CustomRule("carol", 1, ContentAction.DELIVER, ((condition,),))
        document = structs.replace(view.document, scanning=ScanPolicy(is_on=True, rules=(rule,)))
        scene.peer.snapshot.apply_all([PolicyItem("customer:1", 3, document)], revision=3)
        envelope = ENVELOPE + b"RCPT TO:<carol@receiver.example>\r\nDATA\r\n"
        scene.peer.session.receive(envelope + content + b".\r\n")
        scene.peer.advance()
        async with asyncio.timeout(20):
            while not scene.submitted:
                await asyncio.sleep(0.001)
                scene.peer.run_loop()
        (held,) = scene.submitted
        ((passed, _),) = scene.peer.submitted
        assert [path.text for path in held.forward_paths] == ["bob@receiver.example"]
        assert [path.text for path in passed.forward_paths] == ["carol@receiver.example"]
        assert (held.copies, passed.copies) == ((passed.queue_id,), (held.queue_id,))
        assert scene.peer.spool.disk.messages[passed.queue_id][2] == content
        sealed = scene.inner.disk.messages[held.queue_id][2]
        assert b"Falcon" not in sealed
        assert ContentSealer(open_key(held.sealed_key, PRIVATE), held.size_octets).open(0, sealed) == content
        replies = scene.peer.session.outgoing().decode()
        assert f"250 2.0.0 queued as {passed.queue_id}, for 1 of the recipients held as {held.queue_id}" in replies

    asyncio.run(scenario())
