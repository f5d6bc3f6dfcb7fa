"""Which tenant is proposed for a person to confirm: never one that another can make it be."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.support.portal import ACTOR, customer
from tests.support.sightings import AT, FITTING, OWN, TENANT, evidence, record, refused, tenant

from outgate.mail.evidence import DkimVerdict, Evidence, SignatureResult
from outgate.portal.customers.models import Customer
from outgate.portal.outbound import services
from outgate.portal.outbound.cloud_services import add_microsoft_name, confirm_tenant
from outgate.portal.outbound.cloud_validation import CONSUMER_TENANT
from outgate.portal.outbound.proposals import SEEN_DAYS, Standing, proposals, tenant_standings

pytestmark = pytest.mark.django_db(databases="__all__")

NOW = datetime.fromtimestamp(AT, UTC) + timedelta(minutes=5)
EVIL = tenant(1)
NAME = "victim.onmicrosoft.com"
EVIL_NAME = "evil.onmicrosoft.com"


@pytest.fixture
def made() -> Customer:
    made = customer("Victim")
    services.vouch_for_domain(actor=ACTOR, domain=services.add_domain(actor=ACTOR, customer=made, name=OWN))
    return made


def signed(*domains: str, verdict: DkimVerdict = DkimVerdict.PASS) -> tuple[SignatureResult, ...]:
    return tuple(SignatureResult(domain, "s1", verdict) for domain in domains)


def evil(**more: Any) -> Evidence:
    """Of another tenant, which Microsoft names truly."""
    return evidence(
        **{"tenant_ids": (EVIL,), "originator_orgs": ("evil.example",), "signatures": signed("evil.example"), **more}
    )


def show(made: Customer, *shown: Evidence) -> None:
    record(*[refused(made, each, place) for place, each in enumerate(shown)])


def proposed(made: Customer) -> list[tuple[str, tuple[str, ...]]]:
    return [(each.tenant_id, each.names) for each in proposals(made, NOW)]


def problem(made: Customer, tenant_id: str = TENANT) -> str:
    (standing,) = [each for each in tenant_standings(made, NOW) if each.tenant_id == tenant_id]
    return standing.problem


def test_rightful_mail_proposes_its_tenant(made: Customer) -> None:
    show(made, FITTING, FITTING)

    (standing,) = proposals(made, NOW)
    assert standing == Standing(TENANT, (), 2, datetime.fromtimestamp(AT + 1, UTC), False, "")


def test_nothing_seen_proposes_nothing(made: Customer) -> None:
    assert tenant_standings(made, NOW) == []


def test_name_is_proposed_with_the_tenant_that_signs_with_it(made: Customer) -> None:
    show(made, FITTING, evidence(signatures=signed(NAME, OWN)))
    # The name is now the tenant's, also where Microsoft names nothing but it: journals, forwards.
    show(made, evidence(originator_orgs=(NAME,), signatures=signed(NAME)))

    assert proposed(made) == [(TENANT, (NAME,))]


@pytest.mark.parametrize(
    "replayed",
    [
        evil(signatures=signed(OWN)),  # the victim's signed message, as it is
        evil(signatures=signed(EVIL_NAME, OWN)),  # as Microsoft signs it once more
        evil(signatures=signed(OWN, EVIL_NAME)),  # in an order of the attacker's own making
        evil(originator_orgs=(EVIL_NAME,), signatures=signed(EVIL_NAME)),
        evil(originator_orgs=(EVIL_NAME,), signatures=signed(EVIL_NAME, OWN)),
        evil(originator_orgs=(EVIL_NAME,), signatures=signed(OWN, EVIL_NAME)),
        evil(originator_orgs=(OWN, "evil.example"), signatures=signed(OWN)),  # a field written before Microsoft's
        evil(originator_orgs=("evil.example", OWN), signatures=signed(OWN)),
        evil(originator_orgs=(), signatures=signed(OWN)),
        evil(originator_orgs=(OWN,), signatures=signed("evil.example", OWN)),
        evil(originator_orgs=(OWN,), signatures=()),
        evil(tenant_ids=(EVIL, TENANT), originator_orgs=(OWN,), signatures=signed(OWN)),
        evil(tenant_ids=(), originator_orgs=(OWN,), signatures=signed(OWN)),
        evil(source_class="google", originator_orgs=(OWN,), signatures=signed(OWN)),
        evil(originator_orgs=(f"{OWN}.evil.example",), signatures=signed(OWN)),
        evil(originator_orgs=(f"sub.{OWN}",), signatures=signed(OWN)),  # the proof does not include subdomains
    ],
)
def test_replay_and_forgery_through_another_tenant_propose_nothing_and_spoil_nothing(
    made: Customer, replayed: Evidence
) -> None:
    show(made, replayed)
    assert proposed(made) == []

    show(made, FITTING)
    assert proposed(made) == [(TENANT, ())]


def test_mail_of_a_foreign_organisation_through_the_same_tenant_stops_the_proposal(made: Customer) -> None:
    show(made, FITTING, evidence(originator_orgs=("unregistered.example",)))

    assert proposed(made) == []
    assert "unregistered.example in X-OriginatorOrg" in problem(made)


def test_foreign_signature_of_mail_that_was_signed_in_stops_the_proposal(made: Customer) -> None:
    show(made, FITTING, evidence(signatures=signed("foreign.example")))

    assert proposed(made) == []
    assert "a signature of foreign.example" in problem(made)


@pytest.mark.parametrize(
    "silent",
    [
        evidence(signatures=signed(OWN, verdict=DkimVerdict.TEMPERROR)),  # a key that could not be had once
        evidence(signatures=()),
        evidence(originator_orgs=()),
        evidence(auth_as=("anonymous",), signatures=signed("supplier.example")),  # relayed through the tenant
    ],
)
def test_what_says_nothing_neither_proposes_nor_stops(made: Customer, silent: Evidence) -> None:
    show(made, silent)
    assert proposed(made) == []
    assert "No message of it names one of the proven domains" in problem(made)

    show(made, FITTING)
    assert proposed(made) == [(TENANT, ())]


def test_name_that_relayed_mail_brought_is_not_the_tenants(made: Customer) -> None:
    show(made, FITTING, evidence(auth_as=("anonymous",), signatures=signed(EVIL_NAME)))

    assert proposed(made) == [(TENANT, ())]


def test_two_supported_tenants_propose_neither(made: Customer) -> None:
    show(made, FITTING, evidence(tenant_ids=(tenant(2),)))

    assert proposed(made) == []
    assert problem(made) == f"Another tenant is supported too: {tenant(2)}."


def test_consumers_and_other_customers_tenants_are_not_proposed(made: Customer) -> None:
    confirm_tenant(actor=ACTOR, customer=customer("Other"), tenant_id=TENANT)
    show(made, evidence(tenant_ids=(CONSUMER_TENANT,)), FITTING)

    assert proposed(made) == []
    assert "private outlook.com" in problem(made, CONSUMER_TENANT)
    assert problem(made) == "It is confirmed for another customer. Ask the operator if it is yours."


def test_confirmed_tenant_is_shown_and_not_proposed_again(made: Customer) -> None:
    confirm_tenant(actor=ACTOR, customer=made, tenant_id=TENANT)
    show(made, FITTING)

    (standing,) = tenant_standings(made, NOW)
    assert (standing.is_confirmed, standing.is_proposed, standing.problem) == (True, False, "")


def test_confirmed_name_counts_as_the_customers_own(made: Customer) -> None:
    add_microsoft_name(actor=ACTOR, customer=made, name=NAME)
    show(made, evidence(originator_orgs=(NAME,)))

    assert proposed(made) == [(TENANT, ())]


def test_proof_that_was_withdrawn_supports_nothing_any_more(made: Customer) -> None:
    show(made, FITTING)
    services.withdraw_proof(actor=ACTOR, domain=made.domains.get())

    assert proposed(made) == []


def test_old_evidence_counts_no_more(made: Customer) -> None:
    show(made, FITTING)

    assert proposals(made, NOW + timedelta(days=SEEN_DAYS)) == []
