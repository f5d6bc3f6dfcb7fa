"""Work in slices, with pauses for others."""

from tests.support.delivery import Clock

from outgate.delivery.pace import Pace
from outgate.delivery.settings import SLICE_SECONDS, SLICE_STEPS


class Work:
    """`left` steps, each of which takes `seconds`."""

    def __init__(self, left: int, seconds: float = 0.0) -> None:
        self.clock = Clock()
        self.left = left
        self.seconds = seconds
        self.pace = Pace(self.clock, self.step)

    def step(self) -> bool:
        if self.left:
            self.left -= 1
            self.clock.seconds += self.seconds
            return True
        return False

    def ring(self) -> float:
        """The end of the pause; how long it was."""
        ((at, _, callback),) = self.clock.timers
        self.clock.timers.clear()
        pause = at - self.clock.seconds
        self.clock.seconds = at
        callback()
        return pause


def test_little_work_is_done_at_once() -> None:
    work = Work(SLICE_STEPS - 1)
    work.pace.go()
    assert work.left == 0
    assert not work.clock.timers


def test_much_work_is_done_in_slices() -> None:
    work = Work(3 * SLICE_STEPS)
    work.pace.go()
    assert work.left == 2 * SLICE_STEPS
    work.ring()
    assert work.left == SLICE_STEPS


def test_a_pause_is_as_long_as_the_slice_before_it() -> None:
    work = Work(10, SLICE_SECONDS)
    work.pace.go()
    assert work.left == 9
    assert work.ring() == SLICE_SECONDS


def test_who_calls_in_a_pause_does_not_end_it() -> None:
    work = Work(10, SLICE_SECONDS)
    work.pace.go()
    work.pace.go()
    assert work.left == 9
    assert len(work.clock.timers) == 1


def test_a_step_that_calls_begins_no_second_slice() -> None:
    work = Work(10)
    step = work.step

    def calling() -> bool:
        work.pace.go()
        return step()

    work.pace._step = calling
    work.pace.go()
    assert work.left == 0


def test_after_stop_nothing_is_done() -> None:
    work = Work(3 * SLICE_STEPS)
    work.pace.go()
    work.pace.stop()
    work.ring()
    work.pace.go()
    assert work.left == 2 * SLICE_STEPS
