"""Reads what is known of domains' SPF records."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import msgspec
from django.db.models import QuerySet

from outgate.portal.customers.models import Customer
from outgate.portal.outbound.models import SendingDomain
from outgate.portal.spf.models import SpfState
from outgate.spf.report import Ours, Report, State, new_record

FAILING_MAX: Final = 20  # domains that are named together


@dataclass(frozen=True, slots=True)
class DomainSpf:
    """report: of the last good answer, at `answered_at`; None before the first. trouble: why DNS did not say the last
    time that it was asked, at `asked_at`. is_outdated: our include, our addresses or the customer's platform are others
    now than they were for the report. wanted_at: since when the clerk has been told to ask; None if it has not."""

    domain: SendingDomain
    report: Report | None = None
    answered_at: datetime | None = None
    asked_at: datetime | None = None
    trouble: str = ""
    is_outdated: bool = False
    wanted_at: datetime | None = None

    @property
    def state(self) -> State:
        return self.report.state if self.report is not None else State.UNKNOWN

    @property
    def passes(self) -> bool:
        """Does mail from each of our sending addresses pass SPF, as far as is known?"""
        return self.state is State.GOOD and not self.is_outdated


def ours_of(customer: Customer) -> Ours:
    """What the customer's domains have to let pass."""
    region = customer.region
    return Ours(region.spf_include, tuple(region.sending_addresses), customer.mail_platform, region.smarthost)


def asked_for(ours: Ours) -> list[str]:
    """What a report depends on, in a form that can be kept and compared."""
    return [ours.include, ours.platform, *ours.addresses]


def first_record(customer: Customer) -> str:
    """What a domain without any SPF record has to publish; empty while the region has no include. DNS is not asked."""
    return new_record(ours_of(customer))


def spf_state_of(domain: SendingDomain) -> DomainSpf:
    """What is known of one domain's record. `passes` says whether our mail passes."""
    return _known(domain, getattr(domain, "spf", None), asked_for(ours_of(domain.customer)))


def spf_of_address(customer: Customer, address: str) -> DomainSpf | None:
    """Of the domain behind the address's "@"; None if it is not one of the customer's own names."""
    domain = domains_of(customer).filter(name=address.rpartition("@")[2].lower()).first()
    return known_of(customer, [domain])[0] if domain is not None else None


def domains_of(customer: Customer) -> QuerySet[SendingDomain]:
    """The customer's domains with what is known of their records, by name."""
    return customer.domains.select_related("spf").order_by("name")


def known_of(customer: Customer, domains: Iterable[SendingDomain]) -> list[DomainSpf]:
    """domains: of `domains_of(customer)`."""
    wanted = asked_for(ours_of(customer))
    return [_known(domain, getattr(domain, "spf", None), wanted) for domain in domains]


def all_pass(customer: Customer) -> bool:
    """Is there a proven domain, and does our mail pass for each?"""
    proven = customer.domains.filter(verified_at__isnull=False)
    return proven.exists() and not proven.exclude(spf__state=State.GOOD.value).exists()


def failing(customer: Customer) -> list[str]:
    """Proven domains as which our mail does not pass, as far as is known; at most `FAILING_MAX`, by name."""
    states = [state.value for state in State if state not in (State.GOOD, State.UNKNOWN, State.UNREADY)]
    rows = customer.domains.filter(verified_at__isnull=False, spf__state__in=states).order_by("name")
    return list(rows.values_list("name", flat=True)[:FAILING_MAX])


def _known(domain: SendingDomain, row: SpfState | None, wanted: list[str]) -> DomainSpf:
    if row is None:
        return DomainSpf(domain)
    report = None
    if row.report is not None:
        try:
            report = msgspec.convert(row.report, Report)
        except msgspec.ValidationError:
            report = None  # of another version; the next answer replaces it
    is_outdated = report is not None and row.asked_for != wanted
    return DomainSpf(domain, report, row.answered_at, row.asked_at, row.trouble, is_outdated, row.wanted_at)
