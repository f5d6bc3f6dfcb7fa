"""Who has deleted a message, and when, as the workers' events tell."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db.models import Max, Min

from outgate.portal.tracker.models import TrackedRecipient
from outgate.portal.tracker.rows import DELETED

_SAID: Final = "deleted by "  # before the actor, in the line that stands in the place of a reply; see `delivery.rounds`


@dataclass(frozen=True, slots=True)
class Deletion:
    """by: whoever asked for it: an address, an API key's name, "a person" where nobody was named. at: when a worker did
    it."""

    by: str
    at: datetime


def deletions_of(queue_ids: Iterable[str]) -> dict[str, Deletion]:
    """By queue id, of those that were deleted; one question to the database, whatever the number of recipients."""
    rows = TrackedRecipient.objects.filter(queue_id__in=list(queue_ids), outcome=DELETED).order_by().values("queue_id")
    found = rows.annotate(reply=Min("reply"), last_at=Max("at"))
    return {row["queue_id"]: Deletion(row["reply"].removeprefix(_SAID), row["last_at"]) for row in found}
