"""Keeps the tracker's tables small."""

from datetime import datetime
from typing import Final

from django.conf import settings
from django.db import transaction

from outgate.mail.queue_ids import queue_id
from outgate.portal.tracker.models import (
    ShippingCursor,
    TenantSighting,
    TrackedAttempt,
    TrackedMessage,
    TrackedRecipient,
    TrackedRefusal,
)

PRUNE_CHUNK: Final = 2_000  # messages of one transaction: a fraction of a second


def forget_log(log: str) -> None:
    """`log` is no more: one that gets its name later is read from the beginning. Raises: django.db.Error."""
    ShippingCursor.objects.filter(log=log).delete()


def prune(*, before: datetime) -> int:
    """Forget the oldest messages that came before then, at most `PRUNE_CHUNK`, and the sightings that were last made
    before then. Returns how many messages; 0 is the end."""
    floor = queue_id(int(before.timestamp() * 1000), 0, 0)
    with transaction.atomic(using=settings.TRACKER_DATABASE):
        old = TrackedMessage.objects.filter(queue_id__lt=floor).order_by("queue_id")
        ids = list(old.values_list("queue_id", flat=True)[:PRUNE_CHUNK])
        if not ids:  # once a round
            TenantSighting.objects.filter(last_at__lt=before).delete()
        else:
            for model in (TrackedAttempt, TrackedRecipient, TrackedRefusal, TrackedMessage):
                rows = model._default_manager.filter(queue_id__lte=ids[-1])
                rows._raw_delete(rows.db)
    return len(ids)
