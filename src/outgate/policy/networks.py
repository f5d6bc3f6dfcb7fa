"""Whose outbound source an address is: networks of every length, shared and nested ones included."""

from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

from outgate.contract.policy import OutboundSource

_NOBODY: Final[frozenset[str]] = frozenset()
_MAPPED_PREFIX: Final = 96  # leading bits of ::ffff:0:0/96, behind which IPv6 holds an IPv4 address

Table = dict[int, dict[int, frozenset[str]]]  # prefix length to the leading bits of a network to its holders
Place = tuple[int, int, int]  # where a network stands: IP version, prefix length, leading bits


def is_public(address: str) -> bool:
    """Is it an address of the public Internet? What is no IP address is not."""
    try:
        return ip_address(address).is_global
    except ValueError:
        return False


class NetworkIndex:
    """One dictionary for each prefix length in use: a look-up asks each once, however many networks there are.

    IPv4 mapped into IPv6 (RFC 4291 §2.5.5.2) is IPv4, as sockets of either family may show the same peer.
    """

    def __init__(self) -> None:
        self._tables: dict[int, Table] = {4: {}, 6: {}}
        self._unreadable: dict[str, tuple[str, ...]] = {}

    def holders(self, address: str) -> frozenset[str]:
        """All customers with a network that the address is in; nobody for what is no IP address."""
        try:
            parsed = ip_address(address)
        except ValueError:
            return _NOBODY
        return self.holders_of(parsed)

    def holders_of(self, address: IPv4Address | IPv6Address) -> frozenset[str]:
        """The same, for those who have parsed it."""
        if isinstance(address, IPv6Address):
            address = address.ipv4_mapped or address
        number, width = int(address), address.max_prefixlen
        found = _NOBODY
        for prefix_length, networks in self._tables[address.version].items():
            holders = networks.get(number >> (width - prefix_length))
            if holders is not None:
                found = found | holders if found else holders
        return found

    @property
    def unreadable(self) -> Mapping[str, tuple[str, ...]]:
        """By customer, what its document calls a source and is no network; it is not obeyed."""
        return self._unreadable

    def replace(self, only: frozenset[str], former: Iterable[OutboundSource], now: Iterable[OutboundSource]) -> None:
        """The sources of one customer, given as the set of its id alone, were `former` and are `now`."""
        before, _ = _places(former)
        after, unreadable = _places(now)
        for place in before - after:
            self._remove(only, place)
        for place in after - before:
            self._add(only, place)
        (customer_id,) = only
        if unreadable:
            self._unreadable[customer_id] = unreadable
        else:
            self._unreadable.pop(customer_id, None)

    def _add(self, only: frozenset[str], place: Place) -> None:
        version, prefix_length, bits = place
        networks = self._tables[version].setdefault(prefix_length, {})
        holders = networks.get(bits)
        networks[bits] = only if holders is None else holders | only

    def _remove(self, only: frozenset[str], place: Place) -> None:
        version, prefix_length, bits = place
        networks = self._tables[version][prefix_length]
        others = networks[bits] - only
        if others:
            networks[bits] = others
            return
        del networks[bits]
        if not networks:
            del self._tables[version][prefix_length]


def _places(sources: Iterable[OutboundSource]) -> tuple[set[Place], tuple[str, ...]]:
    """Where the networks stand, each once however it is spelt, and what could not be read."""
    places = set()
    unreadable = []
    for source in sources:
        try:
            places.add(place_of(source.network))
        except ValueError:
            unreadable.append(source.network)
    return places, tuple(unreadable)


def place_of(text: str) -> Place:
    """Where a network stands; what is IPv4 behind IPv6 is IPv4. Raises: ValueError."""
    network = ip_network(text, strict=False)
    bits = int(network.network_address) >> (network.max_prefixlen - network.prefixlen)
    if network.version == 6 and network.prefixlen >= _MAPPED_PREFIX:
        mapped = network.network_address.ipv4_mapped
        if mapped is not None:
            length = network.prefixlen - _MAPPED_PREFIX
            return 4, length, int(mapped) >> (32 - length)
    return network.version, network.prefixlen, bits
