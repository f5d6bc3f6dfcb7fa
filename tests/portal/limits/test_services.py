"""Locks: made by workers and people, told once, ended at once, longer when they come again."""

from datetime import UTC, datetime, timedelta

import pytest
from tests.support.portal import ACTOR, actions, customer, living_document, newest

from outgate.contract.commands import SendNotice
from outgate.contract.events import SenderLocked
from outgate.portal.accounts.models import Role, User
from outgate.portal.customers.models import Customer
from outgate.portal.errors import Invalid, NotFound
from outgate.portal.feed.codec import decode_command
from outgate.portal.feed.models import OrderedCommand
from outgate.portal.limits import selectors, services

pytestmark = pytest.mark.django_db(databases="__all__")

ALICE = "alice@alpha.example"


def event(
    made: Customer, at: datetime, *, seconds: int = 3_600, worker: str = "mx1/1", reason: str = "over-limit"
) -> SenderLocked:
    return SenderLocked(worker, at.timestamp(), made.slug, ALICE, at.timestamp() + seconds, 86_400, reason)


def notices() -> list[tuple[str, SendNotice]]:
    found = []
    for row in OrderedCommand.objects.order_by("pk"):
        command = decode_command(row.body)
        assert isinstance(command, SendNotice)
        found.append((row.worker, command))
    return found


def test_a_workers_lock_comes_into_the_document_and_is_told_to_the_admins_once() -> None:
    made = customer()
    for email, role in (("admin@alpha.example", Role.CUSTOMER_ADMIN), ("viewer@alpha.example", Role.CUSTOMER_VIEWER)):
        User.objects.create(email=email, role=role, customer=made)
    User.objects.create(email="gone@alpha.example", role=Role.CUSTOMER_ADMIN, customer=made, is_active=False)
    now = datetime.now(UTC)

    assert services.record_locks([event(made, now), event(made, now + timedelta(seconds=1), worker="mx2/1")]) == 1

    (locked,) = living_document(made).locked_senders
    assert (locked.mailbox, locked.reason) == (ALICE, "over-limit")
    assert locked.until == pytest.approx(now.timestamp() + 3_600)
    ((worker, notice),) = notices()
    assert worker == "mx1/1"
    assert notice.recipients == ("admin@alpha.example",)
    assert f"outgate sender unlock {ALICE} --customer {made.slug}" in notice.text
    assert actions()[-1] == "sender.locked"


def test_an_event_that_comes_again_changes_nothing() -> None:
    made = customer()
    now = datetime.now(UTC)
    services.record_locks([event(made, now)])
    before = newest()
    assert services.record_locks([event(made, now)]) == 0
    assert newest() == before
    assert len(notices()) == 1


def test_unlocking_ends_it_at_once_and_stays_in_the_document_as_over() -> None:
    made = customer()
    services.record_locks([event(made, datetime.now(UTC))])
    services.unlock_sender(actor=ACTOR, customer=made, mailbox="Alice@alpha.example")
    (locked,) = living_document(made).locked_senders
    assert locked.until <= datetime.now(UTC).timestamp()
    assert selectors.locks_in_force() == []
    assert actions()[-1] == "sender.unlocked"
    with pytest.raises(NotFound, match="is not locked"):
        services.unlock_sender(actor=ACTOR, customer=made, mailbox=ALICE)


def test_a_lock_from_before_the_unlocking_that_comes_late_is_none() -> None:
    made = customer()
    now = datetime.now(UTC)
    services.record_locks([event(made, now - timedelta(seconds=5))])
    services.unlock_sender(actor=ACTOR, customer=made, mailbox=ALICE)
    assert services.record_locks([event(made, now - timedelta(seconds=2), worker="mx1/2")]) == 0
    assert selectors.locks_in_force() == []


def test_a_lock_after_the_unlocking_is_a_new_one_and_lasts_twice_as_long_up_to_the_maximum() -> None:
    made = customer()
    at = datetime.now(UTC) - timedelta(hours=20)
    lasted = []
    for _ in range(6):
        services.record_locks([event(made, at)])
        row = made.locked_mailboxes.get()
        lasted.append((row.until - row.locked_at).total_seconds())
        at = row.until + timedelta(seconds=1)
    assert lasted == [3_600, 7_200, 14_400, 28_800, 57_600, 86_400]


def test_after_a_day_a_lock_is_a_first_one_again() -> None:
    made = customer()
    at = datetime.now(UTC) - timedelta(days=3)
    services.record_locks([event(made, at), event(made, at + timedelta(days=2))])
    row = made.locked_mailboxes.get()
    assert (row.until - row.locked_at).total_seconds() == 3_600
    assert row.times == 1


def test_a_person_locks_and_what_is_no_mailbox_is_refused() -> None:
    made = customer()
    services.lock_sender(actor=ACTOR, customer=made, mailbox="Bob@Alpha.example", seconds=60)
    (row,) = selectors.locks_in_force(made)
    assert (row.mailbox, row.reason) == ("bob@alpha.example", "sender-locked")
    assert notices() == []  # who did it knows it
    with pytest.raises(Invalid):
        services.lock_sender(actor=ACTOR, customer=made, mailbox="bob", seconds=60)
    with pytest.raises(Invalid):
        services.lock_sender(actor=ACTOR, customer=made, mailbox=ALICE, seconds=0)


def test_locks_of_one_customer_are_not_anothers() -> None:
    one, other = customer("One"), customer("Other")
    services.record_locks([event(one, datetime.now(UTC))])
    assert selectors.locks_in_force(other) == []
    assert living_document(other).locked_senders == ()
    with pytest.raises(NotFound):
        services.unlock_sender(actor=ACTOR, customer=other, mailbox=ALICE)


def test_a_lock_of_a_customer_who_is_gone_or_at_no_time_is_left_out() -> None:
    made = customer()
    gone = SenderLocked("mx1/1", 1.8e9, "gone", ALICE, 1.8e9 + 60, 86_400, "over-limit")
    never = SenderLocked("mx1/1", 1e300, made.slug, ALICE, 1e300, 86_400, "over-limit")
    assert services.record_locks([gone, never]) == 0


def test_counts_are_kept_by_node_and_forgotten_when_they_are_over() -> None:
    now = datetime.now(UTC)
    ends_at = (now + timedelta(hours=1)).timestamp()
    services.write_counts(node="mx1", counts=[("k", {1: 5}, ends_at), ("over", {1: 1}, now.timestamp() - 1)], now=now)
    services.write_counts(node="mx2", counts=[("k", {1: 7}, ends_at)], now=now)
    services.write_counts(node="mx1", counts=[("k", {1: 6, 2: 1}, ends_at)], now=now)
    assert selectors.counts_of("mx1", now) == [("k", {"1": 6, "2": 1})]
    assert selectors.counts_changed(since=now, now=now, but_of="mx1") == [("mx2", "k", {"1": 7})]
    assert selectors.counts_changed(since=now + timedelta(seconds=1), now=now) == []
    services.forget_old(now=now + timedelta(hours=2))
    assert selectors.counts_of("mx1", now) == []
