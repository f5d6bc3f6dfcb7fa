"""Frames: whatever was framed is read again, and damage costs what it has touched."""

from zlib import crc32

from hypothesis import given, settings
from hypothesis import strategies as st

from outgate.spool.event_frames import FRAME_OCTETS, frames, read_frames

TAG = b"\x01eventag"
SEED = crc32(TAG)
ALL = 1 << 30
EVENTS = st.lists(st.binary(max_size=60), max_size=8)


def framed(events: list[bytes]) -> bytes:
    return b"".join(frames(events, TAG, SEED))


@given(EVENTS, st.booleans())
def test_events_are_read_as_they_were_framed(events: list[bytes], may_skip: bool) -> None:
    octets = framed(events)
    assert len(octets) == sum(FRAME_OCTETS + len(event) for event in events)
    assert read_frames(octets, TAG, SEED, ALL, may_skip=may_skip) == (events, len(octets), 0)


@given(st.lists(st.binary(min_size=1, max_size=60), min_size=1, max_size=8), st.integers(1, 300))
def test_reading_ends_with_the_event_that_fills_the_room(events: list[bytes], room: int) -> None:
    found, used, lost = read_frames(framed(events), TAG, SEED, room, may_skip=False)
    assert found == events[: len(found)]
    assert used == len(framed(found))
    assert lost == 0
    assert sum(map(len, found[:-1])) < room
    assert sum(map(len, found)) >= room or found == events


@given(EVENTS, st.binary(min_size=1, max_size=60), st.data())
def test_a_torn_tail_waits_or_is_passed_over(events: list[bytes], last: bytes, data: st.DataObject) -> None:
    whole, torn = framed(events), framed([last])
    octets = whole + torn[: data.draw(st.integers(0, len(torn) - 1))]
    assert read_frames(octets, TAG, SEED, ALL, may_skip=False) == (events, len(whole), 0)
    assert read_frames(octets, TAG, SEED, ALL, may_skip=True) == (events, len(octets), 0)


@settings(deadline=None)
@given(st.lists(st.binary(max_size=40), min_size=2, max_size=6), st.data())
def test_a_flipped_bit_costs_its_event_and_no_other(events: list[bytes], data: st.DataObject) -> None:
    hurt = data.draw(st.integers(0, len(events) - 2))  # not the last: behind it nothing tells damage from a torn tail
    octets = bytearray(framed(events))
    start = len(framed(events[:hurt]))
    octets[start + data.draw(st.integers(0, FRAME_OCTETS + len(events[hurt]) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    left = events[:hurt] + events[hurt + 1 :]
    assert read_frames(bytes(octets), TAG, SEED, ALL, may_skip=True) == (left, len(octets), 1)
    assert read_frames(bytes(octets), TAG, SEED, ALL, may_skip=False) == (events[:hurt], start, 0)


@given(st.binary(max_size=200), EVENTS)
def test_nothing_that_lacks_the_tag_is_an_event(junk: bytes, events: list[bytes]) -> None:
    """The text of an event may be another file's frame."""
    other = b"".join(frames(events, b"\x02eventag", crc32(b"\x02eventag")))
    assert read_frames(junk + other, TAG, SEED, ALL, may_skip=True)[0] == []
