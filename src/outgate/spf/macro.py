"""Macros in SPF records: RFC 7208 §7."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from outgate.spf.lookup import NAME_MAX

_TOKEN: Final = re.compile(
    r"%\{(?P<letter>[a-zA-Z])(?P<digits>[0-9]*)(?P<reverse>[rR]?)(?P<delimiters>[-.+,/_=]*)\}"
    r"|(?P<escape>%[%_-])|(?P<literal>[\x21-\x24\x26-\x7e]+)"
)
_ESCAPES: Final = {"%%": "%", "%_": " ", "%-": "%20"}
_TOP_LABEL: Final = re.compile(r"[0-9A-Za-z](?:[0-9A-Za-z-]*[0-9A-Za-z])?")
LETTERS: Final = frozenset("slodiphv")  # "c", "r" and "t" belong to explanations only, §7.2
DIGITS_MAX: Final = 3  # of a macro's number; more parts than a name has labels are all of them
UNRESERVED: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")  # RFC 3986 §2.3


class BadMacro(Exception):
    """It does not follow the grammar. The text says how."""


@dataclass(frozen=True, slots=True)
class Macro:
    """letter: lower case. parts: how many of the right ones are kept; 0 is all. is_escaped: as in a URL."""

    letter: str
    parts: int
    is_reversed: bool
    delimiters: str
    is_escaped: bool


MacroString = tuple[str | Macro, ...]


def parse_macros(text: str) -> MacroString:
    """Raises: BadMacro."""
    pieces: list[str | Macro] = []
    place = 0
    while place < len(text):
        found = _TOKEN.match(text, place)
        if found is None:
            raise BadMacro(f"{text[place : place + 20]!r} is no macro, and no other text that may stand there")
        place = found.end()
        if (literal := found["literal"]) is not None:
            pieces.append(literal)
        elif (escape := found["escape"]) is not None:
            pieces.append(_ESCAPES[escape])
        else:
            pieces.append(_macro(found))
    return tuple(pieces)


def parse_domain_spec(text: str) -> MacroString:
    """A domain, maybe with macros: `domain-spec` of §7.1. Raises: BadMacro."""
    pieces = parse_macros(text)
    if not pieces:
        raise BadMacro("a domain is missing")
    if _ends_with_macro(text):
        return pieces
    _, dot, top = text.removesuffix(".").rpartition(".")
    if not dot or _TOP_LABEL.fullmatch(top) is None or top.isdigit():
        raise BadMacro(f"{text[-80:]!r} is no domain")
    return pieces


def expand(pieces: MacroString, values: Mapping[str, str]) -> str:
    """The text. values: by lower-case letter; raises KeyError for one that is missing."""
    return "".join(piece if isinstance(piece, str) else _expanded(piece, values[piece.letter]) for piece in pieces)


def letters_of(pieces: MacroString) -> frozenset[str]:
    """The letters of the macros in it."""
    return frozenset(piece.letter for piece in pieces if isinstance(piece, Macro))


def shortened(name: str) -> str:
    """Without as many of the left labels as are too many: §7.3."""
    if len(name) <= NAME_MAX:
        return name
    return name[-NAME_MAX - 1 :].partition(".")[2]


def _ends_with_macro(text: str) -> bool:
    """text: of `parse_macros`, not empty."""
    *_, last = _TOKEN.finditer(text)
    return last["literal"] is None


def _macro(found: re.Match[str]) -> Macro:
    letter, digits = found["letter"], found["digits"]
    if letter.lower() not in LETTERS:
        raise BadMacro(f"{found[0][:20]!r} is no macro that may stand there")
    if digits and not digits.strip("0"):
        raise BadMacro(f"{found[0][:20]!r} keeps no part of its value")  # §7.3: the number must not be zero
    significant = digits.lstrip("0")
    parts = int(significant) if 0 < len(significant) <= DIGITS_MAX else 0
    return Macro(letter.lower(), parts, bool(found["reverse"]), found["delimiters"], letter.isupper())


def _expanded(macro: Macro, value: str) -> str:
    parts = re.split(f"[{re.escape(macro.delimiters or '.')}]", value)
    if macro.is_reversed:
        parts.reverse()
    if macro.parts:
        parts = parts[-macro.parts :]
    joined = ".".join(parts)
    if macro.is_escaped:
        octets = joined.encode("utf-8", "replace")
        return "".join(chr(octet) if octet in UNRESERVED else f"%{octet:02X}" for octet in octets)
    return joined
