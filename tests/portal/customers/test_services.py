"""Partners, regions and customers."""

import pytest
from tests.support.portal import (
    ACTOR,
    actions,
    customer,
    document,
    documents_since,
    living_document,
    newest,
    partner,
    region,
)

from outgate.contract.policy import Deleted, ForeignFrom, Platform, RegionDocument
from outgate.portal.customers import services
from outgate.portal.customers.models import Customer, MailPlatform, Plan
from outgate.portal.errors import Invalid
from outgate.portal.outbound.services import switch_outbound

pytestmark = pytest.mark.django_db(databases="__all__")


def change(made: Customer, **wanted: object) -> None:
    before = {
        "name": made.name,
        "partner": made.partner,
        "region": made.region,
        "plan": Plan(made.plan),
        "mail_platform": MailPlatform(made.mail_platform),
        "foreign_from": ForeignFrom(made.foreign_from),
    }
    services.change_customer(actor=ACTOR, customer=made, **{**before, **wanted})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("Example Ltd", "example-ltd"),
        ("  Müller & Söhne GmbH ", "muller-sohne-gmbh"),
        ("日本", "customer"),
        ("x" * 100, "x" * 55),
    ],
)
def test_id_is_made_from_the_name(name: str, slug: str) -> None:
    assert customer(name).slug == slug


def test_id_of_a_deleted_customer_is_given_to_no_other() -> None:
    """Whose log and queued mail the id names must not become another's."""
    services.delete_customer(actor=ACTOR, customer=customer("Example"))

    assert customer("Example").slug == "example-2"


def test_deleted_customer_can_come_back_under_its_own_id() -> None:
    services.delete_customer(actor=ACTOR, customer=customer("Example"))

    again = services.create_customer(actor=ACTOR, name="Example", partner=partner(), region=region(), slug="example")

    assert living_document(again).customer_id == "example"


def test_new_customer_is_in_the_feed_and_deleted_one_has_a_mark_there() -> None:
    made = customer("Example")
    assert living_document(made).name == "Example"

    services.delete_customer(actor=ACTOR, customer=made)

    assert document(made) == Deleted()
    assert actions() == ["partner.created", "region.created", "customer.created", "customer.deleted"]


@pytest.mark.parametrize(("name", "said"), [("", "empty"), ("x" * 101, "Enter at most 100"), ("Example", "already")])
def test_name_that_cannot_be_is_refused(name: str, said: str) -> None:
    customer("Example")

    with pytest.raises(Invalid, match=said) as caught:
        customer(name)
    assert caught.value.field == "name"


def test_id_that_is_taken_is_refused() -> None:
    customer("Example")

    with pytest.raises(Invalid, match="There is already a customer with the id 'example'"):
        services.create_customer(actor=ACTOR, name="Another", partner=partner(), region=region(), slug="example")


def test_two_partners_may_have_customers_of_one_name() -> None:
    customer("Example")

    second = services.create_customer(actor=ACTOR, name="Example", partner=partner("Other"), region=region())

    assert second.slug == "example-2"


def test_plan_and_rules_reach_the_document() -> None:
    made = customer()

    change(made, plan=Plan.THREE_SIX_FIVE, foreign_from=ForeignFrom.ALLOW, name="Renamed")

    written = living_document(made)
    assert (written.outbound_in_plan, written.foreign_from, written.name) == (False, ForeignFrom.ALLOW, "Renamed")
    assert actions()[-1] == "customer.changed"


def test_change_to_what_is_leaves_no_trace() -> None:
    made = customer()
    before, lines = newest(), actions()

    change(made)

    assert (newest(), actions()) == (before, lines)


def test_what_workers_do_not_need_makes_no_revision() -> None:
    made = customer()
    before = newest()

    change(made, partner=partner("Another"))

    assert newest() == before
    assert actions()[-1] == "customer.changed"


def test_mail_platform_reaches_the_workers() -> None:
    made = customer()

    change(made, mail_platform=MailPlatform.GOOGLE)

    assert living_document(made).platform is Platform.GOOGLE_WORKSPACE


def test_plan_cannot_lose_outbound_while_it_is_on() -> None:
    made = customer()
    switch_outbound(actor=ACTOR, customer=made, on=True)

    with pytest.raises(Invalid, match=r"The plan 365 has no outbound, and it is on\. Switch outbound off first"):
        change(made, plan=Plan.THREE_SIX_FIVE)


def test_region_is_a_document_of_its_own() -> None:
    made = services.create_region(actor=ACTOR, name="Europe", smarthost="OUT.Example.com")

    services.change_region(
        actor=ACTOR,
        region=made,
        smarthost="out.example.com",
        spf_include="spf.example.com",
        sending_addresses=["9.9.9.9", "2A02:898:0::1"],
    )

    (item,) = documents_since().items
    assert item.key == "region:europe"
    assert item.document == RegionDocument(
        "europe", "Europe", "out.example.com", "spf.example.com", ("2a02:898::1", "9.9.9.9")
    )


def test_region_with_what_is_no_address_is_refused() -> None:
    with pytest.raises(Invalid, match="'mail' is not an IP address"):
        services.change_region(
            actor=ACTOR, region=region(), smarthost="", spf_include="", sending_addresses=["9.9.9.9", "mail"]
        )


def test_partner_and_region_names_are_once() -> None:
    partner("A")
    region("A")

    with pytest.raises(Invalid, match="There is already a partner 'A'"):
        services.create_partner(actor=ACTOR, name="A ")
    with pytest.raises(Invalid, match="There is already a region 'A'"):
        services.create_region(actor=ACTOR, name="A")
