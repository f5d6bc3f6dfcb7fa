"""PDF documents (ISO 32000): what they do by themselves, files in them, links, passwords.

pypdf parses, with bounds on what it unpacks and on how many objects are visited. Pages are not drawn and their text is
not read; their pictures are taken out, for the codes in them. Where it cannot parse, plain names in the file's octets
are looked for: a viewer may open what it cannot.
"""

import io
import re
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import re2
from pypdf import Configuration, PasswordType, PdfReader, apply_configuration
from pypdf.generic import ArrayObject, DictionaryObject, IndirectObject, StreamObject

from outgate.mail.findings import AttachmentGroup, Category, Finding
from outgate.scanning.interface import Context
from outgate.scanning.kinds import kind_of
from outgate.scanning.message import Link, Part, Readable, ScannedMessage, cleaned_name
from outgate.scanning.pdf_pictures import pictures
from outgate.scanning.readable import LINKS_MAX

NAME: Final = "pdf"
DOCUMENTS_MAX: Final = 50  # PDF documents of one message that are parsed; of others only the octets are looked at
OBJECTS_MAX: Final = 20_000  # objects of one PDF document that are visited
STREAM_MAX: Final = 16 * 1024 * 1024  # octets that one stream of a PDF document may unpack to
SCRIPT_MAX: Final = 256 * 1024  # characters of one script in a PDF document that are looked at
FILES_MAX: Final = 50  # files in one PDF document that are taken out
FILES_OCTETS_MAX: Final = 64 * 1024 * 1024  # octets of the files in all PDF documents of a message
PAGES_MAX: Final = 20  # pages of one PDF document whose pictures are taken out
PICTURES_OCTETS_MAX: Final = 64 * 1024 * 1024  # octets of the pictures in all PDF documents of a message
TARGET_MAX: Final = 2_000  # characters of one link in a PDF document

_MEDIA_TYPE: Final = "application/octet-stream"
_BOUNDS: Final = Configuration(
    maximum_declared_stream_length=150 * 1024 * 1024,
    array_based_stream_maximum_output_length=STREAM_MAX,
    array_maximum_element_count=50_000,
    dictionary_maximum_element_count=20_000,
    jbig2_maximum_output_length=0,
    lzw_maximum_output_length=STREAM_MAX,
    run_length_maximum_output_length=STREAM_MAX,
    zlib_maximum_output_length=STREAM_MAX,
    zlib_maximum_recovery_input_length=1024 * 1024,
    brotli_maximum_output_length=STREAM_MAX,
    stream_filters_maximum_length=8,
    stream_decoding_work_maximum_length=4 * STREAM_MAX,
    jbig2dec_binary=None,  # no program of the system's is asked
    disable_legacy_handling=True,
)
# Where nothing that acts is: drawing, fonts, and the way back up.
_PASSED: Final = frozenset(
    ("/Parent", "/P", "/Contents", "/Resources", "/Font", "/StructTreeRoot", "/Metadata", "/OCProperties", "/AP", "/DR")
)
_GRAVE: Final = re2.compile(
    r"\b(?:exportDataObject|importDataObject|launchURL|unescape|eval|newPlayer|Collab|customDictionaryOpen|fromCharCode|"
    r"ActiveXObject|SOAP|syncAnnotScan)\b|(?:%u[0-9a-fA-F]{4}){8}|[A-Za-z0-9+/=]{900}"
)
_RAW: Final = re.compile(rb"/(?:JavaScript|JS|Launch|OpenAction|AA|EmbeddedFile|Encrypt)\b")
_RAW_LINK: Final = re.compile(rb"/URI\s{0,9}\(((?:[^()\\\r\n]|\\.){1,2000})\)")
_HEX: Final = re.compile(rb"#([0-9A-Fa-f]{2})")


class Pdf:
    """Findings, links, and the files in documents as parts."""

    name = NAME
    version = "1"

    def read(self, message: ScannedMessage, context: Context) -> Iterable[Finding | Readable | Part]:  # noqa: ARG002
        parsed = 0
        room = _Room()
        for part in message.parts:
            if part.kind == "pdf":
                parsed += 1
                place = part.shown_place
                found = _parsed(part, place, room) if parsed <= DOCUMENTS_MAX else None
                yield from dict.fromkeys(_by_octets(part, place) if found is None else found)


def _parsed(part: Part, place: str, room: "_Room") -> list[Finding | Readable | Part] | None:
    """None if it cannot be parsed."""
    try:
        with apply_configuration(_BOUNDS):
            reader = PdfReader(io.BytesIO(part.octets), root_object_recovery_limit=1_000)
            if reader.is_encrypted and reader.decrypt("") == PasswordType.NOT_DECRYPTED:
                return [Finding(Category.ATTACHMENT, NAME, AttachmentGroup.ENCRYPTED.value, 100, "pdf", place)]
            walk = _Walk(part, place, room)
            walk.run(reader)
            return walk.results() if walk.is_complete else [*walk.results(), *_by_octets(part, place)]
    except Exception:  # whatever pypdf raises over what a peer made, RecursionError too
        return None


@dataclass(slots=True)
class _Room:
    """How many octets may still be taken out of the documents of a message."""

    files: int = FILES_OCTETS_MAX
    pictures: int = PICTURES_OCTETS_MAX


class _Walk:
    """Visits what can be reached from a document's root."""

    def __init__(self, part: Part, place: str, room: _Room) -> None:
        self._part = part
        self._place = place
        self._findings: list[Finding] = []
        self._links: dict[str, None] = {}
        self._files: list[Part] = []
        self._pictures: list[Part] = []
        self._pages = 0
        self._room = room
        self.is_complete = False

    def results(self) -> list[Finding | Readable | Part]:
        links = tuple(Link(target) for target in self._links)
        return [*self._findings, *([Readable(self._place, "", links)] if links else ()), *self._files, *self._pictures]

    def run(self, reader: PdfReader) -> None:
        seen: set[tuple[int, int]] = set()
        waiting = deque[tuple[Any, bool]]([(reader.trailer.get("/Root"), False)])  # and whether it happens by itself
        for _ in range(OBJECTS_MAX):
            if not waiting:
                self.is_complete = True
                return
            value, by_itself = waiting.popleft()
            if isinstance(value, IndirectObject):
                if (value.idnum, value.generation) in seen:
                    continue
                seen.add((value.idnum, value.generation))
                value = value.get_object()
            if isinstance(value, DictionaryObject):
                self._look(value, by_itself)
                for key, inner in value.items():
                    if key not in _PASSED and isinstance(inner, (IndirectObject, DictionaryObject, ArrayObject)):
                        waiting.append((inner, by_itself or key in ("/OpenAction", "/AA", "/JavaScript")))
            elif isinstance(value, ArrayObject):
                waiting.extend(
                    (inner, by_itself)
                    for inner in value
                    if isinstance(inner, (IndirectObject, DictionaryObject, ArrayObject))
                )

    def _look(self, value: DictionaryObject, by_itself: bool) -> None:
        if value.get("/Type") == "/Page":
            self._page(value)
        action = value.get("/S")
        if action == "/Launch":
            self._launch(value)
        if "/JS" in value:
            self._script(_text(value.get("/JS")), by_itself)
        if isinstance(value.get("/URI"), (str, bytes)):
            self._link(_text(value.get("/URI")))
            if by_itself:
                self._find("pdf-opens-link", 60, _text(value.get("/URI"))[:100], Category.PHISHING)
        if action in ("/SubmitForm", "/GoToR", "/GoToE", "/ImportData"):
            self._elsewhere(value.get("/F"))
        if "/EF" in value:
            self._file(value)

    def _page(self, page: DictionaryObject) -> None:
        self._pages += 1
        if self._pages > PAGES_MAX or self._room.pictures <= 0:
            return
        try:
            for number, octets in enumerate(pictures(page), 1):
                self._room.pictures -= len(octets)
                if self._room.pictures < 0:
                    return
                place = f"{self._place}/page {self._pages}, picture {number}"
                self._pictures.append(Part(place, "image/*", "", octets, "image", self._part.depth + 1))
        except Exception:  # a damaged picture says nothing about the rest
            return

    def _find(self, name: str, weight: int, detail: str = "", category: Category = Category.MALWARE) -> None:
        self._findings.append(Finding(category, NAME, name, weight, detail, self._place))

    def _launch(self, value: DictionaryObject) -> None:
        windows = value.get("/Win")
        named = windows.get("/F") if isinstance(windows, DictionaryObject) else value.get("/F")
        target = _text(named.get("/UF") or named.get("/F") if isinstance(named, DictionaryObject) else named)
        kind = kind_of(b"", target, _MEDIA_TYPE)
        self._find("pdf-launches", 90 if windows is not None or kind == "script" else 70, target[:100])

    def _script(self, script: str, by_itself: bool) -> None:
        grave = _GRAVE.search(script[:SCRIPT_MAX])
        weight = (90 if by_itself else 60) if grave else 40 if by_itself else 30
        self._find("pdf-script", weight, grave[0][:40] if grave else "")

    def _link(self, target: str) -> None:
        if target and len(self._links) < LINKS_MAX:
            self._links[target[:TARGET_MAX].strip()] = None

    def _elsewhere(self, target: Any) -> None:
        named = target.get_object() if isinstance(target, IndirectObject) else target
        text = _text(named.get("/UF") or named.get("/F") if isinstance(named, DictionaryObject) else named)
        if text.startswith(("\\\\", "//")):
            self._find("remote-object", 80, text[:100])
        elif "://" in text:
            self._link(text)

    def _file(self, value: DictionaryObject) -> None:
        name = cleaned_name(_text(value.get("/UF")) or _text(value.get("/F"))) or "unnamed"
        streams = value.get("/EF")
        streams = streams.get_object() if isinstance(streams, IndirectObject) else streams
        stream = streams.get("/F") or streams.get("/UF") if isinstance(streams, DictionaryObject) else None
        stream = stream.get_object() if isinstance(stream, IndirectObject) else stream
        if not isinstance(stream, StreamObject):
            return
        try:
            octets = bytes(stream.get_data())
        except Exception:
            self._findings.append(
                Finding(Category.UNSCANNABLE, NAME, "file-not-opened", 100, name, f"{self._place}/{name}")
            )
            return
        kind = kind_of(octets, name, "application/octet-stream")
        self._files.append(
            Part(
                f"{self._place}/{name}", "application/octet-stream", name, octets, kind, self._part.depth + 1, "", True
            )
        )


def _unpacked(stream: StreamObject) -> bytes | None:
    """None if it is damaged, or more than may be."""
    try:
        return bytes(stream.get_data())
    except Exception:
        return None


def _text(value: Any) -> str:
    """A string of a PDF document, or the content of a stream that stands for one."""
    if isinstance(value, IndirectObject):
        value = value.get_object()
    if isinstance(value, StreamObject):
        value = bytes(value.get_data()[:SCRIPT_MAX])
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return str(value) if isinstance(value, str) else ""


def _by_octets(part: Part, place: str) -> Iterator[Finding | Readable]:
    """By names that stand in the file as they are, or with characters written by their number."""
    octets = part.octets
    if b"#" in octets:
        octets = _HEX.sub(lambda match: bytes([int(match[1], 16)]), octets)
    names = {match[0] for match in _RAW.finditer(octets)}
    if b"/Launch" in names:
        yield Finding(Category.MALWARE, NAME, "pdf-launches", 70, "not parsed", place)
    if names & {b"/JavaScript", b"/JS"}:
        by_itself = bool(names & {b"/OpenAction", b"/AA"})
        yield Finding(Category.MALWARE, NAME, "pdf-script", 60 if by_itself else 40, "not parsed", place)
    if b"/Encrypt" in names:
        yield Finding(Category.ATTACHMENT, NAME, AttachmentGroup.ENCRYPTED.value, 100, "pdf", place)
    links = dict.fromkeys(match[1].decode("latin-1") for match in _RAW_LINK.finditer(part.octets))
    if links:
        yield Readable(place, "", tuple(Link(link) for link in list(links)[:LINKS_MAX]))
