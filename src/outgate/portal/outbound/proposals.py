"""Which Microsoft 365 tenant a customer's mail says is the customer's: something to confirm, and never a proof.

Anybody may write a customer's address into From and reverse-path, send mail that the customer signed once more through
another tenant, and sign with a name of that tenant. What another tenant cannot do is to have Microsoft stamp a domain
that is not its own into X-OriginatorOrg. So a tenant is proposed only if

- mail showed it alone, with X-OriginatorOrg only of the customer's proven domains, and the topmost DKIM signature that
  passed of such a domain or of a `*.onmicrosoft.com` name,
- nothing that showed it alone shows a domain that is neither the customer's nor such a name, or is signed so,
- no second tenant is supported.

A name that X-OriginatorOrg or a signature shows is the tenant's only where the tenant is supported by a proven domain.
Mail that shows several tenants is forged and says nothing about any of them.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from outgate.portal.customers.models import Customer
from outgate.portal.outbound.cloud_validation import ACCOUNTS_TENANT, CONSUMER_TENANT
from outgate.portal.outbound.models import MicrosoftTenant
from outgate.portal.outbound.selectors import own_names
from outgate.portal.tracker.models import TenantSighting
from outgate.portal.tracker.selectors import sightings_of
from outgate.portal.tracker.sightings import INTERNAL, MICROSOFT, MICROSOFT_NAME

SEEN_DAYS: Final = 30  # evidence that is older counts no more


@dataclass(frozen=True, slots=True)
class Standing:
    """What the sightings of one tenant say. problem: why it is not proposed, for people; empty if it is."""

    tenant_id: str
    names: tuple[str, ...]
    messages: int
    last_at: datetime
    is_confirmed: bool
    problem: str

    @property
    def is_proposed(self) -> bool:
        return not self.problem and not self.is_confirmed


def proposals(customer: Customer, now: datetime) -> list[Standing]:
    """What a person may be asked to confirm: one tenant or none."""
    return [standing for standing in tenant_standings(customer, now) if standing.is_proposed]


def tenant_standings(customer: Customer, now: datetime) -> list[Standing]:
    """Every tenant that the customer's mail has shown alone in the last `SEEN_DAYS`, by id."""
    seen = [
        each
        for each in sightings_of(customer.slug, since=now - timedelta(days=SEEN_DAYS))
        if each.source_class == MICROSOFT and len(each.tenant_ids) == 1
    ]
    shown = {name for each in seen for name in (*each.originator_orgs, *each.signatures[:1])}
    own = own_names({customer.slug: shown})[customer.slug]
    by_tenant: dict[str, list[TenantSighting]] = {}
    for each in seen:
        by_tenant.setdefault(each.tenant_ids[0], []).append(each)
    supported = {tenant_id for tenant_id, rows in by_tenant.items() if any(_supports(row, own) for row in rows)}
    confirmed = dict(
        MicrosoftTenant.objects.filter(tenant_id__in=sorted(by_tenant)).values_list("tenant_id", "customer_id")
    )
    return [
        Standing(
            tenant_id,
            tuple(sorted(set(_names(rows)))) if tenant_id in supported else (),
            sum(row.count for row in rows),
            max(row.last_at for row in rows),
            confirmed.get(tenant_id) == customer.pk,
            _problem(tenant_id, rows, own, supported, confirmed.get(tenant_id, customer.pk) != customer.pk),
        )
        for tenant_id, rows in sorted(by_tenant.items())
    ]


def _supports(row: TenantSighting, own: set[str]) -> bool:
    """Only Microsoft writes X-OriginatorOrg, and only domains of the tenant."""
    return (
        bool(row.originator_orgs)
        and own.issuperset(row.originator_orgs)
        and bool(row.signatures)
        and (row.signatures[0] in own or row.signatures[0].endswith(MICROSOFT_NAME))
        and _is_internal(row)
    )


def _names(rows: Iterable[TenantSighting]) -> Iterator[str]:
    """`*.onmicrosoft.com` names that a verified signature on top ties to the tenant of `rows`."""
    for row in rows:
        if _is_internal(row) and row.signatures and row.signatures[0].endswith(MICROSOFT_NAME):
            yield row.signatures[0]


def _is_internal(row: TenantSighting) -> bool:
    return tuple(row.auth_as) in INTERNAL


def _problem(tenant_id: str, rows: list[TenantSighting], own: set[str], supported: set[str], is_anothers: bool) -> str:
    if tenant_id in (CONSUMER_TENANT, ACCOUNTS_TENANT):
        return "It is the tenant of all private outlook.com mailboxes."
    if is_anothers:
        return "It is confirmed for another customer. Ask the operator if it is yours."
    if tenant_id not in supported:
        return "No message of it names one of the proven domains in X-OriginatorOrg and carries a signature."
    names = set(_names(rows))
    for row in rows:
        foreign = [org for org in row.originator_orgs if org not in own and org not in names]
        if foreign:
            return f"It was seen with {foreign[0]} in X-OriginatorOrg, which is not one of the proven domains."
        if _is_internal(row) and row.signatures and row.signatures[0] not in own | names:
            return f"It was seen with a signature of {row.signatures[0]}, which is not one of the proven domains."
    if len(supported) > 1:
        return f"Another tenant is supported too: {', '.join(sorted(supported - {tenant_id}))}."
    return ""
