"""The row of segments: where records go, what keeps a segment, what a failure leaves behind."""

import errno
from collections import deque
from collections.abc import Callable, Sequence

import pytest
from tests.support.disk import FailingCalls, SimulatedDisk
from tests.support.spool import SPOOL, message

from outgate.spool.framing import message_head
from outgate.spool.records import BLOCK, Kind, Record, scan, split_void
from outgate.spool.segments.log import Log, NoRoom
from outgate.spool.segments.segment import Entry, Location
from outgate.spool.segments.settings import SegmentSettings
from outgate.spool.segments.spares import Spares

SEGMENTS = SPOOL / "segments"
DAMAGED = SPOOL / "damaged"
SETTINGS = SegmentSettings(segment_octets=8 * BLOCK, segments_kept=2, spares_kept=1)


class Writes(SimulatedDisk):
    """Remembers where was written since the last flush, and where everything before it."""

    def __init__(self) -> None:
        super().__init__()
        self.unflushed: set[tuple[int, int]] = set()  # descriptor and block
        self.flushed: set[tuple[int, int]] = set()
        self.calls = 0

    def pwritev(self, descriptor: int, buffers: Sequence[bytes | memoryview], offset: int) -> int:
        length = super().pwritev(descriptor, buffers, offset)
        self.calls += 1
        touched = {(descriptor, block) for block in range(offset // BLOCK, (offset + length - 1) // BLOCK + 1)}
        assert not touched & self.flushed, "confirmed octets are never written to again"
        self.unflushed |= touched
        return length

    def fdatasync(self, descriptor: int) -> None:
        super().fdatasync(descriptor)
        self.flushed |= {touched for touched in self.unflushed if touched[0] == descriptor}
        self.unflushed -= self.flushed


class Driven:
    """A log on a simulated disk; the upkeep jobs run when the test says so."""

    def __init__(self, disk: SimulatedDisk | None = None) -> None:
        self.disk = disk or SimulatedDisk()
        self.disk.add_directory(SEGMENTS)
        self.disk.add_directory(DAMAGED)
        self.jobs: deque[Callable[[], None]] = deque()
        self.spares = Spares(
            self.disk,
            SEGMENTS,
            damaged=DAMAGED,
            segment_octets=SETTINGS.segment_octets,
            kept=1,
            submit=self.jobs.append,
        )
        self.log = Log(self.disk, SETTINGS, self.spares, segments=deque(), next_sequence=1)

    def add(self, number: int, octets: int = 1000) -> Entry:
        entry = Entry(message(number).queue_id)
        location = self.log.append(Kind.MESSAGE, message_head(message(number)), bytes(octets))
        self.log.write()
        self.log.flush()
        self.log.keep(entry, location)
        return entry

    def run_jobs(self) -> None:
        while self.jobs:
            self.jobs.popleft()()

    def records(self) -> list[Record]:
        """Of all segments, in their order."""
        found: list[Record] = []
        for segment in self.log._segments:
            items = scan(segment.generation, self.disk.read(segment.path), found[-1].sequence if found else 0)
            found += [item for item in items if isinstance(item, Record)]
        return found


def test_batch_is_written_by_one_call_and_touches_no_confirmed_block() -> None:
    disk = Writes()
    driven = Driven(disk)
    driven.add(1)
    calls = disk.calls
    for number in range(2, 9):
        driven.log.append(Kind.MESSAGE, message_head(message(number)), bytes(200))
    driven.log.append(Kind.DONE, b"")
    driven.log.write()
    driven.log.flush()
    assert disk.calls == calls + 1
    for number in range(9, 30):
        driven.add(number)
    assert [record.sequence for record in driven.records()] == list(range(1, 31))


def test_records_never_cross_a_segment() -> None:
    driven = Driven()
    entries = [driven.add(number, 3000) for number in range(40)]
    assert driven.log.segments > 5
    for entry in entries:
        location = entry.location
        assert location is not None
        assert location.offset + location.octets <= location.segment.size_octets
        assert len(driven.log.read(location)) == location.octets


def test_accounting_follows_the_entries() -> None:
    driven = Driven()
    entries = [driven.add(number) for number in range(5)]
    octets = sum(entry.location.octets for entry in entries if entry.location is not None)
    assert driven.log.live_octets == octets
    assert driven.log.used_octets == driven.log.segments * SETTINGS.segment_octets
    for entry in entries:
        driven.log.let_go(entry)
        driven.log.let_go(entry)
    assert driven.log.live_octets == 0


def test_only_the_oldest_segments_are_retired_and_in_order() -> None:
    """A gap in the row would lose marks that are still needed."""
    driven = Driven()
    entries = [driven.add(number, 3000) for number in range(40)]
    count = driven.log.segments
    for entry in entries[10:]:
        driven.log.let_go(entry)
    driven.log.retire_empty()
    assert driven.log.segments == count
    for entry in entries[:10]:
        driven.log.let_go(entry)
    driven.log.retire_empty()
    assert driven.log.segments == 1
    driven.run_jobs()
    assert len(driven.disk.paths(SEGMENTS)) == 1 + 1  # the newest, and one spare


def test_newest_segment_is_never_retired() -> None:
    driven = Driven()
    driven.log.let_go(driven.add(1))
    driven.log.retire_empty()
    assert driven.log.segments == 1
    driven.add(2)


def test_sparse_log_is_one_with_many_segments_and_little_life() -> None:
    driven = Driven()
    entries = [driven.add(number, 3000) for number in range(40)]
    seen = [driven.log.is_sparse]
    for entry in entries[1::2]:
        driven.log.let_go(entry)
    seen.append(driven.log.is_sparse)
    assert seen == [False, True]
    assert next(iter(driven.log.oldest_entries())) is entries[0]


def test_refused_records_are_declared_void_at_the_next_segment() -> None:
    driven = Driven()
    driven.add(1)
    for call in (1, 6):  # the write of the batch: in the open segment, and behind the opening of the next
        driven.disk.before = FailingCalls(errno.ENOSPC, call, call)
        with pytest.raises(OSError, match="No space"):
            driven.add(2)
        driven.log.abandon()
    driven.disk.before = lambda call: None
    owed = [driven.log.owes_void]
    driven.add(3)
    owed.append(driven.log.owes_void)
    assert owed == [True, False]
    first, *declarations, message_record = driven.records()
    assert [first.kind, message_record.kind] == [Kind.MESSAGE, Kind.MESSAGE]
    # The second attempt began with the declaration of the first, and took that with it.
    assert [split_void(record.body) for record in declarations] == [(2, 2), (3, 4)]


def test_declaration_that_fails_itself_is_made_again() -> None:
    driven = Driven()
    driven.add(1)
    driven.log.append(Kind.MESSAGE, message_head(message(2)), b"")
    driven.log.abandon()
    driven.log.declare_void()
    driven.log.abandon()
    driven.log.declare_void()
    driven.log.write()
    driven.log.flush()
    driven.add(3)
    voids = [split_void(record.body) for record in driven.records() if record.kind == Kind.VOID]
    assert (2, 2) in voids


def test_full_disk_keeps_room_for_marks() -> None:
    """The last segment refuses messages before it refuses a mark."""
    driven = Driven()
    driven.add(1)
    driven.disk.capacity_octets = 0
    with pytest.raises(NoRoom):
        deque(driven.add(number, 1000) for number in range(2, 100))
    assert not driven.log.make_room()
    driven.log.append(Kind.DONE, b"mark")
    driven.log.write()
    driven.log.flush()
    assert driven.records()[-1].kind == Kind.DONE
    driven.disk.capacity_octets = 1 << 30
    assert driven.log.make_room()
    driven.add(100)


def test_oldest_fits_only_if_the_newest_has_the_room() -> None:
    driven = Driven()
    entries = [driven.add(number, 3000) for number in range(15)]
    seen = [driven.log.oldest_fits]
    for entry in entries[1:]:
        driven.log.let_go(entry)
    while True:
        last = driven.add(99, 1)
        assert isinstance(last.location, Location)
        if last.location.offset < 3 * BLOCK:
            break
    seen.append(driven.log.oldest_fits)
    assert seen == [False, True]
