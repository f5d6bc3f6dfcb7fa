"""Whatever crashes, what was confirmed is there, octet for octet."""

import errno
import random
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.disk import CHANGES, Luck, SimulatedDisk
from tests.support.spool import SMALL, SPOOL, Answers, ManualLoop, Scenario, message, recover

from outgate.mail.message import Message, Progress, QueueId, RecipientProgress, Status
from outgate.spool.directory import SpoolDirectory
from outgate.spool.interface import SpoolError
from outgate.spool.records import BadRecord
from outgate.spool.segments import SegmentSpool, recovery
from outgate.spool.segments.recovery import Recovery


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_power_failure_at_any_call_loses_nothing_confirmed(seed: int) -> None:
    """At every call of the file layer, with any of the unflushed sectors and names surviving."""
    disk = SimulatedDisk()
    scenario = Scenario(disk, seed)
    luck = random.Random(seed)
    failures: list[BaseException] = []
    crashes = 0

    def crash(call: str) -> None:
        nonlocal crashes
        if call in CHANGES and not failures:
            crashes += 1
            try:
                scenario.ledger.check(recover(disk.after_crash(Luck(luck))))
            except BaseException as error:
                failures.append(error)

    disk.before = crash
    scenario.work(150)
    scenario.spool.close()
    disk.before = lambda call: None
    if failures:
        raise failures[0]
    assert crashes > 200
    statistics = scenario.spool.statistics()
    assert statistics["copied_records"]
    scenario.ledger.check(recover(disk), is_clean=True)


def test_a_spool_of_the_first_format_is_taken_up_with_its_mail_and_not_given_back() -> None:
    """The first version would send at once what this one has told to wait."""
    disk, _ = filled()
    disk.copy_file(SPOOL / "format", b"outgate spool, format 1\n")
    with pytest.raises(SpoolError, match="format 1"):
        SpoolDirectory.open(disk, SPOOL, upgrades={})
    SpoolDirectory.open(disk, SPOOL).close()
    assert disk.read(SPOOL / "format") == b"outgate spool, format 2\n"
    assert len(recover(disk).messages) == 8
    with pytest.raises(SpoolError, match="knows up to 1"):
        SpoolDirectory.open(disk, SPOOL, version=1, upgrades={})


def filled(with_large: int = 8) -> tuple[SimulatedDisk, Path]:
    """A closed spool with messages 1 to 8 in one segment; message `with_large` has a large content."""
    disk = SimulatedDisk()
    loop = ManualLoop()
    answers = Answers(loop)
    spool = SegmentSpool(SPOOL, post=loop.post, settings=replace(SMALL, segment_octets=128 * 1024), files=disk)
    spool.recover()
    for number in range(1, 9):
        if number == with_large:
            large = spool.large()
            large.write(b"large content")
            spool.accept(message(number), large, answers[number])
        else:
            spool.accept(message(number), b"content %d " % number * 500, answers[number])
        assert answers.wait(number) is None
    spool.close()
    (segment,) = [path for path in disk.paths(SPOOL / "segments") if path.suffix == ".segment"]
    return disk, segment


def ids(*numbers: int) -> list[QueueId]:
    return [message(number).queue_id for number in numbers]


def test_flipped_bit_loses_its_message_alone_and_is_set_aside() -> None:
    disk, segment = filled()
    disk.damage(segment, disk.read(segment).index(b"content 4") + 100, b"\xff")
    spool = SegmentSpool(SPOOL, post=lambda call: None, settings=SMALL, files=disk)
    assert [one.queue_id for one, _ in spool.recover()] == ids(1, 2, 3, 5, 6, 7, 8)
    assert spool.statistics()["quarantined_records"] == 1
    (aside,) = disk.paths(SPOOL / "damaged")
    assert b"content 4" in disk.read(aside)
    spool.close()
    assert recover(disk).damaged == 1


def test_damaged_segment_header_loses_nothing() -> None:
    disk, segment = filled()
    disk.damage(segment, 0, bytes(range(100)))
    assert list(recover(disk).contents) == ids(1, 2, 3, 4, 5, 6, 7, 8)


def test_unreadable_blocks_hide_no_other_record() -> None:
    disk, segment = filled()
    bad = disk.read(segment).index(b"content 3") // 4096 * 4096

    class Worn(SimulatedDisk):
        def pread(self, descriptor: int, length: int, offset: int) -> bytes:
            if offset <= bad < offset + length and length < 10**6 and self.size(descriptor) > 100_000:
                raise OSError(errno.EIO, "worn out")
            return super().pread(descriptor, length, offset)

    worn = Worn()
    worn.__dict__.update(disk.copy().__dict__)
    directory = SpoolDirectory.open(worn, SPOOL)
    found = Recovery(directory).run()
    assert [one.queue_id for one, _ in found.messages()] == ids(1, 2, 4, 5, 6, 7, 8)


@pytest.mark.parametrize("left", [None, b"", b"large conten", b"large content and more"])
def test_message_whose_large_file_is_not_whole_is_set_aside(left: bytes | None) -> None:
    disk, _ = filled()
    (path,) = disk.paths(SPOOL / "large")
    if left is None:
        disk.unlink(path)
    else:
        disk.copy_file(path, left)
    found = recover(disk)
    assert list(found.contents) == ids(1, 2, 3, 4, 5, 6, 7)
    assert found.damaged == 1


def test_full_disk_does_not_keep_damage_from_being_passed_over() -> None:
    disk, segment = filled()
    disk.damage(segment, disk.read(segment).index(b"content 4") + 100, b"\xff")
    disk.capacity_octets = 0
    directory = SpoolDirectory.open(disk, SPOOL)
    assert len(Recovery(directory).run().packed) == 7


def test_foreign_files_among_the_segments_are_left_alone() -> None:
    disk, segment = filled()
    foreign = SPOOL / "segments" / f"{segment.name}.copy"
    disk.copy_file(foreign, disk.read(segment))
    assert len(recover(disk).messages) == 8
    assert foreign in disk.paths(SPOOL / "segments")


def test_copy_of_an_old_segment_file_brings_nothing_back() -> None:
    """As after a retirement that never became durable: what is marked in later segments holds."""
    disk, segment = filled()
    old = disk.read(segment)
    spool = SegmentSpool(SPOOL, post=lambda call: None, settings=SMALL, files=disk)
    for one, _ in spool.recover():
        spool.finish(one.queue_id)
    spool.close()
    disk.copy_file(segment, old)
    assert recover(disk).messages == []


def test_sequences_go_on_far_above_the_last_one_seen() -> None:
    """A record that could not be read for a while must not discredit those written since."""
    disk, segment = filled(with_large=1)
    place = disk.read(segment).index(b"content 8")
    good = disk.read(segment)[place : place + 1]
    disk.damage(segment, place, b"X")
    loop = ManualLoop()
    answers = Answers(loop)
    spool = SegmentSpool(SPOOL, post=loop.post, settings=SMALL, files=disk)
    spool.recover()
    spool.accept(message(20), b"new", answers["new"])
    assert answers.wait("new") is None
    spool.close()
    disk.damage(segment, place, good)
    assert list(recover(disk).contents) == ids(1, 2, 3, 4, 5, 6, 7, 8, 20)


def deferred(reply: str, next_hop: str) -> Progress:
    return Progress((RecipientProgress(Status.PENDING, reply, next_hop),), 1, 1_700_000_600.0)


def noted(progress: dict[int, Progress]) -> SimulatedDisk:
    """A closed spool in which these messages have come so far."""
    disk = SimulatedDisk()
    loop = ManualLoop()
    answers = Answers(loop)
    spool = SegmentSpool(SPOOL, post=loop.post, settings=SMALL, files=disk)
    spool.recover()
    for number in progress:
        spool.accept(message(number), b"content", answers[number])
        assert answers.wait(number) is None
    for number, one in progress.items():
        spool.update(message(number).queue_id, one)
    spool.close()
    return disk


def test_what_a_long_queue_has_alike_is_kept_once() -> None:
    waiting = {number: deferred(f"451 not now, {number}", "[192.0.2.1]:25") for number in (1, 2)}
    recovered = Recovery(SpoolDirectory.open(noted(waiting), SPOOL)).run()
    one, other = recovered.entries
    assert (one.progress, other.progress) == (waiting[1], waiting[2])
    assert one.progress is not None
    assert other.progress is not None
    assert one.progress.recipients[0].next_hop is other.progress.recipients[0].next_hop
    for entry, (told, progress) in zip((one, other), recovered.messages(), strict=True):
        assert told.queue_id is entry.queue_id
        assert progress is entry.progress


def test_progress_that_cannot_be_read_at_once_is_looked_at_again_with_its_message(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waiting = {1: deferred("451 not now", "[192.0.2.1]:25")}
    disk = noted(waiting)

    def decode(octets: memoryview) -> Progress:
        raise BadRecord(f"{len(octets)} octets of nothing")

    monkeypatch.setattr(recovery, "decode_progress", decode)
    recovered = Recovery(SpoolDirectory.open(disk.copy(), SPOOL)).run()
    assert [entry.progress for entry in recovered.entries] == [waiting[1]]

    def decode_both(_message: bytes, progress: bytes) -> tuple[Message, Progress]:
        return message(1), decode(memoryview(progress))

    monkeypatch.setattr(recovery, "decode_message", decode_both)
    recovered = Recovery(SpoolDirectory.open(disk, SPOOL)).run()
    assert (recovered.entries, recovered.damaged) == ([], 1)
