"""One sliding window: how much was used in the last so many seconds, and how much more may be. Pure.

The window is cut into `PARTS` parts that begin at multiples of their length since the epoch. What was used is kept by
part, and counted until the whole part is out of the window: so there is never more than the maximum in any window,
wherever it begins, and what was used is forgotten up to one part (a tenth of the window) later than it must be.

Several workers share a maximum. *Settled* is what all of them have used as the clerk last said, *fresh* what this one
has used since it last told. Counts of a part only grow, so that what is told twice, late or out of order does no harm.
Between two words of the clerk each worker may use its share of what is left, or one message that is larger. So workers
together use at most `maximum + (workers - 1) * max(maximum / workers, the largest message)`, even if none hears of any
other. A worker alone never uses more than the maximum.
"""

from typing import Final

PARTS: Final = 10  # of a window: what was used is forgotten at most one part late


class Window:
    """room: recipients or messages that may be used at once; good until `ends`, when `advance` is due.

    workers: who share the maximum. spent: fresh, in the part that lasts until `ends`. report_below: of `room`, at
    which the clerk should be told.
    """

    __slots__ = ("ends", "fresh", "maximum", "part", "report_below", "room", "seconds", "settled", "spent", "workers")

    def __init__(self, seconds: int, maximum: int, workers: int, now: float) -> None:
        self.seconds = seconds
        self.maximum = maximum
        self.workers = workers
        self.part = int(now * PARTS // seconds)
        self.ends = (self.part + 1) * seconds / PARTS
        self.spent = 0
        self.fresh: dict[int, int] | None = None
        self.settled: dict[int, int] | None = None
        self.room = 0
        self.report_below = 0
        self._measure()

    # Using

    def advance(self, now: float) -> None:
        """Forget what has left the window. To be called when `now` has reached `ends`; a clock that was set back
        forgets nothing."""
        part = int(now * PARTS // self.seconds)
        if part <= self.part:
            return
        self._fold()
        self.part = part
        self.ends = (part + 1) * self.seconds / PARTS
        if self.fresh is None and self.settled is None:
            return  # nothing to forget
        self.fresh = _kept(self.fresh, part - PARTS)
        self.settled = _kept(self.settled, part - PARTS)
        self._measure()

    def admits(self, amount: int) -> bool:
        """May `amount` be used now? For what `room` has no place for: one message above our share, if all is told."""
        return amount <= self.room or (not self._fresh_used() and amount <= self.maximum - self._settled_used())

    def admits_oversize(self, amount: int, waited_seconds: float) -> bool:
        """The same for one message that is more than the whole maximum: when the window is empty, and the message has
        waited as many windows as it fills beside that one. So the rate holds in the long run."""
        return not self.used and waited_seconds >= self.waits_seconds(amount)

    def waits_seconds(self, amount: int) -> float:
        """How long a message of more than the maximum waits, even if the window is empty."""
        return (amount / self.maximum - 1) * self.seconds if self.maximum else float(self.seconds * PARTS)

    def use(self, amount: int) -> None:
        """Count it, whether there is room or not."""
        self.spent += amount
        self.room -= amount

    # Looking

    @property
    def used(self) -> int:
        """As far as this worker knows; to be read after `advance`."""
        return self._settled_used() + self._fresh_used()

    @property
    def is_short_of_share(self) -> bool:
        """Is there more left than this worker may use on its own? Then it helps to tell the clerk at once."""
        return self.workers > 1 and self.used < self.maximum and self._fresh_used() > 0

    def free_at(self, amount: int) -> float:
        """When there is room for `amount` if nobody uses any more; `ends` at the earliest."""
        if amount > self.maximum:
            amount = self.maximum
        over = self.used + amount - self.maximum
        for part in sorted({self.part, *(self.fresh or ()), *(self.settled or ())}):
            over -= self._used_in(part)
            if over <= 0:
                return float(max((part + PARTS + 1) * self.seconds / PARTS, self.ends))
        return self.ends

    def _used_in(self, part: int) -> int:
        fresh = (self.fresh or {}).get(part, 0) + (self.spent if part == self.part else 0)
        return fresh + (self.settled or {}).get(part, 0)

    # Sharing

    def take_fresh(self) -> dict[int, int]:
        """What is fresh, by part, to be told to the clerk; still fresh until `confirm`."""
        self._fold()
        return dict(self.fresh or {})

    def confirm(self, told: dict[int, int]) -> None:
        """The clerk has counted `told`. Followed by `learn` with what it says then."""
        self._fold()
        if self.fresh is None:
            return
        for part, amount in told.items():
            left = self.fresh.get(part, 0) - amount
            if left > 0:
                self.fresh[part] = left
            else:
                self.fresh.pop(part, None)
        self._measure()

    def learn(self, totals: dict[int, int], workers: int) -> None:
        """What all workers have used, by part, as the clerk knows it."""
        self.workers = workers
        first = self.part - PARTS
        for part, amount in totals.items():
            if part >= first:
                if self.settled is None:
                    self.settled = {}
                if amount > self.settled.get(part, 0):
                    self.settled[part] = amount
        self._measure()

    def limit(self, maximum: int) -> None:
        """The maximum is another from now on."""
        self.maximum = maximum
        self._measure()

    def known(self) -> dict[int, int]:
        """All that is used, by part, for a copy on disk: settled in the process that reads it."""
        self._fold()
        known = dict(self.settled or {})
        for part, amount in (self.fresh or {}).items():
            known[part] = known.get(part, 0) + amount
        return known

    def _fold(self) -> None:
        if self.spent:
            if self.fresh is None:
                self.fresh = {}
            self.fresh[self.part] = self.fresh.get(self.part, 0) + self.spent
            self.spent = 0

    def _measure(self) -> None:
        fresh = self._fresh_used()
        left = self.maximum - self._settled_used()
        share = left if self.workers <= 1 or left <= 1 else -(-left // self.workers)
        self.room = share - fresh
        # A quarter of a share may be used untold: most senders never use so much, and cost the clerk nothing.
        self.report_below = share - max(share // 4, 0)

    def _fresh_used(self) -> int:
        return self.spent + (sum(self.fresh.values()) if self.fresh else 0)

    def _settled_used(self) -> int:
        return sum(self.settled.values()) if self.settled else 0


def _kept(parts: dict[int, int] | None, first: int) -> dict[int, int] | None:
    if parts is None:
        return None
    kept = {part: amount for part, amount in parts.items() if part >= first}
    return kept or None
