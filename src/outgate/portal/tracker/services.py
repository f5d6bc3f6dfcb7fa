"""Keeps the tracker's tables small."""

from datetime import datetime
from typing import Final

from django.conf import settings
from django.db import transaction

from outgate.mail.message import queue_id
from outgate.portal.tracker.models import TrackedAttempt, TrackedMessage, TrackedRecipient, TrackedRefusal

PRUNE_CHUNK: Final = 2_000  # messages of one transaction: a fraction of a second


def prune(*, before: datetime) -> int:
    """Forget the oldest messages that came before then, at most `PRUNE_CHUNK`. Returns how many; 0 is the end."""
    floor = queue_id(int(before.timestamp() * 1000), 0, 0)
    with transaction.atomic(using=settings.TRACKER_DATABASE):
        old = TrackedMessage.objects.filter(queue_id__lt=floor).order_by("queue_id")
        ids = list(old.values_list("queue_id", flat=True)[:PRUNE_CHUNK])
        if ids:
            for model in (TrackedAttempt, TrackedRecipient, TrackedRefusal, TrackedMessage):
                rows = model._default_manager.filter(queue_id__lte=ids[-1])
                rows._raw_delete(rows.db)
    return len(ids)
