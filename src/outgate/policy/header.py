"""What the header of a message says, read once on its way in: From fields for the proof, the rest for people.

The header is read as any reader might read it. Strictly, CR LF ends a line (RFC 5322 §2.1); but content that came by
BDAT may hold bare CR or LF, which lenient readers take for line ends, and some drop odd octets round a field's name.
What any of them would take for a From field counts as one here, so that nobody is shown a From that was not judged.
"""

import re
from collections.abc import Iterator
from itertools import islice
from typing import Final

from msgspec import Struct

from outgate.policy.from_field import FROM_VALUE_MAX

HEADER_MAX: Final = 1024 * 1024  # octets; a longer header is refused. RFC 5322 sets no limit; large ones have 100 KiB
NAMES_MAX: Final = 1_000  # times that From may stand where a reader might begin a line; real mail has one, rarely three
FROM_FIELDS_MAX: Final = 2  # are kept: a second one is refused, whatever a third may say
TEXT_MAX: Final = 256  # octets of a field that are kept for people


class HeaderFacts(Struct, frozen=True, gc=False):
    """from_fields: the values of at most `FROM_FIELDS_MAX` From fields as they stand, folds included, each cut some
    octets behind `FROM_VALUE_MAX`, above which it is unreadable.

    received_count: hops that the message has behind it. from_text, subject, message_id: for people, of the first field
    of that name, unfolded, at most `TEXT_MAX` octets, what is not printable replaced; encoded words (RFC 2047) are left
    to those who show them. header_octets: up to the end of the last field. has_end: an empty line ends the header;
    without one all of the content is header. is_too_large: above `HEADER_MAX`, or with more than `NAMES_MAX` places
    where a From field may be hidden, for which nobody else shall wait; nothing else is filled in then.
    """

    from_fields: tuple[bytes, ...] = ()
    received_count: int = 0
    from_text: str = ""
    subject: str = ""
    message_id: str = ""
    header_octets: int = 0
    has_end: bool = False
    has_non_ascii: bool = False
    is_too_large: bool = False


def read_header(content_head: bytes, *, is_complete: bool) -> HeaderFacts:
    """The facts of the header that `content_head` begins with, in time linear in the header.

    content_head: the content, or its first `HEADER_MAX` octets and at least one more. is_complete: it is all of it.
    """
    if content_head.startswith(b"\r\n"):
        return HeaderFacts(has_end=True)
    end = content_head.find(b"\r\n\r\n", 0, HEADER_MAX)
    if end >= 0:
        block = content_head[: end + 2]
    elif is_complete and len(content_head) <= HEADER_MAX:
        block = content_head
    else:
        return HeaderFacts(is_too_large=True)
    lines = b"\n" + block.lower()  # LF: the first line is found like the others
    try:
        from_fields = _plain_from_fields(block, lines) if is_plain(block) else _any_from_fields(block, lines[1:])
    except TooManyNames:
        return HeaderFacts(is_too_large=True)
    return HeaderFacts(
        tuple(from_fields),
        lines.count(b"\nreceived:"),
        _text(from_fields[0]) if from_fields else "",
        _first_text(block, lines, b"\nsubject:"),
        _first_text(block, lines, b"\nmessage-id:"),
        len(block),
        end >= 0,
        not block.isascii(),
    )


class TooManyNames(Exception):
    """A header has a name in more places than are looked at; never leaves the readers of headers."""


# Between name and colon RFC 5322 §4.5 allows white space; behind From whatever is not printable ASCII counts as that.
_TO_COLON: Final = re.compile(rb"[^!-~]*+:")
_END: Final = re.compile(rb"\r\n(?![ \t])")
_FROM: Final = re.compile(rb"from[^!-~]*+:")
_LEADING: Final = re.compile(rb"[^!-~]*+")
_SEPARATORS: Final = (b"\xe2\x80\xa8", b"\xe2\x80\xa9")
_LINE_ENDS: Final = frozenset({*range(0x09), *range(0x0A, 0x20), 0x7F})

_CRLF: Final = b"\r\n"
_BLANKS: Final = (b" ", b"\t")
_ORDINARY: Final = b"\t" + bytes(range(0x20, 0x7F))


def is_plain(block: bytes) -> bool:
    """ASCII without control octets, each CR before its LF, no white space in front: all readers read it alike."""
    line_ends = block.translate(None, _ORDINARY)
    lines = len(line_ends) // 2
    return line_ends == _CRLF * lines and block.count(_CRLF) == lines and block[:1] not in _BLANKS


def any_fields(block: bytes, name: re.Pattern[bytes]) -> Iterator[re.Match[bytes]]:
    """Matches of `name`, which ends with a colon, where any reader might begin a line.

    Some end one at any control octet, or at the line and paragraph separators of Unicode once it is decoded: 85 is
    "next line" to who takes octets for Latin-1, C2 85 to who takes them for UTF-8. Octets above 127 may stand in front
    of the name. Names are looked for first, and what is before them after that: a header may be all line ends.
    block: in lower case. Raises: TooManyNames.
    """
    first = _LEADING.match(block)
    first_name = first.end() if first is not None else 0
    for ordinal, found in enumerate(name.finditer(block)):
        if ordinal == NAMES_MAX:
            raise TooManyNames
        start = found.start()
        has_separator = start >= 3 and block[start - 3 : start] in _SEPARATORS
        if start == first_name or has_separator or block[start - 1] == 0x85:
            yield found
            continue
        before = start - 1
        while before >= 0 and block[before] >= 0x80:
            before -= 1
        if before >= 0 and block[before] in _LINE_ENDS:
            yield found


def value_end(block: bytes, start: int, limit: int) -> int:
    """Where the value that begins at `start` ends, or `limit`: at the first CR LF that no white space follows, RFC 5322
    §2.2.3. Whether some follows is seen only before `limit`: a value of n octets needs a limit of n + 3."""
    end = block.find(_CRLF, start, limit)
    if end < 0:
        return limit
    if block[end + 2 : end + 3] not in _BLANKS:
        return end
    last = _END.search(block, end, limit)  # a value may be all folds
    return last.start() if last is not None else limit


def _plain_from_fields(block: bytes, lines: bytes) -> list[bytes]:
    """Raises: TooManyNames."""
    values: list[bytes] = []
    named = 0
    at = lines.find(b"\nfrom")
    while at >= 0 and len(values) < FROM_FIELDS_MAX:
        if named == NAMES_MAX:
            raise TooManyNames
        named += 1
        colon = _TO_COLON.match(lines, at + 5)
        if colon is not None:
            values.append(_from_value(block, colon.end() - 1))
        at = lines.find(b"\nfrom", at + 5)
    return values


def _any_from_fields(block: bytes, lower: bytes) -> list[bytes]:
    """What any reader might take for a From field. Each value runs to the end of the strict reading's field, so that a
    bare CR or LF stands within it, where `from_field` refuses it. Raises: TooManyNames."""
    return [_from_value(block, name.end()) for name in islice(any_fields(lower, _FROM), FROM_FIELDS_MAX)]


def _from_value(block: bytes, start: int) -> bytes:
    return block[start : value_end(block, start, min(start + FROM_VALUE_MAX + 3, len(block)))]


def _first_text(block: bytes, lines: bytes, name: bytes) -> str:
    at = lines.find(name)
    if at < 0:
        return ""
    start = at + len(name) - 1
    return _text(block[start : value_end(block, start, min(start + TEXT_MAX, len(block)))])


def _text(value: bytes) -> str:
    text = str(value[:TEXT_MAX], "utf-8", "replace").strip()
    if text.isprintable():
        return text
    text = text.replace("\r\n", "").replace("\t", " ")
    return "".join([character if character.isprintable() else "?" for character in text])
