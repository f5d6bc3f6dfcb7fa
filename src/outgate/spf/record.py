"""Parses SPF records: RFC 7208 §4.5, §4.6.1, §5, §6 and the grammar of §12."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import Enum
from ipaddress import AddressValueError, IPv4Address, IPv4Network, IPv6Address, IPv6Network, NetmaskValueError
from typing import Final

from outgate.spf.macro import BadMacro, MacroString, parse_domain_spec, parse_macros

VERSION: Final = b"v=spf1"
RECORD_MAX: Final = 16_384  # octets of an SPF record; a longer one is an error, since nobody writes one
_MODIFIER: Final = re.compile(r"([A-Za-z][A-Za-z0-9_.-]*)=(.*)", re.DOTALL)
_DIRECTIVE: Final = re.compile(r"([-+~?]?)([A-Za-z][A-Za-z0-9_.-]*)(.*)", re.DOTALL)
_PREFIXES: Final = re.compile(r"(?:/(0|[1-9][0-9]?))?(?://(0|[1-9][0-9]{0,2}))?")
_PREFIX_PLACE: Final = re.compile(r"/{1,2}[0-9]+(?://[0-9]+)?\Z")


class BadRecord(Exception):
    """The record does not follow the grammar. The text says where."""


class Name(Enum):
    """A mechanism."""

    ALL = "all"
    INCLUDE = "include"
    A = "a"
    MX = "mx"
    PTR = "ptr"
    IP4 = "ip4"
    IP6 = "ip6"
    EXISTS = "exists"

    @property
    def is_lookup(self) -> bool:
        """Does it count among the ten of §4.6.4?"""
        return self not in (Name.ALL, Name.IP4, Name.IP6)


@dataclass(frozen=True, slots=True)
class Mechanism:
    """text: as published. qualifier: one of "+-~?". target: None is the domain under check. network: of ip4 and ip6.
    ipv4_prefix, ipv6_prefix: of a and mx."""

    text: str
    qualifier: str
    name: Name
    target: MacroString | None = None
    network: IPv4Network | IPv6Network | None = None
    ipv4_prefix: int = 32
    ipv6_prefix: int = 128


@dataclass(frozen=True, slots=True)
class Record:
    """mechanisms: in their order. redirect: None without; `redirect_text` as published. has_all: then nothing behind
    `all` counts, redirect neither (§5.1)."""

    mechanisms: tuple[Mechanism, ...]
    redirect: MacroString | None = None
    redirect_text: str = ""

    @property
    def has_all(self) -> bool:
        return any(mechanism.name is Name.ALL for mechanism in self.mechanisms)

    @property
    def evaluated(self) -> tuple[Mechanism, ...]:
        """Those that can ever be reached: to the first `all` and with it."""
        for place, mechanism in enumerate(self.mechanisms):
            if mechanism.name is Name.ALL:
                return self.mechanisms[: place + 1]
        return self.mechanisms


def spf_records(texts: Iterable[bytes]) -> tuple[bytes, ...]:
    """Those of a name's TXT records that are SPF records: §4.5."""
    return tuple(text for text in texts if text[:6].lower() == VERSION and text[6:7] in (b"", b" "))


def parse_record(octets: bytes) -> Record:
    """octets: of `spf_records`. Raises: BadRecord; one mistake anywhere spoils all of it (§4.6)."""
    if len(octets) > RECORD_MAX:
        raise BadRecord(f"it has more than {RECORD_MAX} octets")
    try:
        text = octets.decode("ascii")
    except UnicodeDecodeError:
        raise BadRecord("it has characters that are not ASCII") from None
    mechanisms: list[Mechanism] = []
    modifiers: dict[str, tuple[MacroString, str]] = {}
    for term in text.split(" ")[1:]:
        if not term:
            continue
        if (found := _MODIFIER.fullmatch(term)) is not None:
            _read_modifier(term, found[1].lower(), found[2], modifiers)
        else:
            mechanisms.append(parse_mechanism(term))
    redirect, redirect_text = modifiers.get("redirect", (None, ""))
    return Record(tuple(mechanisms), redirect, redirect_text)


def parse_mechanism(term: str) -> Mechanism:
    """One term that is no modifier. Raises: BadRecord."""
    found = _DIRECTIVE.fullmatch(term)
    try:
        name = Name(found[2].lower()) if found else None
    except ValueError:
        name = None
    if found is None or name is None:
        raise BadRecord(f"{term[:80]!r} is no mechanism of SPF")
    bare = Mechanism(term, found[1] or "+", name)
    try:
        return _with_value(bare, found[3])
    except BadMacro as error:
        raise BadRecord(f"{term[:80]!r}: {error}") from None
    except (ValueError, AddressValueError, NetmaskValueError):
        raise BadRecord(f"{term[:80]!r} has a value that is not as it should be") from None


def _read_modifier(term: str, name: str, value: str, modifiers: dict[str, tuple[MacroString, str]]) -> None:
    """Raises: BadRecord."""
    try:
        if name not in ("redirect", "exp"):
            parse_macros(_plain(value))  # unknown ones are passed over, and follow the grammar all the same: §6
            return
        pieces = parse_domain_spec(value)
    except BadMacro as error:
        raise BadRecord(f"{term[:80]!r}: {error}") from None
    if name in modifiers:
        raise BadRecord(f"{name}= is there twice")
    modifiers[name] = (pieces, term)


def _plain(value: str) -> str:
    """An unknown modifier may have the letters of explanations too."""
    return re.sub(r"%\{[crtCRT]", "%{s", value)


def _with_value(bare: Mechanism, value: str) -> Mechanism:
    """Raises: BadMacro, ValueError."""
    match bare.name:
        case Name.ALL:
            if value:
                raise ValueError(value)
            return bare
        case Name.IP4 | Name.IP6:
            return replace(bare, network=_network(bare.name, value))
        case Name.INCLUDE | Name.EXISTS:
            return replace(bare, target=parse_domain_spec(_after_colon(value)))
        case Name.PTR:
            return replace(bare, target=parse_domain_spec(_after_colon(value))) if value else bare
        case Name.A | Name.MX:
            place = _PREFIX_PLACE.search(value)
            domain, prefixes = (value[: place.start()], value[place.start() :]) if place else (value, "")
            target = parse_domain_spec(_after_colon(domain)) if domain else None
            ipv4_prefix, ipv6_prefix = _dual_prefix(prefixes)
            return replace(bare, target=target, ipv4_prefix=ipv4_prefix, ipv6_prefix=ipv6_prefix)


def _after_colon(value: str) -> str:
    if not value.startswith(":"):
        raise ValueError(value)
    return value[1:]


def _network(name: Name, value: str) -> IPv4Network | IPv6Network:
    address, slash, prefix = _after_colon(value).partition("/")
    if "%" in address or (slash and _PREFIXES.fullmatch(f"//{prefix}") is None):
        raise ValueError(value)
    if name is Name.IP4:
        return IPv4Network((IPv4Address(address), int(prefix) if slash else 32), strict=False)
    return IPv6Network((IPv6Address(address), int(prefix) if slash else 128), strict=False)


def _dual_prefix(text: str) -> tuple[int, int]:
    found = _PREFIXES.fullmatch(text)
    if found is None:
        raise ValueError(text)
    ipv4_prefix = int(found[1]) if found[1] else 32
    ipv6_prefix = int(found[2]) if found[2] else 128
    if ipv4_prefix > 32 or ipv6_prefix > 128:
        raise ValueError(text)
    return ipv4_prefix, ipv6_prefix
