"""Keeps what was found about domains' SPF records. Asking is between `claim` and `settle`, outside of any transaction.

What domains publish is nobody's setting here: only when our mail ceases to pass, and when it passes again, the audit
log gets a line.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec
from django.db import transaction
from django.db.models import Q, QuerySet

from outgate.contract.policy import Outbound
from outgate.portal.accounts import audit
from outgate.portal.accounts.audit import Actor
from outgate.portal.customers.models import Customer, Region
from outgate.portal.outbound.models import SendingDomain
from outgate.portal.spf.models import TROUBLE_MAX, SpfState
from outgate.portal.spf.selectors import asked_for, ours_of
from outgate.spf.report import Ours, Report, State

CLAIM_SECONDS: Final = 30.0  # longer than anybody asks; then another may
AGAIN_SECONDS: Final = 10.0  # between two questions about one domain, whoever wants them
ASKED_AT_ONCE_MAX: Final = 2  # of one customer's domains that people have asked about at the same time
PERIOD_SECONDS: Final = 72_000.0  # 20 hours until the clerk asks again
SPREAD_SECONDS: Final = 14_400.0  # at most, on top: spread over the day, and never more than one in all
RETRY_SECONDS: Final = 900.0  # after the first failure; doubled with each
RETRY_MAX_SECONDS: Final = 14_400.0
_LONG_AGO: Final = datetime(2000, 1, 1, tzinfo=UTC)
LOST: Final = frozenset({State.NOT_INCLUDED, State.NO_RECORD, State.NO_NAME, State.SEVERAL_RECORDS, State.BROKEN})


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to ask about a domain until `until`, and what to ask."""

    domain_id: int
    name: str
    customer: str
    ours: Ours
    with_subdomains: bool
    until: datetime


@dataclass(frozen=True, slots=True)
class Settled:
    """How it went. before: the last state that was known; None if none was. is_lost: our mail passed, and does not."""

    claim: Claim
    report: Report
    before: State | None
    is_lost: bool = False
    is_found: bool = False


class AskedJustNow(Exception):
    """Not again so soon. public_message: for the person who asked."""

    def __init__(self, public_message: str) -> None:
        super().__init__(public_message)
        self.public_message = public_message


def claim(*, domain: SendingDomain, now: datetime) -> Claim:
    """For a person who wants to know now. Raises: AskedJustNow."""
    SpfState.objects.get_or_create(domain=domain, defaults={"retry_at": now})
    busy = SpfState.objects.filter(domain__customer=domain.customer_id, claimed_until__gt=now)
    if busy.exclude(pk=domain.pk).count() >= ASKED_AT_ONCE_MAX:
        raise AskedJustNow("Other domains of yours are being asked about. Try again in some seconds.")
    since = now - timedelta(seconds=AGAIN_SECONDS)
    free = SpfState.objects.filter(Q(asked_at=None) | Q(asked_at__lte=since) | Q(asked_at__gt=now), pk=domain.pk)
    claimed = _claim(free, now)
    if claimed is None:
        raise AskedJustNow(f"{domain.name} was asked about just now. Try again in {AGAIN_SECONDS:.0f} seconds.")
    return claimed


def want(*, domain: SendingDomain, now: datetime) -> None:
    """Have the clerk ask once and soon, be the domain proven or not: somebody has just added or proven it, and waits
    for the record to publish."""
    SpfState.objects.update_or_create(
        domain=domain, defaults={"wanted_at": now}, create_defaults={"wanted_at": now, "retry_at": now}
    )


def want_all(*, customer: Customer, now: datetime) -> None:
    """The same of all the customer's domains: what their records have to let pass is another now."""
    SpfState.objects.filter(domain__customer=customer).update(wanted_at=now)


def claim_due(*, now: datetime, limit: int) -> list[Claim]:
    """For the clerk: at most `limit` domains, those that somebody waits for and proven ones of customers with outbound
    whose time has come. Each kind has half of the places if it wants them: thousands of new domains put off nobody's
    daily look."""
    free = SpfState.objects.filter(_free(now))
    wanted = list(free.filter(wanted_at__isnull=False).order_by("wanted_at").values_list("pk", flat=True)[:limit])
    mine = Q(domain__verified_at__isnull=False) & ~Q(domain__customer__outbound=Outbound.OFF.value)
    due = free.filter(mine, retry_at__lte=now, wanted_at=None).order_by("retry_at")
    due_ids = list(due.values_list("pk", flat=True)[: limit - min(len(wanted), limit // 2)])
    still = SpfState.objects.filter(Q(wanted_at__isnull=False) | Q(retry_at__lte=now))
    claims = (_claim(still.filter(pk=pk), now) for pk in (*wanted[: limit - len(due_ids)], *due_ids))
    return [claimed for claimed in claims if claimed is not None]


def settle(*, claimed: Claim, report: Report, now: datetime, spread: float, actor: Actor) -> Settled | None:
    """Write down how it went. spread: 0 to 1, at random. None if the claim or the domain is gone, which changes
    nothing."""
    with transaction.atomic():
        row = SpfState.objects.select_for_update().filter(pk=claimed.domain_id, claimed_until=claimed.until).first()
        if row is None:
            return None
        before = State(row.state) if row.state else None
        row.claimed_until = row.wanted_at = None
        if report.state is State.UNKNOWN:
            row.trouble = report.problem[:TROUBLE_MAX] or "DNS did not answer"
            pause = min(RETRY_SECONDS * 2.0 ** min(row.failures, 16), RETRY_MAX_SECONDS)
            row.failures += 1
            row.retry_at = now + timedelta(seconds=pause * (1 + spread))
            row.save()
            return Settled(claimed, report, before)
        row.state, row.report, row.asked_for = report.state.value, msgspec.to_builtins(report), asked_for(claimed.ours)
        row.answered_at, row.trouble, row.failures = now, "", 0
        row.retry_at = now + timedelta(seconds=PERIOD_SECONDS + SPREAD_SECONDS * spread)
        row.save()
        is_lost = before is State.GOOD and report.state in LOST
        is_found = before in LOST and report.state is State.GOOD
        if is_lost or is_found:
            action = "spf.lost" if is_lost else "spf.found"
            audit.record(actor, action, f"{claimed.customer}/{claimed.name}", state=report.state.value)
    return Settled(claimed, report, before, is_lost, is_found)


def ask_again(region: Region) -> None:
    """Have the clerk ask about all domains of the region: it has another include, or other addresses."""
    SpfState.objects.filter(domain__customer__region=region).update(retry_at=_LONG_AGO)


def _free(now: datetime) -> Q:
    """A claim that ends far in the future was made by a clock that has been put right since."""
    far = now + timedelta(seconds=CLAIM_SECONDS)
    return Q(claimed_until=None) | Q(claimed_until__lte=now) | Q(claimed_until__gt=far)


def _claim(rows: QuerySet[SpfState], now: datetime) -> Claim | None:
    """rows: one or none."""
    until = now + timedelta(seconds=CLAIM_SECONDS)
    row = rows.filter(_free(now)).select_related("domain__customer__region").first()
    if row is None or not rows.filter(_free(now)).update(claimed_until=until, asked_at=now):
        return None
    domain = row.domain
    customer: Customer = domain.customer
    return Claim(domain.pk, domain.name, customer.slug, ours_of(customer), domain.include_subdomains, until)
