"""Where mail goes, and where it never goes."""

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.policy import SenderRelay, customer, reverse_path, snapshot_of

from outgate.policy.next_hop import is_forbidden_address, route

RELAY = SenderRelay("alpha.example", "relay.example", 2525)
LAB_RELAY = SenderRelay("lab.wide.example", "lab-relay.example")
WIDE_RELAY = SenderRelay("wide.example", "wide-relay.example")
FOREIGN_RELAY = SenderRelay("foreign.example", "relay.example")
SNAPSHOT = snapshot_of(
    customer(
        "alpha",
        "alpha.example",
        "*.wide.example",
        "plain.example",
        sender_relays=(RELAY, LAB_RELAY, WIDE_RELAY, FOREIGN_RELAY),
    ),
    customer("beta", "beta.example"),
)


@pytest.mark.parametrize(
    ("customer_id", "mailbox", "relay"),
    [
        ("alpha", "a@alpha.example", RELAY),
        ("alpha", "a@ALPHA.example", RELAY),
        ("alpha", "a@plain.example", None),
        ("alpha", "a@sub.alpha.example", None),
        ("alpha", "a@wide.example", WIDE_RELAY),
        ("alpha", "a@x.y.wide.example", WIDE_RELAY),
        ("alpha", "a@lab.wide.example", LAB_RELAY),
        ("alpha", "", None),
        ("alpha", "a@foreign.example", None),
        ("alpha", "a@beta.example", None),
        ("beta", "a@beta.example", None),
        ("beta", "a@alpha.example", None),
        ("nobody", "a@alpha.example", None),
        ("", "", None),
    ],
)
def test_the_sender_relay_of_the_customers_own_reverse_path_is_taken_else_mx(
    customer_id: str, mailbox: str, relay: SenderRelay | None
) -> None:
    assert route(SNAPSHOT, customer_id, reverse_path(mailbox)) == relay


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("8.8.8.8", None),
        ("198.17.255.255", None),
        ("223.255.255.255", None),
        ("2a00:1450:4001::1", None),
        ("2606:4700::1", None),
        ("0.0.0.0", "unspecified"),
        ("0.1.2.3", "unspecified"),
        ("127.0.0.1", "loopback"),
        ("127.255.255.255", "loopback"),
        ("10.0.0.1", "private"),
        ("172.16.0.1", "private"),
        ("172.31.255.255", "private"),
        ("172.32.0.1", None),
        ("192.168.1.1", "private"),
        ("100.64.0.1", "private"),
        ("169.254.169.254", "link-local"),
        ("192.0.2.1", "documentation"),
        ("198.51.100.1", "documentation"),
        ("203.0.113.1", "documentation"),
        ("192.0.0.1", "reserved"),
        ("192.88.99.1", "reserved"),
        ("198.18.0.1", "reserved"),
        ("224.0.0.1", "multicast"),
        ("240.0.0.1", "reserved"),
        ("255.255.255.255", "broadcast"),
        ("::", "unspecified"),
        ("::1", "loopback"),
        ("fe80::1", "link-local"),
        ("fe80::1%eth0", "link-local"),
        ("fc00::1", "private"),
        ("fd12:3456::1", "private"),
        ("fec0::1", "private"),
        ("ff02::1", "multicast"),
        ("2001:db8::1", "documentation"),
        ("3fff::1", "documentation"),
        ("100::1", "reserved"),
        ("5f00::1", "reserved"),
        ("4000::1", "reserved"),
        # IPv4 in IPv6
        ("::ffff:127.0.0.1", "loopback"),
        ("::ffff:10.0.0.1", "private"),
        ("::ffff:169.254.169.254", "link-local"),
        ("::ffff:8.8.8.8", None),
        ("::127.0.0.1", "reserved"),
        ("::ffff:0:127.0.0.1", "reserved"),
        ("64:ff9b::127.0.0.1", "loopback"),
        ("64:ff9b::a9fe:a9fe", "link-local"),
        ("64:ff9b::8.8.8.8", None),
        ("64:ff9b:1::8.8.8.8", "private"),
        ("2002:7f00:1::1", "loopback"),
        ("2002:c0a8:101::1", "private"),
        ("2002:808:808::1", None),
        ("2001:0:4136:e378:8000:63bf:3fff:fdd2", "reserved"),
        ("localhost", "not an IP address"),
        ("", "not an IP address"),
        ("127.1", "not an IP address"),
        ("0x7f000001", "not an IP address"),
        ("127.0.0.1:25", "not an IP address"),
    ],
)
def test_addresses_that_mail_may_not_be_sent_to(address: str, kind: str | None) -> None:
    assert is_forbidden_address(address) == kind


_ipv4 = st.integers(0, 2**32 - 1).map(lambda number: str(IPv4Address(number)))
_ipv6 = st.integers(0, 2**128 - 1).map(lambda number: str(IPv6Address(number)))


@settings(deadline=None, max_examples=500)
@given(st.one_of(_ipv4, _ipv6))
def test_no_address_that_the_standard_library_calls_inner_is_allowed(address: str) -> None:
    parsed = ip_address(address)
    is_inner = parsed.is_private or parsed.is_loopback or parsed.is_link_local or parsed.is_multicast
    if is_inner or parsed.is_reserved or parsed.is_unspecified:
        assert is_forbidden_address(address) is not None


@settings(deadline=None, max_examples=300)
@given(_ipv4)
def test_an_ipv4_address_is_judged_the_same_in_whatever_carries_it(address: str) -> None:
    kind = is_forbidden_address(address)
    assert is_forbidden_address(f"::ffff:{address}") == kind
    assert is_forbidden_address(f"64:ff9b::{address}") == kind
    assert is_forbidden_address(str(IPv6Address(0x2002 << 112 | int(IPv4Address(address)) << 80))) == kind
