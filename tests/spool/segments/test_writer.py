"""The writer thread: it goes on answering whatever happens."""

from tests.support.disk import SimulatedDisk
from tests.support.spool import SMALL, SPOOL, Answers, ManualLoop, message, recover

from outgate.spool.interface import SpoolFailed
from outgate.spool.segments import SegmentSpool


def test_stop_writes_everything_that_was_asked_for_before() -> None:
    disk = SimulatedDisk()
    loop = ManualLoop()
    answers = Answers(loop)
    spool = SegmentSpool(SPOOL, post=loop.post, settings=SMALL, files=disk)
    spool.recover()
    for number in range(30):
        spool.accept(message(number), b"", answers[number])
    spool.close()
    assert len(recover(disk).messages) == 30
    assert [answers.wait(number) for number in range(30)] == [None] * 30


def test_error_of_any_kind_leaves_nobody_waiting() -> None:
    disk = SimulatedDisk()
    loop = ManualLoop()
    answers = Answers(loop)
    spool = SegmentSpool(SPOOL, post=loop.post, settings=SMALL, files=disk)
    spool.recover()

    def fail(call: str) -> None:
        raise ZeroDivisionError

    disk.before = fail
    for number in range(30):
        spool.accept(message(number), b"", answers[number])
    assert all(isinstance(answers.wait(number), SpoolFailed) for number in range(30))
    disk.before = lambda call: None
    spool.close()
    assert recover(disk).messages == []
