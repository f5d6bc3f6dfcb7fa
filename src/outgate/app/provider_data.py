"""The provider networks that come with Outgate: what holds until the source itself has been asked.

So a worker that has never heard of a clerk knows them, and so does an installation that may not ask anybody.
"""

from datetime import UTC, date, datetime
from functools import cache
from importlib.resources import files
from typing import Final

import msgspec
from msgspec import Struct

from outgate.contract.policy import Provider, ProviderDocument

FILE: Final = "data/providers.json"


class PackagedList(Struct, frozen=True, forbid_unknown_fields=True):
    """source: where the list is published. taken_from: where ours comes from. confirmed_on: the last day on which a
    copy of the source is known to have said so."""

    source: str
    taken_from: str
    version: str
    confirmed_on: date
    networks: tuple[str, ...]


@cache
def packaged_lists() -> dict[Provider, PackagedList]:
    octets = files("outgate.app").joinpath(FILE).read_bytes()
    return msgspec.json.decode(octets, type=dict[Provider, PackagedList])


@cache
def packaged_documents() -> tuple[ProviderDocument, ...]:
    """One for each provider, to be replaced by what the policy feed says."""
    return tuple(
        ProviderDocument(provider, each.networks, each.version, _midnight(each.confirmed_on))
        for provider, each in packaged_lists().items()
    )


def _midnight(day: date) -> float:
    return datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()
