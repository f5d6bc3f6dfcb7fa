"""The fields of a header block, for rules and scanners that look at one by its name. RFC 5322 §2.2.

Costs time by the size of the block: called only where somebody looks.
"""

import re
from collections.abc import Set
from email.errors import MessageError
from email.header import decode_header, make_header
from itertools import islice
from typing import Final

FIELDS_MAX: Final = 500  # of one block that are looked at
VALUE_MAX: Final = 4_000  # characters of one value
WORDS_MAX: Final = 300  # encoded words of one block that are decoded, some 2 us each; real values have below ten

_FIELD: Final = re.compile(rb"^([!-9;-~]{1,200})[ \t]*:([^\n]*(?:\n[ \t][^\n]*)*)", re.MULTILINE)


def fields_of(head: bytes, names: Set[str]) -> tuple[tuple[str, str], ...]:
    """Name (lower case) and value, unfolded, with encoded words decoded where they can be (RFC 2047), in their order.
    head: without the empty line. names: of those that are wanted, in lower case. What is no field is passed over, and
    values behind the `WORDS_MAX`th encoded word stay as they are; never raises."""
    fields: list[tuple[str, str]] = []
    words = 0
    for match in islice(_FIELD.finditer(head), FIELDS_MAX):
        name = match[1].decode("ascii").lower()
        if name in names:
            words += match[2].count(b"=?")
            fields.append((name, decoded(match[2]) if words <= WORDS_MAX else _unfolded(match[2])))
    return tuple(fields)


def has_signature(head: bytes) -> bool:
    """Might `head`, the header block of a message, have a DKIM-Signature field? Cheap; True too often at most."""
    lower = head.lower()
    return b"\r\ndkim-s" in lower or lower.startswith(b"dkim-s")


class Fields:
    """A header block whose fields are asked for by name; a value is decoded when it is asked for."""

    __slots__ = ("_decoded", "_values")

    def __init__(self, head: bytes) -> None:
        """head: as of `fields_of`."""
        self._values: dict[bytes, bytes] = {}
        for match in islice(_FIELD.finditer(head), FIELDS_MAX):
            self._values.setdefault(match[1].lower(), match[2])
        self._decoded: dict[str, str] = {}

    def first(self, name: str) -> str:
        """The value of the first field of this lower-case name, as `fields_of` gives it; "" if there is none."""
        value = self._decoded.get(name)
        if value is None:
            value = self._decoded[name] = decoded(self._values.get(name.encode(), b""))
        return value


def decoded(value: bytes) -> str:
    """One value, unfolded and decoded; as it stands where its encoded words are none."""
    text = _unfolded(value)
    if "=?" not in text:
        return text
    try:
        return str(make_header(decode_header(text)))
    except (LookupError, ValueError, MessageError):  # an unknown charset, octets that are not of it, or no base64
        return text


def _unfolded(value: bytes) -> str:
    text = value[:VALUE_MAX].decode("utf-8", "replace").strip()
    return text.replace("\r\n", "").replace("\n", "") if "\n" in text else text
