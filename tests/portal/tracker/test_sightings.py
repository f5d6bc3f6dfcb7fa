"""What mail from clouds shows is kept within bounds that nobody else can use up."""

from datetime import UTC, datetime
from typing import Any

import pytest
from tests.support.portal import ACTOR, customer
from tests.support.sightings import AT, FITTING, OWN, TENANT, evidence, record, refused, tenant

from outgate.mail.evidence import DkimVerdict, Evidence, SignatureResult
from outgate.portal.customers.models import Customer
from outgate.portal.outbound import cloud_services, services
from outgate.portal.tracker import sightings
from outgate.portal.tracker.models import TenantSighting
from outgate.portal.tracker.sightings import PLACES, Tier

pytestmark = pytest.mark.django_db(databases="__all__")


@pytest.fixture
def made() -> Customer:
    made = customer("Victim")
    domain = services.add_domain(actor=ACTOR, customer=made, name=OWN, include_subdomains=True)
    services.vouch_for_domain(actor=ACTOR, domain=domain)
    return made


def tiers() -> list[int]:
    return sorted(TenantSighting.objects.values_list("tier", flat=True))


def test_what_is_the_same_is_one_row_with_its_count_and_last_message(made: Customer) -> None:
    record(*[refused(made, FITTING, ordinal) for ordinal in range(3)])
    record(refused(made, FITTING, 7), refused(made, evidence(originator_orgs=()), 8))

    row = TenantSighting.objects.get(originator_orgs=[OWN])
    assert (row.customer_id, row.source_class, row.tenant_ids, row.signatures) == (
        "victim",
        "microsoft",
        [TENANT],
        [OWN],
    )
    assert (row.count, row.tier) == (4, Tier.FITS)
    assert row.first_at == datetime.fromtimestamp(AT, UTC)
    assert row.last_at == datetime.fromtimestamp(AT + 7, UTC)
    assert row.last_reason == "tenant-unconfirmed"


def test_event_of_before_does_not_become_the_last_one(made: Customer) -> None:
    record(refused(made, FITTING, 7))
    record(refused(made, FITTING, 3))

    assert TenantSighting.objects.get().last_at == datetime.fromtimestamp(AT + 7, UTC)


@pytest.mark.parametrize(
    "shown",
    [
        Evidence(),
        Evidence(source_class="declared", tenant_ids=(TENANT,)),
        Evidence(source_class="unknown", originator_orgs=(OWN,)),
        Evidence(source_class="microsoft", host_name="mail.outbound.protection.outlook.com", pool="normal"),
    ],
)
def test_mail_without_evidence_of_a_cloud_leaves_nothing_and_asks_nothing(
    made: Customer, shown: Evidence, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sightings, "own_names", pytest.fail)

    record(refused(made, shown, 0))

    assert not TenantSighting.objects.exists()


def test_nobodys_mail_leaves_nothing(made: Customer) -> None:
    record(refused(None, FITTING, 0))

    assert not TenantSighting.objects.exists()


def signed(*domains: str, verdict: DkimVerdict = DkimVerdict.PASS) -> tuple[SignatureResult, ...]:
    return tuple(SignatureResult(domain, "s1", verdict) for domain in domains)


@pytest.mark.parametrize(
    ("more", "tier"),
    [
        ({}, Tier.FITS),
        ({"originator_orgs": (f"mail.{OWN}",)}, Tier.FITS),  # a subdomain that the proof includes
        ({"signatures": signed("victim.onmicrosoft.com")}, Tier.FITS),
        ({"auth_as": ()}, Tier.FITS),
        ({"originator_orgs": ("evil.example",)}, Tier.PARTLY),  # replayed through another tenant
        ({"signatures": signed(OWN, verdict=DkimVerdict.TEMPERROR)}, Tier.PARTLY),
        ({"auth_as": ("anonymous",)}, Tier.PARTLY),
        ({"tenant_ids": (TENANT, tenant(1))}, Tier.FOREIGN),
        ({"tenant_ids": ()}, Tier.FOREIGN),
        ({"originator_orgs": ("evil.example",), "signatures": signed("evil.example")}, Tier.FOREIGN),
        ({"originator_orgs": (OWN, "a.example", "b.example"), "signatures": ()}, Tier.FOREIGN),
        ({"originator_orgs": (".".join("a" * 100) + f".{OWN}",), "signatures": ()}, Tier.FOREIGN),
    ],
)
def test_tier_is_how_well_it_fits_the_customer(made: Customer, more: dict[str, Any], tier: Tier) -> None:
    record(refused(made, evidence(**more), 0))

    assert TenantSighting.objects.get().tier == tier


def test_confirmed_name_of_the_customers_fits_and_another_customers_domain_does_not(made: Customer) -> None:
    cloud_services.add_microsoft_name(actor=ACTOR, customer=made, name="victim.onmicrosoft.com")
    other = services.add_domain(actor=ACTOR, customer=customer("Other"), name="other.example")
    services.vouch_for_domain(actor=ACTOR, domain=other)

    record(refused(made, evidence(originator_orgs=("victim.onmicrosoft.com",)), 0))
    record(refused(made, evidence(originator_orgs=("other.example",)), 1))

    assert tiers() == [Tier.PARTLY, Tier.FITS]


def test_flood_of_foreign_evidence_pushes_out_nothing_that_fits(made: Customer) -> None:
    record(refused(made, FITTING, 0))

    for start in range(1, 301, 100):  # a thousand tenants would not help either
        for more in ({}, {"signatures": ()}):  # the customer's own signed mail once more; and plain forgery
            each_other = [
                evidence(tenant_ids=(tenant(start + each),), originator_orgs=("evil.example",), **more)
                for each in range(100)
            ]
            record(*[refused(made, shown, start + each) for each, shown in enumerate(each_other)])

    assert tiers() == [Tier.FOREIGN] * PLACES[Tier.FOREIGN] + [Tier.PARTLY] * PLACES[Tier.PARTLY] + [Tier.FITS]
    kept = TenantSighting.objects.filter(tier=Tier.PARTLY).order_by("first_at").first()
    assert kept is not None
    assert kept.tenant_ids == [tenant(300 - PLACES[Tier.PARTLY] + 1)]  # those that were seen last


def test_flood_through_one_customer_takes_no_place_of_another(made: Customer) -> None:
    other = customer("Other")
    record(refused(other, FITTING, 0))

    record(*[refused(made, evidence(tenant_ids=(tenant(each),), originator_orgs=()), each) for each in range(200)])

    assert TenantSighting.objects.filter(customer_id=other.slug).count() == 1
    assert TenantSighting.objects.filter(customer_id=made.slug).count() == PLACES[Tier.PARTLY]


def test_count_has_an_end(made: Customer, monkeypatch: pytest.MonkeyPatch) -> None:
    record(refused(made, FITTING, 0))
    TenantSighting.objects.update(count=sightings.COUNT_MAX - 1)

    record(*[refused(made, FITTING, each) for each in range(5)])

    assert TenantSighting.objects.get().count == sightings.COUNT_MAX


def test_evidence_with_odd_characters_is_kept(made: Customer) -> None:
    record(refused(made, evidence(originator_orgs=("nul\0.example", "\U0001f600.example")), 0))

    assert TenantSighting.objects.count() == 1
