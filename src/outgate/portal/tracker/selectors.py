"""Reads the tracker."""

from dataclasses import dataclass
from datetime import datetime

from outgate.portal.errors import NotFound
from outgate.portal.tracker.models import (
    ShippingCursor,
    TenantSighting,
    TrackedAttempt,
    TrackedMessage,
    TrackedRecipient,
    TrackedRefusal,
)
from outgate.portal.tracker.search import read_queue_id

BEGINNING = (0, 0)


def shipping_cursor(log: str) -> tuple[int, int]:
    """How far `log` has been recorded: file and offset."""
    return ShippingCursor.objects.filter(log=log).values_list("file", "offset").first() or BEGINNING


def sightings_of(customer_id: str, *, since: datetime) -> list[TenantSighting]:
    """What the customer's mail from clouds has shown since then, the last first."""
    rows = TenantSighting.objects.filter(customer_id=customer_id, last_at__gte=since)
    return list(rows.order_by("-last_at", "digest"))


@dataclass(frozen=True, slots=True)
class Trace:
    """All that is recorded of one message. attempts, refusals: in their order; recipients: by forward-path."""

    message: TrackedMessage
    recipients: list[TrackedRecipient]
    attempts: list[TrackedAttempt]
    refusals: list[TrackedRefusal]


def message_of(customer_id: str, name: str) -> TrackedMessage:
    """A customer's message. name: its queue id, as people write it. Raises: NotFound."""
    message = TrackedMessage.objects.filter(queue_id=read_queue_id(name), customer_id=customer_id).first()
    if message is None:
        raise NotFound(
            "No message with this reference is recorded. It came seconds ago, or so long ago that it is forgotten, or "
            "there was none."
        )
    return message


def trace_of(queue_id: str) -> Trace:
    """Raises: NotFound."""
    message = TrackedMessage.objects.filter(queue_id=queue_id.strip().upper()).first()
    if message is None:
        raise NotFound(
            f"No message {queue_id!r} is recorded. It came seconds ago, or so long ago that it is forgotten, or there "
            "was none: look at the reference in the reply, such as T4226ZR000G00."
        )
    key = {"queue_id": message.queue_id}
    return Trace(
        message,
        list(TrackedRecipient.objects.filter(**key).order_by("forward_path")),
        list(TrackedAttempt.objects.filter(**key).order_by("attempt", "at", "first_recipient")),
        list(TrackedRefusal.objects.filter(**key).order_by("ordinal")),
    )
