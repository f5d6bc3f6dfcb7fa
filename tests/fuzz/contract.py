"""Targets: what processes of Outgate say to each other, and what the clerk reads of events."""

from typing import Any

from tests.contract.test_events import ACCEPTED, ATTEMPTED, REFUSED
from tests.contract.test_wire import UNIONS
from tests.fuzz.engine import Target, cut, luck_of, target

from outgate.contract.events import decode_event, encode_event
from outgate.contract.wire import FrameReader, WireError, frame
from outgate.mail.encoding import UNDECODABLE

FRAMES = [frame(message) for _, messages in UNIONS.values() for message in messages]


@target("wire", seeds=[*FRAMES, b"".join(FRAMES[:4])], tokens=[b"\x91" * 2_000, b"\xc1"])
def wire(octets: bytes) -> None:
    """The same messages and the same end however a stream is cut; what is a message can be said again."""
    pieces = list(cut(octets, luck_of(octets)))
    for union, _ in UNIONS.values():
        found = _read(union, [octets])
        assert _read(union, pieces) == found
        assert _read(union, found[0]) == (found[0], False)


def _read(union: Any, pieces: list[bytes]) -> tuple[list[bytes], bool]:
    """Messages, as frames again, up to the first octets that are none; and did such come?"""
    reader: FrameReader[Any] = FrameReader(union)
    found: list[bytes] = []
    try:
        for piece in pieces:
            for message in reader.receive(piece):
                found.append(frame(message))  # noqa: PERF401 - those before an error count
    except WireError:
        return found, True
    return found, False


@target(
    "events", seeds=[encode_event(event) for event in (ACCEPTED, ATTEMPTED, REFUSED)], tokens=[b"\x91" * 2_000, b"\xc1"]
)
def events(octets: bytes) -> None:
    """An event, or one of the errors that the clerk passes over."""
    try:
        event = decode_event(octets)
    except UNDECODABLE:
        return
    assert encode_event(decode_event(encode_event(event))) == encode_event(event)


TARGETS: list[Target] = [wire, events]
