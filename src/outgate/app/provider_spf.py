"""Reads the networks of an SPF record: as much of RFC 7208 as records of mail providers use. Pure.

What else could authorise a host (a, mx, ptr, exists) is passed over: that yields fewer networks, never more.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

VERSION: Final = b"v=spf1"
RECORD_MAX: Final = 8_192  # octets of one record; Google's has less than 400
TERMS_MAX: Final = 1_000  # of one record


class SpfError(Exception):
    """There is no record to be used. The text is for people."""


@dataclass(frozen=True, slots=True)
class SpfRecord:
    """networks: of ip4 and ip6, as written. includes: names whose records belong to it, redirect's as well."""

    networks: tuple[str, ...]
    includes: tuple[str, ...]


def read_spf(texts: Iterable[bytes]) -> SpfRecord:
    """The one SPF record among the TXT records of a name. Raises: SpfError."""
    records = [text for text in texts if text[:7].rstrip(b" ").lower() == VERSION]
    if len(records) != 1:
        raise SpfError(f"{len(records)} SPF records, where one is wanted")  # RFC 7208 §4.5
    if len(records[0]) > RECORD_MAX:
        raise SpfError(f"an SPF record of more than {RECORD_MAX} octets")
    try:
        terms = records[0].decode("ascii").split()[1:]
    except UnicodeDecodeError:
        raise SpfError("an SPF record that is not ASCII") from None
    if len(terms) > TERMS_MAX:
        raise SpfError(f"an SPF record of more than {TERMS_MAX} terms")
    networks: list[str] = []
    includes: list[str] = []
    for term in terms:
        mechanism, _, value = term.removeprefix("+").partition(":")  # "-", "~" and "?" authorise nobody, §4.6.2
        match mechanism.lower():
            case "ip4" | "ip6" as kind:
                if (":" in value) is not (kind == "ip6"):
                    raise SpfError(f"{term[:80]!r} is no network of its kind")
                networks.append(value)
            case "include":
                includes.append(_name(value))
            case modifier if modifier.startswith("redirect="):
                includes.append(_name(term.partition("=")[2]))
    return SpfRecord(tuple(networks), tuple(includes))


def _name(text: str) -> str:
    """Raises: SpfError."""
    if not text or "%" in text:  # a macro, §7, depends on a sender; there is none here
        raise SpfError(f"{text[:80]!r} is no plain name")
    return text
