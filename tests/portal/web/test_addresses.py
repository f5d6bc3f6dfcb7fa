"""Where a request comes from."""

from ipaddress import ip_network

import pytest

from outgate.portal.web.addresses import UNKNOWN, client_address, is_proxy

PROXIES = [ip_network("127.0.0.0/8"), ip_network("2001:db8::/32")]


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "address"),
    [
        ("203.0.113.9", "", "203.0.113.9"),
        ("203.0.113.9", "198.51.100.7", "203.0.113.9"),  # a stranger's word
        ("127.0.0.1", "198.51.100.7", "198.51.100.7"),
        ("127.0.0.1", "1.2.3.4, 198.51.100.7", "198.51.100.7"),  # what stands before is the client's word
        ("127.0.0.1", "198.51.100.7, 127.0.0.2", "198.51.100.7"),
        ("127.0.0.1", "127.0.0.3", "127.0.0.3"),
        ("127.0.0.1", "nonsense", "127.0.0.1"),
        ("127.0.0.1", "198.51.100.7, nonsense", "127.0.0.1"),
        ("127.0.0.1", " , ,", "127.0.0.1"),
        ("2001:db8::1", "[2001:db9::7]", "2001:db9::7"),
        ("::ffff:127.0.0.1", "198.51.100.7", "198.51.100.7"),
        ("", "198.51.100.7", UNKNOWN),
        ("nonsense", "198.51.100.7", UNKNOWN),
    ],
)
def test_last_address_that_is_no_proxy_counts(peer: str, forwarded_for: str, address: str) -> None:
    assert client_address(peer, forwarded_for, PROXIES) == address


def test_without_proxies_nobody_is_believed() -> None:
    assert client_address("127.0.0.1", "198.51.100.7", []) == "127.0.0.1"
    assert not is_proxy("127.0.0.1", [])
    assert is_proxy("127.0.0.9", PROXIES)
