"""Where a request comes from. Pure."""

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address

from django.http import HttpRequest

Networks = Sequence[IPv4Network | IPv6Network]
UNKNOWN = "0.0.0.0"  # noqa: S104 - an address to count under, not to listen on


def client_address(peer: str, forwarded_for: str, proxies: Networks) -> str:
    """The address of whoever asks: the last in `forwarded_for` that no trusted proxy has, told by trusted ones only.

    peer: of the connection. What is unreadable ends the look: then the last good address counts.
    """
    address = _parse(peer)
    if address is None:
        return UNKNOWN
    hops = [hop.strip() for hop in forwarded_for.split(",") if hop.strip()]
    while hops and any(ip_address(address) in proxy for proxy in proxies):
        before = _parse(hops.pop())
        if before is None:
            break
        address = before
    return address


def address_of(request: HttpRequest) -> str:
    """As `middleware.find_address` has found it."""
    return str(request.META.get("REMOTE_ADDR") or UNKNOWN)


def is_proxy(peer: str, proxies: Networks) -> bool:
    address = _parse(peer)
    return address is not None and any(ip_address(address) in proxy for proxy in proxies)


def _parse(text: str) -> str | None:
    try:
        address = ip_address(text.removeprefix("[").removesuffix("]"))
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(address).partition("%")[0]
