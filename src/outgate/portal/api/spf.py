"""Routes of domains' SPF records: what is known, and asking again."""

from datetime import datetime
from enum import Enum
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from ninja import Field, Router, Schema

from outgate.portal.accounts.keys import Scope
from outgate.portal.accounts.scope import customer_of, part_of
from outgate.portal.api.authentication import Key, caller_of, changed_customer
from outgate.portal.api.domains import DomainName
from outgate.portal.api.guard import asks_others
from outgate.portal.api.pages import LIMIT_DEFAULT, Cursor, Limit, page_of
from outgate.portal.api.problems import Problem
from outgate.portal.outbound.models import SendingDomain
from outgate.portal.spf.checking import check_now
from outgate.portal.spf.selectors import DomainSpf, domains_of, known_of, spf_state_of
from outgate.portal.spf.services import AGAIN_SECONDS, AskedJustNow
from outgate.spf.check import Result
from outgate.spf.proposal import Step
from outgate.spf.report import Caution, Inclusion, Report, State

router = Router(tags=["domains"])


def _values(kind: type[Enum]) -> dict[str, Any]:
    return {"enum": [each.value for each in kind]}


class SpfResultOut(Schema):
    address: str = Field(examples=["203.0.113.25"])
    result: str = Field(examples=["pass"], json_schema_extra=_values(Result))
    mechanism: str = Field(description="The term that decided", examples=["include:spf.example.org"])
    detail: str = Field(description="Why there is an error", examples=[""])


class SpfCostOut(Schema):
    term: str = Field(examples=["include:spf.example.org"])
    lookups: int = Field(description="With all that it leads to", examples=[1])
    problem: str = Field(examples=[""])


class SpfOut(Schema):
    """A domain's SPF record, as DNS last told it."""

    domain: str = Field(examples=["example.com"])
    state: str = Field(description="unknown: DNS has never told", examples=["good"], json_schema_extra=_values(State))
    passes: bool = Field(description="Does mail from each of our sending addresses pass, as far as is known?")
    answered_at: datetime | None = Field(description="When DNS last told; null if never")
    asked_at: datetime | None = Field(description="When it was last asked")
    trouble: str = Field(description="Why it did not tell then; empty if it did", examples=[""])
    outdated: bool = Field(description="Our addresses, our include or the mail platform have changed since")
    records: list[str] = Field(description="As published", examples=[["v=spf1 include:spf.example.org -all"]])
    include: str = Field(
        description="How the record has our include", examples=["direct"], json_schema_extra=_values(Inclusion)
    )
    lookups: int = Field(description="Of 10, for mail that meets every term", examples=[1])
    lookups_proposed: int = Field(description="The same for the record to publish", examples=[1])
    voids: int = Field(description="Terms that find nothing in DNS, of 2", examples=[0])
    costs: list[SpfCostOut]
    results: list[SpfResultOut] = Field(description="Of each of the region's sending addresses")
    cautions: list[str] = Field(
        examples=[["near-limit"]], json_schema_extra={"items": {"type": "string", **_values(Caution)}}
    )
    to_publish: str = Field(description="The record to publish; empty if nothing is to be changed", examples=[""])
    steps: list[str] = Field(
        description="How it differs from what is there",
        examples=[["ours-added"]],
        json_schema_extra={"items": {"type": "string", **_values(Step)}},
    )
    problem: str = Field(description="What is wrong, for people", examples=[""])


class SpfPage(Schema):
    items: list[SpfOut]
    next: str | None = Field(examples=[None])


@router.get(
    "/{slug:customer_id}/spf", auth=Key(Scope.CUSTOMERS_READ), response=SpfPage, summary="List what SPF records say"
)
def index(request: HttpRequest, customer_id: str, cursor: Cursor = "", limit: Limit = LIMIT_DEFAULT) -> SpfPage:
    """One item for each domain, by name, in pages. DNS is not asked: every domain is looked at daily, and with
    `check`."""
    customer = customer_of(caller_of(request), customer_id)
    found, following = page_of(domains_of(customer), "name", cursor, limit)
    return SpfPage(items=[_out(each) for each in known_of(customer, found)], next=following)


@router.post(
    "/{slug:customer_id}/spf/{name}/check",
    auth=Key(Scope.CUSTOMERS_WRITE),
    response=SpfOut,
    summary="Ask DNS for a domain's SPF record",
)
@asks_others
def check(request: HttpRequest, customer_id: str, name: DomainName) -> SpfOut:
    """Takes some seconds. `trouble` says if DNS did not answer; the rest is then as it was. 429 within 10 seconds of
    the last time."""
    caller, customer = changed_customer(request, customer_id)
    domain = part_of(customer, SendingDomain.objects.all(), name=name.lower())
    try:
        check_now(actor=caller.actor, domain=domain, name_servers=settings.SITE.nameservers)
    except AskedJustNow as error:
        headers = {"Retry-After": f"{AGAIN_SECONDS:.0f}"}
        raise Problem(429, "asked-just-now", error.public_message, headers=headers) from error
    return _out(spf_state_of(part_of(customer, domains_of(customer), name=domain.name)))


def _out(known: DomainSpf) -> SpfOut:
    report = known.report or Report(known.domain.name, State.UNKNOWN)
    return SpfOut(
        domain=known.domain.name,
        state=known.state.value,
        passes=known.passes,
        answered_at=known.answered_at,
        asked_at=known.asked_at,
        trouble=known.trouble,
        outdated=known.is_outdated,
        records=list(report.records),
        include=report.inclusion.value,
        lookups=report.lookups,
        lookups_proposed=report.lookups_proposed,
        voids=report.voids,
        costs=[SpfCostOut(term=each.term, lookups=each.lookups, problem=each.problem) for each in report.costs],
        results=[
            SpfResultOut(address=each.address, result=each.result.value, mechanism=each.mechanism, detail=each.detail)
            for each in report.results
        ],
        cautions=[each.value for each in report.cautions],
        to_publish=report.to_publish,
        steps=[each.value for each in report.steps],
        problem=report.problem,
    )
