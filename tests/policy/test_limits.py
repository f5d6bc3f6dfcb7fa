"""What becomes of a proven message: it goes on, waits in the slow lane, or is refused; and who is locked."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outgate.contract.policy import (
    Counted,
    CustomerDocument,
    Limit,
    LimitScope,
    LockedSender,
    Outbound,
    SenderLimits,
)
from outgate.contract.wire import Count
from outgate.mail.address import NULL_REVERSE_PATH, ReversePath
from outgate.policy.decision import Verdict
from outgate.policy.limits import (
    GO_ON,
    POSTMASTER_DAY_OCTETS_MAX,
    POSTMASTER_LETTERS_MAX,
    POSTMASTER_OCTETS_MAX,
    POSTMASTER_SOURCE_LETTERS_MAX,
    Charge,
    Limiter,
    source_of,
)
from outgate.policy.locks import Lock
from outgate.policy.mailbox import mailbox_of
from outgate.policy.meters import Meters
from outgate.policy.reasons import Reason, reply_for
from outgate.policy.sender import Sender

NOW = 1_795_600_000.0
MAILBOX = Limit(LimitScope.MAILBOX, Counted.RECIPIENTS, 300, 50)


class World:
    """A limiter with customers' documents."""

    def __init__(self, *limits: Limit, customer_id: str = "alpha", **settings: Any) -> None:
        self.documents: dict[str, CustomerDocument] = {}
        self.locked: list[Lock] = []
        self.now = NOW
        self.knows_all = True
        self.limiter = Limiter(document=self.documents.get, locked=self.locked.append, knows_all=lambda: self.knows_all)
        self.set(*limits, customer_id=customer_id, **settings)

    def set(
        self,
        *limits: Limit,
        customer_id: str = "alpha",
        locked_senders: Sequence[LockedSender] = (),
        **settings: Any,
    ) -> None:
        self.documents[customer_id] = CustomerDocument(
            customer_id,
            customer_id,
            Outbound.ACTIVE,
            limits=SenderLimits(limits=limits, **settings),
            locked_senders=tuple(locked_senders),
        )

    def send(
        self,
        path: str = "alice@alpha.example",
        recipients: int = 1,
        customer_id: str = "alpha",
        source: str = "9.9.9.9",
    ) -> Charge:
        reverse_path = ReversePath.parse(path) if path else NULL_REVERSE_PATH
        sender = Sender(customer_id, mailbox_of(reverse_path), reverse_path.domain, source)
        return self.limiter.charge(sender, recipients, 1_000, self.now)

    def draw(self, path: str = "alice@alpha.example", recipients: int = 1, waited_seconds: float = 0.0) -> float | None:
        reverse_path = ReversePath.parse(path)
        sender = Sender("alpha", mailbox_of(reverse_path), reverse_path.domain, "9.9.9.9")
        blocked = self.limiter.draw(sender, recipients, waited_seconds, self.now)
        return None if blocked is None else blocked.at


def test_what_is_within_the_limit_goes_on_and_what_is_above_it_is_slow_until_there_is_room() -> None:
    world = World(MAILBOX)
    assert all(world.send() is GO_ON for _ in range(50))
    charge = world.send()
    assert charge.is_slow
    assert charge.refusal is None
    assert charge.blocked_by == "mailbox"
    assert NOW + 300 <= charge.until <= NOW + 330


def test_recipients_are_counted_not_only_messages() -> None:
    world = World(MAILBOX)
    assert world.send(recipients=30) is GO_ON
    assert world.send(recipients=21).is_slow
    assert world.send(recipients=20) is GO_ON


def test_messages_are_counted_where_the_limit_says_so() -> None:
    world = World(Limit(LimitScope.MAILBOX, Counted.MESSAGES, 60, 2))
    assert world.send(recipients=1_000) is GO_ON
    assert world.send() is GO_ON
    assert world.send().is_slow


@pytest.mark.parametrize(
    ("scope", "same", "other"),
    [
        (LimitScope.MAILBOX, "ALICE@alpha.example", "bob@alpha.example"),
        (LimitScope.DOMAIN, "bob@alpha.example", "alice@other.example"),
        (LimitScope.MAILBOX, '"Ali\\ce"@alpha.example', "SRS0=h=t=alpha.example=alice@forward.example"),
    ],
)
def test_a_scope_counts_together_what_it_names(scope: LimitScope, same: str, other: str) -> None:
    world = World(Limit(scope, Counted.RECIPIENTS, 60, 1))
    assert world.send() is GO_ON
    assert world.send(same).is_slow
    assert world.send(other) is GO_ON


def test_the_customers_limit_counts_all_and_the_sources_each_source() -> None:
    world = World(
        Limit(LimitScope.CUSTOMER, Counted.RECIPIENTS, 60, 3), Limit(LimitScope.SOURCE, Counted.RECIPIENTS, 60, 2)
    )
    assert world.send("a@alpha.example") is GO_ON
    assert world.send("b@alpha.example") is GO_ON
    assert world.send("c@alpha.example").blocked_by == "source"
    assert world.send("d@alpha.example", source="8.8.8.8") is GO_ON
    assert world.send("e@alpha.example", source="7.7.7.7").blocked_by == "customer"


def test_a_null_reverse_path_has_a_limit_of_its_own() -> None:
    world = World(MAILBOX, Limit(LimitScope.NULL, Counted.MESSAGES, 60, 1))
    assert world.send("") is GO_ON
    assert world.send("").blocked_by == "null"
    assert world.send() is GO_ON


def test_what_is_slow_or_refused_is_not_charged() -> None:
    world = World(MAILBOX, Limit(LimitScope.CUSTOMER, Counted.RECIPIENTS, 300, 60))
    world.send(recipients=50)
    assert world.send(recipients=50).is_slow
    assert world.send("bob@alpha.example", recipients=10) is GO_ON


def test_no_limits_are_no_limits() -> None:
    world = World()
    assert all(world.send(recipients=10_000) is GO_ON for _ in range(100))
    assert len(world.limiter.meters) == 0


def test_mail_of_an_unknown_customer_is_not_counted() -> None:
    world = World(Limit(LimitScope.MAILBOX, Counted.RECIPIENTS, 60, 1))
    assert world.send(customer_id="gone", recipients=100) is GO_ON


def test_exempt_mailboxes_and_domains_are_counted_for_customer_and_source_only() -> None:
    limits = (MAILBOX, Limit(LimitScope.CUSTOMER, Counted.RECIPIENTS, 300, 200))
    world = World(*limits, exempt=("News@Alpha.example", "@list.example"))
    assert world.send("news@alpha.example", recipients=90) is GO_ON
    assert world.send("any@list.example", recipients=90) is GO_ON
    assert world.send("alice@alpha.example", recipients=60).blocked_by == "mailbox"
    assert world.send("news@alpha.example", recipients=90).blocked_by == "customer"


def test_one_customer_cannot_exhaust_anothers_limits() -> None:
    world = World(MAILBOX)
    world.set(MAILBOX, customer_id="beta")
    while world.send("alice@alpha.example", customer_id="beta").refusal is None:
        pass
    assert world.locked[-1].customer_id == "beta"
    assert world.send("alice@alpha.example") is GO_ON


def test_a_full_slow_lane_defers_with_the_time() -> None:
    world = World(MAILBOX, slow_messages_max=1)
    world.send(recipients=50)
    assert world.send().is_slow
    charge = world.send()
    assert charge.refusal is not None
    assert (charge.refusal.verdict, charge.refusal.reason) == (Verdict.DEFER, Reason.SLOW_LANE_FULL)
    assert "alice@alpha.example may send again at " in charge.refusal.context
    world.limiter.slow_room.leave("alpha", 1_000)
    assert world.send().is_slow


def test_what_is_held_is_never_slow_and_takes_no_place_in_the_lane() -> None:
    world = World(MAILBOX, lock_factor=3.0)
    sender = Sender("alpha", "alice@alpha.example", "alpha.example", "9.9.9.9")
    held = [world.limiter.charge(sender, 50, 1_000, NOW, is_held=True) for _ in range(4)]
    assert held[:3] == [GO_ON] * 3
    assert held[3].refusal is not None  # who wants far too much is locked all the same
    assert world.limiter.slow_room.all.messages == 0


# The slow lane


def test_a_slow_message_goes_and_is_charged_when_the_window_has_room() -> None:
    world = World(MAILBOX)
    world.send(recipients=50)
    at = world.draw()
    assert at is not None
    world.now = at
    assert world.draw(recipients=50) is None
    assert world.draw() is not None


def test_who_comes_later_waits_behind_those_who_wait() -> None:
    world = World(MAILBOX)
    world.send()
    world.limiter.wait_for(("alpha", "mailbox", "alice@alpha.example"), 1)
    assert world.send().is_slow
    world.limiter.wait_for(("alpha", "mailbox", "alice@alpha.example"), -1)
    assert world.send() is GO_ON


def test_a_message_above_the_maximum_leaves_in_the_end() -> None:
    world = World(MAILBOX, lock_factor=0)
    assert world.send(recipients=100).is_slow
    at = world.draw(recipients=100)
    assert at is not None
    assert at >= NOW + 300
    world.now = at
    assert world.draw(recipients=100, waited_seconds=at - NOW) is None
    assert world.draw() is not None


def test_the_slow_mail_of_a_customer_without_limits_any_more_goes_at_once() -> None:
    world = World(MAILBOX)
    world.send(recipients=50)
    world.set()
    assert world.draw(recipients=500) is None
    world.documents.clear()
    assert world.draw(recipients=500) is None


def test_slow_mail_of_a_customer_who_is_not_known_yet_waits() -> None:
    world = World(MAILBOX)
    world.documents.clear()
    world.knows_all = False
    assert world.draw() == NOW + 5.0
    world.knows_all = True
    assert world.draw() is None


# Letters to our own postmaster


def letter(world: World, source: str = "198.51.100.9", recipients: int = 1, size_octets: int = 1_000) -> Charge:
    return world.limiter.charge(Sender("", "", "", source), recipients, size_octets, world.now)


def is_deferred(charge: Charge) -> bool:
    if charge.refusal is None:
        assert charge is GO_ON
        return False
    assert (charge.refusal.verdict, charge.refusal.reason) == (Verdict.DEFER, Reason.OVERLOADED)
    assert "too much mail for the postmaster until " in charge.refusal.context
    assert str(reply_for(charge.refusal)).startswith("451 4.3.2 overloaded: ")
    return True


def test_one_source_writes_some_letters_in_a_minute() -> None:
    world = World()
    assert [is_deferred(letter(world)) for _ in range(12)] == [False] * POSTMASTER_SOURCE_LETTERS_MAX + [True] * 2
    assert not is_deferred(letter(world, "198.51.100.10"))
    world.now += 66.1
    assert not is_deferred(letter(world))


def test_all_strangers_together_write_no_more_than_the_maximum_in_a_minute() -> None:
    world = World()
    taken = [number for number in range(3_000) if not is_deferred(letter(world, f"203.0.{number >> 8}.{number & 255}"))]
    assert len(taken) == POSTMASTER_LETTERS_MAX
    assert len(world.limiter.meters) < POSTMASTER_LETTERS_MAX + 3  # who is refused costs nothing


def test_a_letter_counts_for_each_of_its_recipients() -> None:
    world = World()
    assert is_deferred(letter(world, recipients=200))
    assert not is_deferred(letter(world, recipients=POSTMASTER_SOURCE_LETTERS_MAX))
    assert is_deferred(letter(world))


def test_the_octets_of_letters_have_a_budget_in_an_hour_and_a_day() -> None:
    world = World()
    taken = []
    for _ in range(48):
        taken += [not is_deferred(letter(world, f"203.0.113.{one}", size_octets=150 << 20)) for one in range(3)]
        world.now += 4_000
    assert taken[:3] == [True, False, False]
    in_a_day = taken[: 3 * 86_400 // 4_000]
    assert sum(in_a_day) * (150 << 20) <= POSTMASTER_DAY_OCTETS_MAX
    assert POSTMASTER_OCTETS_MAX >= 150 << 20  # the size that is announced by default
    assert sum(taken) > sum(in_a_day)  # and more on the next day


def test_workers_share_the_postmasters_budget() -> None:
    workers = Workers(4, 1)
    taken = 0
    for number in range(400):
        world = workers.worlds[number % 4]
        taken += not is_deferred(letter(world, f"203.0.113.{number % 250}"))
        workers.exchange()
    assert taken == POSTMASTER_LETTERS_MAX


def test_letters_to_the_postmaster_cost_no_customer_anything() -> None:
    world = World(MAILBOX)
    for number in range(100):
        letter(world, f"203.0.113.{number}", size_octets=150 << 20)
    assert world.send(recipients=50) is GO_ON


# Locks


def test_a_mailbox_that_wants_far_more_than_its_limit_is_locked_once() -> None:
    world = World(MAILBOX, lock_factor=2.0, lock_seconds=600)
    replies = [world.send() for _ in range(110)]
    assert [charge.refusal is None for charge in replies].index(False) == 100
    assert [(lock.mailbox, lock.until - lock.at, lock.reason) for lock in world.locked] == [
        ("alice@alpha.example", 600, "over-limit")
    ]
    refusal = replies[-1].refusal
    assert refusal is not None
    assert (refusal.verdict, refusal.reason) == (Verdict.REJECT, Reason.SENDER_LOCKED)
    assert world.send("bob@alpha.example") is GO_ON


def test_a_lock_ends_by_itself_and_keeps_slow_mail_back_until_then() -> None:
    world = World(MAILBOX, lock_factor=2.0, lock_seconds=60)
    world.send(recipients=1_000)
    assert len(world.locked) == 1
    assert world.draw() is not None
    world.now += 60
    assert world.draw() is None
    assert world.send() is GO_ON


def test_demand_that_is_spread_over_time_does_not_lock() -> None:
    world = World(MAILBOX, lock_factor=2.0)
    for _ in range(20):
        world.send(recipients=49)
        world.send(recipients=40)
        world.now += 331
    assert world.locked == []


class Workers:
    """Workers with one document, and the clerk between them, who is asked after every `pause` messages."""

    def __init__(self, count: int, pause: int, *limits: Limit, **settings: Any) -> None:
        self.worlds = [World(*limits, **settings) for _ in range(count)]
        for world in self.worlds:
            world.limiter.meters.workers = count
        self.pause = pause
        self.sent = 0
        self.totals: dict[tuple[str, str, str, str, int], dict[int, int]] = {}

    def send(self, **more: Any) -> Charge:
        world = self.worlds[self.sent % len(self.worlds)]
        self.sent += 1
        charge = world.send(**more)
        if self.pause and self.sent % self.pause == 0:
            self.exchange()
        return charge

    def exchange(self) -> None:
        for world in self.worlds:
            meters = world.limiter.meters
            if meters.has_news:
                number, counts = meters.report()
                for count in counts:
                    key = (count.customer_id, count.scope, count.subject, count.counted, count.seconds)
                    total = self.totals.setdefault(key, {})
                    for part, amount in count.parts.items():
                        total[part] = total.get(part, 0) + amount
                meters.confirm(number)
        told = [Count(*key, dict(parts)) for key, parts in self.totals.items()]
        for world in self.worlds:
            world.limiter.meters.learn(told, len(self.worlds), world.now)

    def until_locked(self) -> int:
        """How many messages were taken."""
        for taken in range(10_000):
            if self.send().refusal is not None:
                return taken
        raise AssertionError

    def pass_time(self, seconds: float) -> None:
        for world in self.worlds:
            world.now += seconds


@pytest.mark.parametrize(
    ("count", "pause", "at_most"), [(1, 1, 500), (2, 1, 520), (4, 1, 520), (4, 20, 540), (4, 100, 640), (4, 0, 2_000)]
)
def test_workers_know_of_each_others_demand(count: int, pause: int, at_most: int) -> None:
    """What is wanted above the lock is what no worker has heard of yet; 0: the clerk is away."""
    taken = Workers(count, pause, MAILBOX, lock_factor=10.0).until_locked()
    assert 500 <= taken <= at_most


def test_workers_lock_nobody_for_demand_that_is_no_more_than_the_factor() -> None:
    workers = Workers(4, 1, MAILBOX, lock_factor=10.0)
    for _ in range(20):
        for _ in range(500):
            assert workers.send().refusal is None
        workers.pass_time(331)
        workers.exchange()


def test_what_a_mailbox_was_locked_for_does_not_lock_it_once_more_on_any_worker() -> None:
    workers = Workers(4, 1, MAILBOX, lock_factor=10.0)
    workers.until_locked()
    unlocked = LockedSender("alice@alpha.example", NOW + 1)
    for world in workers.worlds:
        world.set(MAILBOX, lock_factor=10.0, locked_senders=[unlocked])
    workers.pass_time(1)
    assert workers.until_locked() >= 450  # what was granted before still counts


def test_a_lock_that_ended_by_itself_is_not_made_again_for_the_same() -> None:
    world = World(MAILBOX, Limit(LimitScope.MAILBOX, Counted.RECIPIENTS, 86_400, 50), lock_factor=10.0, lock_seconds=60)
    world.send(recipients=501)
    assert len(world.locked) == 1
    world.now += 61
    assert world.send(recipients=60).is_slow
    assert len(world.locked) == 1


def test_demand_is_not_forgotten_for_the_sake_of_others() -> None:
    world = World(MAILBOX, lock_factor=10.0)
    world.limiter.meters = Meters(keys_max=20)
    for _ in range(100):
        world.send()
    for number in range(200):
        world.send(f"{number}@alpha.example")
    for _ in range(400):
        world.send()
    assert world.locked == []
    world.send()
    assert len(world.locked) == 1


def test_without_room_for_more_meters_nobody_is_locked_for_anothers_demand() -> None:
    world = World(MAILBOX, lock_factor=2.0)
    world.limiter.meters = Meters(keys_max=2)
    world.send("alice@alpha.example", recipients=90)
    for name in "bcdefgh":
        assert world.send(f"{name}@alpha.example", recipients=60).refusal is None


def test_a_factor_of_zero_never_locks() -> None:
    world = World(MAILBOX, lock_factor=0)
    assert world.send(recipients=100_000).is_slow


def test_the_documents_lock_refuses_also_where_nothing_is_limited() -> None:
    world = World(locked_senders=[LockedSender("alice@alpha.example", NOW + 60, "over-limit")])
    refusal = world.send("Alice@alpha.example").refusal
    assert refusal is not None
    assert refusal.reason is Reason.SENDER_LOCKED
    world.now += 60
    assert world.send() is GO_ON


def test_too_many_unknown_recipients_lock_the_mailbox() -> None:
    world = World(Limit(LimitScope.MAILBOX, Counted.RECIPIENTS, 3_600, 1_000), invalid_percent=50, invalid_minimum=20)
    sender = Sender("alpha", "alice@alpha.example", "alpha.example", "9.9.9.9")
    world.send(recipients=30)
    world.limiter.unknown_recipients(sender, 15, world.now)
    assert world.locked == []
    world.limiter.unknown_recipients(sender, 1, world.now)
    assert [lock.reason for lock in world.locked] == ["invalid-recipients"]
    world.limiter.unknown_recipients(sender, 10, world.now)
    assert len(world.locked) == 1


def test_after_a_lock_only_new_unknown_recipients_count() -> None:
    world = World(Limit(LimitScope.MAILBOX, Counted.RECIPIENTS, 3_600, 1_000), lock_seconds=60)
    sender = Sender("alpha", "alice@alpha.example", "alpha.example", "9.9.9.9")
    world.send(recipients=30)
    world.limiter.unknown_recipients(sender, 30, world.now)
    assert len(world.locked) == 1
    world.now += 61
    world.send(recipients=30)
    world.limiter.unknown_recipients(sender, 10, world.now)
    assert len(world.locked) == 1
    world.limiter.unknown_recipients(sender, 10, world.now)
    assert len(world.locked) == 2


@pytest.mark.parametrize(
    ("address", "source"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:0:1:ffff::1", "2001:db8:0:1::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("no:address", "no:address"),
    ],
)
def test_an_ipv6_host_is_counted_by_its_network(address: str, source: str) -> None:
    assert source_of(address) == source


@pytest.mark.parametrize("settings", [{"invalid_percent": 0}, {"exempt": ("alice@alpha.example",)}])
def test_unknown_recipients_do_not_lock_where_that_is_off(settings: dict[str, Any]) -> None:
    world = World(Limit(LimitScope.MAILBOX, Counted.RECIPIENTS, 3_600, 1_000), **settings)
    world.send(recipients=30)
    sender = Sender("alpha", "alice@alpha.example", "alpha.example", "9.9.9.9")
    world.limiter.unknown_recipients(sender, 30, world.now)
    assert world.locked == []


def test_without_room_for_more_meters_nobody_is_locked_for_anothers_unknown_recipients() -> None:
    world = World(Limit(LimitScope.MAILBOX, Counted.RECIPIENTS, 3_600, 30))
    world.limiter.meters = Meters(keys_max=2)
    for name in ("alice", "bob"):
        world.send(f"{name}@alpha.example", recipients=30)
    for name in ("alice", "bob"):
        sender = Sender("alpha", f"{name}@alpha.example", "alpha.example", "9.9.9.9")
        world.limiter.unknown_recipients(sender, 15, world.now)
    assert world.locked == []


def test_few_unknown_recipients_are_no_share_of_anything() -> None:
    world = World(Limit(LimitScope.MAILBOX, Counted.RECIPIENTS, 3_600, 1_000))
    world.send(recipients=3)
    sender = Sender("alpha", "alice@alpha.example", "alpha.example", "9.9.9.9")
    world.limiter.unknown_recipients(sender, 3, world.now)
    assert world.locked == []


@given(st.lists(st.tuples(st.floats(0, 60), st.sampled_from("abc"), st.integers(1, 60), st.booleans()), max_size=60))
def test_no_window_of_any_scope_holds_more_than_its_maximum(steps: list[tuple[float, str, int, bool]]) -> None:
    """Sent directly or drained; a message above a maximum alone may be more, and is then alone in its window."""
    limits = (MAILBOX, Limit(LimitScope.CUSTOMER, Counted.RECIPIENTS, 100, 70))
    world = World(*limits, lock_factor=0)
    sent: list[tuple[float, str, int]] = []
    slow: list[tuple[float, str, int]] = []
    for pause, name, recipients, is_new in steps:
        world.now += pause
        if is_new or not slow:
            charge = world.send(f"{name}@alpha.example", recipients)
            if charge.is_slow:
                slow.append((world.now, name, recipients))
            else:
                sent.append((world.now, name, recipients))
        else:
            came_at, name, recipients = slow[0]
            if world.draw(f"{name}@alpha.example", recipients, world.now - came_at) is None:
                del slow[0]
                sent.append((world.now, name, recipients))
    for at, name, _ in sent:
        own = [recipients for when, who, recipients in sent if who == name and at - 300 < when <= at]
        assert sum(own) <= 50 or len(own) == 1
        assert sum(recipients for when, _, recipients in sent if at - 100 < when <= at) <= 70
