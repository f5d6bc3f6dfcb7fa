"""Finds held mail, and what was ordered over waiting messages."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db.models import Count, Exists, Min, OuterRef, Q, QuerySet, Sum

from outgate.portal.held.models import MessageOrder
from outgate.portal.tracker.listing import rows_of
from outgate.portal.tracker.models import Status, TrackedMessage, TrackedRecipient
from outgate.portal.tracker.search import TEXT_MAX

PAGE_SIZE: Final = 50
SENDERS_MAX: Final = 50  # senders whose slow mail is told
COUNT_MAX: Final = 999  # of held messages that are counted; more are "999 and more"


@dataclass(frozen=True, slots=True)
class HeldRow:
    """recipient, more: as of `tracker.listing.Row`. findings: names of what scanning found that led to this. order: the
    last one of a person, None before there is one."""

    message: TrackedMessage
    recipient: str
    more: int
    findings: list[str]
    order: MessageOrder | None


@dataclass(frozen=True, slots=True)
class HeldPage:
    """next_before: the cursor of what follows; empty is the end."""

    rows: list[HeldRow]
    next_before: str = ""


def held_of(
    customer_id: str,
    *,
    standing: Status = Status.HELD,
    text: str = "",
    reason: str = "",
    before: str = "",
    limit: int = PAGE_SIZE,
) -> HeldPage:
    """Newest first, with queue ids below `before`. standing: held, or in the slow lane. text: part of sender, recipient
    or subject, in any case. reason: the code of the hold."""
    rows = _waiting(customer_id, standing)
    if text := text[:TEXT_MAX]:
        recipients = TrackedRecipient.objects.filter(queue_id=OuterRef("queue_id"), forward_path__icontains=text)
        rows = rows.filter(
            Q(reverse_path__icontains=text)
            | Q(header_from__icontains=text)
            | Q(subject__icontains=text)
            | Q(Exists(recipients))
        )
    if reason:
        rows = rows.filter(lane_reason=reason)
    if before:
        rows = rows.filter(queue_id__lt=before)
    messages = list(rows.order_by("-queue_id")[: limit + 1])
    following = messages[limit - 1].queue_id if len(messages) > limit else ""
    return HeldPage(_rows(messages[:limit]), following)


def held_reasons(customer_id: str, standing: Status = Status.HELD) -> list[str]:
    """The codes for which mail waits, by name."""
    return sorted(
        _waiting(customer_id, standing).order_by("lane_reason").values_list("lane_reason", flat=True).distinct()[:100]
    )


def count_held(customer_id: str, standing: Status = Status.HELD) -> int:
    """At most `COUNT_MAX` + 1."""
    return len(_waiting(customer_id, standing).order_by().values_list("queue_id")[: COUNT_MAX + 1])


@dataclass(frozen=True, slots=True)
class SlowSender:
    """What waits of one sender in the slow lane. sender: reverse-path. oldest: when its first message came."""

    sender: str
    messages: int
    octets: int
    oldest: datetime


def slow_by_sender(customer_id: str) -> list[SlowSender]:
    """The first `SENDERS_MAX` by how much waits."""
    rows = _waiting(customer_id, Status.SLOW).order_by().values("reverse_path")
    counted = rows.annotate(messages=Count("queue_id"), octets=Sum("size_octets"), oldest=Min("at"))
    first = counted.order_by("-messages", "reverse_path")[:SENDERS_MAX]
    return [SlowSender(row["reverse_path"], row["messages"], row["octets"], row["oldest"]) for row in first]


def orders_of(queue_ids: Iterable[str]) -> dict[str, MessageOrder]:
    """By queue id."""
    return MessageOrder.objects.in_bulk(list(queue_ids))


def order_of(message: TrackedMessage) -> MessageOrder | None:
    """The last one over a message that waits still."""
    return MessageOrder.objects.filter(queue_id=message.queue_id).first()


def _waiting(customer_id: str, standing: Status) -> QuerySet[TrackedMessage]:
    """The status stands in the statement itself: SQLite takes an index over a part of the rows only for a condition
    that it can read."""
    rows = TrackedMessage.objects.filter(customer_id=customer_id)
    return rows.extra(where=[f"status = '{standing.value}'"])  # noqa: S610 - no word of anybody


def _rows(messages: Sequence[TrackedMessage]) -> list[HeldRow]:
    orders = orders_of(message.queue_id for message in messages)
    return [
        HeldRow(row.message, row.recipient, row.more, _findings(row.message), orders.get(row.message.queue_id))
        for row in rows_of(messages)
    ]


def _findings(message: TrackedMessage) -> list[str]:
    """Each name once, those of the category that led to the hold if that is known."""
    category = message.lane_reason.removeprefix("content-")
    found = message.report.get("findings", ())
    telling = [each for each in found if each.get("category") == category] or found
    return list(dict.fromkeys(each.get("name", "") for each in telling))[:5]
