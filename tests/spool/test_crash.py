"""A bad disk under a spool at work: whatever it loses, tears, garbles or refuses, what was answered is there, whole.

docs/reliability.md lists what is tried here.
"""

import errno
import random
import threading
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.support.disk import CHANGES, LOOKS, FailingCalls, Luck, SimulatedDisk, Wear
from tests.support.spool import SPOOL, WAIT_SECONDS, Found, Ledger, Scenario, recover

from outgate.spool.event_log import EventWriter
from outgate.spool.files import Point
from outgate.spool.interface import SpoolError
from outgate.spool.records import FIRST_RECORD, Record, scan
from outgate.spool.segments import SegmentSpool
from outgate.spool.segments.segment import generation_of

STEPS = 150
VISITS = 12  # of each point in one scenario that are tried
FLIPS = 250


@dataclass
class Crashes:
    """Looks at what a power failure would leave, each time that the disk comes by a place of interest."""

    disk: SimulatedDisk
    random: random.Random
    ledger: Ledger = field(default_factory=Ledger)
    wear: Wear | None = None
    was_full: bool = False
    were_events_dropped: bool = False
    visits: dict[Point, int] = field(default_factory=dict)
    void_declared: threading.Event = field(default_factory=threading.Event)
    writer: int = 0  # the thread that has just written a batch
    tried: int = 0
    failure: BaseException | None = None

    def try_one(self) -> None:
        if self.failure is not None:
            return
        self.tried += 1
        survivor = self.disk.after_crash(Luck(self.random), self.wear)
        try:
            found = recover(survivor)
            if self.were_events_dropped:
                found = found._replace(events=_AllEvents())
            self.ledger.check(found, was_full=self.was_full)
        except BaseException as error:  # on the spool's own thread: told by `result`
            self.failure = error

    def at_point(self, point: Point) -> None:
        if point is Point.VOID_DECLARED:
            self.void_declared.set()
        if point is Point.BATCH_WRITTEN:
            self.writer = threading.get_ident()
        self.visits[point] = self.visits.get(point, 0) + 1
        if self.visits[point] <= VISITS:
            self.try_one()

    def refuse_one_batch(self, call: str) -> None:
        """The disk is full once, when a batch has been written and is to be flushed."""
        if call == "fdatasync" and self.writer == threading.get_ident():
            self.disk.before = lambda call: None
            raise OSError(errno.ENOSPC, "full")
        if call == "pwritev":
            self.writer = 0  # of another file, until the next batch

    def at_change(self, call: str) -> None:
        if call in CHANGES:
            self.try_one()

    def result(self) -> None:
        self.disk.before = lambda call: None
        self.disk.at_point = lambda point: None
        if self.failure is not None:
            raise self.failure


class _AllEvents(set[bytes]):
    """What is held against it is not asked for events: they went to make room, as the quota says."""

    def __contains__(self, event: object) -> bool:
        return True


def worked(disk: SimulatedDisk, seed: int, steps: int = STEPS) -> Scenario:
    scenario = Scenario(disk, seed)
    scenario.work(steps)
    scenario.spool.close()
    return scenario


# Power failures


def test_crash_at_every_named_point_loses_nothing_that_was_answered() -> None:
    """A life of a spool that comes by every point: first start, work, a full disk, damage, the next start, more work.

    A point that the program no longer comes by, or a new one that this life does not reach, fails the test.
    """
    disk = SimulatedDisk()
    crashes = Crashes(disk, random.Random(1), wear=Wear(random.Random(2)))
    disk.at_point = crashes.at_point
    scenario = Scenario(disk, 1, crashes.ledger)
    scenario.work(STEPS)
    scenario.spool.close()
    scenario = Scenario(disk, 3, crashes.ledger, scenario.next)  # no mark waits that would go on with the log
    disk.before = crashes.refuse_one_batch
    crashes.was_full = True
    scenario.accept()
    scenario.settle()
    assert crashes.void_declared.wait(WAIT_SECONDS), "what was refused half-way is declared void by itself"
    scenario.spool.close()
    tear_the_end(disk)
    scenario = Scenario(disk, 2, crashes.ledger, scenario.next)
    scenario.work(STEPS)
    scenario.spool.close()
    take_away_all(disk, scenario)
    crashes.were_events_dropped = True
    writer = EventWriter(disk, SPOOL / "events", file_octets=1000, quota_octets=4000)
    writer.add(b"one more than the quota allows")
    writer.flush()
    writer.close()
    crashes.result()
    assert crashes.visits.keys() == set(Point)
    assert crashes.tried > 150


def take_away_all(disk: SimulatedDisk, scenario: Scenario) -> None:
    """Finish all mail, and have the spool marked as one that nobody needs any more."""
    last = Scenario(disk, 4, scenario.ledger, scenario.next)
    for name in scenario.ledger.confirmed():
        last.finish(name)
    last.spool.close()
    assert not SegmentSpool(SPOOL, post=lambda call: None, files=disk.copy()).close_for_good(), "damage must be seen"
    for path in disk.paths(SPOOL / "damaged"):
        disk.unlink(path)
    empty = SegmentSpool(SPOOL, post=lambda call: None, files=disk)
    assert list(empty.recover()) == []
    assert empty.close_for_good()


def tear_the_end(disk: SimulatedDisk) -> None:
    """As if the last write had been cut short: behind the last record stands the beginning of another."""
    path = [path for path in disk.paths(SPOOL / "segments") if path.suffix == ".segment"][-1]
    generation = generation_of(path.name)
    assert generation is not None
    records = [item for item in scan(generation, disk.read(path)) if isinstance(item, Record)]
    end = records[-1].offset + records[-1].length
    disk.damage(path, end + -end % 4096, generation.tag + b"and no more")


@pytest.mark.parametrize("seed", range(4))
def test_torn_and_garbled_writes_lose_nothing_that_was_answered(seed: int) -> None:
    """At every call: what was not flushed survives in any version and combination, torn at any octet, bits flipped."""
    disk = SimulatedDisk()
    wear = Wear(random.Random(seed))
    scenario = Scenario(disk, seed)
    crashes = Crashes(disk, random.Random(seed), scenario.ledger, wear)
    disk.before = crashes.at_change
    scenario.work(STEPS // 2)
    scenario.spool.close()
    crashes.result()
    assert crashes.tried > 100
    assert wear.torn > 10
    assert wear.flipped > 10
    scenario.ledger.check(recover(disk), is_clean=True)


@pytest.mark.parametrize("seed", range(3))
def test_crash_during_recovery_loses_nothing(seed: int) -> None:
    """A machine that fails again and again while it starts."""
    source = random.Random(seed)
    disk = SimulatedDisk()
    scenario = Scenario(disk, seed)
    scenario.work(STEPS // 2)
    with disk.paused():
        survivor = disk.after_crash(Luck(source))
        found = recover(survivor)
        scenario.ledger.check(found)
    scenario.spool.close()
    ledger = Ledger.of(found)
    for _ in range(4):
        crashes = Crashes(survivor, source, ledger)
        survivor.before = crashes.at_change
        spool = SegmentSpool(SPOOL, post=lambda call: None, files=survivor)
        spool.recover()
        spool.close()
        crashes.result()
        survivor = survivor.after_crash(Luck(source))
        ledger.check(recover(survivor))


# Errors


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC])
@pytest.mark.parametrize("is_new", [True, False])
def test_error_at_any_call_of_the_opening_harms_nothing(number: int, is_new: bool) -> None:
    """Of a new directory and of one that is taken over: the start is refused, or goes well; the next one goes well."""
    scenario = None if is_new else worked(SimulatedDisk(), 5, STEPS // 2)
    template = scenario.disk if scenario is not None else SimulatedDisk()
    refused = 0
    for first in range(1, 1000):
        disk = template.copy()
        failing = FailingCalls(number, first, first, CHANGES | LOOKS)
        disk.before = failing
        spool = None
        try:
            spool = SegmentSpool(SPOOL, post=lambda call: None, files=disk)
            spool.recover()
        except SpoolError:
            refused += 1
        disk.before = lambda call: None
        if spool is not None:
            spool.close()
        assert disk.open_files == 0, failing.failed
        found = recover(disk.after_crash(lambda: True))
        assert found.messages == (recover(template).messages if scenario is not None else [])
        if scenario is not None:
            scenario.ledger.check(found, is_clean=True)
        if not failing.failed:
            break
    assert refused > 10
    assert not failing.failed, "every call was tried"


def test_error_at_any_look_harms_nothing() -> None:
    """Reading, listing and opening fail while the spool works: nothing is lost, nothing is taken that is not kept."""
    for first in range(1, 60, 3):
        disk = SimulatedDisk()
        scenario = Scenario(disk, first)
        disk.before = FailingCalls(errno.EIO, first, first + first % 3, LOOKS)
        scenario.work(STEPS // 2)
        disk.before = lambda call: None
        scenario.spool.close()
        found = recover(disk)
        scenario.ledger.check(found)


# Flipped bits in what was flushed


def flushed(seed: int) -> tuple[SimulatedDisk, Found]:
    disk = worked(SimulatedDisk(), seed, STEPS // 2).disk
    return disk, recover(disk)


def test_flipped_bit_in_a_flushed_record_is_found_and_loses_no_other_message() -> None:
    """In any octet of any record: that message alone may be missing, and then recovery says so.

    A mark that is lost brings back what was finished, or an older progress: twice is possible, never is not.
    """
    source = random.Random(11)
    disk, whole = flushed(11)
    spans = record_spans(disk)
    missing = 0
    for _ in range(FLIPS):
        path, start, end = source.choice(spans)
        end = source.choice((end, start + 32))  # often in the few octets by which it is known for a record
        damaged = disk.copy()
        damaged.flip(path, source.randrange(start * 8, end * 8))
        found = recover(damaged)
        assert found.damaged, "recovery says what it met"
        lost = set(whole.contents) - set(found.contents)
        assert len(lost) <= 1
        missing += len(lost)
        for name, content in found.contents.items():
            assert content == whole.contents.get(name, content)
    assert missing


def record_spans(disk: SimulatedDisk) -> list[tuple[Path, int, int]]:
    """Where records stand: file, first octet, end."""
    spans = []
    sequence = 0
    for path in disk.paths(SPOOL / "segments"):
        generation = generation_of(path.name)
        if generation is None:
            continue
        for item in scan(generation, disk.read(path), sequence):
            assert isinstance(item, Record)
            sequence = item.sequence
            spans.append((path, item.offset, item.offset + item.length))
    return spans


def test_flipped_bit_between_the_records_loses_nothing() -> None:
    source = random.Random(12)
    disk, whole = flushed(12)
    spans = record_spans(disk)
    paths = {path for path, _, _ in spans}
    for _ in range(FLIPS // 2):
        path = source.choice(sorted(paths))
        size = len(disk.read(path))
        place = source.choice((source.randrange(FIRST_RECORD), source.randrange(size)))
        if any(path == where and start <= place < end for where, start, end in spans):
            continue
        damaged = disk.copy()
        damaged.flip(path, place * 8 + source.randrange(8))
        assert recover(damaged).messages == whole.messages


def test_flipped_bit_in_a_large_file_is_found_by_who_reads_it() -> None:
    source = random.Random(13)
    disk = SimulatedDisk()
    scenario = Scenario(disk, 13)
    for _ in range(6):
        scenario.accept_large()
    scenario.accept()
    scenario.settle()
    scenario.spool.close()
    scenario.ledger.check(recover(disk), is_clean=True)
    paths = disk.paths(SPOOL / "large")
    assert len(paths) > 2
    for path in paths:
        damaged = disk.copy()
        damaged.flip(path, source.randrange(len(disk.read(path)) * 8))
        with pytest.raises(SpoolError, match=f"{path.name} is damaged"):
            recover(damaged)


def test_flipped_bit_in_an_event_file_loses_that_event_alone() -> None:
    source = random.Random(14)
    disk, whole = flushed(14)
    writer = EventWriter(disk, SPOOL / "events")
    writer.add(b"in a file behind them, so that nothing is added to them any more")
    writer.flush()
    writer.close()
    whole = recover(disk)
    paths = disk.paths(SPOOL / "events")
    for _ in range(FLIPS // 5):
        path = source.choice(paths[:-1])
        damaged = disk.copy()
        damaged.flip(path, source.randrange(len(disk.read(path)) * 8))
        found = recover(damaged)
        assert found.messages == whole.messages
        assert len(whole.events - found.events) == 1
        assert found.events < whole.events


def test_flipped_bit_in_the_format_file_stops_the_start_and_touches_nothing() -> None:
    disk, whole = flushed(15)
    size = len(disk.read(SPOOL / "format"))
    for bit in range(size * 8):
        damaged = disk.copy()
        damaged.flip(SPOOL / "format", bit)
        try:
            found = recover(damaged)
        except SpoolError:
            damaged.flip(SPOOL / "format", bit)
            found = recover(damaged)
        assert found.messages == whole.messages
