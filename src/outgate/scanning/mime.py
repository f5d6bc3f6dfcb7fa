"""Takes a message apart: RFC 2045, 2046, 2047, 2183, 2231, and what people send instead of it.

No recursion, no line-by-line parsing, all bounded (`guards`). Lenient as mail programs are, since what they show is
what must be looked at; where they differ from each other, that is a finding.
"""

import binascii
import re
from collections.abc import Iterable, Iterator
from hashlib import sha256
from mmap import mmap
from typing import Final
from urllib.parse import unquote_to_bytes

from msgspec import Struct, structs

from outgate.mail.fields import Fields, decoded
from outgate.mail.findings import AttachmentFact, AttachmentGroup, Category, Finding
from outgate.scanning.archives import unpack
from outgate.scanning.guards import (
    BOUNDARY_MAX,
    DECODED_MAX,
    DEPTH_MAX,
    HEADER_MAX,
    PARAMETERS_MAX,
    PARTS_MAX,
)
from outgate.scanning.interface import Unscannable
from outgate.scanning.kinds import groups_of, kind_of
from outgate.scanning.message import Part, Readable, ScannedMessage, cleaned_name
from outgate.scanning.readable import host_of, readable

NAME: Final = "mime"
Octets = bytes | mmap

_PARAMETER: Final = re.compile(
    r""";\s*([!#$%&'*+\-.^_`|~0-9A-Za-z]{1,80})\s*=\s*(?:"((?:[^"\\]|\\.)*)"?|([^;\s]*))""", re.DOTALL
)
_UUENCODED: Final = re.compile(rb"^begin(?:-base64)? [0-7]{3,4} ([^\r\n]{1,255})\r?\n", re.MULTILINE)
_BASE64_REST: Final = re.compile(rb"=[=\s]*[A-Za-z0-9+/]{4}")
_DELIMITER_REST: Final = re.compile(rb"(--)?[ \t]*\r?$", re.MULTILINE)
_LF: Final = 0x0A
DELIMITERS_MISSED_MAX: Final = 100  # places that look like a delimiter and are none, until a pattern is made for it
_ENCRYPTED: Final = AttachmentGroup.ENCRYPTED.value
_TEXTS: Final = ("text/plain", "text/html")


class Entity(Struct, frozen=True, gc=False):
    """Header and body of a message or part, by offsets into the whole."""

    start: int
    end: int
    place: str
    depth: int
    default_type: str = "text/plain"


class Unfolding:
    """The state of taking one message apart."""

    def __init__(self, octets: Octets) -> None:
        self._octets = octets
        self._decoded = 0
        self.parts: list[Part] = []
        self.findings: list[Finding] = []

    def run(self) -> tuple[bytes, Fields]:
        """Returns the header block of the message and its fields."""
        octets = self._octets
        body = _body_of(octets, 0, len(octets))
        head = bytes(octets[: min(body, HEADER_MAX + 4)])
        fields = Fields(head)
        waiting = list(self._open(Entity(0, len(octets), "", 0), body, fields))
        waiting.reverse()
        while waiting:
            entity = waiting.pop()
            body = _body_of(octets, entity.start, entity.end)
            inner = Fields(bytes(octets[entity.start : min(body, entity.start + HEADER_MAX)]))
            waiting.extend(reversed(list(self._open(entity, body, inner))))
        return head, fields

    def _open(self, entity: Entity, body: int, fields: Fields) -> Iterator[Entity]:
        """What is inside; a leaf becomes a part."""
        if body - entity.start > HEADER_MAX + 4:
            self._find("header-too-large", entity.place)
            return
        media_type, parameters = parse_value(fields.first("content-type"))
        if "/" not in media_type:
            media_type = entity.default_type
        if media_type.startswith("multipart/") and parameters.get("boundary"):
            if entity.depth >= DEPTH_MAX:
                self._find("too-deep", entity.place)
                return
            children = list(self._children(entity, body, parameters["boundary"], media_type))
            if children:
                yield from children
                return
        encoding = fields.first("content-transfer-encoding").strip().lower()
        if media_type in ("message/rfc822", "message/global") and encoding in ("", "7bit", "8bit", "binary"):
            if entity.depth >= DEPTH_MAX:
                self._find("too-deep", entity.place)
                return
            place = f"{entity.place}.m" if entity.place else "m"
            yield Entity(body, entity.end, place, entity.depth + 1)
            return
        self._leaf(entity, body, media_type, parameters, fields.first("content-disposition"), encoding)

    def _children(self, entity: Entity, body: int, boundary: str, media_type: str) -> Iterator[Entity]:
        delimiter = b"--" + boundary.encode("latin-1", "replace")[:BOUNDARY_MAX]
        default = "message/rfc822" if media_type == "multipart/digest" else "text/plain"
        start, number = -1, 0
        for line, end, is_last in delimiters(self._octets, delimiter, body, entity.end):
            if start >= 0:
                number += 1
                if len(self.parts) + number > PARTS_MAX:
                    self._find("too-many-parts", entity.place)
                    return
                yield Entity(start, line, _place(entity.place, number), entity.depth + 1, default)
            start = -1 if is_last else min(end + 1, entity.end)
        if start >= 0 and start < entity.end:  # cut short: mail programs show what is there
            yield Entity(start, entity.end, _place(entity.place, number + 1), entity.depth + 1, default)

    def _leaf(
        self,
        entity: Entity,
        body: int,
        media_type: str,
        parameters: dict[str, str],
        disposition: str,
        encoding: str,
    ) -> None:
        octets = self._decode(bytes(self._octets[body : entity.end]), encoding, entity.place)
        kind_of_use, more = parse_value(disposition)
        name = cleaned_name(more.get("filename") or parameters.get("name") or "")
        is_attachment = kind_of_use == "attachment" or bool(name) or media_type not in _TEXTS
        place = entity.place or "1"
        charset = parameters.get("charset", "")
        self.add(
            Part(
                place, media_type, name, octets, kind_of(octets, name, media_type), entity.depth, charset, is_attachment
            )
        )
        if media_type == "text/plain" and not is_attachment and b"begin" in octets:
            self._uuencoded(octets, place, entity.depth)

    def add(self, part: Part) -> bool:
        """False if there is no more room: the rest of its container is not looked at."""
        if len(self.parts) >= PARTS_MAX:
            self._find("too-many-parts", part.place)
            return False
        self._decoded += len(part.octets)
        if self._decoded > DECODED_MAX:
            raise Unscannable("too-large", place=part.place)
        self.parts.append(part)
        return True

    def _decode(self, octets: bytes, encoding: str, place: str) -> bytes:
        """Content-Transfer-Encoding undone, as lenient as mail programs are."""
        if encoding == "base64":
            if _BASE64_REST.search(octets):
                self._find("ambiguous-encoding", place)  # some programs stop at the padding, some go on
            return decode_base64(octets)
        if encoding == "quoted-printable":
            return binascii.a2b_qp(octets)
        if encoding in ("x-uuencode", "uuencode", "x-uue", "uue"):
            match = _UUENCODED.search(octets)
            return decode_uu(octets, match.end()) if match else octets
        return octets

    def _uuencoded(self, octets: bytes, place: str, depth: int) -> None:
        """Files that stand in a text as they did before MIME; mail programs still show them as attachments."""
        for number, match in enumerate(_UUENCODED.finditer(octets), 1):
            name = cleaned_name(match[1].decode("utf-8", "replace"))
            content = decode_uu(octets, match.end())
            kind = kind_of(content, name, "application/octet-stream")
            if content and not self.add(
                Part(f"{place}.u{number}", "application/octet-stream", name, content, kind, depth, "", True)
            ):
                return

    def _find(self, name: str, place: str) -> None:
        finding = Finding(Category.UNSCANNABLE, NAME, name, 100, "", place)
        if finding not in self.findings[-3:]:
            self.findings.append(finding)


def take_apart(octets: Octets) -> ScannedMessage:
    """The message with all its parts, those in archives too. Raises: Unscannable, where nothing of it can be looked
    at."""
    unfolding = Unfolding(octets)
    head, fields = unfolding.run()
    empty = ScannedMessage(head, fields, (), tuple(unfolding.findings))
    return with_more(empty, unfolding.parts)


def with_more(message: ScannedMessage, parts: list[Part], texts: Iterable[Readable] = ()) -> ScannedMessage:
    """A message with parts that were found in it, what their archives hold, and texts beside theirs."""
    room = PARTS_MAX - len(message.parts)
    parts = parts[:room] if room < len(parts) else parts
    unpacked = unpack(parts, len(message.parts))
    more = [
        structs.replace(part, kind=unpacked.kinds[part.place]) if part.place in unpacked.kinds else part
        for part in (*parts, *unpacked.parts)
    ]
    readables = (*message.readable, *readable(more), *texts)
    hosts = dict.fromkeys(filter(None, (host_of(link.target) for text in readables for link in text.links)))
    facts = (fact_of(part, part.place in unpacked.encrypted) for part in more if part.is_attachment)
    return ScannedMessage(
        message.head,
        message.fields,
        (*message.parts, *more),
        (*message.findings, *unpacked.findings),
        (*message.attachments, *facts),
        tuple(hosts),
        readables,
    )


def fact_of(part: Part, is_encrypted: bool) -> AttachmentFact:
    """For the record, and for rules."""
    groups = groups_of(part.kind, part.name)
    if is_encrypted and _ENCRYPTED not in groups:
        groups = (*groups, _ENCRYPTED)
    return AttachmentFact(
        part.place,
        part.name,
        part.kind,
        groups,
        len(part.octets),
        sha256(part.octets, usedforsecurity=False).hexdigest(),
    )


def parse_value(text: str) -> tuple[str, dict[str, str]]:
    """A structured field such as Content-Type: its value in lower case, and its parameters, names in lower case, those
    of RFC 2231 put together and decoded."""
    value = text.partition(";")[0].strip().lower()
    plain: dict[str, str] = {}
    pieces: dict[str, dict[int, tuple[str, bool]]] = {}
    for count, match in enumerate(_PARAMETER.finditer(text)):
        if count >= PARAMETERS_MAX:
            break
        name = match[1].lower()
        quoted = match[2]
        content = re.sub(r"\\(.)", r"\1", quoted, flags=re.DOTALL) if quoted is not None else match[3]
        if "*" not in name:
            plain.setdefault(name, decoded(content.encode("utf-8", "replace")) if "=?" in content else content)
            continue
        base, _, rest = name.partition("*")
        is_encoded = name.endswith("*")
        number = rest.removesuffix("*")
        if number.isdecimal() and len(number) < 4:
            pieces.setdefault(base, {})[int(number)] = content, is_encoded
        elif not number:
            pieces.setdefault(base, {})[0] = content, True
    for base, found in pieces.items():
        plain[base] = _joined([found[number] for number in sorted(found)])
    return value, plain


def _joined(pieces: list[tuple[str, bool]]) -> str:
    """RFC 2231 §3, §4: the first piece may name charset and language."""
    charset = "utf-8"
    octets = b""
    for number, (content, is_encoded) in enumerate(pieces):
        if number == 0 and is_encoded and content.count("'") >= 2:
            charset, _, content = content.split("'", 2)
        octets += unquote_to_bytes(content) if is_encoded else content.encode("utf-8", "replace")
    try:
        return octets.decode(charset or "utf-8")
    except (LookupError, ValueError):
        return octets.decode("latin-1")


def decode_base64(octets: bytes) -> bytes:
    """What is base64 of it, across paddings, characters that are none left out."""
    try:
        return binascii.a2b_base64(octets)
    except binascii.Error:
        digits = re.sub(rb"[^A-Za-z0-9+/]", b"", octets)
        return binascii.a2b_base64(digits[: len(digits) // 4 * 4])


def decode_uu(octets: bytes, start: int) -> bytes:
    """From behind the line `begin` on, to `end` or to what is not uuencoded."""
    pieces = []
    for line in octets[start:].split(b"\n"):
        line = line.rstrip(b"\r")
        if not line or line == b"end" or line == b"`":
            break
        try:
            pieces.append(binascii.a2b_uu(line))
        except binascii.Error:
            length = (((line[0] - 32) & 63) * 4 + 5) // 3
            try:
                pieces.append(binascii.a2b_uu(line[:length]))
            except binascii.Error:
                break
    return b"".join(pieces)


def _place(above: str, number: int) -> str:
    return f"{above}.{number}" if above else str(number)


def delimiters(octets: Octets, delimiter: bytes, start: int, end: int) -> Iterator[tuple[int, int, bool]]:
    """Lines that are this delimiter, and nothing behind it but blanks: where it begins and ends, the CR with it and the
    LF without, and whether it is the last. start: of a line. RFC 2046 §5.1.1"""
    at, misses = octets.find(delimiter, start, end), 0
    while at >= 0:
        match = None
        if at == 0 or octets[at - 1] == _LF:
            match = _DELIMITER_REST.match(octets, at + len(delimiter), end)
        if match is not None:
            yield at, match.end(), match[1] is not None
            at = octets.find(delimiter, match.end(), end)
        elif (misses := misses + 1) < DELIMITERS_MISSED_MAX:
            at = octets.find(delimiter, at + 1, end)
        else:
            break
    if at >= 0:
        pattern = re.compile(rb"^" + re.escape(delimiter) + _DELIMITER_REST.pattern, re.MULTILINE)
        for found in pattern.finditer(octets, at + 1, end):
            yield found.start(), found.end(), found[1] is not None


def _body_of(octets: Octets, start: int, end: int) -> int:
    """Where the body begins: behind the first empty line; `end` if there is none."""
    if octets[start : start + 2] == b"\r\n":
        return start + 2
    if octets[start : start + 1] == b"\n":
        return start + 1
    crlf = octets.find(b"\n\r\n", start, end)
    lf = octets.find(b"\n\n", start, crlf + 2 if crlf >= 0 else end)
    return lf + 2 if lf >= 0 else crlf + 3 if crlf >= 0 else end
