"""Failed proofs, counted against whoever failed them: a source address, or a tenant of a cloud. Pure.

Bounded: `FAILERS_MAX` are remembered; for one more the emptiest of a sample is forgotten. What is counted is what the
failing side cannot choose freely, so that nobody can have another slowed: a source only where at most one customer has
declared it (a cloud's addresses, and a shared host's, are others' too), a tenant only by evidence that its cloud wrote.

Each worker counts what fails at it, and tells nobody; so each has its part of the number that is too many.
"""

from itertools import islice
from typing import Final

from outgate.policy.window import Window

# Of all workers of a machine together.
FAILED_PROOFS_MAX: Final = 100  # failed proofs in `FAILED_PROOFS_SECONDS` from which on who failed them is told 451
FAILED_PROOFS_SECONDS: Final = 600  # in which failed proofs are counted
FAILERS_MAX: Final = 10_000  # sources and tenants with failed proofs that a worker remembers
SAMPLE: Final = 16  # of these, looked at for one to forget


class Failures:
    """Keys: see `source_key` and `tenant_key`. workers: on this machine, between which connections are spread."""

    def __init__(self, workers: int = 1, failers_max: int = FAILERS_MAX) -> None:
        self._failures_max = -(-FAILED_PROOFS_MAX // workers)
        self._failers_max = failers_max
        self._windows: dict[str, Window] = {}

    def __len__(self) -> int:
        return len(self._windows)

    def count(self, key: str, now: float) -> None:
        window = self._windows.get(key)
        if window is None:
            if len(self._windows) >= self._failers_max:
                self._forget_one(now)
            window = self._windows[key] = Window(FAILED_PROOFS_SECONDS, self._failures_max, 1, now)
        if now >= window.ends:
            window.advance(now)
        window.use(1)

    def slowed_until(self, key: str, now: float) -> float:
        """When `key` will be served again; 0.0 if it is now. Cheap where nobody has failed."""
        if not self._windows or (window := self._windows.get(key)) is None:
            return 0.0
        if now >= window.ends:
            window.advance(now)
        return 0.0 if window.admits(1) else window.free_at(1)

    def _forget_one(self, now: float) -> None:
        sample = list(islice(self._windows.items(), SAMPLE))
        for key, window in sample:
            del self._windows[key]
            if now >= window.ends:
                window.advance(now)
        sample.sort(key=lambda entry: entry[1].used)
        self._windows.update(sample[1:])


def source_key(address: str) -> str:
    return f"source:{address}"


def tenant_key(tenant_id: str) -> str:
    return f"tenant:{tenant_id}"
