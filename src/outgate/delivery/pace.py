"""Work that may take long, in slices with pauses as long as these, so that it never has more than half the time."""

from collections.abc import Callable

from outgate.delivery.interface import Clock
from outgate.delivery.settings import SLICE_SECONDS, SLICE_STEPS


class Pace:
    """step: does a little, and says whether there is more to do at once. Nothing is done after `stop`."""

    def __init__(self, clock: Clock, step: Callable[[], bool]) -> None:
        self._clock = clock
        self._step = step
        self._is_pausing = False
        self._is_running = False
        self._is_stopped = False

    def go(self) -> None:
        """There may be something to do: begin at once, unless a pause is on, behind which it goes on by itself."""
        if self._is_pausing or self._is_running or self._is_stopped:
            return
        begun = self._clock.stopwatch()
        self._is_running = True
        try:
            is_done = self._do_slice(begun)
        finally:
            self._is_running = False
        if not is_done:
            self._is_pausing = True
            self._clock.call_at(self._clock.monotonic() + self._clock.stopwatch() - begun, self._go_on)

    def _do_slice(self, begun: float) -> bool:
        for _ in range(SLICE_STEPS):
            if not self._step():
                return True
            if self._clock.stopwatch() - begun >= SLICE_SECONDS:
                break
        return False

    def stop(self) -> None:
        self._is_stopped = True

    def _go_on(self) -> None:
        self._is_pausing = False
        self.go()
