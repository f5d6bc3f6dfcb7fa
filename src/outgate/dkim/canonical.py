"""What both relaxed canonicalisations do to blanks, and how header fields are written for a signature. RFC 6376 §3.4.

On whole chunks, never line by line. Blanks are space and tab and nothing else.
"""

import re
from collections.abc import Sequence
from typing import Final

_TABS_TO_SPACES: Final = bytes.maketrans(b"\t", b" ")
_PAIR: Final = re.compile(rb"  ")  # a pattern with a literal beginning is found faster than by `in`
_RUN: Final = re.compile(rb"  +")
_HALVINGS: Final = 3


def compress(octets: bytes) -> bytes:
    """Each run of blanks becomes one space.

    `bytes.replace` is five times as fast for many short runs and the pattern ten times for few long ones, so the runs
    are halved some times before what is left of the long ones is replaced by pattern.
    """
    if b"\t" in octets:
        octets = octets.translate(_TABS_TO_SPACES)
    for _ in range(_HALVINGS):
        if _PAIR.search(octets) is None:
            return octets
        octets = octets.replace(b"  ", b" ")
    return _RUN.sub(b" ", octets)


def relaxed_field(field: bytes) -> bytes:
    """A header field without its last CR LF, as relaxed canonicalisation has it. RFC 6376 §3.4.2."""
    name, _, value = field.partition(b":")
    return name.rstrip(b" \t").lower() + b":" + compress(value.replace(b"\r\n", b"")).strip(b" ")


_FIELD_END: Final = re.compile(rb"\r\n(?![ \t])")


class HeaderFields:
    """The fields of a header block, for any number of signatures.

    Strictly read: CR LF that no white space follows ends a field (RFC 5322 §2.2); a bare CR or LF is content of its
    field. What has no colon is no field. Linear time.
    """

    def __init__(self, head: bytes) -> None:
        self._fields: dict[bytes, list[bytes]] = {}
        for field in _FIELD_END.split(head):
            name, colon, _ = field.partition(b":")
            if colon:
                self._fields.setdefault(name.rstrip(b" \t").lower(), []).append(field)
        self._relaxed: dict[bytes, list[bytes]] = {}

    def count(self, name: bytes) -> int:
        """Of the fields with this name, which is in lower case."""
        return len(self._fields.get(name, ()))

    def selected(self, names: Sequence[bytes], *, relaxed: bool, own: int) -> bytes:
        """The fields that `names` (lower case) choose, canonical, each with CR LF: for each time that a name comes, the
        next one from the bottom, or nothing if there is none left. RFC 6376 §5.4.2.

        own: which DKIM-Signature field, from the top, is the signature's own: it is not among those to choose from.
        """
        left: dict[bytes, list[bytes]] = {}
        chosen: list[bytes] = []
        for name in names:
            fields = left.get(name)
            if fields is None:
                fields = left[name] = list(self._canonical(name, relaxed=relaxed))
                if name == b"dkim-signature" and own < len(fields):
                    del fields[own]
            if fields:
                chosen.append(fields.pop())
        chosen.append(b"")
        return b"\r\n".join(chosen)

    def _canonical(self, name: bytes, *, relaxed: bool) -> Sequence[bytes]:
        fields = self._fields.get(name, ())
        if not relaxed or not fields:
            return fields
        known = self._relaxed.get(name)
        if known is None:
            known = self._relaxed[name] = [relaxed_field(field) for field in fields]
        return known
