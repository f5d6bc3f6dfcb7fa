"""Senders that want to be taken for somebody else: by the name that is shown, or by an address that looks like another.

Who the sender is has been proven before; this is about what the recipient is made to believe.
"""

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Final

from outgate.mail.findings import Category, Finding
from outgate.scanning.interface import Context
from outgate.scanning.links import BRANDS
from outgate.scanning.message import ScannedMessage
from outgate.scanning.names import Lookalikes, lookalikes, registrable, skeleton

NAME: Final = "impersonation"
SHOWN_MAX: Final = 500  # characters of a shown name that are looked at
LISTS_KEPT: Final = 64  # customers whose people a process keeps ready

_ADDRESS: Final = re.compile(r"[\w.+'\-]{1,64}@((?:[\w\-]{1,63}\.){1,10}[^\W\d_]{2,24})")
_HOST: Final = re.compile(r"(?<![\w@.\-])(?:[\w\-]{1,63}\.){1,10}[^\W\d_]{2,24}(?![\w@])")
_WORD: Final = re.compile(r"\w+")
_VIA: Final = re.compile(r"\bvia\b|\bon behalf of\b|\bim auftrag\b", re.IGNORECASE)


class Impersonation:
    """Looks at From and Reply-To."""

    name = NAME
    version = "1"

    def scan(self, message: ScannedMessage, context: Context) -> Iterable[Finding]:
        own, brands = lookalikes(context.domains), lookalikes(BRANDS)
        display, address = parted(message.header("from"))
        yield from dict.fromkeys(self._by_address("look-alike-sender", address, own, brands))
        _, reply_to = parted(message.header("reply-to"))
        yield from self._by_address("look-alike-reply-to", reply_to, own, brands)
        if display and address:
            yield from self._by_shown_address(display, address, own, brands)
            yield from self._by_shown_host(display, address, own, brands)
            yield from self._by_person(display, address, own, context.policy.people)

    def _by_address(self, name: str, address: str, own: Lookalikes, brands: Lookalikes) -> Iterator[Finding]:
        host = address.rpartition("@")[2]
        if own.owns(host):
            return
        for known, weight in ((own, 90), (brands, 80)):
            taken_for, how = known.taken_for(host)
            if how == "look-alike":
                yield _found(name, weight, f"{host} for {taken_for}")
                return

    def _by_shown_address(self, display: str, address: str, own: Lookalikes, brands: Lookalikes) -> Iterator[Finding]:
        for match in _ADDRESS.finditer(display):
            host = match[1].lower()
            if match[0].lower() == address or registrable(host) == registrable(address.rpartition("@")[2]):
                continue
            weight = 85 if own.owns(host) or brands.owns(host) else 50
            if _VIA.search(display) or own.owns(address.rpartition("@")[2]):
                weight = 40  # a list, or a help desk, that says whose words it passes on
            yield _found("other-address-shown", weight, f"{match[0]} by {address}")
            return

    def _by_shown_host(self, display: str, address: str, own: Lookalikes, brands: Lookalikes) -> Iterator[Finding]:
        theirs = address.rpartition("@")[2]
        if own.owns(theirs):
            return
        for match in _HOST.finditer(display):
            host = match[0].lower()
            for known, weight in ((own, 80), (brands, 75)):
                is_it = known.owns(host) or known.taken_for(host)[1] == "look-alike"
                if is_it and not known.owns(theirs) and registrable(host) != registrable(theirs):
                    yield _found("domain-shown", weight, f"{host} by {address}")
                    return

    def _by_person(self, display: str, address: str, own: Lookalikes, people: tuple[str, ...]) -> Iterator[Finding]:
        theirs = people_of(people).get(_spelt(display))
        if theirs and address not in theirs:
            weight = 40 if own.owns(address.rpartition("@")[2]) else 85
            yield _found("person", weight, f"{display} by {address}")


def _found(name: str, weight: int, detail: str) -> Finding:
    return Finding(Category.IMPERSONATION, NAME, name, weight, detail)


def parted(value: str) -> tuple[str, str]:
    """Shown name and address (lower case) of a field with one mailbox; what mail programs make of it, not RFC 5322."""
    value = value.strip()[: SHOWN_MAX * 2]
    if value.endswith(">") and "<" in value:
        display, _, address = value[:-1].rpartition("<")
        return display.strip().strip("\"'").strip()[:SHOWN_MAX], address.strip().lower()
    return "", value.lower()


@lru_cache(maxsize=LISTS_KEPT)
def people_of(people: tuple[str, ...]) -> dict[str, frozenset[str]]:
    """Addresses by the name as it is compared."""
    known: dict[str, set[str]] = {}
    for person in people:
        display, address = parted(person)
        if display and _spelt(display):
            known.setdefault(_spelt(display), set()).add(address)
    return {name: frozenset(addresses) for name, addresses in known.items()}


def _spelt(display: str) -> str:
    """A person's name, however its parts are ordered and whatever letters it is put together of."""
    return " ".join(sorted(_WORD.findall(skeleton(display[:SHOWN_MAX]))))
