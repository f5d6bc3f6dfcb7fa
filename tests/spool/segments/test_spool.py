"""The spool on disk: full disks, failing disks, recycling, and what the loop is told."""

import errno
import random
from pathlib import Path

import pytest
from tests.support.disk import FailingCalls, Luck, SimulatedDisk
from tests.support.spool import SMALL, SPOOL, Answers, ManualLoop, Scenario, message, progress, read_content, recover

from outgate.mail.message import fresh_progress
from outgate.spool.files import Files
from outgate.spool.interface import Health, SpoolError, SpoolFailed, SpoolFull
from outgate.spool.segments import SegmentSettings, SegmentSpool
from outgate.spool.segments.committer import READ_TRIES

STEPS = 40
CALLS = range(1, 130)  # more than a scenario of so many steps makes before it is settled


def opened(disk: Files, directory: Path = SPOOL, settings: SegmentSettings = SMALL) -> tuple[SegmentSpool, Answers]:
    loop = ManualLoop()
    spool = SegmentSpool(directory, post=loop.post, settings=settings, files=disk)
    spool.recover()
    return spool, Answers(loop)


# Full disks


@pytest.mark.parametrize("calls_that_fail", [1, 5])
def test_full_disk_at_any_call_refuses_and_loses_nothing(calls_that_fail: int) -> None:
    """Every acceptance is answered; what was refused does not come back; later everything is well again."""
    for first in CALLS[:: 1 if calls_that_fail == 1 else 3]:
        disk = SimulatedDisk()
        scenario = Scenario(disk, seed=first)
        failing = FailingCalls(errno.ENOSPC, first, first + calls_that_fail - 1)
        disk.before = failing
        scenario.work(STEPS)
        assert scenario.spool.health is not Health.FAILED, failing.failed
        disk.before = lambda call: None
        scenario.spool.close()
        scenario.ledger.check(recover(disk), is_clean=True)
        again = Scenario(disk, first, scenario.ledger, scenario.next)
        again.work(5)
        again.spool.close()
        again.ledger.check(recover(disk), is_clean=True)


def test_power_failure_after_a_full_disk_loses_nothing_confirmed() -> None:
    luck = random.Random(1)
    for first in CALLS[::4]:
        disk = SimulatedDisk()
        scenario = Scenario(disk, seed=first)
        disk.before = FailingCalls(errno.ENOSPC, first, first)
        scenario.work(STEPS)
        with disk.paused():
            scenario.ledger.check(recover(disk.after_crash(Luck(luck))), was_full=True)
        scenario.spool.close()


def test_spool_on_a_disk_that_fills_up_and_is_emptied_is_good_again() -> None:
    """Not by an injected error, but by running out: only finished mail makes room."""
    disk = SimulatedDisk()
    disk.capacity_octets = 200_000
    spool, answers = opened(disk)
    number = 0
    while number < 200:
        number += 1
        spool.accept(message(number), bytes(4000), answers[number])
        if answers.wait(number) is not None:
            break
    assert isinstance(answers.given[number], SpoolFull)
    assert spool.health is Health.FULL
    assert not spool.can_accept(1)
    for kept in range(1, number):
        assert len(read_content(spool.content(message(kept).queue_id))) == 4000
    finished = {message(kept).queue_id for kept in range(1, number - 3)}
    for name in finished:
        spool.finish(name)
    while True:  # the writer tries again each `check_seconds`
        number += 1
        spool.accept(message(number), b"", answers[number])
        if answers.wait(number) is None:
            break
    spool.close()
    assert len(finished) > 3
    assert not finished & set(recover(disk).contents)


def test_update_on_a_full_disk_is_answered_and_kept_for_later() -> None:
    disk = SimulatedDisk()
    spool, answers = opened(disk)
    spool.accept(message(1), b"", answers["message"])
    assert answers.wait("message") is None
    disk.before = FailingCalls(errno.ENOSPC, 1, 1000)
    spool.update(message(1).queue_id, progress(1), answers["update"])
    assert isinstance(answers.wait("update"), SpoolFull)
    disk.before = lambda call: None
    spool.close()
    assert recover(disk).messages == [(message(1), progress(1))]


# Failing disks


def test_failing_disk_at_any_call_ends_the_service_and_loses_nothing_confirmed() -> None:
    luck = random.Random(2)
    for first in CALLS:
        disk = SimulatedDisk()
        scenario = Scenario(disk, seed=first)
        failing = FailingCalls(errno.EIO, first, first)
        disk.before = failing
        scenario.work(STEPS)
        if failing.failed and failing.failed != ["unlink"]:
            assert scenario.spool.health is Health.FAILED, failing.failed
            assert not scenario.spool.can_accept(0)
            with pytest.raises(SpoolFailed):
                scenario.spool.large()
        with disk.paused():
            scenario.ledger.check(recover(disk.after_crash(Luck(luck))))
        scenario.spool.close()
        scenario.ledger.check(recover(disk.after_crash(Luck(luck))))


def test_failed_flush_is_never_repeated() -> None:
    disk = SimulatedDisk()
    spool, answers = opened(disk)
    spool.accept(message(1), b"one", answers["first"])
    assert answers.wait("first") is None

    flushes: list[str] = []

    def fail(call: str) -> None:
        if call == "fdatasync":
            flushes.append(call)
            raise OSError(errno.EIO, "the disk is on fire")

    disk.before = fail
    spool.accept(message(2), b"two", answers["second"])
    assert isinstance(answers.wait("second"), SpoolFailed)
    spool.accept(message(3), b"three", answers["third"])
    spool.update(message(1).queue_id, progress(1), answers["update"])
    assert isinstance(answers.wait("third"), SpoolFailed)
    assert isinstance(answers.wait("update"), SpoolFailed)
    assert spool.health is Health.FAILED
    assert read_content(spool.content(message(1).queue_id)) == b"one"
    spool.close()
    assert flushes == ["fdatasync"]


def test_message_that_cannot_be_encoded_stops_no_other() -> None:
    spool, answers = opened(SimulatedDisk())
    spool.accept(message(1, subject="half a pair: \ud800"), b"", answers["bad"])
    spool.accept(message(2), b"", answers["good"])
    error = answers.wait("bad")
    assert isinstance(error, SpoolError)
    assert answers.wait("good") is None
    assert spool.health is Health.GOOD
    spool.close()


def test_done_that_raises_keeps_no_other_from_being_called() -> None:
    loop = ManualLoop()
    spool = SegmentSpool(SPOOL, post=loop.post, settings=SMALL, files=SimulatedDisk())
    spool.recover()
    called: list[int] = []

    def broken(error: SpoolError | None) -> None:
        called.append(1)
        raise ZeroDivisionError

    spool.accept(message(1), b"", broken)
    spool.accept(message(2), b"", lambda error: called.append(2))
    with pytest.raises(ZeroDivisionError):
        loop.run_until(lambda: 1 in called)
    loop.run_until(lambda: called == [1, 2])
    spool.close()


# The directory


def test_second_opener_is_refused_until_the_first_closes(tmp_path: Path) -> None:
    first, _ = opened(Files(), tmp_path / "spool")
    with pytest.raises(SpoolError, match="in use"):
        SegmentSpool(tmp_path / "spool", post=lambda call: None)
    first.close()
    SegmentSpool(tmp_path / "spool", post=lambda call: None).close()


def test_first_start_writes_little(tmp_path: Path) -> None:
    """No gigabytes of zeros before the first message: one segment is given its place, none is filled."""
    spool, answers = opened(Files(), tmp_path / "spool", SegmentSettings(reserve_octets=0))
    spool.accept(message(1), b"", answers["one"])
    assert answers.wait("one") is None
    assert spool.statistics()["segments"] == 1
    assert spool.statistics()["segments_spare"] == 0
    spool.close()


# Recycling and copying forward


def test_finished_mail_empties_segments_which_are_used_again() -> None:
    disk = SimulatedDisk()
    spool, answers = opened(disk)
    for number in range(1, 200):
        spool.accept(message(number), bytes(3000), answers[number])
        assert answers.wait(number) is None
        spool.finish(message(number).queue_id)
    statistics = spool.statistics()
    assert statistics["segments"] <= SMALL.segments_kept + 1
    spool.close()
    assert len(disk.paths(SPOOL / "segments")) <= SMALL.segments_kept + 1 + SMALL.spares_kept
    assert recover(disk).messages == []


def test_old_message_pins_no_segment() -> None:
    disk = SimulatedDisk()
    spool, answers = opened(disk)
    spool.accept(message(1), b"old", answers[1])
    spool.update(message(1).queue_id, progress(5))
    for number in range(2, 200):
        spool.accept(message(number), bytes(3000), answers[number])
        assert answers.wait(number) is None
        spool.finish(message(number).queue_id)
    statistics = spool.statistics()
    assert statistics["copied_records"] >= 1
    assert statistics["segments"] <= SMALL.segments_kept + 2
    assert read_content(spool.content(message(1).queue_id)) == b"old"
    spool.close()
    found = recover(disk)
    assert found.messages == [(message(1), progress(5))]
    assert found.contents == {message(1).queue_id: b"old"}


def test_open_reader_keeps_its_octets_while_segments_are_recycled() -> None:
    disk = SimulatedDisk()
    spool, answers = opened(disk)
    spool.accept(message(1), b"to be read late" * 100, answers[1])
    assert answers.wait(1) is None
    reader = spool.content(message(1).queue_id)
    spool.finish(message(1).queue_id)
    for number in range(2, 150):
        spool.accept(message(number), bytes([number]) * 3000, answers[number])
        assert answers.wait(number) is None
        spool.finish(message(number).queue_id)
    assert read_content(reader) == b"to be read late" * 100
    spool.close()
    assert disk.open_files == 0


def test_message_larger_than_a_segment_gets_one_of_its_own() -> None:
    disk = SimulatedDisk()
    spool, answers = opened(disk)
    content = bytes(range(256)) * 800
    for number in (1, 2):
        spool.accept(message(number), content, answers[number])
        assert answers.wait(number) is None
    spool.accept(message(3), b"small", answers[3])
    assert answers.wait(3) is None
    spool.close()
    assert recover(disk).contents == {message(1).queue_id: content, message(2).queue_id: content} | {
        message(3).queue_id: b"small"
    }


def test_damaged_record_that_should_be_copied_is_set_aside_and_stops_nothing() -> None:
    disk = SimulatedDisk()
    spool, answers = opened(disk)
    for number in (1, 2):
        spool.accept(message(number), b"to be damaged %d" % number, answers[number])
        assert answers.wait(number) is None
    (path,) = [path for path in disk.paths(SPOOL / "segments") if path.suffix == ".segment"]
    disk.damage(path, disk.read(path).index(b"to be damaged 1"), b"IS")
    with pytest.raises(SpoolError, match="damaged"):
        spool.content(message(1).queue_id).read(0, 5)
    for number in range(3, 150):
        spool.accept(message(number), bytes(3000), answers[number])
        assert answers.wait(number) is None
        spool.finish(message(number).queue_id)
    statistics = spool.statistics()
    assert statistics["quarantined_records"] == 1
    assert statistics["segments"] <= SMALL.segments_kept + 2
    (aside,) = disk.paths(SPOOL / "damaged")
    assert b"IS be damaged 1" in disk.read(aside)
    spool.close()
    assert recover(disk).messages == [(message(2), fresh_progress(1))]


def test_record_that_cannot_be_read_for_a_while_is_copied_forward_later() -> None:
    """And one that never can be read takes its segment to where a person finds it; neither stops the log."""
    for bad_reads in (3, 10**9):
        disk = SimulatedDisk()
        spool, answers = opened(disk)
        spool.accept(message(1), b"hard to read", answers[1])
        assert answers.wait(1) is None
        failing = FailingCalls(errno.EIO, 1, bad_reads, frozenset({"pread"}))
        disk.before = failing
        number = 1
        while number < 150 or not (spool.statistics()["copied_records"] or spool.statistics()["quarantined_records"]):
            number += 1
            spool.accept(message(number), bytes(3000), answers[number])
            assert answers.wait(number) is None
            spool.finish(message(number).queue_id)
        assert len(failing.failed) == min(bad_reads, READ_TRIES)
        spool.close()
        found = recover(disk)
        if bad_reads < READ_TRIES:
            assert found.contents == {message(1).queue_id: b"hard to read"}
        else:
            (kept,) = disk.paths(SPOOL / "damaged")
            assert b"hard to read" in disk.read(kept)


# Large content


def test_large_files_are_removed_after_the_message_is_finished() -> None:
    disk = SimulatedDisk()
    spool, answers = opened(disk)
    for number in (1, 2):
        large = spool.large()
        large.write(bytes(9000))
        spool.accept(message(number), large, answers[number])
        assert answers.wait(number) is None
    reader = spool.content(message(1).queue_id)
    spool.finish(message(1).queue_id)
    spool.large().write(b"never accepted")
    spool.close()
    assert len(disk.paths(SPOOL / "large")) == 1
    assert read_content(reader) == bytes(9000)
    assert list(recover(disk).contents) == [message(2).queue_id]


def test_large_file_outlives_a_done_that_is_not_durable() -> None:
    """A crash must not bring back a message without its content."""
    disk = SimulatedDisk()
    spool, answers = opened(disk)
    large = spool.large()
    large.write(bytes(9000))
    spool.accept(message(1), large, answers["large"])
    assert answers.wait("large") is None
    survivors: list[SimulatedDisk] = []

    def crash(call: str) -> None:
        survivors.append(disk.after_crash(lambda: False))
        survivors.append(disk.after_crash(lambda: True))

    disk.before = crash
    spool.record(b"event")
    spool.finish(message(1).queue_id)
    spool.close()
    assert len(survivors) > 6
    for survivor in survivors:
        found = recover(survivor)
        assert found.damaged == 0
        assert found.contents in ({}, {message(1).queue_id: bytes(9000)})


def test_orphaned_large_files_are_removed_at_the_next_start() -> None:
    disk = SimulatedDisk()
    spool, _ = opened(disk)
    spool.close()
    disk.copy_file(SPOOL / "large" / "orphan", b"nobody's")
    spool, _ = opened(disk)
    spool.close()
    assert disk.paths(SPOOL / "large") == []


def test_full_disk_while_large_content_is_written_is_told_at_accept() -> None:
    disk = SimulatedDisk()
    spool, answers = opened(disk)
    disk.capacity_octets = 100_000
    large = spool.large()
    for _ in range(100):
        large.write(bytes(5000))
    drained: list[bool] = []
    large.on_drained(1, lambda: drained.append(True))
    spool.accept(message(1), large, answers["large"])
    assert isinstance(answers.wait("large"), SpoolFull)
    assert large.unwritten_octets == 0
    spool.accept(message(2), b"small", answers["small"])
    assert answers.wait("small") is None
    spool.close()
    assert disk.paths(SPOOL / "large") == []
    assert spool.health is not Health.FAILED


def test_damaged_large_content_is_an_error_for_the_damaged_part_alone() -> None:
    disk = SimulatedDisk()
    spool, answers = opened(disk)
    content = random.Random(1).randbytes(600_000)
    large = spool.large()
    for start in range(0, len(content), 1000):
        large.write(content[start : start + 1000])
    spool.accept(message(1), large, answers["large"])
    assert answers.wait("large") is None
    disk.damage(disk.paths(SPOOL / "large")[0], 300_000, b"xxxx")
    reader = spool.content(message(1).queue_id)
    assert reader.read(0, 262_144) == content[:262_144]
    assert reader.read(550_000, 50_000) == content[550_000:]
    with pytest.raises(SpoolError, match="damaged"):
        reader.read(262_000, 1000)
    reader.close()
    spool.close()


def test_statistics_tell_what_there_is() -> None:
    spool, answers = opened(SimulatedDisk())
    for number in range(1, 11):
        spool.accept(message(number), b"x", answers[number])
        assert answers.wait(number) is None
    spool.finish(message(1).queue_id)
    spool.record(b"event")
    spool.close()
    statistics = spool.statistics()
    assert statistics["live_messages"] == 9
    assert statistics["committed_messages"] == 10
    assert statistics["events_recorded"] == 1
    assert 1 <= statistics["commits"] <= 10
    assert statistics["under_way_octets"] == 0
    assert all(isinstance(value, int | float) for value in statistics.values())
