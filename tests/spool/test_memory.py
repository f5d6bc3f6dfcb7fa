"""What the twin offers to tests of others. Its promises as a spool are in test_contract."""

import pytest
from tests.support.spool import Answers, ManualLoop, message

from outgate.spool.interface import Health, SpoolFailed, SpoolFull
from outgate.spool.memory import MemoryDisk, MemorySpool


def test_next_acceptance_fails_when_a_test_says_so() -> None:
    loop = ManualLoop()
    answers = Answers(loop)
    spool = MemorySpool(post=loop.post)
    spool.fail_next(SpoolFull("no room"))
    for number in (1, 2):
        spool.accept(message(number), b"", answers[number])
    assert isinstance(answers.wait(1), SpoolFull)
    assert answers.wait(2) is None
    assert list(spool.disk.messages) == [message(2).queue_id]


def test_failure_of_the_disk_lasts_for_the_life_of_the_spool() -> None:
    loop = ManualLoop()
    answers = Answers(loop)
    disk = MemoryDisk()
    spool = MemorySpool(post=loop.post, disk=disk)
    spool.accept(message(1), b"", answers[1])
    spool.fail_next(SpoolFailed("disk on fire"))
    spool.accept(message(2), b"", answers[2])
    spool.finish(message(1).queue_id)
    assert isinstance(answers.wait(2), SpoolFailed)
    assert spool.health is Health.FAILED
    assert not spool.can_accept(1)
    with pytest.raises(SpoolFailed):
        spool.large()
    assert [one.queue_id for one, _ in MemorySpool(post=loop.post, disk=disk).recover()] == [message(1).queue_id]


def test_answers_are_held_back_when_a_test_says_so() -> None:
    loop = ManualLoop()
    answers = Answers(loop)
    spool = MemorySpool(post=loop.post)
    spool.hold_answers()
    spool.accept(message(1), b"", answers[1])
    loop.run_posted()
    assert not answers.given
    spool.give_answers()
    assert answers.wait(1) is None
