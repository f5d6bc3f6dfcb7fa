"""Sets that are never copied, and claims that two cannot have."""

from hypothesis import given
from hypothesis import strategies as st

from outgate.contract.policy import CustomerDocument, MicrosoftSettings, Outbound
from outgate.policy.cohorts import ClaimIndex, Cohort, LiveCustomers, tenant_ids, tenant_names

IDS = st.sets(st.sampled_from("abcdef"))


@given(IDS, IDS, IDS)
def test_live_customers_behave_like_the_union(members: set[str], more: set[str], others: set[str]) -> None:
    live = LiveCustomers(members, frozenset(more))
    union = members | more
    assert set(live) == union
    assert len(live) == len(union)
    assert sorted(live) == sorted(union)
    assert bool(live) == bool(union)
    for joined in (live & frozenset(others), frozenset(others) & live):
        assert joined == union & others
        assert isinstance(joined, frozenset)


def test_a_customer_is_in_a_cohort_by_its_last_word() -> None:
    cohort = Cohort()
    for outbound in (Outbound.ACTIVE, Outbound.ACTIVATING, Outbound.OFF):
        cohort.put("a", outbound)
        assert ("a" in cohort.live_active) == (outbound is Outbound.ACTIVE)
        assert bool(cohort.activating) == (outbound is Outbound.ACTIVATING)
        assert set(cohort.live) == {"a"}
    cohort.remove("a")
    assert not cohort.live


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sets(st.sampled_from("xyz"))), max_size=12))
def test_a_claim_is_its_only_claimants_whatever_the_order(changes: list[tuple[str, set[str]]]) -> None:
    index = ClaimIndex()
    held: dict[str, set[str]] = {}
    for customer_id, now in changes:
        index.replace(frozenset((customer_id,)), held.get(customer_id, ()), now)
        held[customer_id] = now
    for key in "xyz":
        claimants = {customer_id for customer_id, keys in held.items() if key in keys}
        assert index.owner(key) == (min(claimants) if len(claimants) == 1 else "")
        assert index.contested.get(key, frozenset()) == (claimants if len(claimants) > 1 else frozenset())


def test_only_names_under_onmicrosoft_are_names() -> None:
    settings = MicrosoftSettings(
        ("ID-1", ""), ("Alpha.onmicrosoft.com", "onmicrosoft.com", "alpha.example", "xonmicrosoft.com")
    )
    document = CustomerDocument("a", "A", Outbound.OFF, microsoft=settings)
    assert tenant_names(document) == ("alpha.onmicrosoft.com",)
    assert tenant_ids(document) == ("id-1",)
