"""When an engine is asked, and when it is left alone: a circuit breaker. Pure; the time is an argument.

CLOSED: it is asked. After `failures_max` failures in a row OPEN: it is not asked, and mail does not wait for its
time-out. After `pause_seconds` HALF_OPEN: one message tries it, and closes or opens it again.
"""

from dataclasses import dataclass
from enum import Enum


class BreakerState(Enum):
    """The value is what the metrics show."""

    CLOSED = 0
    HALF_OPEN = 1
    OPEN = 2


@dataclass(slots=True)
class Breaker:
    """now: seconds of one clock that never goes back."""

    failures_max: int
    pause_seconds: float
    state: BreakerState = BreakerState.CLOSED
    failures: int = 0  # in a row
    _opened_at: float = 0.0

    def admit(self, now: float) -> bool:
        """May the engine be asked? Who is admitted reports `succeeded`, `failed` or `abandoned`."""
        if self.state is BreakerState.OPEN and now >= self._opened_at + self.pause_seconds:
            self.state = BreakerState.HALF_OPEN
            return True
        return self.state is BreakerState.CLOSED

    def succeeded(self) -> None:
        """Also of a question from before it was opened: whoever answers is there."""
        self.state = BreakerState.CLOSED
        self.failures = 0

    def failed(self, now: float) -> None:
        self.failures += 1
        if self.state is not BreakerState.CLOSED or self.failures >= self.failures_max:
            self.state = BreakerState.OPEN
            self._opened_at = now

    def abandoned(self) -> None:
        """Nobody waits for the answer any more, which says nothing of the engine. The next message may try it."""
        if self.state is BreakerState.HALF_OPEN:
            self.state = BreakerState.OPEN
