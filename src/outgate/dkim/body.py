"""Body hashes, computed while the body comes. RFC 6376 §3.4.3, §3.4.4, §3.7.

Whole chunks at a time: what ends a chunk and may still change (blanks, a CR, empty lines) is counted, not kept, so that
no body needs more memory than one chunk, and any cutting gives the same.
"""

import hashlib
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from outgate.dkim.canonical import compress
from outgate.dkim.signature import Flaw, Signature

if TYPE_CHECKING:
    from hashlib import _Hash as Hash

_CRLF: Final = b"\r\n"
LINES_PUT_OFF_MAX: Final = 16_384  # empty lines that are not hashed yet; it is not known whether they count
_EMPTY_LINES: Final = _CRLF * LINES_PUT_OFF_MAX
_BLANK_AT_END: Final = re.compile(rb" \r\n")


class BodyDigest(Struct, frozen=True):
    """Of the whole canonical body. size_octets: of that body."""

    is_relaxed: bool
    sha256: bytes
    size_octets: int


class BodyHashes:
    """One hash for each canonicalisation that `signatures` use.

    A part of the body (l=) is never hashed: what follows it could be anybody's, so such a signature proves nothing
    here, unless its part is the whole.
    """

    __slots__ = ("_hashes",)

    def __init__(self, signatures: Iterable[Signature | Flaw]) -> None:
        used = {each.is_body_relaxed for each in signatures if isinstance(each, Signature)}
        self._hashes = [_BodyHash(is_relaxed) for is_relaxed in sorted(used)]

    def update(self, octets: bytes) -> None:
        """More of the body."""
        for each in self._hashes:
            each.update(octets)

    def digests(self) -> tuple[BodyDigest, ...]:
        """Of what came so far, as if it were all."""
        return tuple([each.digest() for each in self._hashes])


class _BodyHash:
    """Hashed is everything but the end of what came: empty lines, then a blank, then a CR, as far as they are there."""

    __slots__ = (
        *("_ahead", "_empty_lines", "_has_blank", "_has_cr", "_hash", "_is_relaxed"),
        *("_lines_put_off", "_size_octets"),
    )

    def __init__(self, is_relaxed: bool) -> None:
        self._is_relaxed = is_relaxed
        self._hash = hashlib.sha256()
        self._size_octets = 0
        self._empty_lines = 0  # line ends, the one of the last line with content among them
        # Many of them are hashed by and by, as if they counted: else something behind them would cost all at once.
        self._ahead: Hash | None = None
        self._lines_put_off = 0
        self._has_blank = False
        self._has_cr = False

    def update(self, octets: bytes) -> None:
        if self._has_cr:
            octets = b"\r" + octets
        if self._has_blank:
            octets = b" " + octets
        if self._is_relaxed:
            octets = compress(octets)
            if _BLANK_AT_END.search(octets) is not None:
                octets = octets.replace(b" \r\n", _CRLF)
        self._has_cr = octets.endswith(b"\r")
        if self._has_cr:
            octets = octets[:-1]
        self._has_blank = self._is_relaxed and octets.endswith(b" ")
        if self._has_blank:
            octets = octets[:-1]
        ends = _line_ends_at_end(octets)
        if len(octets) > 2 * ends:
            self._hash = self._with_empty_lines()
            self._size_octets += 2 * self._empty_lines
            self._ahead, self._empty_lines, self._lines_put_off = None, 0, 0
            octets = octets[: len(octets) - 2 * ends]
            self._hash.update(octets)
            self._size_octets += len(octets)
        self._empty_lines += ends
        self._lines_put_off += ends
        if self._lines_put_off > LINES_PUT_OFF_MAX:
            self._ahead = self._with_empty_lines()
            self._lines_put_off = 0

    def _with_empty_lines(self) -> "Hash":
        """The hash if what follows the empty lines makes them count."""
        hashed = (self._ahead or self._hash).copy()
        lines = self._lines_put_off
        while lines > 0:
            hashed.update(_EMPTY_LINES[: 2 * lines])
            lines -= LINES_PUT_OFF_MAX
        return hashed

    def digest(self) -> BodyDigest:
        size_octets = self._size_octets
        if self._has_cr:  # a bare one, which ends no line
            size_octets += 2 * self._empty_lines
            whole = self._with_empty_lines()
            last_line = b" \r\r\n" if self._has_blank else b"\r\r\n"
        else:
            whole = self._hash.copy()
            # There, or added: RFC 6376 §3.4.3, §3.4.4.
            last_line = _CRLF if size_octets or not self._is_relaxed else b""
        whole.update(last_line)
        return BodyDigest(self._is_relaxed, whole.digest(), size_octets + len(last_line))


def _line_ends_at_end(octets: bytes) -> int:
    """How many CR LF end `octets`, in linear time."""
    if not octets.endswith(_CRLF):
        return 0
    tail = octets[len(octets.rstrip(_CRLF)) :]
    alternating = max(tail.rfind(b"\r\r"), tail.rfind(b"\n\n")) + 1  # from here on CR and LF take turns
    return (len(tail) - alternating) // 2
