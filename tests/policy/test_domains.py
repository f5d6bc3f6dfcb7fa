"""Exact names, included subdomains, and what happens when two documents claim one domain."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outgate.contract.policy import SendingDomain
from outgate.policy.domains import DomainIndex


def claims(*names: str) -> tuple[SendingDomain, ...]:
    """`*.example.com` is example.com with its subdomains."""
    return tuple(SendingDomain(name.removeprefix("*."), name.startswith("*.")) for name in names)


@pytest.fixture
def index() -> DomainIndex:
    index = DomainIndex()
    index.replace("alpha", (), claims("alpha.example", "*.wide.example"))
    index.replace("beta", (), claims("inner.wide.example", "beta.example"))
    return index


@pytest.mark.parametrize(
    ("domain", "owner"),
    [
        ("alpha.example", "alpha"),
        ("beta.example", "beta"),
        ("sub.alpha.example", ""),
        ("notalpha.example", ""),
        ("alpha.example.evil.example", ""),
        ("example", ""),
        ("wide.example", "alpha"),
        ("a.wide.example", "alpha"),
        ("a.b.c.wide.example", "alpha"),
        ("notwide.example", ""),
        ("inner.wide.example", "beta"),
        ("deep.inner.wide.example", "alpha"),
        ("[192.0.2.1]", ""),
        ("", ""),
    ],
)
def test_a_domain_is_its_owners_exactly_and_subdomains_only_where_included(
    index: DomainIndex, domain: str, owner: str
) -> None:
    assert index.owner(domain) == owner


@pytest.mark.parametrize(
    ("domain", "proof"),
    [
        ("alpha.example", "alpha.example"),
        ("sub.alpha.example", ""),
        ("a.b.wide.example", "wide.example"),
        ("inner.wide.example", "inner.wide.example"),
        ("nobody.example", ""),
    ],
)
def test_the_proof_is_the_domain_itself_or_the_nearest_above(index: DomainIndex, domain: str, proof: str) -> None:
    assert index.proof(domain) == proof


def test_the_nearest_included_domain_wins() -> None:
    index = DomainIndex()
    index.replace("outer", (), claims("*.example.com"))
    index.replace("inner", (), claims("*.lab.example.com"))
    assert index.owner("a.lab.example.com") == "inner"
    assert index.owner("a.example.com") == "outer"


def test_who_had_a_domain_first_keeps_it_and_the_claim_is_reported(index: DomainIndex) -> None:
    index.replace("gamma", (), claims("alpha.example"))
    index.replace("delta", (), claims("*.alpha.example"))
    assert index.owner("alpha.example") == "alpha"
    assert index.owner("sub.alpha.example") == ""
    assert index.contested == {"alpha.example": ("alpha", "gamma", "delta")}


def test_a_domain_that_is_given_up_goes_to_who_waits_for_it_with_its_own_wish(index: DomainIndex) -> None:
    index.replace("gamma", (), claims("*.alpha.example"))
    index.replace("alpha", claims("alpha.example", "*.wide.example"), claims("*.wide.example"))
    assert index.owner("alpha.example") == "gamma"
    assert index.owner("sub.alpha.example") == "gamma"
    assert index.contested == {}


def test_an_heir_without_subdomains_does_not_inherit_them(index: DomainIndex) -> None:
    index.replace("gamma", (), claims("wide.example"))
    index.replace("alpha", claims("alpha.example", "*.wide.example"), ())
    assert index.owner("wide.example") == "gamma"
    assert index.owner("a.wide.example") == ""


def test_who_waits_may_stop_waiting(index: DomainIndex) -> None:
    index.replace("gamma", (), claims("alpha.example"))
    index.replace("gamma", claims("alpha.example"), ())
    assert index.contested == {}
    index.replace("alpha", claims("alpha.example", "*.wide.example"), ())
    assert index.owner("alpha.example") == ""


def test_subdomains_can_be_included_and_excluded_again(index: DomainIndex) -> None:
    index.replace("alpha", claims("alpha.example"), claims("*.alpha.example"))
    assert index.owner("x.alpha.example") == "alpha"
    index.replace("alpha", claims("*.alpha.example"), claims("alpha.example"))
    assert index.owner("x.alpha.example") == ""
    assert index.owner("alpha.example") == "alpha"


names = st.sampled_from(["a.x", "b.x", "c.x", "sub.a.x", "x", "*.a.x", "*.x", "*.sub.a.x"])
changes = st.lists(st.tuples(st.sampled_from(["one", "two", "three"]), st.lists(names, max_size=4)), max_size=12)


@settings(deadline=None, max_examples=200)
@given(changes)
def test_whatever_was_fed_every_claimed_domain_has_one_owner_who_claims_it(
    fed: list[tuple[str, list[str]]],
) -> None:
    index = DomainIndex()
    now: dict[str, tuple[SendingDomain, ...]] = {}
    for customer_id, domains in fed:
        claimed = claims(*domains)
        index.replace(customer_id, now.get(customer_id, ()), claimed)
        now[customer_id] = claimed
    wanted: dict[str, set[str]] = {}
    for customer_id, claimed in now.items():
        for domain in claimed:
            wanted.setdefault(domain.name, set()).add(customer_id)
    for name in ("a.x", "b.x", "c.x", "sub.a.x", "x"):
        if name in wanted:
            assert index.owner(name) in wanted[name]
        else:
            assert index.proof(name) != name
    assert {name: set(ids) for name, ids in index.contested.items()} == {
        name: ids for name, ids in wanted.items() if len(ids) > 1
    }
    for customer_id, claimed in now.items():
        index.replace(customer_id, claimed, ())
    assert not any(index.owner(name) for name in ("a.x", "b.x", "c.x", "sub.a.x", "x", "y.x"))
