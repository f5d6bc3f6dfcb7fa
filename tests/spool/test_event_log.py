"""Events come out as they went in, whatever a crash, a damage or the quota does to the files."""

import contextlib
import errno
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.disk import Luck, SimulatedDisk
from tests.support.spool import all_events

from outgate.spool.event_log import UNWRITTEN_MAX, EventCursor, EventWriter, forget_events, read_events
from outgate.spool.files import Files

EVENTS = Path("/events")


def disk_with_directory() -> SimulatedDisk:
    disk = SimulatedDisk()
    disk.add_directory(EVENTS)
    return disk


def written(disk: SimulatedDisk, events: list[bytes], **limits: int) -> EventWriter:
    writer = EventWriter(disk, EVENTS, **limits)
    for event in events:
        writer.add(event)
        writer.flush()
    return writer


def numbered(first: int, last: int) -> list[bytes]:
    return [f"event {number} ".encode() * 3 for number in range(first, last)]


def test_events_are_read_in_order_on_a_real_disk(tmp_path: Path) -> None:
    writer = EventWriter(Files(), tmp_path)
    for event in numbered(0, 5):
        writer.add(event)
    writer.flush()
    writer.close()
    events, cursor = read_events(tmp_path, (0, 0), 10_000)
    assert events == numbered(0, 5)
    assert read_events(tmp_path, cursor, 10_000) == ([], cursor)


def test_directory_that_does_not_exist_has_no_events(tmp_path: Path) -> None:
    assert read_events(tmp_path / "none", (0, 0), 100) == ([], EventCursor(0, 0))
    forget_events(tmp_path / "none", (3, 0))


def test_reader_follows_the_writer(tmp_path: Path) -> None:
    files = Files()
    writer = EventWriter(files, tmp_path, file_octets=300)
    cursor, seen = EventCursor(0, 0), []
    for number in range(40):
        writer.add(b"%d" % number)
        writer.flush()
        events, cursor = read_events(tmp_path, cursor, 1000)
        seen += events
    writer.close()
    assert seen == [b"%d" % number for number in range(40)]
    assert cursor.number > 1


@settings(deadline=None, max_examples=40)
@given(st.lists(st.binary(max_size=300), max_size=30), st.integers(1, 600), st.integers(64, 1000))
def test_reading_in_pieces_is_reading_at_once(events: list[bytes], limit: int, file_octets: int) -> None:
    disk = disk_with_directory()
    written(disk, events, file_octets=file_octets)
    cursor, seen = EventCursor(0, 0), []
    while True:
        more, end = read_events(EVENTS, cursor, limit, files=disk)
        if end == cursor:
            break
        assert len(more) <= 1 or sum(map(len, more[:-1])) < limit
        seen += more
        cursor = end
    assert seen == events


def test_limit_is_passed_by_one_event_at_most() -> None:
    disk = disk_with_directory()
    written(disk, [b"x" * 1000, b"y" * 1000])
    events, cursor = read_events(EVENTS, (0, 0), 10, files=disk)
    assert events == [b"x" * 1000]
    assert read_events(EVENTS, cursor, 10, files=disk)[0] == [b"y" * 1000]


def test_torn_tail_of_the_last_file_is_waited_for() -> None:
    """At every octet: never half an event, never one too many; it comes when it is whole."""
    disk = disk_with_directory()
    written(disk, [b"first", b"second"]).close()
    (path,) = disk.paths(EVENTS)
    whole = disk.read(path)
    for length in range(len(whole)):
        torn = disk_with_directory()
        torn.copy_file(path, whole[:length])
        events, cursor = read_events(EVENTS, (0, 0), 1000, files=torn)
        assert events == [b"first"] * (length >= 21)
        torn.copy_file(path, whole)
        assert events + read_events(EVENTS, cursor, 1000, files=torn)[0] == [b"first", b"second"]


def test_reopened_writer_never_appends_to_a_torn_file() -> None:
    disk = disk_with_directory()
    written(disk, [b"first", b"second"]).close()
    (path,) = disk.paths(EVENTS)
    disk.copy_file(path, disk.read(path)[:-3])
    written(disk, [b"third"]).close()
    assert len(disk.paths(EVENTS)) == 2
    reports: list[None] = []
    events, _ = read_events(EVENTS, (0, 0), 1000, files=disk, report_damage=lambda: reports.append(None))
    assert events == [b"first", b"third"]
    assert not reports, "what a crash cut off was never confirmed"


def test_damage_in_a_file_before_the_last_is_skipped_and_reported() -> None:
    disk = disk_with_directory()
    written(disk, numbered(0, 6)).close()
    (path,) = disk.paths(EVENTS)
    frame = len(disk.read(path)) // 6
    disk.damage(path, 2 * frame + 20, b"\xff")
    disk.damage(path, 4 * frame, b"\xff")
    reports: list[None] = []
    events, cursor = read_events(EVENTS, (0, 0), 10_000, files=disk, report_damage=lambda: reports.append(None))
    assert events == numbered(0, 2), "in the last file it waits"
    assert not reports
    written(disk, [b"later"]).close()
    events, _ = read_events(EVENTS, cursor, 10_000, files=disk, report_damage=lambda: reports.append(None))
    assert events == [numbered(3, 4)[0], numbered(5, 6)[0], b"later"]
    assert len(reports) == 2


def test_event_text_cannot_forge_a_frame() -> None:
    disk = disk_with_directory()
    inner = disk_with_directory()
    written(inner, [b"forged"]).close()
    forged = inner.read(inner.paths(EVENTS)[0])
    written(disk, [b"good", forged * 3, b"also good"]).close()
    (path,) = disk.paths(EVENTS)
    disk.damage(path, 20 + 16, b"\xff\xff")
    written(disk, [b"later"]).close()
    assert all_events(disk, EVENTS) == [b"good", b"also good", b"later"]


def test_cursor_beyond_what_a_power_failure_left_goes_on_with_the_next_file() -> None:
    disk = disk_with_directory()
    written(disk, [b"first"]).close()
    _, cursor = read_events(EVENTS, (0, 0), 1000, files=disk)
    beyond = EventCursor(cursor.number, cursor.offset + 1000)
    assert read_events(EVENTS, beyond, 1000, files=disk) == ([], beyond)
    written(disk, [b"second"]).close()
    assert read_events(EVENTS, beyond, 1000, files=disk)[0] == [b"second"]


def test_files_before_the_cursor_are_forgotten_and_no_other() -> None:
    disk = disk_with_directory()
    written(disk, numbered(0, 12), file_octets=100).close()
    count = len(disk.paths(EVENTS))
    events, cursor = read_events(EVENTS, (0, 0), 150, files=disk)
    forget_events(EVENTS, cursor, files=disk)
    assert len(disk.paths(EVENTS)) == count - (cursor.number - 1)
    assert events + read_events(EVENTS, cursor, 10_000, files=disk)[0] == numbered(0, 12)


def test_oldest_files_are_dropped_and_counted_above_the_quota() -> None:
    disk = disk_with_directory()
    writer = written(disk, numbered(0, 100), file_octets=200, quota_octets=1000)
    left = all_events(disk, EVENTS)
    assert writer.files_dropped > 5
    assert writer.dropped == 100 - len(left)
    assert left == numbered(100 - len(left), 100)
    assert sum(len(disk.read(path)) for path in disk.paths(EVENTS)) <= 1000 + 200


def test_reader_passes_over_files_that_the_quota_has_dropped() -> None:
    disk = disk_with_directory()
    written(disk, numbered(0, 100), file_octets=200, quota_octets=1000)
    left = all_events(disk, EVENTS)
    assert read_events(EVENTS, (2, 57), 100_000, files=disk)[0] == left


def test_full_disk_loses_and_doubles_nothing() -> None:
    disk = disk_with_directory()
    writer = EventWriter(disk, EVENTS)
    for fail in (1, 2, 3, 4):
        calls = 0

        def refuse(call: str, fail: int = fail) -> None:
            nonlocal calls
            calls += 1
            if calls == fail:
                raise OSError(errno.ENOSPC, "full")

        writer.add(b"event %d" % fail)
        disk.before = refuse
        try:
            writer.flush()
        except OSError:
            assert writer.is_behind
        disk.before = lambda call: None
        writer.flush()
    writer.close()
    events = all_events(disk, EVENTS)
    assert sorted(set(events)) == [b"event 1", b"event 2", b"event 3", b"event 4"]


def test_partly_written_frames_are_written_again_at_the_same_place() -> None:
    disk = disk_with_directory()
    writer = written(disk, [b"first"])
    disk.capacity_octets = len(disk.read(disk.paths(EVENTS)[0])) + 30
    disk.short_writes = lambda length: min(length, 25)
    writer.add(b"x" * 100)
    with pytest.raises(OSError, match="No space"):
        writer.flush()
    disk.capacity_octets = 1 << 40
    writer.flush()
    assert all_events(disk, EVENTS) == [b"first", b"x" * 100]


def test_events_in_memory_are_bounded_while_the_disk_is_full() -> None:
    writer = EventWriter(disk_with_directory(), EVENTS)
    for _ in range(20):
        writer.add(bytes(1024 * 1024))
    writer.drop_excess()
    assert writer.unwritten_octets <= UNWRITTEN_MAX
    assert writer.dropped == 4


def test_flushed_events_survive_any_crash() -> None:
    source = random.Random(3)
    for _ in range(40):
        disk = disk_with_directory()
        writer = EventWriter(disk, EVENTS, file_octets=500)
        for number in range(20):
            writer.add(b"%d" % number)
            if number < 15:
                writer.flush()
        calls_left = iter(range(source.randrange(1, 6)))

        def crash(call: str, calls_left: Iterator[int] = calls_left) -> None:
            if next(calls_left, None) is None:
                raise OSError(errno.EIO, "crash")

        disk.before = crash
        with contextlib.suppress(OSError):
            writer.flush()
            writer.add(b"one more")
            writer.flush()
        disk.before = lambda call: None
        survivor = disk.after_crash(Luck(source))
        written(survivor, [b"next process"])
        events = all_events(survivor, EVENTS)
        assert events[:15] == [b"%d" % number for number in range(15)]
        assert events[-1] == b"next process"
        assert events[15:-1] in ([b"%d" % number for number in range(15, last)] for last in range(15, 21)) or (
            events[-2] == b"one more"
        )
