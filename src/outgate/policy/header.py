"""What the header of a message says, read once on its way in: From fields for the proof, the rest for people.

The header is read as any reader might read it. Strictly, CR LF ends a line (RFC 5322 §2.1); but content that came by
BDAT may hold bare CR or LF, which lenient readers take for line ends, and some drop odd octets round a field's name.
What any of them would take for a From field counts as one here, so that nobody is shown a From that was not judged.
"""

import re
from collections.abc import Iterator
from typing import Final

from msgspec import Struct

HEADER_MAX: Final = 1024 * 1024  # octets; a longer header is refused. RFC 5322 sets no limit; large ones have 100 KiB
FROM_FIELDS_MAX: Final = 2  # are kept: a second one is refused, whatever a third may say
TEXT_MAX: Final = 256  # octets of a field that are kept for people


class HeaderFacts(Struct, frozen=True, gc=False):
    """from_fields: the values of at most `FROM_FIELDS_MAX` From fields as they stand, folds included.

    received_count: hops that the message has behind it. from_text, subject, message_id: for people, unfolded, at most
    `TEXT_MAX` octets, what is not printable replaced; encoded words (RFC 2047) are left to those who show them.
    header_octets: up to the end of the last field. has_end: an empty line ends the header; without one all of the
    content is header. is_too_large: above `HEADER_MAX`; nothing else is filled in then.
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
    received_count = 0
    from_fields: list[bytes] = []
    subject = message_id = ""
    for is_received, name, value in _FIELD.findall(b"\n" + block):  # so that the first field is found like the others
        if is_received:
            received_count += 1
        elif name[0] in b"Ff":
            from_fields.append(value)
        elif name[0] in b"Ss":
            subject = subject or _text(value)
        else:
            message_id = message_id or _text(value)
    if not is_plain(block):
        from_fields = _any_from_fields(block)
    return HeaderFacts(
        tuple(from_fields[:FROM_FIELDS_MAX]),
        received_count,
        _text(from_fields[0]) if from_fields else "",
        subject,
        message_id,
        len(block),
        end >= 0,
        not block.isascii(),
    )


# Between name and colon RFC 5322 §4.5 allows white space; behind From whatever is not printable ASCII counts as that.
_FIELD: Final = re.compile(
    rb"\n(?=[FfMmRrSs])(?i:(received):|(from[^!-~]*+|message-id|subject):([^\r]*+(?:\r\n[ \t][^\r]*+)*+))"
)

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
    """Matches of `name`, in lower case and with its colon, where any reader might begin a line.

    Some end one at any control octet, or at the line and paragraph separators of Unicode once it is decoded: 85 is
    "next line" to who takes octets for Latin-1, C2 85 to who takes them for UTF-8. Octets above 127 may stand in front
    of the name. Names are looked for first, and what is before them after that: a header may be all line ends.
    """
    first = _LEADING.match(block)
    first_name = first.end() if first is not None else 0
    for found in name.finditer(block.lower()):
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


def _any_from_fields(block: bytes) -> list[bytes]:
    """What any reader might take for a From field. Each value runs to the end of the strict reading's field, so that a
    bare CR or LF stands within it, where `from_field` refuses it."""
    values: list[bytes] = []
    for name in any_fields(block, _FROM):
        values.append(_value(block, name.end()))
        if len(values) == FROM_FIELDS_MAX:
            break
    return values


def _value(block: bytes, start: int) -> bytes:
    """From `start` to the first CR LF that no white space follows: RFC 5322 §2.2.3."""
    end = block.find(_CRLF, start)
    while end >= 0 and block[end + 2 : end + 3] in _BLANKS:
        end = block.find(_CRLF, end + 2)
    return block[start:end] if end >= 0 else block[start:]


def _text(value: bytes) -> str:
    text = str(value[:TEXT_MAX], "utf-8", "replace").strip()
    if text.isprintable():
        return text
    text = text.replace("\r\n", "").replace("\t", " ")
    return "".join([character if character.isprintable() else "?" for character in text])
