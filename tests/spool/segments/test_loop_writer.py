"""Commits that the loop begins and ends: the same promises as the writer thread's, on the same bad disks."""

import errno
import random

import pytest
from tests.support.disk import CHANGES, FailingCalls, Luck, SimulatedDisk
from tests.support.spool import SMALL, SPOOL, Answers, ManualLoop, Scenario, message, recover

from outgate.spool.interface import Health, SpoolError, SpoolFailed
from outgate.spool.segments import SegmentSpool

STEPS = 60
CALLS = range(1, 90)  # more than a scenario of so many steps makes before it is settled


def closed(scenario: Scenario, loop: ManualLoop) -> None:
    scenario.spool.close()
    loop.run_posted()


def test_power_failure_at_any_call_loses_nothing_confirmed() -> None:
    luck = random.Random(5)
    disk = SimulatedDisk()
    loop = ManualLoop()
    scenario = Scenario(disk, 3, loop=loop)
    tried = 0
    failures: list[BaseException] = []

    def look(call: str) -> None:
        nonlocal tried
        if call in CHANGES and not failures:
            tried += 1
            try:
                scenario.ledger.check(recover(disk.after_crash(Luck(luck))))
            except BaseException as error:  # on the flusher's thread: told below
                failures.append(error)

    disk.before = look
    scenario.work(STEPS)
    disk.before = lambda call: None
    closed(scenario, loop)
    assert not failures, failures
    assert tried > STEPS
    scenario.ledger.check(recover(disk), is_clean=True)


def test_full_disk_at_any_call_refuses_and_loses_nothing() -> None:
    for first in CALLS[::2]:
        disk = SimulatedDisk()
        loop = ManualLoop()
        scenario = Scenario(disk, seed=first, loop=loop)
        failing = FailingCalls(errno.ENOSPC, first, first)
        disk.before = failing
        scenario.work(STEPS)
        assert scenario.spool.health is not Health.FAILED, failing.failed
        disk.before = lambda call: None
        closed(scenario, loop)
        scenario.ledger.check(recover(disk), is_clean=True)


def test_failing_disk_at_any_call_leaves_nobody_waiting_and_loses_nothing() -> None:
    luck = random.Random(6)
    for first in CALLS[::2]:
        disk = SimulatedDisk()
        loop = ManualLoop()
        scenario = Scenario(disk, seed=first, loop=loop)
        disk.before = FailingCalls(errno.EIO, first, 1_000_000)
        scenario.work(STEPS)
        disk.before = lambda call: None
        closed(scenario, loop)
        scenario.ledger.check(recover(disk.after_crash(Luck(luck))))


def test_what_comes_in_one_turn_of_the_loop_shares_a_flush() -> None:
    disk = SimulatedDisk()
    loop = ManualLoop()
    answers = Answers(loop)
    spool = SegmentSpool(SPOOL, post=loop.post, loop=loop, settings=SMALL, files=disk)
    spool.recover()
    spool.accept(message(1), b"", answers[1])
    answers.wait(1)
    flushes: list[str] = []
    disk.before = flushes.append
    for number in range(2, 30):
        spool.accept(message(number), b"", answers[number])
    answers.wait(29)
    assert flushes.count("pwritev") == 1
    assert flushes.count("fdatasync") == 1
    spool.close()
    loop.run_posted()


@pytest.mark.parametrize("is_settled", [False, True])
def test_close_writes_everything_that_was_asked_for_before(is_settled: bool) -> None:
    disk = SimulatedDisk()
    loop = ManualLoop()
    answers = Answers(loop)
    spool = SegmentSpool(SPOOL, post=loop.post, loop=loop, settings=SMALL, files=disk)
    spool.recover()
    for number in range(30):
        spool.accept(message(number), b"", answers[number])
    if is_settled:
        answers.wait(29)
    spool.close()
    assert len(recover(disk).messages) == 30
    assert [answers.wait(number) for number in range(30)] == [None] * 30


def test_error_of_any_kind_leaves_nobody_waiting() -> None:
    disk = SimulatedDisk()
    loop = ManualLoop()
    answers = Answers(loop)
    spool = SegmentSpool(SPOOL, post=loop.post, loop=loop, settings=SMALL, files=disk)
    spool.recover()

    def fail(call: str) -> None:
        raise OSError(errno.EIO, call)

    disk.before = fail
    for number in range(30):
        spool.accept(message(number), b"", answers[number])
    errors: list[SpoolError | None] = [answers.wait(number) for number in range(30)]
    assert all(isinstance(error, SpoolFailed) for error in errors)
    spool.accept(message(31), b"", answers[31])
    assert isinstance(answers.wait(31), SpoolFailed)
    disk.before = lambda call: None
    spool.close()
    assert recover(disk).messages == []
