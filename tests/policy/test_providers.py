"""Which provider an address belongs to, and its pool by range."""

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outgate.contract.policy import Provider, ProviderDocument
from outgate.policy.pools import POOL_NETWORKS, Pool
from outgate.policy.providers import NO_PROVIDER, STALE_SECONDS, AddressClass, ProviderIndex

MICROSOFT = (
    "40.92.0.0/15",
    "40.107.0.0/16",
    "52.100.0.0/14",
    "104.47.0.0/17",
    "2a01:111:f400::/48",
    "2a01:111:f403::/48",
)
GOOGLE = ("74.125.0.0/16", "2a00:1450:4864::/56")
NOW = 1_795_000_000.0


def index_of(microsoft: tuple[str, ...] = MICROSOFT, google: tuple[str, ...] = GOOGLE) -> ProviderIndex:
    index = ProviderIndex()
    index.replace(ProviderDocument(Provider.MICROSOFT, microsoft, "1", NOW))
    index.replace(ProviderDocument(Provider.GOOGLE, google, "", NOW))
    return index


INDEX = index_of()


@pytest.mark.parametrize(
    ("address", "provider", "pool"),
    [
        ("52.101.65.9", Provider.MICROSOFT, Pool.NORMAL),
        ("40.93.13.67", Provider.MICROSOFT, Pool.NORMAL),
        ("52.100.172.238", Provider.MICROSOFT, Pool.HIGH_RISK),
        ("52.102.136.54", Provider.MICROSOFT, Pool.HIGH_RISK),
        ("52.103.193.16", Provider.MICROSOFT, Pool.RELAY),
        ("52.103.74.80", Provider.MICROSOFT, Pool.CONSUMER),
        ("40.92.1.1", Provider.MICROSOFT, Pool.CONSUMER),
        ("2a01:111:f403:dc05::2", Provider.MICROSOFT, Pool.HIGH_RISK),
        ("2a01:111:f403:e40b::", Provider.MICROSOFT, Pool.RELAY),
        ("2a01:111:f403:d10b::", Provider.MICROSOFT, Pool.CONSUMER),
        ("2a01:111:f403:c10b::", Provider.MICROSOFT, Pool.NORMAL),
        ("2a01:111:f403:9000::1", Provider.MICROSOFT, None),
        ("::ffff:52.102.136.54", Provider.MICROSOFT, Pool.HIGH_RISK),
        ("74.125.82.1", Provider.GOOGLE, None),
        ("2a00:1450:4864:20::32e", Provider.GOOGLE, None),
        ("52.104.0.1", None, None),
        ("198.51.100.7", None, None),
        ("", None, None),
        ("mail.example", None, None),
        ("fe80::1%eth0", None, None),
    ],
)
def test_address_has_provider_and_pool(address: str, provider: Provider | None, pool: Pool | None) -> None:
    assert INDEX.classify(address) == AddressClass(provider, pool)


def test_documented_relay_network_is_microsofts_although_its_list_lacks_it() -> None:
    assert INDEX.classify("40.95.54.87") == AddressClass(Provider.MICROSOFT, Pool.RELAY)
    assert ProviderIndex().classify("40.95.54.87") == AddressClass(Provider.MICROSOFT, Pool.RELAY)


def test_pool_tables_make_nothing_else_microsofts() -> None:
    """An address that left Microsoft's list is a stranger's, whatever our table says."""
    smaller = index_of(microsoft=("104.47.0.0/17",))

    for network in (one for networks in POOL_NETWORKS.values() for one in networks):
        address = str(ip_network(network)[1])
        is_kept = network in ("104.47.0.0/17", "40.95.0.0/16")
        assert (smaller.classify(address).provider is Provider.MICROSOFT) is is_kept
    assert ProviderIndex().classify("52.101.65.9") is NO_PROVIDER


def test_longest_prefix_wins() -> None:
    index = index_of(microsoft=("52.96.0.0/11", "2a01::/32"), google=("52.101.0.0/16", "2a01:0:1::/48"))

    assert index.classify("52.101.65.9") == AddressClass(Provider.GOOGLE)
    assert index.classify("52.102.0.1").provider is Provider.MICROSOFT
    assert index.classify("2a01:0:1::1").provider is Provider.GOOGLE
    assert index.classify("2a01:0:2::1").provider is Provider.MICROSOFT


def test_new_document_replaces_the_one_before_it() -> None:
    index = index_of()
    index.replace(ProviderDocument(Provider.GOOGLE, ("209.85.128.0/17",), "2", NOW + 60))

    assert index.classify("74.125.82.1") is NO_PROVIDER
    assert index.classify("209.85.128.9").provider is Provider.GOOGLE
    assert index.classify("52.101.65.9").provider is Provider.MICROSOFT
    assert index.confirmed_at(Provider.GOOGLE) == NOW + 60


def test_what_is_no_network_or_too_wide_is_told_and_not_obeyed() -> None:
    index = index_of(microsoft=("0.0.0.0/0", "::/0", "::ffff:0:0/96", "nonsense", "52.101.0.0/16"), google=())

    assert index.classify("198.51.100.7") is NO_PROVIDER
    assert index.classify("2001:db8::1") is NO_PROVIDER
    assert index.classify("52.101.65.9").provider is Provider.MICROSOFT
    assert index.unreadable == {Provider.MICROSOFT: ("0.0.0.0/0", "::/0", "::ffff:0:0/96", "nonsense")}


@given(st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)))
def test_address_is_microsofts_only_if_a_network_has_it(address: object) -> None:
    networks = [ip_network(text) for text in (*MICROSOFT, "40.95.0.0/16")]
    parsed = ip_address(str(address))
    mapped = getattr(parsed, "ipv4_mapped", None) or parsed

    expected = any(mapped in network for network in networks)

    assert (INDEX.classify(str(address)).provider is Provider.MICROSOFT) is expected


def test_list_is_stale_when_the_source_was_silent_for_too_long() -> None:
    assert not INDEX.is_stale(Provider.MICROSOFT, NOW)
    assert not INDEX.is_stale(Provider.MICROSOFT, NOW + STALE_SECONDS)
    assert INDEX.is_stale(Provider.MICROSOFT, NOW + STALE_SECONDS + 1)
    assert INDEX.is_stale(Provider.MICROSOFT, NOW - STALE_SECONDS - 1)  # a clock is wrong
    assert ProviderIndex().is_stale(Provider.GOOGLE, NOW)
    assert ProviderIndex().confirmed_at(Provider.GOOGLE) == 0.0
    assert INDEX.document(Provider.MICROSOFT) is not None
