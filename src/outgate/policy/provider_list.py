"""Is a list of a provider's networks fit to be believed?

It decides which strangers are heard at all, and comes from a host of somebody else's: what is not plausible is refused,
and the list before it stays in force.
"""

from collections.abc import Iterable, Sequence
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_network
from typing import Final

NETWORKS_MAX: Final = 2_000  # of one provider; the longest list known has 8
TEXT_MAX: Final = 64  # characters of one network; the longest spelling has 49
PREFIX_LENGTH_MIN: Final = {4: 8, 6: 24}  # a wider network is a mistake; nor may all together have more addresses
KEPT_SHARE_MIN: Final = 0.5  # of the former addresses of each family; who drops more in one step waits for a person

IPNetwork = IPv4Network | IPv6Network
Interval = tuple[int, int]  # first address, and the one after the last

_RESERVED: Final[tuple[IPNetwork, ...]] = tuple(
    ip_network(text)
    for text in (  # IANA's special-purpose registries (RFC 6890) and multicast
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "2001::/23",
        "2001:db8::/32",
        "2002::/16",
        "3fff::/20",
    )
)
_GLOBAL_IPV6: Final = IPv6Network("2000::/3")  # all that is given out, RFC 4291 §2.4


class BadList(Exception):
    """The text says what is wrong with the list, for people."""


class TooMuchGone(BadList):
    """More of the former addresses are gone than is believed without a person's word."""


def is_too_wide(version: int, prefix_length: int) -> bool:
    return prefix_length < PREFIX_LENGTH_MIN[version]


def checked_list(
    texts: Sequence[str], former: Iterable[str], *, allow_removal: bool = False, allow_private: bool = False
) -> tuple[str, ...]:
    """The networks, each once, in canonical spelling and order; nested ones stay as they are.

    former: of the last good list; what is unreadable there does not count. allow_removal: a person accepts that many
    of them are gone. allow_private: reserved networks too, for laboratories.

    Raises: BadList.
    """
    if not texts:
        raise BadList("the list is empty")
    if len(texts) > NETWORKS_MAX:
        raise BadList(f"the list has {len(texts)} networks, more than {NETWORKS_MAX}")
    networks = {_checked_network(text, allow_private) for text in texts}
    for version in (4, 6):
        size = _size(_intervals(networks, version))
        if size > _widest_size(version):
            raise BadList(
                f"the IPv{version} networks have more addresses together than one /{PREFIX_LENGTH_MIN[version]}"
            )
    if not allow_removal:
        _check_removal(_readable(former), networks)
    ordered = sorted(networks, key=lambda one: (one.version, int(one.network_address), one.prefixlen))
    return tuple(str(network) for network in ordered)


def _checked_network(text: str, allow_private: bool) -> IPNetwork:
    """Raises: BadList."""
    shown = text[:TEXT_MAX]
    try:
        network: IPNetwork = ip_network(shown)
    except ValueError:
        raise BadList(f"{shown!r} is no network") from None
    if "%" in text or len(text) > TEXT_MAX:
        raise BadList(f"{shown!r} is no network")
    if is_too_wide(network.version, network.prefixlen):
        raise BadList(f"{network} is wider than /{PREFIX_LENGTH_MIN[network.version]}")
    if not allow_private and _is_reserved(network):
        raise BadList(f"{network} is reserved and cannot be a provider's")
    return network


def _is_reserved(network: IPNetwork) -> bool:
    if isinstance(network, IPv6Network) and not network.subnet_of(_GLOBAL_IPV6):
        return True
    return any(network.version == other.version and network.overlaps(other) for other in _RESERVED)


def _check_removal(former: set[IPNetwork], networks: set[IPNetwork]) -> None:
    """Raises: TooMuchGone."""
    for version in (4, 6):
        before = _intervals(former, version)
        total = _size(before)
        kept = _common(before, _intervals(networks, version))
        if total and kept < total * KEPT_SHARE_MIN:
            raise TooMuchGone(f"{100 - kept * 100 // total} % of the former IPv{version} addresses are gone")


def _readable(texts: Iterable[str]) -> set[IPNetwork]:
    found: set[IPNetwork] = set()
    for text in texts:
        try:
            found.add(ip_network(text, strict=False))
        except ValueError:
            continue
    return found


def _intervals(networks: Iterable[IPNetwork], version: int) -> list[Interval]:
    """Disjoint, in order."""
    if version == 4:
        four = collapse_addresses(one for one in networks if isinstance(one, IPv4Network))
        return [(int(one.network_address), int(one.broadcast_address) + 1) for one in four]
    six = collapse_addresses(one for one in networks if isinstance(one, IPv6Network))
    return [(int(one.network_address), int(one.broadcast_address) + 1) for one in six]


def _size(intervals: Iterable[Interval]) -> int:
    return sum(end - start for start, end in intervals)


def _widest_size(version: int) -> int:
    width = 32 if version == 4 else 128
    return int(2 ** (width - PREFIX_LENGTH_MIN[version]))


def _common(left: Sequence[Interval], right: Sequence[Interval]) -> int:
    """How many addresses are in both."""
    common = i = j = 0
    while i < len(left) and j < len(right):
        start, end = max(left[i][0], right[j][0]), min(left[i][1], right[j][1])
        common += max(0, end - start)
        if left[i][1] <= right[j][1]:
            i += 1
        else:
            j += 1
    return common
