"""Counts of mail for the pages, from the tracker."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db.models import Count, Max, Q

from outgate.mail.queue_ids import queue_id
from outgate.portal.customers.models import Customer, MailPlatform
from outgate.portal.tracker.models import Status, TrackedMessage

RECENT: Final = 8  # messages on a customer's first page


@dataclass(frozen=True, slots=True)
class Mail:
    """Of one customer, within a time. refused: also what was told to come again."""

    messages: int
    waiting: int
    refused: int
    last_at: datetime | None


def mail_of(slugs: Iterable[str], since: datetime) -> dict[str, Mail]:
    """Of each of these customers that had any. The index on customer and queue id, which begins with the time, makes
    this a look at the messages that are counted."""
    floor = queue_id(int(since.timestamp() * 1000), 0, 0)
    rows = (
        TrackedMessage.objects.filter(customer_id__in=list(slugs), queue_id__gte=floor)
        .values("customer_id")
        .annotate(
            messages=Count("queue_id"),
            waiting=Count("queue_id", filter=Q(status__in=(Status.QUEUED, Status.DEFERRED, Status.HELD, Status.SLOW))),
            refused=Count("queue_id", filter=Q(status__in=(Status.REFUSED, Status.POSTPONED))),
            last_at=Max("at"),
        )
    )
    return {row["customer_id"]: Mail(row["messages"], row["waiting"], row["refused"], row["last_at"]) for row in rows}


def recent_messages(slug: str) -> list[TrackedMessage]:
    return list(TrackedMessage.objects.filter(customer_id=slug).order_by("-queue_id")[:RECENT])


def has_known_ranges(customer: Customer) -> bool:
    """Does the customer's mail come from a cloud whose address ranges are kept by us, so that no source is entered?"""
    return customer.mail_platform in (MailPlatform.MICROSOFT_365, MailPlatform.GOOGLE)
