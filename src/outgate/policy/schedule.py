"""When a message is tried again, and when it is given up. RFC 5321 §4.5.4.1. Pure: time and chance are arguments."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

DEFAULT_INTERVALS_SECONDS: Final = (60.0, 300.0, 900.0, 1_800.0, 3_600.0, 7_200.0, 14_400.0)
DEFAULT_EXPIRY_SECONDS: Final = 172_800.0  # 2 days
DEFAULT_JITTER: Final = 0.1  # of a pause, by which it is lengthened or shortened at random


@dataclass(frozen=True, slots=True)
class RetrySchedule:
    """Pauses that grow, so that a next hop in trouble is not hammered, and that are never quite equal, so that messages
    which failed together do not come back together.

    intervals_seconds: the pause after the first attempt, the second and so on; the last one repeats. At least one.
    expiry_seconds: age at which an undelivered message is given up. jitter: share of a pause by which it is made longer
    or shorter, 0 to 1.
    """

    intervals_seconds: Sequence[float] = DEFAULT_INTERVALS_SECONDS
    expiry_seconds: float = DEFAULT_EXPIRY_SECONDS
    jitter: float = DEFAULT_JITTER

    def next_attempt_at(self, now: float, received_at: float, attempts: int, random: float) -> float | None:
        """When to try again; None when the message has expired. Times are seconds since the epoch.

        attempts: rounds that have ended, this one included: 1 and up. random: even in [0, 1). The last attempt falls on
        the expiry itself and not up to one pause before it, so that a message has all the time that it was promised.
        """
        expires_at = self.expires_at(received_at)
        if now >= expires_at:
            return None
        interval = self.intervals_seconds[min(max(attempts, 1), len(self.intervals_seconds)) - 1]
        return min(now + interval * (1.0 + self.jitter * (2.0 * random - 1.0)), expires_at)

    def expires_at(self, received_at: float) -> float:
        return received_at + self.expiry_seconds
