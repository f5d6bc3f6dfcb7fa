"""Addresses of engines as an operator writes them."""

import pytest

from outgate.engines.address import TcpAddress, UnixAddress, parse_address


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("unix:/run/clamav/clamd.ctl", UnixAddress("/run/clamav/clamd.ctl")),
        ("127.0.0.1:3310", TcpAddress("127.0.0.1", 3310)),
        ("[::1]:3310", TcpAddress("::1", 3310)),
        ("clamav:3310", TcpAddress("clamav", 3310)),
    ],
)
def test_addresses(text: str, address: object) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize(
    "text", ["", "clamav", ":3310", "host:0", "host:65536", "host:x", "ho st:1", "unix:relative", "unix:/" + "x" * 107]
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(ValueError, match=r"is (neither|not)"):
        parse_address(text)
