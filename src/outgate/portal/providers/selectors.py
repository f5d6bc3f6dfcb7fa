"""Reads what is known of the providers."""

from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_network

from outgate.contract.policy import Provider, ProviderDocument
from outgate.portal.providers.models import ProviderState


def states() -> list[ProviderState]:
    """By provider's name."""
    return list(ProviderState.objects.order_by("provider"))


def document_of(state: ProviderState) -> ProviderDocument:
    """What the workers get."""
    return ProviderDocument(
        Provider(state.provider), tuple(state.networks), state.version, state.confirmed_at.timestamp()
    )


def known_networks() -> dict[Provider, tuple[IPv4Network | IPv6Network, ...]]:
    """The providers' ranges as they are known, also where none was published yet: those that come with Outgate."""
    return {Provider(state.provider): _parsed(tuple(state.networks)) for state in states()}


@lru_cache(maxsize=8)
def _parsed(networks: tuple[str, ...]) -> tuple[IPv4Network | IPv6Network, ...]:
    return tuple(ip_network(each) for each in networks)
