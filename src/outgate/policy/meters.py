"""All that a worker counts against limits: one meter for each sender, with a window for each limit. Pure.

Bounded: `KEYS_MAX` meters; for one more the emptiest of a sample is forgotten, never one that is out of room or that
slow mail waits for. A message of a known sender costs some 4 us, of a new one 15, and 50 where one must be forgotten.
What others have used comes in by `learn`, what is to be told goes out by `report`.
"""

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from itertools import compress, islice
from math import inf
from typing import Final

from outgate.contract.policy import Counted, Limit
from outgate.contract.wire import Count
from outgate.policy.window import Window

KEYS_MAX: Final = 100_000  # senders that a worker counts, some 2,300 octets each
SAMPLE: Final = 5  # senders that are looked at for one to forget
SUBJECT_MAX: Final = 320  # octets of a mailbox, RFC 5321 §4.5.3.1; a longer subject is counted under its beginning
REPORT_MAX: Final = 1_000  # windows in one report to the clerk
DEMAND: Final = "demand"  # a scope of our own: all that a mailbox wanted since it went over a limit, granted or not
_UNLIMITED: Final = 2**62
CROWD: Final = "*"  # counts all for whom there is no room

Key = tuple[str, str, str]
"""Customer, scope, subject."""


class Meter:
    """One sender's windows. limits: the very tuple of the customer's document that they were made for.

    waiting: what waits in the slow lane for this meter; who comes later must wait behind it.
    demand: not None since the sender went over a limit, and then what it had been granted before; True: of recipients.
    What it has wanted since is counted by a meter of the scope `DEMAND`, which workers share.
    """

    __slots__ = ("demand", "key", "limits", "messages", "recipients", "waiting")

    def __init__(self, key: Key) -> None:
        self.key = key
        self.limits: tuple[Limit, ...] | None = None
        self.recipients: tuple[Window, ...] = ()
        self.messages: tuple[Window, ...] = ()
        self.waiting = 0
        self.demand: tuple[tuple[Window, bool], ...] | None = None

    @property
    def windows(self) -> tuple[Window, ...]:
        return self.recipients + self.messages

    def blocked_by(self, recipients: int, now: float) -> Window | None:
        """The window that has no room, and the longest way to it; None if all have."""
        worst: Window | None = None
        for window in self.recipients:
            if now >= window.ends:
                window.advance(now)
            if recipients > window.room and not window.admits(recipients):
                worst = _later(worst, window, recipients)
        for window in self.messages:
            if now >= window.ends:
                window.advance(now)
            if window.room < 1 and not window.admits(1):
                worst = _later(worst, window, 1)
        return worst

    def fullness(self, now: float) -> float:
        """How little room the fullest limit has, from 0.0 on; inf for one that must not be forgotten."""
        if self.waiting or self.key[2] == CROWD or (self.demand is not None and self._is_watched(now)):
            return inf
        if self.key[1] == DEMAND and self.is_used(now):
            return inf  # or a crowd of others could make a sender's demand forgotten
        emptiest = 1.0
        for windows in (self.recipients, self.messages):
            for window in windows:
                if now >= window.ends:
                    window.advance(now)
                if window.room <= 0:
                    return inf
                emptiest = min(emptiest, window.room / window.maximum)
        return 1.0 - emptiest

    def is_used(self, now: float) -> bool:
        """Was anything counted of late?"""
        for window in self.windows:
            if now >= window.ends:
                window.advance(now)
            if window.used:
                return True
        return False

    def used_in(self, seconds: int, now: float, *, of_recipients: bool) -> int:
        """Of the window of so many seconds; 0 if there is none."""
        for window in self.recipients if of_recipients else self.messages:
            if window.seconds == seconds:
                if now >= window.ends:
                    window.advance(now)
                return window.used
        return 0

    def _is_watched(self, now: float) -> bool:
        """Has it wanted too much of late?"""
        for window, _ in self.demand or ():
            if now >= window.ends:
                window.advance(now)
            if window.used:
                return True
        self.demand = None
        return False


class Meters:
    """Mutable; used on one thread. workers: who share the limits."""

    def __init__(self, workers: int = 1, keys_max: int = KEYS_MAX) -> None:
        self.workers = workers
        self.forgotten = 0
        self.changes = 0
        self._keys_max = keys_max
        self._meters: OrderedDict[Key, Meter] = OrderedDict()  # what was looked at last is last
        self._dirty: dict[Window, Meter] = {}  # such as were used beyond what may go untold
        self._reported: list[tuple[Window, Meter, dict[int, int]]] | None = None
        self._number = 0

    def __len__(self) -> int:
        return len(self._meters)

    def __iter__(self) -> Iterator[Meter]:
        return iter(tuple(self._meters.values()))

    def get(self, key: Key) -> Meter | None:
        return self._meters.get(key)

    def meter(self, key: Key, limits: tuple[Limit, ...], now: float) -> Meter:
        """The meter under `key`, with a window for each of `limits`."""
        meter = self._meters.get(key)
        if meter is None:
            meter = self._made(key, now)
        if meter.limits is not limits:
            self._fit(meter, limits, now)
        return meter

    def use(self, meters: Iterable[Meter], recipients: int) -> None:
        """Count one message with so many recipients on all of these."""
        self.changes += 1
        for meter in meters:
            for window in meter.recipients:
                window.spent += recipients
                window.room -= recipients
                if window.room < window.report_below:
                    self._dirty[window] = meter
            for window in meter.messages:
                window.spent += 1
                window.room -= 1
                if window.room < window.report_below:
                    self._dirty[window] = meter

    def _made(self, key: Key, now: float) -> Meter:
        if len(key[2]) > SUBJECT_MAX:
            key = (key[0], key[1], key[2][:SUBJECT_MAX])
            found = self._meters.get(key)
            if found is not None:
                return found
        if len(self._meters) >= self._keys_max and not self._forget_one(now):
            key = (key[0], key[1], CROWD)
            found = self._meters.get(key)
            if found is not None:
                return found
        meter = self._meters[key] = Meter(key)
        return meter

    def _forget_one(self, now: float) -> bool:
        sample = list(islice(self._meters.values(), SAMPLE))
        fullness, place = min((meter.fullness(now), place) for place, meter in enumerate(sample))
        forgotten = sample[place] if fullness < inf else None
        for meter in sample:  # the next sample is of others
            self._meters.move_to_end(meter.key)
        if forgotten is None:
            return False
        del self._meters[forgotten.key]
        for window in forgotten.windows:
            self._dirty.pop(window, None)
        self.forgotten += 1
        return True

    def _fit(self, meter: Meter, limits: tuple[Limit, ...], now: float) -> None:
        """Windows for these limits; those that are there already keep what they have counted."""
        if not meter.recipients and not meter.messages:
            made_new = [Window(limit.seconds, limit.maximum, self.workers, now) for limit in limits]
            counted = [limit.counted is Counted.RECIPIENTS for limit in limits]
            meter.recipients = tuple(compress(made_new, counted))
            meter.messages = tuple(
                [window for window, is_recipients in zip(made_new, counted, strict=True) if not is_recipients]
            )
            meter.limits = limits
            return
        kept = {(Counted.RECIPIENTS.value, window.seconds): window for window in meter.recipients}
        kept |= {(Counted.MESSAGES.value, window.seconds): window for window in meter.messages}
        made: dict[str, list[Window]] = {Counted.RECIPIENTS.value: [], Counted.MESSAGES.value: []}
        for limit in sorted(limits):
            window = kept.pop((limit.counted.value, limit.seconds), None)
            if window is None:
                window = Window(limit.seconds, limit.maximum, self.workers, now)
            else:
                window.advance(now)
                window.limit(limit.maximum)
            made[limit.counted.value].append(window)
        for window in kept.values():
            self._dirty.pop(window, None)
        meter.recipients, meter.messages = tuple(made["recipients"]), tuple(made["messages"])
        meter.limits = limits
        meter.demand = None

    # Sharing with other workers

    @property
    def has_news(self) -> bool:
        """Is there something that the clerk should be told? Not while it has not confirmed what it was told before."""
        return bool(self._dirty) and self._reported is None

    def report(self) -> tuple[int, tuple[Count, ...]]:
        """What to tell the clerk, and the number under which it will confirm that. Only when there `has_news`."""
        self._number += 1
        self._reported = []
        counts: list[Count] = []
        for window, meter in list(islice(self._dirty.items(), REPORT_MAX)):
            del self._dirty[window]
            fresh = window.take_fresh()
            if fresh:
                self._reported.append((window, meter, fresh))
                counts.append(_count(meter, window, fresh))
        return self._number, tuple(counts)

    def confirm(self, number: int) -> None:
        """The clerk has counted the report of this number; `learn` follows with what it says then."""
        if number != self._number or self._reported is None:
            return
        for window, _, fresh in self._reported:
            window.confirm(fresh)
        self._reported = None

    def unreported(self) -> None:
        """The clerk is gone. What it did not confirm is told to the next, and may so be counted twice, never not."""
        for window, meter, _ in self._reported or ():
            self._dirty[window] = meter
        self._reported = None

    def learn(self, counts: Iterable[Count], workers: int, now: float) -> None:
        """What all workers together have used, as the clerk or a copy on disk says."""
        if workers != self.workers:
            self.workers = workers
            for meter in self._meters.values():
                for window in meter.windows:
                    window.learn({}, workers)
        for count in counts:
            key = (count.customer_id, count.scope, count.subject)
            meter = self._meters.get(key) or self._made(key, now)
            window = _window_of(meter, count) or self._unfitted(meter, count, now)
            if now >= window.ends:
                window.advance(now)
            window.learn(count.parts, workers)
        self.changes += 1

    def _unfitted(self, meter: Meter, count: Count, now: float) -> Window:
        """A window of a meter that has not been asked for yet: its limit is not known."""
        window = Window(count.seconds, _UNLIMITED, self.workers, now)
        if count.counted == Counted.MESSAGES.value:
            meter.messages = (*meter.messages, window)
        else:
            meter.recipients = (*meter.recipients, window)
        meter.limits = None
        return window

    @staticmethod
    def known(meters: Iterable[Meter], now: float) -> list[Count]:
        """All that these have counted, for a copy on disk."""
        counts = []
        for meter in meters:
            for window in meter.windows:
                if now >= window.ends:
                    window.advance(now)
                if window.used:
                    counts.append(_count(meter, window, window.known()))
        return counts


def _later(worst: Window | None, window: Window, amount: int) -> Window:
    if worst is None:
        return window
    return window if window.free_at(amount) > worst.free_at(amount) else worst


def _window_of(meter: Meter, count: Count) -> Window | None:
    windows = meter.messages if count.counted == Counted.MESSAGES.value else meter.recipients
    for window in windows:
        if window.seconds == count.seconds:
            return window
    return None


def _count(meter: Meter, window: Window, parts: dict[int, int]) -> Count:
    counted = Counted.RECIPIENTS if window in meter.recipients else Counted.MESSAGES
    return Count(*meter.key, counted.value, window.seconds, parts)
