"""The policy in force, fed document by document as the feed brings them."""

import pytest
from tests.support.policy import ForeignFrom, Outbound, SenderRelay, customer, deleted, item, snapshot_of

from outgate.contract.policy import PolicyItem, RegionDocument
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
