"""Waits for a message from a mail system that is just being set up, shows what it showed, and keeps that it came."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from ipaddress import ip_network
from typing import Any, Final

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from outgate.portal.accounts import audit
from outgate.portal.accounts.audit import Actor
from outgate.portal.customers.models import Customer
from outgate.portal.guides.kinds import Guide
from outgate.portal.guides.models import GuideProof
from outgate.portal.outbound.selectors import provider_of
from outgate.portal.reason_pages import ReasonPage, reason_page
from outgate.portal.tracker.models import Status, TrackedMessage, TrackedRecipient, TrackedRefusal
from outgate.portal.tracker.search import newest

WAIT_SECONDS: Final = 900  # a page asks for so long; then somebody has to start again
SHOWN_SECONDS: Final = 3_600  # after the beginning of a wait what came is still shown, to a page that was left open
REFUSALS_LOOKED_AT: Final = 200  # newest refused messages of one look
RECIPIENTS_SHOWN: Final = 3  # of a message
EARLY_SECONDS: Final = 5  # clocks of nodes may differ by so much
DECLARED: Final = "declared"  # of `Evidence.source_class`: an address that customers declare, no cloud's

_NOT_ACCEPTED: Final = (Status.REFUSED.value, Status.POSTPONED.value)


@dataclass(frozen=True, slots=True)
class Seen:
    """A message. recipients: the first `RECIPIENTS_SHOWN` of `recipient_count`. is_accepted: it was answered with 250.
    refusal: the last one where it was not. tenant_fits: None where there is no tenant lock, or nothing was read of the
    message."""

    message: TrackedMessage
    recipients: list[TrackedRecipient]
    recipient_count: int
    is_accepted: bool
    refusal: TrackedRefusal | None
    tenant_fits: bool | None

    @property
    def evidence(self) -> dict[str, Any]:
        found: dict[str, Any] = self.message.evidence
        return found

    @property
    def is_read(self) -> bool:
        """Did its content come, so that something is known of tenant and signatures?"""
        return self.is_accepted or bool(self.evidence)

    @property
    def is_postponed(self) -> bool:
        """Will its sender try again by itself?"""
        return self.message.status == Status.POSTPONED.value

    @property
    def reason(self) -> ReasonPage | None:
        """Why it was not accepted, and what to do."""
        return None if self.is_accepted else reason_page(self.message.reason)

    @property
    def passed(self) -> list[str]:
        """Domains whose DKIM signature verified."""
        return [each["domain"] for each in self.evidence.get("signatures", ()) if each.get("verdict") == "pass"]


def seen_since(customer: Customer, guide: Guide, since: datetime) -> Seen | None:
    """A message of the customer's from this kind of system since then: the newest accepted one, else the newest that
    was refused. Of more mail than can be looked through in the time of a search, what is newest is looked at: a page
    that asks again and again misses none."""
    since -= timedelta(seconds=EARLY_SECONDS)
    of_class = Q(evidence__source_class=guide.source_class)
    accepted = newest(customer.slug, of_class & ~Q(status__in=_NOT_ACCEPTED), since=since, limit=1)
    if accepted:
        return _seen(customer, guide, accepted[0], is_accepted=True)
    # What is refused before its content, as most is that is set up wrongly, came with nothing but an address.
    of_class |= Q(evidence__source_class__isnull=True)
    refused = newest(customer.slug, of_class & Q(status__in=_NOT_ACCEPTED), since=since, limit=REFUSALS_LOOKED_AT)
    class_of = cache(_class_of)
    fitting = (row for row in refused if row.evidence.get("source_class") or class_of(row.source) == guide.source_class)
    row = next(fitting, None)
    return _seen(customer, guide, row, is_accepted=False) if row is not None else None


def _class_of(source: str) -> str:
    """The source class that an address would have, were it declared; empty where it is none."""
    try:
        network = ip_network(source)
    except ValueError:
        return ""
    return provider_of(network) or DECLARED


def _seen(customer: Customer, guide: Guide, row: TrackedMessage, *, is_accepted: bool) -> Seen:
    recipients = TrackedRecipient.objects.filter(queue_id=row.queue_id).order_by("forward_path")
    shown = list(recipients[:RECIPIENTS_SHOWN])
    refusals = TrackedRefusal.objects.filter(queue_id=row.queue_id).order_by("-ordinal")
    tenant_fits = None
    if guide.source_class == "microsoft" and (is_accepted or row.evidence):
        tenants = set(row.evidence.get("tenant_ids", ()))
        confirmed = set(customer.microsoft_tenants.values_list("tenant_id", flat=True))
        tenant_fits = bool(tenants) and tenants <= confirmed
    return Seen(
        row,
        shown,
        len(shown) if len(shown) < RECIPIENTS_SHOWN else recipients.count(),
        is_accepted,
        None if is_accepted else refusals.first(),
        tenant_fits,
    )


@transaction.atomic
def keep(*, actor: Actor, customer: Customer, guide: Guide, seen: Seen) -> GuideProof:
    """Note that the guide's set-up works: the first time, with a line in the audit log. Idempotent. seen: an accepted
    one."""
    proof, is_new = GuideProof.objects.get_or_create(
        customer=customer,
        kind=guide.kind,
        defaults={"queue_id": seen.message.queue_id, "proven_at": timezone.now()},
    )
    if is_new:
        audit.record(actor, "guide.proven", customer.slug, guide=guide.kind, queue_id=seen.message.queue_id)
    return proof


def since_of(text: str, now: datetime) -> datetime | None:
    """The beginning of a wait as a page gives it; None if it is none, or too long ago."""
    if not text.isascii() or not text.isdecimal() or len(text) > 12:
        return None
    try:
        since = datetime.fromtimestamp(int(text), UTC)
    except (ValueError, OverflowError, OSError):  # twelve digits reach beyond the year 9999
        return None
    return since if 0 <= (now - since).total_seconds() + EARLY_SECONDS <= SHOWN_SECONDS else None


def is_over(since: datetime, now: datetime) -> bool:
    """Has the wait that began then come to its end?"""
    return (now - since).total_seconds() > WAIT_SECONDS
