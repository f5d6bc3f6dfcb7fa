"""The policy in force, fed document by document as the feed brings them."""

from time import perf_counter
from typing import Any

import pytest
from tests.support.policy import ForeignFrom, Outbound, SenderRelay, customer, deleted, item, snapshot_of

from outgate.contract.policy import (
    CustomerDocument,
    Deleted,
    MicrosoftSettings,
    Platform,
    PolicyItem,
    Provider,
    ProviderDocument,
    RegionDocument,
)
from outgate.policy.pools import Pool
from outgate.policy.snapshot import Snapshot, SourceClass

ALPHA = customer("alpha", "alpha.example", sources=("198.51.100.7/32", "203.0.113.0/24"))
BETA = customer("beta", "*.beta.example", sources=("203.0.113.0/24",))


def test_nothing_is_known_before_the_first_document() -> None:
    snapshot = Snapshot()
    assert snapshot.revision == 0
    assert len(snapshot) == 0
    assert not snapshot.source("198.51.100.7").is_known
    assert snapshot.owner("alpha.example") == ""
    assert snapshot.customer("alpha") is None


def test_a_source_knows_all_its_customers_and_which_may_send() -> None:
    off = customer("gamma", sources=("203.0.113.9",), outbound=Outbound.OFF)
    snapshot = snapshot_of(ALPHA, BETA, off)
    standing = snapshot.source("203.0.113.9")
    assert standing.source_class is SourceClass.DECLARED
    assert standing.is_known
    assert standing.customers == {"alpha", "beta", "gamma"}
    assert standing.active == {"alpha", "beta"}
    assert not standing.has_activating


def test_a_source_tells_that_somebody_is_activating() -> None:
    standing = snapshot_of(customer("alpha", sources=("192.0.2.1",), outbound=Outbound.ACTIVATING)).source("192.0.2.1")
    assert standing.has_activating
    assert not standing.active


def test_an_undeclared_address_is_unknown() -> None:
    standing = snapshot_of(ALPHA).source("192.0.2.99")
    assert standing.source_class is SourceClass.UNKNOWN
    assert not standing.is_known
    assert not standing.customers


@pytest.mark.parametrize("outbound", list(Outbound))
def test_a_plan_without_outbound_is_off_whatever_the_switch_says(outbound: Outbound) -> None:
    view = snapshot_of(customer("alpha", outbound=outbound, outbound_in_plan=False)).customer("alpha")
    assert view is not None
    assert view.outbound is Outbound.OFF


def test_a_view_holds_what_decisions_ask() -> None:
    relay = SenderRelay("alpha.example", "relay.example", 2525)
    view = snapshot_of(
        customer("alpha", "alpha.example", sender_relays=(relay,), foreign_from=ForeignFrom.ALLOW)
    ).customer("alpha")
    assert view is not None
    assert view.allows_foreign_from
    assert view.sender_relays == {"alpha.example": relay}
    assert view.only == {"alpha"}


def test_a_new_document_takes_the_place_of_the_former_and_leaves_nothing_of_it() -> None:
    snapshot = snapshot_of(
        customer(
            "alpha", "alpha.example", "old.example", sources=("192.0.2.1", "192.0.2.2"), auto_forwards=("a@x.example",)
        ),
        BETA,
    )
    snapshot.apply(
        item(customer("alpha", "alpha.example", "new.example", sources=("192.0.2.2", "192.0.2.3")), revision=2)
    )
    assert [snapshot.owner(name) for name in ("alpha.example", "old.example", "new.example")] == ["alpha", "", "alpha"]
    known = [snapshot.source(f"192.0.2.{last}").is_known for last in (1, 2, 3)]
    assert known == [False, True, True]
    assert not snapshot.forwarders("a@x")
    assert snapshot.owner("mail.beta.example") == "beta"


def test_a_deleted_document_leaves_nothing() -> None:
    snapshot = snapshot_of(ALPHA, BETA)
    snapshot.apply(deleted("alpha", revision=2))
    assert snapshot.customer("alpha") is None
    assert snapshot.owner("alpha.example") == ""
    assert not snapshot.source("198.51.100.7").is_known
    assert snapshot.source("203.0.113.1").customers == {"beta"}
    assert len(snapshot) == 1


def test_deleting_what_was_never_there_is_nothing() -> None:
    snapshot = snapshot_of(ALPHA)
    snapshot.apply(deleted("nobody", revision=2))
    assert len(snapshot) == 1


def test_a_key_that_comes_with_another_customer_is_that_customers_now() -> None:
    snapshot = snapshot_of(ALPHA)
    snapshot.apply(PolicyItem("customer:alpha", 2, BETA))
    assert snapshot.customer("alpha") is None
    assert snapshot.source("203.0.113.1").customers == {"beta"}
    assert snapshot.owner("alpha.example") == ""


def test_a_customer_without_an_id_is_not_taken_for_the_operator() -> None:
    snapshot = snapshot_of(customer("", "alpha.example", sources=("192.0.2.1",)))
    assert not snapshot.source("192.0.2.1").is_known
    assert len(snapshot) == 0


def test_a_region_changes_no_decision_but_the_revision() -> None:
    snapshot = snapshot_of(ALPHA)
    snapshot.apply(PolicyItem("region:eu", 5, RegionDocument("eu", "Europe", "eu.smarthost.example")))
    assert snapshot.revision == 5
    assert len(snapshot) == 1


def test_a_complete_feed_forgets_what_came_before_and_may_go_back() -> None:
    snapshot = snapshot_of(ALPHA)
    snapshot.apply_all([], revision=9)
    before = snapshot.generation
    snapshot.apply_all([item(BETA, 3)], revision=4, is_complete=True)
    assert snapshot.revision == 4
    assert snapshot.generation > before
    assert snapshot.owner("alpha.example") == ""
    assert snapshot.owner("beta.example") == "beta"


def test_the_generation_moves_even_if_the_revision_does_not() -> None:
    snapshot = snapshot_of(ALPHA)
    generation, revision = snapshot.generation, snapshot.revision
    snapshot.apply_all([item(BETA, revision)], revision=revision, is_complete=True)
    assert snapshot.revision == revision
    assert snapshot.generation != generation


def test_forwarders_are_found_whatever_the_case_of_the_local_part() -> None:
    snapshot = snapshot_of(
        customer("alpha", auto_forwards=("Archive@keep.example",)),
        customer("beta", auto_forwards=("archive@keep.example",)),
    )
    assert snapshot.forwarders("ARCHIVE@keep.example") == {"alpha", "beta"}
    assert snapshot.forwarders("archive@other.example") == frozenset()
    snapshot.apply(item(customer("alpha"), 2))
    assert snapshot.forwarders("archive@keep.example") == {"beta"}


def test_contested_domains_and_unreadable_sources_are_reported() -> None:
    snapshot = snapshot_of(ALPHA, customer("beta", "alpha.example", sources=("nonsense",)))
    assert snapshot.contested == {"alpha.example": ("alpha", "beta")}
    assert snapshot.unreadable_sources == {"beta": ("nonsense",)}


# Providers

TENANT = "11111111-2222-3333-4444-555555555555"
EXCHANGE_ONLINE = "40.107.1.2"
GMAIL = "209.85.128.9"
NETWORKS = (
    PolicyItem("provider:microsoft", 1, ProviderDocument(Provider.MICROSOFT, ("40.107.0.0/16", "52.100.0.0/14"))),
    PolicyItem("provider:google", 1, ProviderDocument(Provider.GOOGLE, ("209.85.128.0/17",))),
)


def cloudy(*documents: CustomerDocument) -> Snapshot:
    snapshot = snapshot_of(*documents)
    for document in NETWORKS:
        snapshot.apply(document)
    return snapshot


def on_microsoft(
    customer_id: str, *domains: str, outbound: Outbound = Outbound.ACTIVE, **more: Any
) -> CustomerDocument:
    sources = more.pop("sources", ())
    return customer(
        customer_id,
        *domains,
        sources=sources,
        outbound=outbound,
        platform=Platform.MICROSOFT_365,
        microsoft=MicrosoftSettings(**more),
    )


def test_a_providers_address_is_of_all_that_are_with_the_provider_and_of_those_that_declared_it() -> None:
    snapshot = cloudy(
        on_microsoft("alpha"),
        on_microsoft("soon", outbound=Outbound.ACTIVATING),
        on_microsoft("off", outbound=Outbound.OFF),
        customer("google", platform=Platform.GOOGLE_WORKSPACE),
        customer("declarer", sources=("40.107.1.0/24",)),
        customer("other", sources=("192.0.2.1",)),
    )
    standing = snapshot.source(EXCHANGE_ONLINE)
    assert standing.source_class is SourceClass.MICROSOFT
    assert standing.is_known
    assert (standing.provider, standing.pool) == (Provider.MICROSOFT, Pool.NORMAL)
    assert standing.customers == {"alpha", "soon", "off", "declarer"}
    assert standing.active == {"alpha", "declarer"}
    assert standing.has_activating
    assert snapshot.source("40.107.2.2").customers == {"alpha", "soon", "off"}
    assert snapshot.source(f"::ffff:{EXCHANGE_ONLINE}").provider is Provider.MICROSOFT
    google = snapshot.source(GMAIL)
    assert (google.source_class, google.provider, google.pool) == (SourceClass.GOOGLE, Provider.GOOGLE, None)
    assert google.customers == google.active == {"google"}
    elsewhere = snapshot.source("192.0.2.1")
    assert (elsewhere.source_class, elsewhere.provider) == (SourceClass.DECLARED, None)
    assert snapshot.source("52.103.200.1").pool is Pool.RELAY


def test_the_customers_of_a_provider_are_as_they_are_now() -> None:
    snapshot = cloudy(on_microsoft("alpha"))
    standing = snapshot.source(EXCHANGE_ONLINE)
    snapshot.apply(item(on_microsoft("beta"), 2))
    assert standing.active == {"alpha", "beta"}
    snapshot.apply(item(customer("alpha", platform=Platform.GOOGLE_WORKSPACE), 3))
    snapshot.apply(item(on_microsoft("beta", outbound=Outbound.OFF), 4))
    assert not standing.active
    assert standing.customers == {"beta"}
    snapshot.apply(deleted("beta", 5))
    assert not standing.customers
    assert snapshot.source(GMAIL).active == {"alpha"}


def test_tenant_ids_and_names_are_one_customers_and_nobodys_when_contested() -> None:
    snapshot = cloudy(
        on_microsoft("alpha", tenant_ids=(TENANT.upper(),), names=("alpha.onmicrosoft.com",)),
        on_microsoft("beta", names=("beta.onmicrosoft.com", "victim.example")),
    )
    assert snapshot.tenant(TENANT) == "alpha"
    assert snapshot.owner_in(Provider.MICROSOFT, "alpha.onmicrosoft.com") == "alpha"
    assert snapshot.owner_in(Provider.MICROSOFT, "sub.alpha.onmicrosoft.com") == ""
    assert snapshot.owner_in(Provider.MICROSOFT, "victim.example") == "", "a name is no way to a domain"
    for provider in (Provider.GOOGLE, None):
        assert snapshot.owner_in(provider, "alpha.onmicrosoft.com") == ""
    assert snapshot.owner("alpha.onmicrosoft.com") == ""
    assert snapshot.contested_tenants == {}
    snapshot.apply(item(on_microsoft("beta", tenant_ids=(TENANT,), names=("alpha.onmicrosoft.com",)), 2))
    assert snapshot.tenant(TENANT) == ""
    assert snapshot.owner_in(Provider.MICROSOFT, "alpha.onmicrosoft.com") == ""
    assert snapshot.contested_tenants == {
        TENANT: {"alpha", "beta"},
        "alpha.onmicrosoft.com": {"alpha", "beta"},
    }
    snapshot.apply(deleted("alpha", 3))
    assert snapshot.tenant(TENANT) == "beta"
    assert snapshot.contested_tenants == {}


def test_a_proven_domain_is_not_lost_to_who_calls_it_a_name() -> None:
    snapshot = cloudy(on_microsoft("alpha", "x.onmicrosoft.com"), on_microsoft("beta", names=("x.onmicrosoft.com",)))
    assert snapshot.owner_in(Provider.MICROSOFT, "x.onmicrosoft.com") == "alpha"


def test_a_complete_feed_without_providers_keeps_their_networks() -> None:
    snapshot = cloudy(on_microsoft("alpha"))
    snapshot.apply_all([item(on_microsoft("beta"), 9)], revision=9, is_complete=True)
    assert snapshot.source(EXCHANGE_ONLINE).active == {"beta"}
    snapshot.apply(PolicyItem("provider:microsoft", 10, Deleted()))
    assert snapshot.source(EXCHANGE_ONLINE).provider is Provider.MICROSOFT


def test_an_unlisted_range_is_a_providers_as_soon_as_its_document_says_so() -> None:
    snapshot = snapshot_of(on_microsoft("alpha"))
    assert not snapshot.source(EXCHANGE_ONLINE).is_known
    generation = snapshot.generation
    snapshot.apply(NETWORKS[0])
    assert snapshot.generation != generation
    assert snapshot.source(EXCHANGE_ONLINE).active == {"alpha"}


def test_nothing_is_copied_for_a_connection_however_many_are_with_the_provider() -> None:
    snapshot = cloudy(*(on_microsoft(str(number), tenant_ids=(f"id-{number}",)) for number in range(20_000)))
    began = perf_counter()
    for _ in range(2_000):
        standing = snapshot.source(EXCHANGE_ONLINE)
        assert "777" in standing.active
        assert standing.active & frozenset(("5", "x")) == {"5"}
        assert frozenset(("5", "x")) & standing.active == {"5"}
        assert snapshot.tenant("id-19999") == "19999"
    assert perf_counter() - began < 2  # copies would take a minute


def test_a_hundred_thousand_networks_and_domains_are_looked_up_at_once() -> None:
    """No look-up may walk a list: with these numbers that would take minutes."""
    documents = [
        customer(
            str(number),
            *(f"d{place}.c{number}.example" for place in range(100)),
            sources=tuple(f"10.{number % 250}.{number // 250}.{place}" for place in range(20)),
        )
        for number in range(1000)
    ]
    snapshot = snapshot_of(*documents)
    for number in range(1000):
        assert snapshot.owner(f"d7.c{number}.example") == str(number)
        assert snapshot.source(f"10.{number % 250}.{number // 250}.7").customers == {str(number)}
