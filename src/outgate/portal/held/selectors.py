"""Finds held mail, and what was ordered over waiting messages."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db.models import Count, Exists, Min, OuterRef, Q, QuerySet, Sum
from django.db.models.functions import Lower
from django.utils import timezone

from outgate.portal.feed.models import CommandReport
from outgate.portal.held.models import MessageOrder
from outgate.portal.tracker.listing import rows_of
from outgate.portal.tracker.models import Status, TrackedMessage, TrackedRecipient
from outgate.portal.tracker.search import TEXT_MAX

PAGE_SIZE: Final = 50
ORDER_SECONDS: Final = 60  # a worker does it within some; after so many people are told that none has
SENDERS_MAX: Final = 50  # senders whose slow mail is told
_WAITING: Final = (Status.HELD.value, Status.SLOW.value)
COUNT_MAX: Final = 999  # of held messages that are counted; more are "999 and more"


@dataclass(frozen=True, slots=True)
class HeldRow:
    """recipient, more: as of `tracker.listing.Row`. findings: names of what scanning found that led to this. order: the
    last one of a person, None before there is one. is_late: see `late_orders`."""

    message: TrackedMessage
    recipient: str
    more: int
    findings: list[str]
    order: MessageOrder | None
    is_late: bool = False


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
class Standing:
    """How an ordered message stands by now. is_waiting: it is held or slow still, its order under way. is_late: see
    `late_orders`."""

    queue_id: str
    status: str
    order: MessageOrder | None
    is_waiting: bool
    is_late: bool


def standings_of(customer_id: str, queue_ids: Sequence[str]) -> list[Standing]:
    """Of the customer's among the first `PAGE_SIZE` of these, by queue id."""
    rows = TrackedMessage.objects.filter(customer_id=customer_id, queue_id__in=queue_ids[:PAGE_SIZE])
    statuses = dict(rows.order_by("queue_id").values_list("queue_id", "status"))
    orders = orders_of(statuses)
    late = late_orders(orders.values(), now=timezone.now())
    return [
        Standing(name, status, orders.get(name), status in _WAITING and name in orders, name in late)
        for name, status in statuses.items()
    ]


@dataclass(frozen=True, slots=True)
class SlowSender:
    """What waits of one sender in the slow lane. sender: reverse-path, lower case. oldest: when its first one came."""

    sender: str
    messages: int
    octets: int
    oldest: datetime


def slow_by_sender(customer_id: str) -> list[SlowSender]:
    """The first `SENDERS_MAX` by how much waits. As they are counted: the case of a sender does not matter."""
    rows = _waiting(customer_id, Status.SLOW).order_by().values(sender=Lower("reverse_path"))
    counted = rows.annotate(messages=Count("queue_id"), octets=Sum("size_octets"), oldest=Min("at"))
    first = counted.order_by("-messages", "sender")[:SENDERS_MAX]
    return [SlowSender(row["sender"], row["messages"], row["octets"], row["oldest"]) for row in first]


def orders_of(queue_ids: Iterable[str]) -> dict[str, MessageOrder]:
    """By queue id."""
    return MessageOrder.objects.in_bulk(list(queue_ids))


def late_orders(orders: Iterable[MessageOrder], *, now: datetime) -> frozenset[str]:
    """Queue ids of those that no worker says it has carried out, `ORDER_SECONDS` after they were given. now: aware."""
    old = {order.queue_id: order for order in orders if order.at <= now - timedelta(seconds=ORDER_SECONDS)}
    if not old:
        return frozenset()
    reports = CommandReport.objects.filter(command__in={order.command_id for order in old.values()})
    carried_out = {(number, name) for number, done in reports.values_list("command_id", "done") for name in done}
    return frozenset(name for name, order in old.items() if (order.command_id, name) not in carried_out)


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
    late = late_orders(orders.values(), now=timezone.now())
    return [
        HeldRow(
            row.message,
            row.recipient,
            row.more,
            _findings(row.message),
            orders.get(row.message.queue_id),
            row.message.queue_id in late,
        )
        for row in rows_of(messages)
    ]


def _findings(message: TrackedMessage) -> list[str]:
    """Each name once, those of the category that led to the hold if that is known."""
    category = message.lane_reason.removeprefix("content-")
    found = message.report.get("findings", ())
    telling = [each for each in found if each.get("category") == category] or found
    return list(dict.fromkeys(each.get("name", "") for each in telling))[:5]
