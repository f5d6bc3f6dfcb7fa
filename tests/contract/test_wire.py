"""Frames on a stream: however the octets are cut, the messages are the same."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outgate.contract.commands import CommandResult, QueueAction, QueueCommand
from outgate.contract.policy import CustomerDocument, Deleted, Outbound, PolicyItem, RegionDocument, SendingDomain
from outgate.contract.wire import (
    FRAME_MAX,
    Acknowledge,
    Answer,
    CommandAnswer,
    CommandDone,
    Current,
    Documents,
    Failed,
    Follow,
    FrameReader,
    FromClerk,
    FromWorker,
    Measured,
    Ordered,
    Question,
    QueuedMessage,
    QueuedRecipient,
    QueueList,
    QueueListed,
    QueueShow,
    Statistics,
    WireError,
    frame,
)

COMMAND = QueueCommand(QueueAction.HOLD, ("T4226ZR000G00",), "operator")
RESULT = CommandResult(("T4226ZR000G00",))
ITEMS = (
    PolicyItem(
        "customer:alpha", 3, CustomerDocument("alpha", "Älpha", Outbound.ACTIVE, domains=(SendingDomain("a.b"),))
    ),
    PolicyItem("region:eu", 4, RegionDocument("eu", "Europe", "eu.example")),
    PolicyItem("customer:beta", 5, Deleted()),
)
QUEUED = QueuedMessage(
    "T4226ZR000G00",
    "alpha",
    "deferred",
    1.0,
    2.0,
    3.0,
    1,
    4096,
    "alice@alpha.example",
    (QueuedRecipient("bob@x.example", "pending", "451 later", "mx.x.example"),),
)

UNIONS: dict[str, tuple[Any, list[Any]]] = {
    "from worker": (
        FromWorker,
        [Follow("mx1/1", 1, 0), Acknowledge(7, 3), CommandDone(9, RESULT), Acknowledge(2**53)],
    ),
    "from clerk": (
        FromClerk,
        [Documents(ITEMS, 5), Documents((), 5, is_complete=True), Current(5), Ordered(9, COMMAND)],
    ),
    "questions": (Question, [QueueList(held=True), QueueShow("T4226ZR000G00"), COMMAND, Statistics()]),
    "answers": (
        Answer,
        [QueueListed((QUEUED,), 1), Measured({"a": 1.5}), CommandAnswer(RESULT), Failed("no such message")],
    ),
}


@settings(deadline=None, max_examples=200)
@given(st.sampled_from(sorted(UNIONS)), st.data())
def test_however_the_octets_are_cut_the_messages_are_the_same(name: str, data: st.DataObject) -> None:
    union, messages = UNIONS[name]
    sent = data.draw(st.lists(st.sampled_from(messages), max_size=6))
    octets = b"".join(map(frame, sent))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(octets)), max_size=10)))
    reader: FrameReader[Any] = FrameReader(union)
    received: list[Any] = []
    for start, end in zip([0, *cuts], [*cuts, len(octets)], strict=True):
        received += reader.receive(octets[start:end])
    assert received == sent


@pytest.mark.parametrize("name", UNIONS)
def test_octet_by_octet_each_message_comes_with_its_last_octet(name: str) -> None:
    union, messages = UNIONS[name]
    reader: FrameReader[Any] = FrameReader(union)
    for message in messages:
        octets = frame(message)
        for octet in octets[:-1]:
            assert list(reader.receive(bytes((octet,)))) == []
        assert list(reader.receive(octets[-1:])) == [message]


def test_a_frame_is_its_length_and_its_message() -> None:
    octets = frame(Current(5))
    assert int.from_bytes(octets[:4], "big") == len(octets) - 4
    assert msgspec.msgpack.decode(octets[4:]) == {"type": "current", "revision": 5}


def test_a_frame_that_is_too_long_ends_the_conversation_before_it_is_read() -> None:
    reader: FrameReader[Any] = FrameReader(FromClerk)
    with pytest.raises(WireError, match=str(FRAME_MAX)):
        list(reader.receive((FRAME_MAX + 1).to_bytes(4, "big")))


def test_the_longest_frame_is_waited_for() -> None:
    reader: FrameReader[Any] = FrameReader(FromClerk)
    assert list(reader.receive(FRAME_MAX.to_bytes(4, "big") + b"x")) == []


@pytest.mark.parametrize(
    "body",
    [b"", b"\x00", b"nonsense", b"\x81\xa4type\xa5other", frame(Follow("mx1/1", 1, 0))[4:], frame(Current(5))[4:-1]],
)
def test_a_frame_with_anything_else_in_it_ends_the_conversation(body: bytes) -> None:
    reader: FrameReader[Any] = FrameReader(FromClerk)
    with pytest.raises(WireError):
        list(reader.receive(len(body).to_bytes(4, "big") + body))


def test_what_came_before_a_broken_frame_is_still_delivered() -> None:
    reader: FrameReader[Any] = FrameReader(FromClerk)
    messages = reader.receive(frame(Current(5)) + b"\x00\x00\x00\x01\x00")
    assert next(messages) == Current(5)
    with pytest.raises(WireError):
        next(messages)


def test_a_field_of_a_later_version_does_not_end_the_conversation() -> None:
    body = msgspec.msgpack.encode({"type": "current", "revision": 5, "later": True})
    reader: FrameReader[Any] = FrameReader(FromClerk)
    assert list(reader.receive(len(body).to_bytes(4, "big") + body)) == [Current(5)]


@settings(deadline=None, max_examples=200)
@given(st.lists(st.binary(max_size=40), max_size=5))
def test_whatever_comes_there_are_messages_or_a_wire_error(pieces: list[bytes]) -> None:
    reader: FrameReader[Any] = FrameReader(Question)
    try:
        for piece in pieces:
            list(reader.receive(piece))
    except WireError:
        pass
