"""Which cloud an address belongs to, and which of Microsoft's pools by its range.

Addresses of a provider carry many customers' mail and anybody else's: they prove "some tenant there", never which.
"""

from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final, Generic, TypeVar

from msgspec import Struct

from outgate.contract.policy import Provider, ProviderDocument
from outgate.policy.networks import Place, place_of
from outgate.policy.pools import POOL_NETWORKS, UNLISTED_NETWORKS, Pool
from outgate.policy.provider_list import is_too_wide

STALE_SECONDS: Final = (
    35 * 86_400
)  # Microsoft announces additions 30 days ahead; with no word for longer, some may miss

ValueT = TypeVar("ValueT")


class AddressClass(Struct, frozen=True):
    """provider: None if the address is none's. pool: by range alone; None if the address is not Microsoft's or in no
    range that tells."""

    provider: Provider | None = None
    pool: Pool | None = None


NO_PROVIDER: Final = AddressClass()


class ProviderIndex:
    """The providers' networks. Mutable; read on the thread that feeds it.

    Starts empty but for `UNLISTED_NETWORKS`; feed it the documents of the package first, then those of the policy feed.
    """

    def __init__(self) -> None:
        self._documents: dict[Provider, ProviderDocument] = {}
        self._unreadable: dict[Provider, tuple[str, ...]] = {}
        self._providers: _LongestPrefix[Provider] = _LongestPrefix(())
        self._compile()

    def replace(self, document: ProviderDocument) -> None:
        """Put `document` in the place of the one before it of the same provider."""
        self._documents[document.provider] = document
        self._compile()

    def classify(self, address: str) -> AddressClass:
        """Longest prefix first; IPv4 mapped into IPv6 is IPv4; what is no IP address is nobody's."""
        try:
            parsed = ip_address(address)
        except ValueError:
            return NO_PROVIDER
        return self.classify_parsed(parsed)

    def classify_parsed(self, address: IPv4Address | IPv6Address) -> AddressClass:
        """The same, for those who have parsed it."""
        if isinstance(address, IPv6Address):
            address = address.ipv4_mapped or address
        version, number = address.version, int(address)
        provider = self._providers.find(version, number)
        if provider is None:
            return NO_PROVIDER
        if provider is not Provider.MICROSOFT:
            return _CLASSES[provider, None]
        return _CLASSES[provider, _POOLS.find(version, number)]

    def document(self, provider: Provider) -> ProviderDocument | None:
        return self._documents.get(provider)

    def confirmed_at(self, provider: Provider) -> float:
        """When the source last said that the networks are right, in seconds since the epoch; 0 if it never did."""
        document = self._documents.get(provider)
        return document.confirmed_at if document is not None else 0.0

    def is_stale(self, provider: Provider, now: float) -> bool:
        """Too long without a word of the source to take an address that is not listed for a stranger's.

        A confirmation as far in the future is no better: one of the clocks is wrong.
        """
        return abs(now - self.confirmed_at(provider)) > STALE_SECONDS

    @property
    def unreadable(self) -> Mapping[Provider, tuple[str, ...]]:
        """By provider, what its document calls a network and is none or too wide; it is not obeyed."""
        return self._unreadable

    def _compile(self) -> None:
        entries: list[tuple[Place, Provider]] = []
        self._unreadable = {}
        for provider in Provider:  # in a fixed order: of two that list the same network the first has it
            document = self._documents.get(provider)
            if document is None:
                continue
            places, unreadable = _places(document.networks)
            entries += [(place, provider) for place in places]
            if unreadable:
                self._unreadable[provider] = unreadable
        entries += [(place_of(network), Provider.MICROSOFT) for network in UNLISTED_NETWORKS]
        self._providers = _LongestPrefix(entries)


class _LongestPrefix(Generic[ValueT]):
    """One dictionary for each prefix length in use, the longest first."""

    def __init__(self, entries: Iterable[tuple[Place, ValueT]]) -> None:
        tables: dict[tuple[int, int], dict[int, ValueT]] = {}
        for (version, length, bits), value in entries:
            tables.setdefault((version, length), {}).setdefault(bits, value)
        self._by_version = {
            version: tuple(
                (width - length, tables[family, length])
                for family, length in sorted(tables, reverse=True)
                if family == version
            )
            for version, width in ((4, 32), (6, 128))
        }

    def find(self, version: int, number: int) -> ValueT | None:
        for shift, networks in self._by_version[version]:
            value = networks.get(number >> shift)
            if value is not None:
                return value
        return None


def _places(networks: Iterable[str]) -> tuple[list[Place], tuple[str, ...]]:
    """Where the networks stand, and what is not obeyed."""
    places: list[Place] = []
    unreadable: list[str] = []
    for text in networks:
        try:
            place = place_of(text)
        except ValueError:
            unreadable.append(text)
            continue
        if is_too_wide(place[0], place[1]):
            unreadable.append(text)
        else:
            places.append(place)
    return places, tuple(unreadable)


_POOLS: Final = _LongestPrefix([(place_of(one), pool) for pool, networks in POOL_NETWORKS.items() for one in networks])
_CLASSES: Final = {
    (provider, pool): AddressClass(provider, pool) for provider in Provider for pool in (None, *Pool)
}  # made once: there are few, and many connections
