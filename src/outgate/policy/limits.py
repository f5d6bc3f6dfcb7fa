"""How much may be sent: whether a message that was proven goes on, waits in the slow lane, or is refused. Pure.

Only proven mail is charged, and only to the customer that it was proven for: every key begins with the customer, so
that nobody's mail counts against another's limits, or locks another's mailbox.

A message goes on when every limit that concerns it has room; then all of these are charged. Where one has none it is
taken into the slow lane, and charged when it is its turn there. Who comes later waits behind those who wait already.
A mailbox that wants far more than a limit of its own is locked (see `locks`): its mail is refused, and what it has in
the slow lane stays there until the lock ends.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from ipaddress import AddressValueError, IPv6Address
from typing import Final, Self

from msgspec import Struct

from outgate.contract.policy import Counted, CustomerDocument, Limit, LimitScope
from outgate.mail.address import ReversePath
from outgate.policy.decision import Decision, Verdict
from outgate.policy.locks import Lock, Locks
from outgate.policy.mailbox import mailbox_of
from outgate.policy.meters import CROWD, DEMAND, Key, Meter, Meters
from outgate.policy.reasons import Reason
from outgate.policy.sender import Sender
from outgate.policy.slow_room import SlowRoom
from outgate.policy.window import Window

INVALID_SECONDS: Final = 3_600  # in which recipients that next hops call unknown are counted against a mailbox
JUDGED_MAX: Final = 10_000  # mailboxes locked for unknown recipients, of which is remembered for how many
LOOK_SECONDS: Final = 60.0  # at most, between two looks of slow mail whether its sender's lock still stands
LOOK_AGAIN_SECONDS: Final = 5.0  # between two looks of slow mail whether its customer's limits are known by now
SHARE_SECONDS: Final = 0.25  # between two looks whether the clerk has let a worker use more of what is left
# Letters to our own postmaster: anybody may write them (RFC 5321 §4.5.1) and no customer's limits hold them, but they
# lie in the spool that all customers share. Of all workers together; a message has as many as it has recipients.
POSTMASTER_LETTERS_MAX: Final = 30  # letters to our own postmaster in `POSTMASTER_SECONDS`
POSTMASTER_SOURCE_LETTERS_MAX: Final = 10  # of these from one source, so that one cannot keep all others out
POSTMASTER_SECONDS: Final = 60  # in which these are counted
POSTMASTER_OCTETS_MAX: Final = 268_435_456  # octets of these in `POSTMASTER_OCTETS_SECONDS`; one of any size fits
POSTMASTER_OCTETS_SECONDS: Final = 3_600  # in which their octets are counted
POSTMASTER_DAY_OCTETS_MAX: Final = 1_073_741_824  # octets of these in a day: twice that lies in the queue at most
_PREFIX_OCTETS: Final = 8
_NEVER: Final = (float("-inf"), 0, 0)
_INVALID: Final = "invalid"  # a scope of our own: unknown recipients of a mailbox
# Never in anybody's way; so small that the clerk is told, and workers know of each other's.
_INVALID_LIMITS: Final = (Limit(LimitScope.MAILBOX, Counted.RECIPIENTS, INVALID_SECONDS, 1),)

_LETTERS: Final = "postmaster"  # scopes of our own, of no customer
_LETTERS_OF_SOURCE: Final = "postmaster-source"
_LETTER_OCTETS: Final = "postmaster-octets"


def _of_letters(seconds: int, maximum: int) -> Limit:
    return Limit(LimitScope.CUSTOMER, Counted.RECIPIENTS, seconds, maximum)


_LETTERS_LIMITS: Final = (_of_letters(POSTMASTER_SECONDS, POSTMASTER_LETTERS_MAX),)
_SOURCE_LIMITS: Final = (_of_letters(POSTMASTER_SECONDS, POSTMASTER_SOURCE_LETTERS_MAX),)
_OCTETS_LIMITS: Final = (
    _of_letters(POSTMASTER_OCTETS_SECONDS, POSTMASTER_OCTETS_MAX),
    _of_letters(86_400, POSTMASTER_DAY_OCTETS_MAX),
)

_MAILBOX: Final = LimitScope.MAILBOX.value
_DOMAIN: Final = LimitScope.DOMAIN.value
_CUSTOMER: Final = LimitScope.CUSTOMER.value
_SOURCE: Final = LimitScope.SOURCE.value
_NULL: Final = LimitScope.NULL.value


class Charge(Struct, frozen=True):
    """What becomes of a message. refusal: if it is not accepted. is_slow: accepted, into the slow lane; until: when
    there may be room, if nobody comes before it."""

    refusal: Decision | None = None
    is_slow: bool = False
    until: float = 0.0
    blocked_by: str = ""  # scope of the limit that has no room


GO_ON: Final = Charge()


class Blocked(Struct, frozen=True):
    """A slow message must still wait. key: of the meter that has no room; at: when it may have. rate: recipients (or
    messages) in a second that its limit allows, 0.0 if no limit is in the way but a lock, or others who wait."""

    key: Key
    at: float
    rate: float = 0.0


def sender_of(customer_id: str, reverse_path: ReversePath, source: str) -> Sender:
    return Sender(customer_id, mailbox_of(reverse_path), reverse_path.domain, source_of(source))


def source_of(address: str) -> str:
    """What an address is counted as: itself, or its IPv6 network of 64 bits, which one host commonly has to itself."""
    if ":" not in address:
        return address
    try:
        network = IPv6Address(address.partition("%")[0]).packed[:_PREFIX_OCTETS]
    except AddressValueError:
        return address
    return f"{IPv6Address(network + bytes(16 - _PREFIX_OCTETS))}/{8 * _PREFIX_OCTETS}"


class Counters(Struct):
    """For the metrics."""

    charged: int = 0
    slowed: int = 0
    drained: int = 0
    lane_full: int = 0
    refused_locked: int = 0
    locked: int = 0


class _Rules(Struct, frozen=True):
    """A customer's limits by scope, in the order in which they are tried. demand: what a mailbox may want before it is
    locked, which workers tell each other the sooner the less is left of it."""

    document: CustomerDocument
    mailbox: tuple[Limit, ...]
    demand: tuple[Limit, ...]
    domain: tuple[Limit, ...]
    customer: tuple[Limit, ...]
    source: tuple[Limit, ...]
    null: tuple[Limit, ...]
    exempt: frozenset[str]
    is_unlimited: bool


class Limiter:
    """All of a worker's limits. document: of a customer, None if it is not known (any more). Mutable, one thread.

    locked: told of each lock that this worker decides. knows_all: is a customer without a document certainly gone?
    """

    def __init__(
        self,
        *,
        document: Callable[[str], CustomerDocument | None],
        locked: Callable[[Lock], None],
        workers: int = 1,
        workers_here: int = 1,
        knows_all: Callable[[], bool] = lambda: True,
    ) -> None:
        self._document = document
        self._knows_all = knows_all
        self._locked = locked
        self._rules: dict[str, _Rules] = {}
        self._judged: dict[tuple[str, str], tuple[float, int, int]] = {}
        self.meters = Meters(workers)
        self.slow_room = SlowRoom(workers_here)
        self.locks = Locks()
        self.counters = Counters()

    @classmethod
    def of_nobody(cls) -> Self:
        """One that limits no customer."""
        return cls(document=lambda _: None, locked=lambda _: None)

    # A message comes

    def charge(self, sender: Sender, recipients: int, size_octets: int, now: float, *, is_held: bool = False) -> Charge:
        """Decide on a message that was proven for `sender.customer_id`, and count it. A message that is to be slow has
        its place in the slow lane's quota from here on: see `SlowRoom.leave` if it comes to nothing. Of no customer is
        what anybody writes to our own postmaster: it goes on or is deferred, and is never slow.

        is_held: it waits for a person anyway, and is never slow: where there is no room it is taken without a charge.
        """
        if not sender.customer_id:
            return self._charge_letter(sender.source, recipients, size_octets, now)
        rules = self._rules_of(sender.customer_id)
        if rules is None:
            return GO_ON
        lock = self.locks.find(rules.document, sender.mailbox, now)
        if lock is not None:
            return self._refuse_locked(lock)
        if rules.is_unlimited:
            return GO_ON
        meters = self._meters_of(rules, sender, now)
        blocker: Meter | None = None
        until = now
        is_mailbox_over = False
        for meter in meters:
            if meter.waiting:
                blocker = blocker or meter
            window = meter.blocked_by(recipients, now)
            if window is None:
                continue
            is_mailbox_over = is_mailbox_over or meter.key[1] == _MAILBOX
            free_at = window.free_at(recipients if window in meter.recipients else 1)
            if blocker is None or free_at > until:
                blocker, until = meter, free_at
        if meters and meters[0].key[1] == _MAILBOX:
            lock = self._watch_demand(rules, meters[0], recipients, now, is_over=is_mailbox_over)
            if lock is not None:
                return self._refuse_locked(lock)
        if blocker is None:
            self.meters.use(meters, recipients)
            self.counters.charged += 1
            return GO_ON
        if is_held:
            return GO_ON
        return self._slow(rules, sender, size_octets, until, blocker.key[1])

    def _charge_letter(self, source: str, recipients: int, size_octets: int, now: float) -> Charge:
        meters = self.meters
        letters = meters.meter(("", _LETTERS, ""), _LETTERS_LIMITS, now)
        octets = meters.meter(("", _LETTER_OCTETS, ""), _OCTETS_LIMITS, now)
        refusal = _letter_refusal(letters, recipients, now) or _letter_refusal(octets, size_octets, now)
        if refusal is not None:
            return refusal
        # Only now: who is refused for the others' letters leaves no meter behind.
        of_source = meters.meter(("", _LETTERS_OF_SOURCE, source), _SOURCE_LIMITS, now)
        refusal = _letter_refusal(of_source, recipients, now)
        if refusal is not None:
            return refusal
        meters.use((letters, of_source), recipients)
        meters.use((octets,), size_octets)
        return GO_ON

    def _slow(self, rules: _Rules, sender: Sender, size_octets: int, until: float, scope: str) -> Charge:
        customer_id, limits = sender.customer_id, rules.document.limits
        if not self.slow_room.has_room(customer_id, size_octets, limits):
            self.counters.lane_full += 1
            context = f"{sender.mailbox or 'the null reverse-path'} may send again at {clock_text(until)}"
            return Charge(Decision(Verdict.DEFER, Reason.SLOW_LANE_FULL, context), until=until, blocked_by=scope)
        self.slow_room.enter(customer_id, size_octets)
        self.counters.slowed += 1
        return Charge(None, True, until, scope)

    def _refuse_locked(self, lock: Lock) -> Charge:
        self.counters.refused_locked += 1
        context = f"{lock.mailbox} is locked until {clock_text(lock.until)}"
        return Charge(Decision(Verdict.REJECT, Reason.SENDER_LOCKED, context), until=lock.until, blocked_by=_MAILBOX)

    # A message in the slow lane

    def draw(
        self, sender: Sender, recipients: int, waited_seconds: float, now: float, *, is_behind: bool = False
    ) -> Blocked | None:
        """May a slow message go now? If so it is charged, None is returned, and the caller takes it out of the lane.

        is_behind: it has just come, and waits behind those that wait for a meter of its already.
        """
        rules = self._rules_of(sender.customer_id)
        if rules is None:
            if self._knows_all():
                return None
            return Blocked((sender.customer_id, _CUSTOMER, ""), now + LOOK_AGAIN_SECONDS)
        lock = self.locks.find(rules.document, sender.mailbox, now)
        if lock is not None:
            return Blocked((sender.customer_id, _MAILBOX, sender.mailbox), min(lock.until, now + LOOK_SECONDS))
        meters = () if rules.is_unlimited else self._meters_of(rules, sender, now)
        for meter in meters:
            if is_behind and meter.waiting:
                return Blocked(meter.key, now)
            window = meter.blocked_by(recipients, now)
            if window is None:
                continue
            amount = recipients if window in meter.recipients else 1
            rate = window.maximum / window.seconds
            if amount <= window.maximum:
                return Blocked(meter.key, self._again_at(window, amount, now), rate)
            if not window.admits_oversize(amount, waited_seconds):
                at = now + max(window.waits_seconds(amount) - waited_seconds, 0.0)
                return Blocked(meter.key, max(at, window.free_at(amount)), rate)
        self.meters.use(meters, recipients)
        self.counters.drained += 1
        return None

    @staticmethod
    def _again_at(window: Window, amount: int, now: float) -> float:
        """When it may fit; soon, if only the clerk's word is missing."""
        return now + SHARE_SECONDS if window.is_short_of_share else window.free_at(amount)

    def wait_for(self, key: Key, count: int) -> None:
        """`count` more (or fewer) slow messages wait for the meter under `key`."""
        meter = self.meters.get(key)
        if meter is not None:
            meter.waiting = max(meter.waiting + count, 0)

    # What next hops say of its recipients

    def unknown_recipients(self, sender: Sender, count: int, now: float) -> None:
        """Next hops do not know `count` recipients of a message; the mailbox may be locked for it."""
        rules = self._rules_of(sender.customer_id)
        if rules is None or rules.is_unlimited or not sender.mailbox or _is_exempt(rules, sender):
            return
        limits = rules.document.limits
        if limits.invalid_percent <= 0 or self.locks.find(rules.document, sender.mailbox, now) is not None:
            return
        sent = self._sent_in_an_hour(sender, now)
        if sent is None:
            return
        unknown = self.meters.meter((sender.customer_id, _INVALID, sender.mailbox), _INVALID_LIMITS, now)
        if unknown.key[2] == CROWD:
            return  # no room for a meter of its own: it is not locked for what others wrote to
        unknown.blocked_by(0, now)  # brings its window up to now
        self.meters.use((unknown,), count)
        invalid = unknown.recipients[0].used
        key = (sender.customer_id, sender.mailbox)
        at, judged_invalid, judged_sent = self._judged.get(key, _NEVER)
        if now - at < INVALID_SECONDS:  # what it was locked for already counts no more
            invalid, sent = max(invalid - judged_invalid, 0), max(sent - judged_sent, 0)
        total = max(sent, invalid)
        if total >= limits.invalid_minimum and invalid * 100 > limits.invalid_percent * total:
            self._judged.pop(key, None)
            self._judged[key] = (now, unknown.recipients[0].used, self._sent_in_an_hour(sender, now) or 0)
            if len(self._judged) > JUDGED_MAX:
                del self._judged[next(iter(self._judged))]
            self._lock(rules, sender.mailbox, Reason.INVALID_RECIPIENTS, now)

    def _sent_in_an_hour(self, sender: Sender, now: float) -> int | None:
        """Recipients of the mailbox that were let go, from the window that is nearest to an hour; None without one."""
        meter = self.meters.get((sender.customer_id, _MAILBOX, sender.mailbox))
        if meter is None or not meter.recipients:
            return None
        window = min(meter.recipients, key=lambda one: abs(one.seconds - INVALID_SECONDS))
        if now >= window.ends:
            window.advance(now)
        return window.used

    # Locks

    def _watch_demand(self, rules: _Rules, meter: Meter, recipients: int, now: float, *, is_over: bool) -> Lock | None:
        """Count what the mailbox wants, from the moment that it is over a limit; lock it if that is far too much.

        Workers share what is wanted, not what was granted before: that is in the limit's own windows, which they share
        already. So who comes to know that another counts already does not count the same once more.
        """
        factor = rules.document.limits.lock_factor
        if factor <= 0 or (meter.demand is None and not is_over):
            return None
        wanted = self._wanted(rules, meter.key[2], now)
        if wanted is None:
            return None
        if meter.demand is None:
            meter.demand = () if wanted.is_used(now) else tuple(_granted_to(meter, now))
        wanted.blocked_by(0, now)  # brings its windows up to now
        self.meters.use((wanted,), recipients)
        is_calm = True
        is_wild = False
        for limit in rules.mailbox:
            of_recipients = limit.counted is Counted.RECIPIENTS
            used = wanted.used_in(limit.seconds, now, of_recipients=of_recipients)
            is_calm = is_calm and used == (recipients if of_recipients else 1)
            for window, is_recipients in meter.demand:
                if window.seconds == limit.seconds and is_recipients is of_recipients:
                    if now >= window.ends:
                        window.advance(now)
                    is_calm = is_calm and not window.used
                    used += window.used
            is_wild = is_wild or used > factor * limit.maximum
        if is_wild:
            meter.demand = None
            return self._lock(rules, meter.key[2], Reason.OVER_LIMIT, now)
        if is_calm and not is_over:
            meter.demand = None  # nothing is left of the time when it was over
        return None

    def _wanted(self, rules: _Rules, mailbox: str, now: float) -> Meter | None:
        """What all workers count of the mailbox's demand since its last lock: what it was locked for already counts no
        more. None if there is no room for a meter: one for several mailboxes would lock them for each other."""
        customer_id = rules.document.customer_id
        ended_at = self.locks.ended_at(rules.document, mailbox)
        subject = f"{int(ended_at)} {mailbox}" if ended_at else mailbox
        wanted = self.meters.meter((customer_id, DEMAND, subject), rules.demand, now)
        return None if wanted.key[2] == CROWD else wanted

    def _lock(self, rules: _Rules, mailbox: str, reason: Reason, now: float) -> Lock:
        limits = rules.document.limits
        until = now + limits.lock_seconds
        lock = Lock(rules.document.customer_id, mailbox, now, until, reason.value, limits.lock_max_seconds)
        self.locks.add(lock)
        self.counters.locked += 1
        self._locked(lock)
        return lock

    # Rules

    def _rules_of(self, customer_id: str) -> _Rules | None:
        """None where nothing is limited: our own mail, and customers that are not known."""
        document = self._document(customer_id) if customer_id else None
        if document is None:
            self._rules.pop(customer_id, None)
            return None
        rules = self._rules.get(customer_id)
        if rules is None or rules.document is not document:
            rules = self._rules[customer_id] = _compile(document, rules)
        return rules

    def _meters_of(self, rules: _Rules, sender: Sender, now: float) -> tuple[Meter, ...]:
        """In the order mailbox, domain, customer, source."""
        meter, customer_id = self.meters.meter, sender.customer_id
        found = []
        if not sender.mailbox:
            if rules.null:
                found.append(meter((customer_id, _NULL, ""), rules.null, now))
        elif not rules.exempt or not _is_exempt(rules, sender):
            if rules.mailbox:
                found.append(meter((customer_id, _MAILBOX, sender.mailbox), rules.mailbox, now))
            if rules.domain:
                found.append(meter((customer_id, _DOMAIN, sender.domain), rules.domain, now))
        if rules.customer:
            found.append(meter((customer_id, _CUSTOMER, ""), rules.customer, now))
        if rules.source:
            found.append(meter((customer_id, _SOURCE, sender.source), rules.source, now))
        return tuple(found)


def _letter_refusal(meter: Meter, amount: int, now: float) -> Charge | None:
    window = meter.blocked_by(amount, now)
    if window is None:
        return None
    until = window.free_at(amount)
    context = f"too much mail for the postmaster until {clock_text(until)}"
    return Charge(Decision(Verdict.DEFER, Reason.OVERLOADED, context), until=until, blocked_by=meter.key[1])


def _compile(document: CustomerDocument, former: _Rules | None) -> _Rules:
    """Tuples that are equal to those of `former` are the same, so that meters need not be fitted anew."""
    limits = document.limits

    def of(scope: LimitScope) -> tuple[Limit, ...]:
        found = tuple([limit for limit in limits.limits if limit.scope is scope])
        before: tuple[Limit, ...] = getattr(former, scope.value) if former is not None else ()
        return before if before == found else found

    mailbox = of(LimitScope.MAILBOX)
    return _Rules(
        document,
        mailbox,
        _demand_of(mailbox, limits.lock_factor, former),
        of(LimitScope.DOMAIN),
        of(LimitScope.CUSTOMER),
        of(LimitScope.SOURCE),
        of(LimitScope.NULL),
        frozenset([entry.lower() for entry in limits.exempt]),
        is_unlimited=not limits.limits,
    )


def _is_exempt(rules: _Rules, sender: Sender) -> bool:
    return sender.mailbox in rules.exempt or f"@{sender.domain}" in rules.exempt


def _demand_of(mailbox: tuple[Limit, ...], factor: float, former: _Rules | None) -> tuple[Limit, ...]:
    """How much of each limit's kind locks; the same tuple as before if it is equal."""
    found = tuple(
        [Limit(LimitScope.MAILBOX, one.counted, one.seconds, max(int(factor * one.maximum), 1)) for one in mailbox]
    )
    return former.demand if former is not None and former.demand == found else found


def _granted_to(meter: Meter, now: float) -> list[tuple[Window, bool]]:
    granted = []
    for window in meter.windows:
        until_now = Window(window.seconds, window.maximum, 1, now)
        until_now.learn(window.known(), 1)
        granted.append((until_now, window in meter.recipients))
    return granted


def clock_text(at: float) -> str:
    """A time for a reply; within a day of now it is plain which one is meant."""
    return datetime.fromtimestamp(at, UTC).strftime("%H:%M:%S UTC")
