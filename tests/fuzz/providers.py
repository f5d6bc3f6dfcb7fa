"""Targets: what the providers' sources answer, and names of hosts that call themselves Microsoft's."""

import json
from ipaddress import ip_network

from tests.fuzz.engine import Target, target
from tests.policy.test_pools import SEEN, SUFFIX
from tests.support.provider_server import MICROSOFT, records

from outgate.app.provider_sources import ERROR_MAX, SourceFailed, read_endpoints, read_version
from outgate.app.provider_spf import SpfError, read_spf
from outgate.policy.pools import Pool, is_microsoft_name, pool_of_name
from outgate.policy.provider_list import PREFIX_LENGTH_MIN, BadList, checked_list

LISTS = [
    json.dumps(records(*MICROSOFT)).encode(),
    b'[{"id":10,"serviceArea":"Exchange","tcpPorts":"25","ips":["40.92.0.0/15"]}]',
    b'{"instance":"Worldwide","latest":"2026112300"}',
]
TOKENS = [
    *(b'"25"', b'"20-30"', b'"Exchange"', b"0.0.0.0/0", b"::/0", b"10.0.0.0/8", b"/7", b"null", b"\\u0000"),
    *(b"[" * 2_000, b"::ffff:0.0.0.0/96", b'"ips":[]', b"%eth0"),
]


@target("provider-list", seeds=LISTS, tokens=TOKENS)
def provider_list(octets: bytes) -> None:
    """Only failures that can be shown, and only networks that are somebody's, come out."""
    try:
        assert read_version(octets).isdigit()
    except SourceFailed as error:
        _check_text(error)
    try:
        _check(read_endpoints(octets))
    except SourceFailed as error:
        _check_text(error)


@target(
    "provider-spf",
    seeds=[b"v=spf1 ip4:74.125.0.0/16 ip6:2a00:1450:4864::/56 ~all", b"v=spf1 include:_netblocks.google.com ~all"],
    tokens=[b" ip4:", b" ip6:", b" include:", b" redirect=", b"0.0.0.0/0", b"%{i}", b"v=spf1", b"-", b"\xff", b" "],
)
def provider_spf(octets: bytes) -> None:
    try:
        record = read_spf([octets])
    except SpfError:
        return
    assert octets[:6].lower() == b"v=spf1"
    assert not any("%" in name for name in record.includes)
    _check(record.networks)


def _check_text(error: SourceFailed) -> None:
    assert str(error).isprintable()
    assert len(str(error)) <= ERROR_MAX


def _check(networks: tuple[str, ...]) -> None:
    try:
        believed = checked_list(networks, ())
    except BadList:
        return
    assert believed
    for text in believed:
        network = ip_network(text)
        assert network.prefixlen >= PREFIX_LENGTH_MIN[network.version]
        assert str(network) == text
        assert not network.is_private
        assert not network.is_multicast


@target(
    "pool-name",
    seeds=[f"{label}{SUFFIX}".encode() for label, _ in SEEN],
    tokens=[SUFFIX.encode(), b"mail-", b"az", b"hn", b"rlnn", b"on", b"cu", b".", b"150", b"\xc4\xb0", b"\x00"],
)
def pool_name(octets: bytes) -> None:
    """Every name has a verdict, at once, and only names below Microsoft's domain are Microsoft's."""
    name = octets.decode("utf-8", "replace")
    pool = pool_of_name(name)
    assert (pool is None) is not is_microsoft_name(name)
    assert pool is None or name.removesuffix(".").lower().endswith(SUFFIX)
    assert pool is not Pool.UNKNOWN or name


TARGETS: list[Target] = [provider_list, provider_spf, pool_name]
