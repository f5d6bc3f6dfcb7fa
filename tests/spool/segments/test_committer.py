"""Rounds, driven by hand: what is written when, and what waits for what."""

import errno
from collections import deque
from collections.abc import Callable

import pytest
from tests.support.disk import FailingCalls, SimulatedDisk
from tests.support.spool import SPOOL, message, progress

from outgate.spool.event_log import EventWriter
from outgate.spool.framing import message_head
from outgate.spool.interface import Done, SpoolError, SpoolFailed, SpoolFull
from outgate.spool.records import BLOCK, RECORD_HEADER_OCTETS, LargeReference
from outgate.spool.segments.committer import EVENTS_AT_ONCE, Committer
from outgate.spool.segments.intake import Accept, Finish, LargeReady, Operation, Update
from outgate.spool.segments.log import Log
from outgate.spool.segments.room import Room
from outgate.spool.segments.segment import Entry
from outgate.spool.segments.settings import SegmentSettings
from outgate.spool.segments.spares import Spares

SETTINGS = SegmentSettings(segment_octets=64 * 1024, events_seconds=0.02, marks_seconds=0.3, check_seconds=1.0)


class Driven:
    """A committer with a clock that stands still, and everything it says."""

    def __init__(self) -> None:
        self.disk = SimulatedDisk()
        for part in ("segments", "events"):
            self.disk.add_directory(SPOOL / part)
        self.calls: list[str] = []
        self.disk.before = self.calls.append
        self.now = 1000.0
        self.jobs: deque[Callable[[], None]] = deque()
        self.answers: list[tuple[int, SpoolError | None]] = []  # batches: how many, and how
        self.told: list[tuple[int, SpoolError | None]] = []
        self.removed: list[str] = []
        spares = Spares(
            self.disk,
            SPOOL / "segments",
            damaged=SPOOL / "damaged",
            segment_octets=SETTINGS.segment_octets,
            kept=1,
            submit=self.jobs.append,
        )
        self.room = Room(self.disk, SPOOL, 0, failed=lambda: None)
        self.events = EventWriter(self.disk, SPOOL / "events")
        self.committer = Committer(
            Log(self.disk, SETTINGS, spares, segments=deque(), next_sequence=1),
            self.events,
            SETTINGS,
            self.room,
            answer=lambda accepts, error: self.answers.append((len(accepts), error)),
            tell=lambda dones, error: self.told.append((len(dones), error)),
            remove_large=self.removed.append,
            set_aside=lambda name, octets: None,
            monotonic=lambda: self.now,
        )

    def round(self, *operations: Operation) -> list[str]:
        """Returns the calls that change the disk."""
        self.calls.clear()
        self.committer.take(list(operations))
        self.committer.round()
        return [call for call in self.calls if call in ("pwritev", "fdatasync")]

    def started(self) -> Entry:
        """A first message, so that segment and event file are there."""
        entry = Entry(message(1).queue_id)
        self.round(accept(entry, 1), b"first event")
        self.now += 1
        self.round()
        self.answers.clear()
        return entry


def accept(entry: Entry, number: int, content: bytes | None = b"content") -> Accept:
    return Accept(entry, message(number), content, 7, lambda error: None)


def ignore(error: SpoolError | None) -> None: ...


DONE: Done = ignore


def test_messages_of_a_round_share_one_write_one_flush_and_one_answer() -> None:
    driven = Driven()
    driven.started()
    operations = [accept(Entry(message(number).queue_id), number) for number in range(2, 30)]
    assert driven.round(*operations) == ["pwritev", "fdatasync"]
    assert driven.answers == [(28, None)]


def test_round_without_work_touches_nothing_and_wants_no_other() -> None:
    driven = Driven()
    driven.started()
    assert driven.round() == []
    assert driven.committer.seconds_until_due() is None


def test_events_do_not_delay_the_answer_and_are_flushed_soon() -> None:
    driven = Driven()
    driven.started()
    assert driven.round(b"event", accept(Entry(message(2).queue_id), 2)) == ["pwritev", "fdatasync"]
    assert driven.answers == [(1, None)]
    assert driven.events.is_behind
    assert driven.committer.seconds_until_due() == pytest.approx(0.02)
    driven.now += 0.02
    assert driven.round() == ["pwritev", "fdatasync"]
    assert not driven.events.is_behind


def test_many_events_are_flushed_without_waiting() -> None:
    driven = Driven()
    driven.started()
    assert driven.round(bytes(EVENTS_AT_ONCE)) == ["pwritev", "fdatasync"]


def test_mark_waits_for_the_events_before_it_and_then_for_company() -> None:
    """A done-mark causes no flush of its own."""
    driven = Driven()
    entry = driven.started()
    assert driven.round(b"event", Finish(entry)) == []
    assert entry.location is not None, "until its mark is durable, the message stands"
    driven.now += 0.02
    assert driven.round() == ["pwritev", "fdatasync"]  # the events alone
    assert driven.committer.seconds_until_due() == pytest.approx(0.3)
    assert entry.location is not None
    assert driven.round(accept(Entry(message(2).queue_id), 2)) == ["pwritev", "fdatasync"]
    assert entry.location is None


def test_later_progress_is_written_later_also_where_room_is_lacking_for_a_moment() -> None:
    """An older progress that waited for room would win over the newer one at recovery."""
    driven = Driven()
    entry = driven.started()
    rest = SETTINGS.segment_octets - 2 * BLOCK - RECORD_HEADER_OCTETS - len(message_head(message(2)))
    driven.round(accept(Entry(message(2).queue_id), 2, bytes(rest)))  # fills the segment
    has_failed = False

    def fail_once(call: str) -> None:
        nonlocal has_failed
        if call == "rename" and not has_failed:
            has_failed = True
            raise OSError(errno.ENOSPC, "no space left")

    driven.disk.before = fail_once
    driven.round(Update(entry, progress(1), None), Update(entry, progress(2), None))
    for _ in range(5):
        driven.now += SETTINGS.check_seconds
        driven.round()

    assert has_failed
    assert entry.progress == progress(2), "the last one that was written"


def test_lonely_marks_are_flushed_within_a_second() -> None:
    driven = Driven()
    entry = driven.started()
    waited = 0.0
    driven.round(b"event", Finish(entry))
    while (due := driven.committer.seconds_until_due()) is not None:
        driven.now += due
        waited += due
        driven.round()
    assert entry.location is None
    assert waited < 1


def test_mark_with_no_event_before_it_is_ready_at_once() -> None:
    driven = Driven()
    entry = driven.started()
    assert driven.round(Finish(entry), accept(Entry(message(2).queue_id), 2)) == ["pwritev", "fdatasync"]
    assert entry.location is None


def test_awaited_update_is_durable_after_its_events_in_the_same_round() -> None:
    driven = Driven()
    entry = driven.started()
    assert driven.round(b"event", Update(entry, progress(1), DONE)) == ["pwritev", "fdatasync"] * 2
    assert driven.told == [(1, None)]
    assert entry.progress == progress(1)


def test_update_that_nobody_awaits_waits_for_company() -> None:
    driven = Driven()
    entry = driven.started()
    assert driven.round(Update(entry, progress(1), None)) == []
    assert driven.round(accept(Entry(message(2).queue_id), 2)) == ["pwritev", "fdatasync"]
    assert driven.told == []
    assert entry.progress == progress(1)


def test_large_message_waits_for_its_content_and_its_marks_wait_with_it() -> None:
    driven = Driven()
    driven.started()
    entry = Entry(message(2).queue_id)
    reference = LargeReference("name", 7, b"1234")
    assert driven.round(accept(entry, 2, None), Update(entry, progress(1), DONE), Finish(entry)) == []
    assert driven.answers == []
    driven.round(LargeReady(entry, reference))
    assert driven.answers == [(1, None)]
    assert driven.told == [(1, None)]
    assert driven.removed == ["name"], "only after the DONE is flushed"


def test_large_content_that_failed_is_answered_with_its_marks() -> None:
    driven = Driven()
    driven.started()
    entry = Entry(message(2).queue_id)
    driven.round(accept(entry, 2, None), Update(entry, progress(1), DONE))
    error = SpoolFull("no room")
    driven.round(LargeReady(entry, None, error))
    assert driven.answers == [(1, error)]
    assert driven.told == [(1, error)]


def test_events_that_find_no_room_release_whoever_awaits_and_are_tried_again() -> None:
    driven = Driven()
    entry = driven.started()
    driven.disk.before = FailingCalls(errno.ENOSPC, 1, 1)
    driven.round(b"event", Update(entry, progress(1), DONE))
    ((count, error),) = driven.told
    assert count == 1
    assert isinstance(error, SpoolFull)
    assert entry.progress is None, "not before its event is durable"
    assert driven.committer.seconds_until_due() == pytest.approx(1.0)
    driven.now += 1
    driven.disk.before = lambda call: None
    driven.round()
    driven.now += 1
    driven.round()
    assert entry.progress == progress(1)


def test_failure_is_told_to_everybody_who_waits_and_once() -> None:
    driven = Driven()
    entry = driven.started()
    large = Entry(message(2).queue_id)
    driven.committer.take(
        [
            accept(large, 2, None),
            Update(large, progress(1), DONE),
            b"event",
            Update(entry, progress(1), DONE),
            accept(Entry(message(3).queue_id), 3),
        ]
    )
    error = SpoolFailed("failed")
    driven.committer.fail(error)
    assert driven.answers == [(2, error)]
    assert driven.told == [(2, error)]
    driven.committer.take([LargeReady(large, None), accept(Entry(message(4).queue_id), 4), b"event"])
    driven.committer.fail(error)
    assert driven.answers == [(2, error), (1, error)]
    assert driven.told == [(2, error)]


def test_spare_is_prepared_before_it_is_needed() -> None:
    driven = Driven()
    driven.started()
    for number in range(2, 8):
        driven.round(accept(Entry(message(number).queue_id), number, bytes(4000)))
    assert len(driven.jobs) == 1
