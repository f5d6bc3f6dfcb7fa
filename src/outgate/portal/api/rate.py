"""How many requests a key may make: a bucket for each, in memory, since one process serves the site."""

import threading
from collections import OrderedDict
from typing import Final

REQUESTS_PER_MINUTE: Final = 600  # of one key, on one node
BURST: Final = 120  # requests at once, before the rate holds
KEYS_MAX: Final = 10_000  # buckets; the one that was used longest ago is forgotten, which only forgives


class Buckets:
    """Counts requests. Safe to be used by several threads."""

    def __init__(self, per_minute: float = REQUESTS_PER_MINUTE, burst: float = BURST) -> None:
        self.per_second = per_minute / 60
        self.burst = burst
        self._lock = threading.Lock()
        self._levels: OrderedDict[int, tuple[float, float]] = OrderedDict()  # how much is left, and when it was looked

    def take(self, key: int, now: float) -> float:
        """One request of `key` at `now`, seconds that never go back. Returns 0, or the seconds to wait."""
        with self._lock:
            left, looked_at = self._levels.pop(key, (self.burst, now))
            left = min(self.burst, left + (now - looked_at) * self.per_second)
            wait = 0.0 if left >= 1 else (1 - left) / self.per_second
            self._levels[key] = (left if wait else left - 1, now)
            if len(self._levels) > KEYS_MAX:
                self._levels.popitem(last=False)
            return wait

    def clear(self) -> None:
        with self._lock:
            self._levels.clear()


buckets: Final = Buckets()
