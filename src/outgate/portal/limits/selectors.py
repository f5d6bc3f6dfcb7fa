"""Reads locks and counts."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db.models import QuerySet
from django.utils import timezone

from outgate.contract.policy import LockedSender
from outgate.portal.customers.models import Customer
from outgate.portal.errors import NotFound
from outgate.portal.limits.models import LockedMailbox, NodeCount

OVER_DAYS: Final = 2  # a lock that is over stays in the documents so long, for workers that made it by themselves
LISTED_MAX: Final = 10_000  # locks in one customer's document; those that end last


def locked_senders(customer: Customer) -> tuple[LockedSender, ...]:
    """For the customer's document: what is locked, and what was lately. Sorted, so that what is equal stays equal."""
    since = timezone.now() - timedelta(days=OVER_DAYS)
    rows = customer.locked_mailboxes.filter(until__gte=since).order_by("-until")
    listed = rows.values_list("mailbox", "until", "reason")[:LISTED_MAX]
    return tuple(
        sorted(
            [LockedSender(mailbox, until.timestamp(), reason) for mailbox, until, reason in listed],
            key=lambda locked: locked.mailbox,
        )
    )


@dataclass(frozen=True, slots=True)
class LockedRow:
    """A lock that is in force, ready to be shown."""

    customer: str
    mailbox: str
    reason: str
    locked_at: datetime
    until: datetime
    times: int


def locks_in_force(customer: Customer | None = None) -> list[LockedRow]:
    """All, or the customer's, by customer and mailbox."""
    rows = LockedMailbox.objects.filter(until__gt=timezone.now()).order_by("customer__slug", "mailbox")
    if customer is not None:
        rows = rows.filter(customer=customer)
    columns = ("customer__slug", "mailbox", "reason", "locked_at", "until", "times")
    return [LockedRow(*row) for row in rows.values_list(*columns)]


def locked_rows(customer: Customer) -> QuerySet[LockedMailbox]:
    """The customer's locks that are in force."""
    return customer.locked_mailboxes.filter(until__gt=timezone.now())


def lock_of(customer: Customer, mailbox: str) -> LockedMailbox:
    """The lock that is in force. Raises: NotFound."""
    row = customer.locked_mailboxes.filter(mailbox=mailbox.lower(), until__gt=timezone.now()).first()
    if row is None:
        raise NotFound(f"{mailbox} of {customer.slug} is not locked. See `outgate sender list`.")
    return row


def counts_changed(*, since: datetime, now: datetime, but_of: str = "") -> list[tuple[str, str, dict[str, int]]]:
    """(node, key, parts) of what other nodes than `but_of` have written since then, without what is over."""
    rows = NodeCount.objects.filter(changed_at__gte=since, ends_at__gt=now)
    if but_of:
        rows = rows.exclude(node=but_of)
    return list(rows.values_list("node", "key", "parts"))


def counts_of(node: str, now: datetime) -> list[tuple[str, dict[str, int]]]:
    """(key, parts) of what `node` has counted, without what is over."""
    return list(NodeCount.objects.filter(node=node, ends_at__gt=now).values_list("key", "parts"))
