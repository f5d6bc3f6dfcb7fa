"""Waits for the first message from a mail system that is just being set up, and keeps that it came."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from django.utils import timezone

from outgate.mail.message import queue_id
from outgate.portal.customers.models import Customer
from outgate.portal.guides.kinds import Guide
from outgate.portal.guides.models import GuideProof
from outgate.portal.tracker.models import Status, TrackedMessage, TrackedRecipient

WAIT_SECONDS: Final = 900  # a page asks for so long; then somebody has to start again
LOOKED_AT: Final = 200  # messages of one look
EARLY_SECONDS: Final = 5  # clocks of nodes may differ by so much

_NOT_ACCEPTED: Final = (Status.REFUSED.value, Status.POSTPONED.value)


@dataclass(frozen=True, slots=True)
class Seen:
    """The first message. is_accepted: it was answered with 250. tenant_fits: None where there is no tenant lock."""

    message: TrackedMessage
    recipients: list[TrackedRecipient]
    is_accepted: bool
    tenant_fits: bool | None

    @property
    def evidence(self) -> dict[str, Any]:
        found: dict[str, Any] = self.message.evidence
        return found

    @property
    def passed(self) -> list[str]:
        """Domains whose DKIM signature verified."""
        return [each["domain"] for each in self.evidence.get("signatures", ()) if each.get("verdict") == "pass"]


def first_seen(customer: Customer, guide: Guide, since: datetime) -> Seen | None:
    """The first message of the customer's from this kind of system since then; an accepted one before any other."""
    floor = queue_id(max(0, int((since.timestamp() - EARLY_SECONDS) * 1000)), 0, 0)
    rows = TrackedMessage.objects.filter(customer_id=customer.slug, queue_id__gt=floor).order_by("queue_id")
    fitting = [row for row in rows[:LOOKED_AT] if row.evidence.get("source_class") == guide.source_class]
    accepted = [row for row in fitting if row.status not in _NOT_ACCEPTED]
    row = next(iter(accepted or fitting[-1:]), None)
    if row is None:
        return None
    shown = set(row.evidence.get("tenant_ids", ()))
    confirmed = set(customer.microsoft_tenants.values_list("tenant_id", flat=True))
    return Seen(
        row,
        list(TrackedRecipient.objects.filter(queue_id=row.queue_id).order_by("forward_path")),
        row in accepted,
        bool(shown) and shown <= confirmed if guide.source_class == "microsoft" else None,
    )


def keep(customer: Customer, guide: Guide, seen: Seen) -> None:
    """Note that the guide's set-up works. Idempotent."""
    GuideProof.objects.get_or_create(
        customer=customer,
        kind=guide.kind,
        defaults={"queue_id": seen.message.queue_id, "proven_at": timezone.now()},
    )


def since_of(text: str, now: datetime) -> datetime | None:
    """The beginning of a wait as a page gives it; None if it is none, or over."""
    if not text.isascii() or not text.isdecimal() or len(text) > 12:
        return None
    since = datetime.fromtimestamp(int(text), UTC)
    return since if 0 <= (now - since).total_seconds() + EARLY_SECONDS <= WAIT_SECONDS else None
