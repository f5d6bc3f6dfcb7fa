"""What DNS says of the customer's domains, and what to publish."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from django.conf import settings
from django.db.models import Case, QuerySet, Value, When
from django.utils import timezone

from outgate.portal.customers.models import Customer
from outgate.portal.outbound.models import SendingDomain
from outgate.portal.spf import texts
from outgate.portal.spf.selectors import DomainSpf, domains_of, first_record, known_of
from outgate.portal.web.request import CallerRequest
from outgate.spf.check import LOOKUPS_MAX, VOIDS_MAX, Result
from outgate.spf.report import STRING_MAX, State

AWAITED: Final = timedelta(minutes=2)  # so long a question that the clerk was told to ask is said to be under way
ASKING_MAX: Final = 10  # cards of a page that ask for news by themselves
SHOWN_MAX: Final = 50  # domains on the page, those with something to do first
_BADGES: Final = {State.GOOD: "on", State.UNREADY: "off", State.UNKNOWN: "off"}
_RESULT_BADGES: Final = {Result.PASS: "on", Result.NEUTRAL: "busy", Result.SOFTFAIL: "busy", Result.TEMPERROR: "busy"}


@dataclass(frozen=True, slots=True)
class Card:
    """A domain, ready to be shown. is_asking: is the page to ask for news of it by itself?"""

    known: DomainSpf
    is_asking: bool = False

    @property
    def is_first(self) -> bool:
        """Is DNS asked for the first time, now or in a moment?"""
        return not self.is_told and self.is_awaited

    @property
    def is_awaited(self) -> bool:
        return is_awaited(self.known)

    @property
    def is_told(self) -> bool:
        """Has there been an answer, or why there is none?"""
        return self.known.report is not None or bool(self.known.trouble)

    @property
    def label(self) -> str:
        return "Being looked up" if self.is_first else texts.label_of(self.known)

    @property
    def badge(self) -> str:
        return "busy" if self.is_first else _BADGES.get(self.known.state, "bad")

    @property
    def is_open(self) -> bool:
        """Is there anything to do or to know?"""
        known = self.known
        return not known.passes or bool(known.report and (known.report.cautions or known.report.to_publish))

    @property
    def meaning(self) -> str:
        return texts.meaning_of(self.known)

    @property
    def cautions(self) -> list[str]:
        return texts.cautions_of(self.known.report) if self.known.report else []

    @property
    def steps(self) -> list[str]:
        return texts.steps_of(self.known.report) if self.known.report else []

    @property
    def results(self) -> list[tuple[str, str, str, str]]:
        """Address, badge, result, and the term that decided or why there is an error."""
        report = self.known.report
        return [
            (each.address, _RESULT_BADGES.get(each.result, "bad"), each.result.value, each.mechanism or each.detail)
            for each in (report.results if report else ())
        ]

    @property
    def is_long(self) -> bool:
        return self.known.report is not None and len(self.known.report.to_publish) > STRING_MAX


def is_awaited(known: DomainSpf) -> bool:
    """Has the clerk been told so lately that its answer may come any moment? If it is away, nobody waits on."""
    if not settings.SITE.spf_recheck or known.wanted_at is None:
        return False
    return timezone.now() - known.wanted_at < AWAITED


def spf(_request: CallerRequest, customer: Customer) -> dict[str, Any]:
    rows = _those_with_work_first(domains_of(customer))
    total = rows.count()
    shown = known_of(customer, rows[:SHOWN_MAX])
    asking = {known.domain.pk for known in [each for each in shown if is_awaited(each)][:ASKING_MAX]}
    return common(customer) | {
        "cards": [Card(known, known.domain.pk in asking) for known in shown],
        "hidden": max(0, total - SHOWN_MAX),
    }


def common(customer: Customer) -> dict[str, Any]:
    """What all cards of a customer show."""
    region = customer.region
    return {
        "is_looked_at": settings.SITE.spf_recheck,
        "first_record": first_record(customer),
        "include": region.spf_include,
        "missing": texts.missing_of(region.spf_include, region.sending_addresses, region.name),
        "lookups_max": LOOKUPS_MAX,
        "voids_max": VOIDS_MAX,
        "limit_remedy": texts.LIMIT_REMEDY,
        "split_hint": texts.SPLIT_HINT,
        "subdomains_hint": texts.SUBDOMAINS_HINT,
    }


def _those_with_work_first(rows: QuerySet[SendingDomain]) -> QuerySet[SendingDomain]:
    return rows.order_by(Case(When(spf__state=State.GOOD.value, then=Value(1)), default=Value(0)), "name")
