"""Segment files before and after their use."""

import errno
from collections import deque
from collections.abc import Callable

import pytest
from tests.support.disk import FailingCalls, SimulatedDisk
from tests.support.spool import SPOOL

from outgate.spool.records import BLOCK, read_segment_header
from outgate.spool.segments.segment import generation_of
from outgate.spool.segments.spares import Spares

SEGMENTS = SPOOL / "segments"
DAMAGED = SPOOL / "damaged"
OCTETS = 8 * BLOCK


class Driven:
    def __init__(self, kept: int = 1, disk: SimulatedDisk | None = None) -> None:
        self.disk = disk or SimulatedDisk()
        self.disk.add_directory(SEGMENTS)
        self.disk.add_directory(DAMAGED)
        self.jobs: deque[Callable[[], None]] = deque()
        self.spares = Spares(
            self.disk, SEGMENTS, damaged=DAMAGED, segment_octets=OCTETS, kept=kept, submit=self.jobs.append
        )

    def run_jobs(self) -> None:
        while self.jobs:
            self.jobs.popleft()()

    def names(self) -> list[str]:
        return [path.name for path in self.disk.paths(SEGMENTS)]


def test_segment_taken_into_use_has_its_generation_in_name_and_header() -> None:
    driven = Driven()
    segment = driven.spares.take(5, OCTETS)
    assert segment.generation.number == 5
    assert segment.size_octets == OCTETS
    (name,) = driven.names()
    assert generation_of(name) == segment.generation
    assert read_segment_header(driven.disk.read(segment.path)[:64]) == segment.generation


def test_name_is_durable_when_the_segment_is_given_out() -> None:
    driven = Driven()
    segment = driven.spares.take(1, OCTETS)
    survivor = driven.disk.after_crash(lambda: False)
    assert survivor.paths(SEGMENTS) == [segment.path]


def test_segment_of_which_some_cannot_be_read_is_kept_for_a_person() -> None:
    driven = Driven(kept=2)
    segment = driven.spares.take(1, OCTETS)
    segment.is_worn = True
    driven.spares.retire(segment)
    driven.disk.before = FailingCalls(errno.ENOSPC, 2, 2)  # after the rename
    driven.run_jobs()
    driven.spares.retire_next()
    survivor = driven.disk.after_crash(lambda: False)
    assert survivor.paths(SEGMENTS) == []
    assert survivor.paths(DAMAGED) == [DAMAGED / segment.path.name]
    assert driven.disk.open_files == 0


def test_every_use_has_a_tag_of_its_own() -> None:
    driven = Driven()
    tags = set()
    for number in range(1, 20):
        segment = driven.spares.take(number, OCTETS)
        tags.add(segment.generation.tag)
        driven.spares.retire(segment)
        driven.run_jobs()
    assert len(tags) == 19
    assert len(driven.names()) == 1


def test_zero_filled_spare_is_made_step_by_step_in_the_background(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("outgate.spool.segments.spares.FILL_OCTETS", 3 * BLOCK)
    driven = Driven()
    driven.spares.fill_ahead()
    driven.spares.fill_ahead()
    steps = 0
    while driven.jobs:
        assert len(driven.spares) == 0
        driven.jobs.popleft()()
        steps += 1
    assert steps == 3
    assert len(driven.spares) == 1
    driven.spares.fill_ahead()
    assert not driven.jobs


def test_spare_is_given_up_for_lack_of_room_and_made_later() -> None:
    for first in (1, 2, 3, 4, 5):
        driven = Driven()
        driven.disk.before = FailingCalls(errno.ENOSPC, first, first)
        driven.spares.fill_ahead()
        driven.run_jobs()
        assert len(driven.spares) == 0
        assert driven.names() == []
        assert driven.disk.open_files == 0
        driven.spares.fill_ahead()
        driven.run_jobs()
        assert len(driven.spares) == 1


def test_full_disk_while_taking_leaves_nothing_behind() -> None:
    for first in (1, 2, 3, 4, 5):
        driven = Driven()
        driven.disk.before = FailingCalls(errno.ENOSPC, first, first)
        with pytest.raises(OSError, match="No space"):
            driven.spares.take(1, OCTETS)
        segment = driven.spares.take(2, OCTETS)
        assert segment.generation.number == 2
        assert [name for name in driven.names() if generation_of(name)] == [segment.path.name]


def test_segment_of_unusual_size_is_made_for_a_large_record_and_not_kept() -> None:
    driven = Driven()
    segment = driven.spares.take(1, 20 * BLOCK + 1)
    assert segment.size_octets == 21 * BLOCK
    driven.spares.retire(segment)
    driven.run_jobs()
    assert driven.names() == []
    assert driven.disk.open_files == 0


def test_no_more_spares_are_kept_than_wanted() -> None:
    driven = Driven(kept=2)
    segments = [driven.spares.take(number, OCTETS) for number in range(1, 6)]
    for segment in segments:
        driven.spares.retire(segment)
    driven.run_jobs()
    assert len(driven.names()) == 2
    driven.spares.close()
    assert driven.disk.open_files == 0


def test_segment_with_readers_is_removed_and_not_used_again() -> None:
    driven = Driven()
    segment = driven.spares.take(1, OCTETS)
    assert segment.pin()
    driven.spares.retire(segment)
    driven.run_jobs()
    assert driven.names() == []
    assert driven.disk.open_files == 1
    assert driven.disk.pread(segment.descriptor, 4, 0) == b"OUTG"
    assert segment.unpin()


def test_retirement_is_durable_before_the_next_one_begins() -> None:
    """Else a mark could vanish while the message that it ends comes back."""
    driven = Driven(kept=0)
    segments = [driven.spares.take(number, OCTETS) for number in (1, 2, 3)]
    for segment in segments:
        driven.spares.retire(segment)
    left: list[int] = []

    def look(call: str) -> None:
        numbers = {
            generation.number
            for path in driven.disk.after_crash(lambda: False).paths(SEGMENTS)
            if (generation := generation_of(path.name))
        }
        assert numbers in ({1, 2, 3}, {2, 3}, {3}, set())
        left.append(len(numbers))
        if call == "unlink":
            assert len(numbers) == len(driven.names()), "the one before is durable"

    driven.disk.before = look
    driven.run_jobs()
    assert left[0] == 3
    assert driven.disk.after_crash(lambda: False).paths(SEGMENTS) == []


def test_retirement_that_fails_for_lack_of_room_is_done_later() -> None:
    for first in (1, 2, 3):
        driven = Driven()
        segments = [driven.spares.take(number, OCTETS) for number in (1, 2)]
        for segment in segments:
            driven.spares.retire(segment)
        driven.disk.before = FailingCalls(errno.ENOSPC, first, first)
        driven.run_jobs()
        driven.spares.retire_next()
        assert len(driven.names()) == 1
        assert len(driven.spares) == 1
        driven.spares.close()
        assert driven.disk.open_files == 0


def test_next_process_takes_spares_over_and_removes_what_was_half_made() -> None:
    driven = Driven(kept=2)
    for number in (1, 2, 3):
        driven.spares.retire(driven.spares.take(number, OCTETS))
    driven.run_jobs()
    driven.disk.copy_file(SEGMENTS / "filling-abc", b"")
    driven.disk.copy_file(SEGMENTS / "spare-short", b"x")
    driven.disk.copy_file(SEGMENTS / "notes", b"a person's")
    driven.spares.close()
    again = Driven(kept=1, disk=driven.disk)
    again.spares.take_over(driven.disk.names(SEGMENTS))
    assert len(again.spares) == 1
    assert len([name for name in again.names() if name.startswith("spare-")]) == 1
    assert "notes" in again.names()
    assert "filling-abc" not in again.names()
