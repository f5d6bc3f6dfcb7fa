"""Which customers an address belongs to, against the standard library's networks as the judge."""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outgate.contract.policy import OutboundSource
from outgate.policy.networks import NetworkIndex, is_public


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("9.9.9.9", True),
        ("2620:fe::fe", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("192.0.2.1", False),
        ("::1", False),
        ("fe80::1%eth0", False),
        ("nonsense", False),
    ],
)
def test_only_addresses_of_the_internet_are_public(address: str, expected: bool) -> None:
    assert is_public(address) is expected


def index_of(**networks: str) -> NetworkIndex:
    """Customers and their networks, separated by blanks."""
    index = NetworkIndex()
    for customer_id, texts in networks.items():
        index.replace(frozenset((customer_id,)), (), sources(*texts.split()))
    return index


def sources(*networks: str) -> tuple[OutboundSource, ...]:
    return tuple(OutboundSource(network) for network in networks)


INDEX = index_of(
    alpha="198.51.100.7/32 2001:db8:1::/48",
    beta="198.51.100.0/24",
    gamma="198.51.100.7 2001:db8:1:2::/64",
    delta="::ffff:203.0.113.0/120",
)


@pytest.mark.parametrize(
    ("address", "customers"),
    [
        ("198.51.100.7", {"alpha", "beta", "gamma"}),
        ("198.51.100.8", {"beta"}),
        ("198.51.101.7", set()),
        ("::ffff:198.51.100.7", {"alpha", "beta", "gamma"}),
        ("::ffff:c633:6408", {"beta"}),
        ("2001:db8:1::1", {"alpha"}),
        ("2001:db8:1:2::1", {"alpha", "gamma"}),
        ("2001:DB8:1:2:0:0:0:1", {"alpha", "gamma"}),
        ("2001:db8:2::1", set()),
        ("203.0.113.9", {"delta"}),
        ("::ffff:203.0.113.9", {"delta"}),
        ("::203.0.113.9", set()),
        ("2001:db8:1::1%eth0", {"alpha"}),
        ("", set()),
        ("localhost", set()),
        ("198.51.100.7:25", set()),
        ("198.51.100.07", set()),
    ],
)
def test_an_address_belongs_to_all_who_declared_a_network_around_it(address: str, customers: set[str]) -> None:
    assert INDEX.holders(address) == customers


def test_the_widest_networks_hold_everything_of_their_family() -> None:
    index = index_of(four="0.0.0.0/0", six="::/0")
    assert index.holders("192.0.2.1") == {"four"}
    assert index.holders("2001:db8::1") == {"six"}


def test_host_bits_in_a_network_do_not_matter() -> None:
    assert index_of(alpha="198.51.100.7/24").holders("198.51.100.99") == {"alpha"}


def test_two_spellings_of_a_network_are_one() -> None:
    index = index_of(alpha="198.51.100.7 198.51.100.7/32")
    index.replace(frozenset(("alpha",)), sources("198.51.100.7", "198.51.100.7/32"), sources("198.51.100.7"))
    assert index.holders("198.51.100.7") == {"alpha"}


def test_what_is_no_network_is_reported_and_hinders_nothing() -> None:
    index = index_of(alpha="198.51.100.7 anywhere 300.1.1.1")
    assert index.holders("198.51.100.7") == {"alpha"}
    assert index.unreadable == {"alpha": ("anywhere", "300.1.1.1")}
    index.replace(frozenset(("alpha",)), sources("198.51.100.7", "anywhere"), sources("198.51.100.7"))
    assert index.unreadable == {}


def test_a_shared_network_stays_with_those_who_keep_it() -> None:
    index = index_of(alpha="198.51.100.0/24", beta="198.51.100.0/24")
    index.replace(frozenset(("alpha",)), sources("198.51.100.0/24"), ())
    assert index.holders("198.51.100.1") == {"beta"}
    index.replace(frozenset(("beta",)), sources("198.51.100.0/24"), ())
    assert index.holders("198.51.100.1") == frozenset()


# Few leading bits, so that networks nest and meet.
addresses = st.one_of(
    st.integers(0, 7).map(lambda bits: str(IPv4Address(bits << 29 | 1))),
    st.integers(0, 7).map(lambda bits: str(IPv6Address(bits << 125 | 1))),
    st.integers(0, 7).map(lambda bits: f"::ffff:{IPv4Address(bits << 29 | 1)}"),
)
networks = st.tuples(addresses.filter(lambda address: "ffff" not in address), st.integers(0, 4)).map(
    lambda pair: f"{pair[0]}/{pair[1]}"
)
feeds = st.lists(st.tuples(st.sampled_from(["one", "two", "three"]), st.lists(networks, max_size=4)), max_size=8)


@settings(deadline=None, max_examples=200)
@given(feeds, st.lists(addresses, max_size=5))
def test_holders_are_those_whose_last_list_has_a_network_around_the_address(
    fed: list[tuple[str, list[str]]], asked: list[str]
) -> None:
    index = NetworkIndex()
    now: dict[str, list[str]] = {}
    for customer_id, texts in fed:
        index.replace(frozenset((customer_id,)), sources(*now.get(customer_id, [])), sources(*texts))
        now[customer_id] = texts
    for address in asked:
        parsed = ip_address(address.removeprefix("::ffff:"))
        expected = {
            customer_id
            for customer_id, texts in now.items()
            if any(parsed in ip_network(text, strict=False) for text in texts)
        }
        assert index.holders(address) == expected
