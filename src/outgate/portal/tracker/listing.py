"""What a list of messages shows beside the messages' own facts, with as few questions to the database as possible."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from django.db.models import Count, Min, OuterRef, Q, Subquery

from outgate.portal.tracker.deletions import Deletion, deletions_of
from outgate.portal.tracker.models import Status, TrackedAttempt, TrackedMessage, TrackedRecipient

_NOT_WELL: Final = (Status.DEFERRED, Status.FAILED, Status.PARTLY_RELAYED, Status.DELETED)


@dataclass(frozen=True, slots=True)
class Row:
    """recipient: one of them, of those that were looked for if any; more: how many others there are.
    reason: of the last attempt that did not go well, else why it was admitted or refused. deletion: of a
    message that was deleted."""

    message: TrackedMessage
    recipient: str
    more: int
    reason: str
    deletion: Deletion | None = None


def rows_of(messages: Sequence[TrackedMessage], *, recipient: str = "") -> list[Row]:
    """recipient: what was looked for."""
    ids = [message.queue_id for message in messages]
    counted = TrackedRecipient.objects.filter(queue_id__in=ids).values("queue_id").order_by()
    wanted = Q(forward_path__icontains=recipient) if recipient else None
    recipients = {
        row["queue_id"]: (row["first"] or "", row["count"])
        for row in counted.annotate(first=Min("forward_path", filter=wanted), count=Count("forward_path"))
    }
    reasons = _reasons(messages)
    deleted = [message.queue_id for message in messages if message.status == Status.DELETED]
    deletions = deletions_of(deleted) if deleted else {}
    rows = []
    for message in messages:
        first, count = recipients.get(message.queue_id, ("", 0))
        reason = reasons.get(message.queue_id) or message.reason
        rows.append(Row(message, first, max(0, count - 1), reason, deletions.get(message.queue_id)))
    return rows


def _reasons(messages: Sequence[TrackedMessage]) -> dict[str, str]:
    ids = [message.queue_id for message in messages if message.status in _NOT_WELL]
    if not ids:
        return {}
    tries = TrackedAttempt.objects.filter(queue_id=OuterRef("queue_id")).exclude(reason="relayed")
    last = Subquery(tries.order_by("-attempt", "-at").values("reason")[:1])
    found = TrackedMessage.objects.filter(queue_id__in=ids).annotate(last_reason=last)
    return dict(found.values_list("queue_id", "last_reason"))
