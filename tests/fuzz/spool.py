"""Targets: what a disk may give back. Damage is never fatal, and hides nothing that is whole."""

from collections.abc import Iterator
from pathlib import Path
from zlib import crc32

import msgspec
from tests.fuzz.engine import Target, target
from tests.support.disk import SimulatedDisk
from tests.support.spool import SPOOL, message, progress, recover

from outgate.mail.message import QueueId
from outgate.spool.directory import SpoolDirectory
from outgate.spool.event_log import EventCursor, EventWriter, read_events
from outgate.spool.framing import (
    done_body,
    frame,
    large_message_body,
    message_head,
    progress_body,
    segment_header,
    void_body,
)
from outgate.spool.records import (
    ALIGNMENT,
    BLOCK,
    FIRST_RECORD,
    RECORD_HEADER_OCTETS,
    BadRecord,
    Damage,
    Generation,
    Kind,
    LargeReference,
    Record,
    decode_message,
    read_segment_header,
    scan,
    split_done,
    split_mark,
    split_message,
    split_void,
)

GENERATION = Generation(7, bytes.fromhex("9f86d081884c7d65"))
SEGMENT_OCTETS = 64 * 1024


def bodies() -> Iterator[tuple[Kind, bytes]]:
    for number in range(1, 6):
        yield Kind.MESSAGE, message_head(message(number)) + b"content %d\r\n" % number * 40 * number
    reference = LargeReference("0000000000000001.large", 13, b"\0\1\2\3")
    yield Kind.MESSAGE, large_message_body(message(6), reference)
    yield Kind.PROGRESS, progress_body(message(2).queue_id, progress(3))
    yield Kind.DONE, done_body([message(1).queue_id, message(3).queue_id])
    yield Kind.VOID, void_body(103, 103)  # message 4
    yield Kind.COPY, split_message(memoryview(message_head(message(2)) + b"content 2")).copied_head(progress(2)) + b"c"


def segment(records: list[tuple[Kind, bytes]]) -> bytes:
    """As the committer leaves it: a batch for every three records, each at a new block."""
    octets = segment_header(GENERATION).ljust(FIRST_RECORD, b"\0")
    for number, (kind, body) in enumerate(records):
        before, behind = frame(GENERATION.tag, GENERATION.seed, kind, 100 + number, body)
        if number % 3 == 0:
            octets += bytes(-len(octets) % BLOCK)
        octets += before + behind
    return octets.ljust(SEGMENT_OCTETS, b"\0")


SEGMENT = segment(list(bodies()))
RECORDS = [one for one in scan(GENERATION, SEGMENT) if isinstance(one, Record)]
USED = max(one.offset + one.length for one in RECORDS)


def damage(good: bytes, used: int, octets: bytes) -> bytes:
    """`good`, of which so much is used, after some writes that went wrong: each takes eight octets of the example.

    Octets written are those of the example, zeros, or others of `good` itself, tags and parts of records among them.
    Not whole records where one may stand: a disk that writes a good block to a wrong place is not provided for.
    """
    damaged = bytearray(good)
    for start in range(0, len(octets) - 7, 8):
        kind, high, low, count, *rest = octets[start : start + 8]
        at = (high * 256 + low) % used
        if kind & 1:
            at -= at % ALIGNMENT
        length = 1 + count * (64 if kind & 2 else 1)
        match kind >> 2 & 3:
            case 0:
                written = bytes(rest) * (length // 4 + 1)
            case 1:
                written = bytes(length)
            case _:
                source = int.from_bytes(bytes(rest[:2]), "big") % used
                written = good[source - source % ALIGNMENT + at % ALIGNMENT + 1 + rest[2] % (ALIGNMENT - 1) :]
        written = written[: min(length, len(good) - at)]
        damaged[at : at + len(written)] = written
    return bytes(damaged)


def untouched(octets: bytes) -> list[Record]:
    """The records of `SEGMENT` that are still there octet for octet."""
    return [
        one for one in RECORDS if octets[one.offset : one.offset + one.length] == SEGMENT[one.offset :][: one.length]
    ]


DAMAGES = [
    b"\x00\x10\x20\x00abcd",
    b"\x05\x10\x40\x10abcd\x04\x20\x00\xffabcd",
    b"\x0b\x10\x40\x09\x12\x00cd",
    b"\x0b\x12\x00\x20\x10\x00cd\x00\x10\x08\x00abcd",
]


@target("segment-scan", seeds=DAMAGES)
def segment_scan(octets: bytes) -> None:
    """Every record that is whole is found, in order, and what is no record is not believed."""
    damaged = damage(SEGMENT, USED, octets)
    found = list(scan(GENERATION, damaged))
    records = [one for one in found if isinstance(one, Record)]
    assert [one.sequence for one in records] == sorted({one.sequence for one in records})
    for one in records:
        assert damaged[one.offset : one.offset + 8] == GENERATION.tag
        checked = damaged[one.offset + 12 : one.offset + one.length]
        assert crc32(checked, GENERATION.seed) == int.from_bytes(damaged[one.offset + 8 : one.offset + 12], "little")
    places = {one.offset for one in records}
    for one in untouched(damaged):
        assert one.offset in places, f"the record at {one.offset} is whole and was not found"
    ends = FIRST_RECORD
    for item in found:
        assert item.offset >= ends
        ends = item.offset + (item.length if isinstance(item, Damage) else RECORD_HEADER_OCTETS)
    _try_bodies(records)


@target("record-bodies", seeds=[bytes((kind,)) + body for kind, body in bodies()] + [segment_header(GENERATION)])
def record_bodies(octets: bytes) -> None:
    """Whatever stands behind a good checksum, as a newer version's record might: it is a `BadRecord` at worst."""
    body = memoryview(octets[1:])
    for kind in Kind:
        _try_body(kind, body)
    read_segment_header(octets)
    _recover(
        segment(
            [(Kind.MESSAGE, RECORDS[0].body.tobytes()), (Kind(octets[0] % 5 + 1) if octets else Kind.DONE, octets[1:])]
        )
    )


def _try_bodies(records: list[Record]) -> None:
    for one in records:
        _try_body(one.kind, one.body)


def _try_body(kind: int, body: memoryview) -> None:
    try:
        match kind:
            case Kind.MESSAGE | Kind.COPY:
                parts = split_message(body)
                if parts.is_large:
                    parts.reference()
                found, state = parts.decoded()
                decode_message(msgspec.msgpack.encode(found), msgspec.msgpack.encode(state))
            case Kind.PROGRESS:
                split_mark(body)
            case Kind.DONE:
                split_done(body)
            case Kind.VOID:
                split_void(body)
    except BadRecord:
        pass


@target("recovery", seeds=DAMAGES)
def recovery(octets: bytes) -> None:
    """A spool opens on any damage, and gives back each message whose records are whole."""
    damaged = damage(SEGMENT, USED, octets)
    whole = {one.offset for one in untouched(damaged)}
    contents = _recover(damaged)
    # Messages 1 and 3 are done, 4 is void, 2 was copied, and the file of 6 is missing: 5 is as it came.
    record = RECORDS[4]
    if record.offset in whole:
        parts = split_message(record.body)
        assert contents[parts.queue_id] == bytes(parts.content)
    if len(whole) == len(RECORDS):
        assert list(contents) == [message(5).queue_id, message(2).queue_id]


def _recover(octets: bytes) -> dict[QueueId, bytes]:
    disk = SimulatedDisk()
    SpoolDirectory.open(disk, SPOOL).close()
    disk.copy_file(SPOOL / "segments" / f"{GENERATION.number:016}-{GENERATION.tag.hex()}.segment", octets)
    return recover(disk).contents


# Event log

EVENTS = [b"event %d " % number * (1 + number * 7) for number in range(20)]


def _event_files() -> tuple[SimulatedDisk, Path]:
    """A disk with two files of events, and the path of the first, which is complete."""
    disk = SimulatedDisk()
    directory = SpoolDirectory.open(disk, SPOOL)
    writer = EventWriter(disk, directory.events, file_octets=1)
    for event in EVENTS:
        writer.add(event)
    writer.flush()
    writer.add(b"the last event")
    writer.flush()
    writer.close()
    return disk, min(disk.paths(directory.events))


EVENT_DISK, EVENT_FILE = _event_files()
EVENT_OCTETS = EVENT_DISK.read(EVENT_FILE)
EVENT_FRAME = 16  # octets: tag, checksum, length
EVENT_PLACES = [EVENT_OCTETS.index(event) - EVENT_FRAME for event in EVENTS]


@target("event-log", seeds=DAMAGES)
def event_log(octets: bytes) -> None:
    """Reading comes to its end on any damage, and what is whole is read, in order, whatever is asked for at a time."""
    damaged = damage(EVENT_OCTETS, len(EVENT_OCTETS), octets)
    damaged = damaged[: len(damaged) - len(octets) % 8 * 5]
    EVENT_DISK.copy_file(EVENT_FILE, damaged)
    found = _read_all(300)
    assert found == _read_all(1_000_000)
    assert found[-1] == b"the last event"
    for place, event in zip(EVENT_PLACES, EVENTS, strict=True):
        frame_octets = EVENT_OCTETS[place : place + EVENT_FRAME + len(event)]
        assert not damaged.startswith(frame_octets, place) or event in found, f"the event at {place} was not read"


def _read_all(limit_octets: int) -> list[bytes]:
    found: list[bytes] = []
    cursor = EventCursor(0, 0)
    for _ in range(1_000):
        events, end = read_events(EVENT_FILE.parent, cursor, limit_octets, files=EVENT_DISK)
        if end == cursor:
            return found
        found += events
        cursor = end
    raise AssertionError("reading does not come to its end")


TARGETS: list[Target] = [segment_scan, record_bodies, recovery, event_log]
