"""Failed proofs, counted against whoever failed them: a source address, or a tenant of a cloud. Pure.

What is counted is what the failing side cannot choose freely, so that nobody can have another slowed: a source only
where at most one customer has declared it (a cloud's addresses, and a shared host's, are others' too), a tenant only by
evidence that its cloud wrote.

Counted as limits are, by meters of a scope of our own that belong to no customer: so workers share them, of all nodes,
and they survive a restart. Bounded with the other meters, see `policy.meters`; who finds no room there is not slowed.
"""

from typing import Final

from outgate.contract.policy import Counted, Limit, LimitScope
from outgate.policy.meters import CROWD, Meters

FAILED_PROOFS_MAX: Final = 100  # failed proofs in `FAILED_PROOFS_SECONDS` from which on who failed them is told 451
FAILED_PROOFS_SECONDS: Final = 600  # in which failed proofs are counted

_SCOPE: Final = "failed-proofs"
_LIMITS: Final = (Limit(LimitScope.CUSTOMER, Counted.RECIPIENTS, FAILED_PROOFS_SECONDS, FAILED_PROOFS_MAX),)


class Failures:
    """Keys: see `source_key` and `tenant_key`. counted: failed proofs since the start, of this worker."""

    def __init__(self, meters: Meters) -> None:
        self._meters = meters
        self.counted = 0

    def count(self, key: str, now: float) -> None:
        self.counted += 1
        meter = self._meters.meter(("", _SCOPE, key), _LIMITS, now)
        if meter.key[2] != CROWD:  # which would slow one for another
            meter.blocked_by(0, now)  # brings its window up to now
            self._meters.use((meter,), 1)

    def slowed_until(self, key: str, now: float) -> float:
        """When `key` will be served again; 0.0 if it is now. Cheap for who has not failed."""
        place = ("", _SCOPE, key)
        if self._meters.get(place) is None:
            return 0.0
        window = self._meters.meter(place, _LIMITS, now).blocked_by(1, now)
        return 0.0 if window is None else window.free_at(1)


def source_key(address: str) -> str:
    return f"source:{address}"


def tenant_key(tenant_id: str) -> str:
    return f"tenant:{tenant_id}"
