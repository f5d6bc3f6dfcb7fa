"""What a guide shows of a customer."""

import pytest
from tests.support.portal import ACTOR, customer

from outgate.portal.customers.models import Customer
from outgate.portal.customers.services import change_region
from outgate.portal.errors import NotFound
from outgate.portal.guides.kinds import GUIDES
from outgate.portal.guides.selectors import SCRIPTS, existing_guide, proofs_of, script_of, values_of
from outgate.portal.outbound.services import add_domain, vouch_for_domain

pytestmark = pytest.mark.django_db
MICROSOFT = GUIDES[0]


def ready() -> Customer:
    made = customer("Alpha")
    change_region(
        actor=ACTOR,
        region=made.region,
        smarthost="smtp.eu.example.net",
        spf_include="spf.eu.example.net",
        sending_addresses=["192.0.2.25"],
    )
    return made


def test_values_are_the_regions_and_the_customers_own() -> None:
    made = ready()
    values = values_of(made)
    assert (values.smarthost, values.port, values.include_term) == (
        "smtp.eu.example.net",
        25,
        "include:spf.eu.example.net",
    )
    assert values.addresses == ("192.0.2.25",)
    assert values.domains == ()
    assert [values.has_tenant, values.has_sources, values.is_on] == [False] * 3


def test_values_of_a_region_without_names_are_empty() -> None:
    values = values_of(customer("Alpha"))
    assert (values.smarthost, values.include_term, values.addresses) == ("", "", ())
    with pytest.raises(NotFound):
        script_of(customer("Beta"), MICROSOFT, "set-up")


def test_guide_and_script_that_are_none_are_not_there() -> None:
    with pytest.raises(NotFound):
        existing_guide("nothing")
    made = ready()
    for guide, name in ((MICROSOFT, "rm"), (GUIDES[-1], "set-up")):
        with pytest.raises(NotFound):
            script_of(made, guide, name)


def test_scripts_name_the_proven_domains_alone() -> None:
    made = ready()
    add_domain(actor=ACTOR, customer=made, name="other.example")
    vouch_for_domain(actor=ACTOR, domain=add_domain(actor=ACTOR, customer=made, name="proven.example"))
    for name in SCRIPTS:
        assert "$Domains = @('proven.example')" in script_of(made, MICROSOFT, name)
    assert values_of(made).domains == ("proven.example",)


def test_exclaimers_rule_is_that_guides_alone() -> None:
    made = ready()
    assert "$HandlesExclaimer = $false" in script_of(made, MICROSOFT, "set-up")
    assert "$HandlesExclaimer = $true" in script_of(made, GUIDES[1], "set-up")


def test_nothing_is_proven_at_first() -> None:
    assert proofs_of(ready()) == {}
