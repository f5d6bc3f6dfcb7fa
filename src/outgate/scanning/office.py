"""Office documents: code in them, what they run or fetch by themselves, files packed into them, passwords.

Older ones are compound files ([MS-CFB]), newer ones ZIP files (ECMA-376; their members that are more than text are
parts of the message already), and RTF. Documents inside archives and other documents come as parts of their own.
"""

import html
import io
import re
import struct
import zipfile
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Final

from outgate.mail.findings import SURE_FROM, AttachmentGroup, Category, Finding
from outgate.scanning import vba
from outgate.scanning.archives import ZIP_FAILURES
from outgate.scanning.compound import Compound, DamagedCompound
from outgate.scanning.interface import Context
from outgate.scanning.kinds import ending, groups_of, kind_of
from outgate.scanning.message import Part, ScannedMessage, cleaned_name
from outgate.scanning.readable import host_of

NAME: Final = "office"
STREAM_MAX: Final = 16 * 1024 * 1024  # octets of one stream of a document that are read
MEMBER_MAX: Final = 4 * 1024 * 1024  # octets of one member of a document that are read
MEMBERS_MAX: Final = 300  # members of one document that are read
RECORDS_MAX: Final = 200_000  # records of a workbook that are looked at
OBJECTS_MAX: Final = 100  # objects in one RTF document that are looked at
RTF_MAX: Final = 16 * 1024 * 1024  # octets of an RTF document that are looked at

_DOCUMENTS: Final = frozenset(("word", "excel", "powerpoint", "visio", "office"))
_INSTALLER: Final = "000C1084-0000-0000-C000-000000000046"  # class of an installation package

_RELATION: Final = re.compile(r"<(?:\w{1,20}:)?Relationship\b([^<>]{1,6000})>", re.IGNORECASE)
_ATTRIBUTE: Final = re.compile(r"""\b(Type|Target|TargetMode)\s{0,9}=\s{0,9}(?:"([^"]*)"|'([^']*)')""", re.IGNORECASE)
_FETCHED: Final = ("attachedtemplate", "oleobject", "frame", "subdocument", "settings")  # opened without being asked
_INSTRUCTION: Final = re.compile(
    r"<w:instrText\b[^<>]*>([^<]*)</w:instrText>|<w:fldSimple\b[^<>]*?\bw:instr\s*=\s*(?:\"([^\"]*)\"|'([^']*)')|"
    r"<w:fldChar\b[^<>]*w:fldCharType\s*=\s*[\"'](begin)"
)
_DDE: Final = re.compile(r"\A\s*DDE(?:AUTO)?\s+(.{1,500})", re.IGNORECASE | re.DOTALL)
_DDE_LINK: Final = re.compile(
    r"<(?:\w{1,20}:)?ddeLink\b[^<>]{0,2000}?\bddeService\s*=\s*[\"']([^\"']{1,200})", re.IGNORECASE
)
_OLD_DDE: Final = re.compile(rb"\x13\s{0,9}(DDE(?:AUTO)?\s[^\x14\x15]{1,500})", re.IGNORECASE)
_TABLE_DDE: Final = re.compile(
    r"(?:^|[,;\t\"])\s{0,9}[=+\-@]\s{0,9}([A-Za-z][\w.]{1,30})\|[^!\n]{1,200}!", re.MULTILINE
)
_OFFICE_SERVICES: Final = frozenset(("excel", "winword", "word", "powerpnt", "msaccess"))  # what honest links ask
_TABLE_PROGRAMS: Final = frozenset(
    (
        "cmd",
        "powershell",
        "pwsh",
        "mshta",
        "rundll32",
        "regsvr32",
        "msexcel",
        "wscript",
        "cscript",
        "certutil",
        "bitsadmin",
    )
)
_MACRO_SHEET: Final = re.compile(r"(?:xl/)?macrosheets/[^/]+\.(?:xml|bin)", re.IGNORECASE)
_AUTO_NAME: Final = re.compile(rb"_xlnm\.auto_?open|\bauto_?open", re.IGNORECASE)
_RTF_OBJECT: Final = re.compile(rb"\\objdata\b")
_RTF_TEMPLATE: Final = re.compile(rb"\\\*\\template\s{1,9}([^{}\r\n]{1,500})")
_NOT_HEX: Final = re.compile(rb"\{[^{}]{0,200}\}|\\[a-z]{1,30}-?\d{0,10} ?|[^0-9a-fA-F]", re.IGNORECASE)


class Office:
    """Documents of every part. A damaged one is unscannable: what opens it may show more than we saw."""

    name = NAME
    version = "1"

    def scan(self, message: ScannedMessage, context: Context) -> Iterable[Finding]:
        for part in message.parts:
            place = part.shown_place
            try:
                yield from dict.fromkeys(_findings(part, place, context))
            except DamagedCompound:
                yield Finding(Category.UNSCANNABLE, NAME, "document-damaged", 100, part.kind, place)


def _findings(part: Part, place: str, context: Context) -> Iterator[Finding]:
    if part.kind == "ole":
        yield from compound_findings(part.octets, place)
    elif part.kind in _DOCUMENTS:
        yield from package_findings(part.octets, place, context)
    elif part.kind == "open-document":
        yield from _open_document_findings(part.octets, place)
    elif part.kind == "rtf":
        yield from rtf_findings(part.octets[:RTF_MAX], place, context)
    elif part.kind == "text" and ending(part.name) in ("csv", "tsv", "tab", "slk", "iqy", "dif"):
        for match in _TABLE_DDE.finditer(part.octets[:MEMBER_MAX].decode("latin-1")):
            found = _dde(match[1], place)
            is_program = found.weight >= SURE_FROM and match[1].lower().removesuffix(".exe") in _TABLE_PROGRAMS
            yield found if is_program else _malware("dde", 40, found.detail, place)


def _malware(name: str, weight: int, detail: str, place: str) -> Finding:
    return Finding(Category.MALWARE, NAME, name, weight, detail, place)


def _group(group: AttachmentGroup, detail: str, place: str) -> Finding:
    return Finding(Category.ATTACHMENT, NAME, group.value, 100, detail, place)


# Compound files


def compound_findings(octets: bytes, place: str) -> Iterator[Finding]:
    """Raises: DamagedCompound."""
    with Compound(octets) as compound:
        if compound.class_id == _INSTALLER:
            yield _group(AttachmentGroup.EXECUTABLE, "windows-installer", place)
        if compound.named("EncryptedPackage"):
            yield _group(AttachmentGroup.ENCRYPTED, "ole", place)
        if vba.has_project(compound):
            yield from _code(list(vba.sources(compound)), place)
        for path in compound.named("\x01Ole10Native"):
            yield from packed_file(compound.read(path, STREAM_MAX), place)
        if compound.named("Equation Native"):
            yield _malware("equation-object", 60, "", place)
        for path in compound.named("WordDocument"):
            yield from _old_word(compound.read(path, STREAM_MAX), place)
        for path in compound.named("Workbook", "Book"):
            yield from _old_workbook(compound.read(path, STREAM_MAX), place)
        for path in compound.named("Current User"):
            if compound.read(path, 16)[12:16] == b"\xdf\xc4\xd1\xf3":  # headerToken, [MS-PPT] §2.3.2
                yield _group(AttachmentGroup.ENCRYPTED, "powerpoint", place)


def _code(sources: list[str], place: str) -> Iterator[Finding]:
    yield _group(AttachmentGroup.MACROS, "vba", place)
    starters = list(dict.fromkeys(name for source in sources for name in vba.starters(source)))
    calls = list(dict.fromkeys(call for source in sources for call in vba.calls(source)))
    if starters:
        grave = vba.grave(calls)
        weight = 90 if grave else 60 if calls else 40
        yield _malware("macro-runs-by-itself", weight, ", ".join([*starters[:3], *(grave or calls)[:5]]), place)


def _old_word(octets: bytes, place: str) -> Iterator[Finding]:
    if len(octets) > 12 and octets[11] & 0x01:  # fEncrypted, [MS-DOC] §2.5.2
        yield _group(AttachmentGroup.ENCRYPTED, "word", place)
        return
    for text in (octets, octets.replace(b"\0", b"")):  # fields stand there in one octet a character, or in two
        for match in _OLD_DDE.finditer(text):
            found = _DDE.match(match[1].decode("latin-1"))
            if found:
                yield _dde(found[1], place)


def _old_workbook(octets: bytes, place: str) -> Iterator[Finding]:
    """Records of BIFF8, [MS-XLS] §2.1.4: sheets of macros, the name that starts them, passwords, DDE."""
    sheets: list[int] = []  # how hidden each is
    starts_by_itself = False
    at = 0
    for _ in range(RECORDS_MAX):
        if at + 4 > len(octets):
            break
        kind, size = struct.unpack_from("<HH", octets, at)
        value = octets[at + 4 : at + 4 + size]
        at += 4 + size
        if kind == 0x2F:  # FilePass
            yield _group(AttachmentGroup.ENCRYPTED, "excel", place)
            return
        if kind == 0x85 and len(value) >= 6 and value[5] == 1:  # BoundSheet8 with dt of a macro sheet
            sheets.append(value[4] & 3)
        elif kind == 0x18 and len(value) > 15:  # Lbl; a built-in name is one character, 1 is Auto_Open
            is_built_in = value[0] & 0x20
            starts_by_itself |= bool(is_built_in and value[15:16] == b"\x01") or bool(_AUTO_NAME.search(value))
        elif kind == 0x1AE and len(value) > 8:  # SupBook: the path of a DDE source holds its service before \x03
            service, mark, _ = value[5:].replace(b"\0", b"").partition(b"\x03")
            if mark and service.isascii():
                yield _dde(service.decode("ascii"), place)
    if sheets:
        yield from _macro_sheets(max(sheets) > 0, starts_by_itself, place)


def _macro_sheets(is_hidden: bool, starts_by_itself: bool, place: str) -> Iterator[Finding]:
    yield _group(AttachmentGroup.MACROS, "macro sheet", place)
    weight = 40 + 20 * is_hidden + 30 * starts_by_itself
    detail = ", ".join(name for name, is_so in (("hidden", is_hidden), ("Auto_Open", starts_by_itself)) if is_so)
    yield _malware("macro-sheet", weight, detail, place)


def _dde(command: str, place: str) -> Finding:
    command = html.unescape(command).strip().lstrip("\"' ")
    service = re.split(r"[\\/\s|\"']", command.rstrip("\"' "))
    program = next((each for each in reversed(service[:8]) if each.lower().endswith(".exe")), service[0]).lower()
    is_honest = program.removesuffix(".exe") in _OFFICE_SERVICES and "cmd" not in command.lower()
    return _malware("dde", 40 if is_honest else 90, command[:100], place)


def packed_file(octets: bytes, place: str) -> Iterator[Finding]:
    """A file that was put into a document as an object: OLE 1.0 native data of a "Package"."""
    label, path, content = _unpacked(octets)
    name = cleaned_name(path or label) or "unnamed"
    kind = kind_of(content, name, "application/octet-stream")
    groups = groups_of(kind, name)
    if AttachmentGroup.EXECUTABLE.value in groups:
        yield _group(AttachmentGroup.EXECUTABLE, kind, f"{place}/{name}")
        yield _malware("program-in-document", 95, kind, f"{place}/{name}")
    elif name != "unnamed":
        yield _malware("file-in-document", 40, kind, f"{place}/{name}")


def _unpacked(octets: bytes) -> tuple[str, str, bytes]:
    """Label, path and content. Size, flags, label, path, two words, size and text of a second path, size, content."""
    at = 6
    texts = []
    for _ in range(2):
        end = octets.find(b"\0", at, at + 1_000)
        if end < 0:
            return "", "", octets[4:]
        texts.append(octets[at:end].decode("latin-1"))
        at = end + 1
    at += 4
    (length,) = struct.unpack_from("<I", octets, at) if at + 4 <= len(octets) else (0,)
    at += 4 + length
    if at + 4 > len(octets):
        return texts[0], texts[1], b""
    (size,) = struct.unpack_from("<I", octets, at)
    return texts[0], texts[1], octets[at + 4 : at + 4 + size]


# Documents that are ZIP files


def package_findings(octets: bytes, place: str, context: Context) -> Iterator[Finding]:
    """What their text members say; what cannot be read is left out: `archives` has said so."""
    macro_sheets = False
    is_hidden = starts_by_itself = False
    for name, content in _members(octets):
        lower = name.lower()
        if lower.endswith(".rels"):
            yield from _relations(content.decode("utf-8", "replace"), place, context)
        elif lower.startswith("word/"):
            yield from _fields(content.decode("utf-8", "replace"), place)
        elif _MACRO_SHEET.fullmatch(name):
            macro_sheets = True
        elif lower.startswith("xl/workbook."):
            is_hidden = b"veryHidden" in content or b'state="hidden"' in content
            starts_by_itself = bool(_AUTO_NAME.search(content.replace(b"\0", b"")))
        elif lower.startswith("xl/externallinks/"):
            for match in _DDE_LINK.finditer(content.decode("utf-8", "replace")):
                yield _dde(match[1], place)
    if macro_sheets:
        yield from _macro_sheets(is_hidden, starts_by_itself, place)


def _members(octets: bytes) -> Iterator[tuple[str, bytes]]:
    try:
        with zipfile.ZipFile(io.BytesIO(octets)) as archive:
            read = 0
            for info in archive.infolist():
                name = info.filename.replace("\\", "/")
                if not _is_telling(name.lower()):
                    continue
                read += 1
                if read > MEMBERS_MAX:
                    return
                with archive.open(info) as stream:
                    yield name, stream.read(MEMBER_MAX)
    except ZIP_FAILURES:
        return


def _is_telling(name: str) -> bool:
    if name.endswith(".rels"):
        return True
    if name.startswith("word/"):
        return name.endswith(".xml") and name.count("/") == 1 and "theme" not in name and "styles" not in name
    return name.startswith(("xl/workbook.", "xl/externallinks/ext", "xl/macrosheets/")) or "script-lb.xml" in name


def _relations(text: str, place: str, context: Context) -> Iterator[Finding]:
    """What a document fetches from elsewhere when it is opened."""
    for match in _RELATION.finditer(text):
        known = {key.lower(): html.unescape(one or other) for key, one, other in _ATTRIBUTE.findall(match[1])}
        kind = known.get("type", "").rpartition("/")[2].lower()
        target = known.get("target", "").strip()
        if known.get("targetmode", "").lower() == "external" and kind in _FETCHED:
            yield from _fetched(
                "remote-template" if kind == "attachedtemplate" else "remote-object", target, place, context
            )


def _fetched(name: str, target: str, place: str, context: Context) -> Iterator[Finding]:
    lower = target.lower().replace("\\", "/")
    if lower.startswith("file:"):
        path = lower[5:].lstrip("/")
        if len(lower) - 5 - len(path) == 3 or not path:  # file:///C:/...
            return
        lower = f"//{path}"
    if not lower.startswith(("http:", "https:", "ftp:", "mhtml:", "ms-", "//")):
        return
    host = host_of(lower if "://" in lower else f"x:{lower}")
    is_own = any(host == domain or host.endswith(f".{domain}") for domain in context.domains)
    is_near = lower.startswith("//") and "." not in host  # a file server of theirs
    is_usual = is_own or is_near or host.endswith(".sharepoint.com")
    yield _malware(name, 40 if is_usual else 90, target[:100], place)


def _fields(text: str, place: str) -> Iterator[Finding]:
    """Fields of a text; their instructions may be cut into any number of pieces."""
    if "DDE" not in text.upper():
        pieces = [match[1] or match[2] or match[3] or "" for match in _INSTRUCTION.finditer(text)]
        if "DDE" not in "".join(pieces).upper():
            return
    running: list[str] = []
    for match in _INSTRUCTION.finditer(text):
        if match[4]:
            yield from _instruction("".join(running), place)
            running = []
        elif match[1] is not None:
            running.append(match[1])
        else:
            yield from _instruction(match[2] or match[3] or "", place)
    yield from _instruction("".join(running), place)


def _instruction(text: str, place: str) -> Iterator[Finding]:
    match = _DDE.match(html.unescape(text))
    if match:
        yield _dde(match[1], place)


def _open_document_findings(octets: bytes, place: str) -> Iterator[Finding]:
    for name, _ in _members(octets):
        if name.lower().endswith("script-lb.xml"):
            yield _group(AttachmentGroup.MACROS, "basic", place)
            return


# RTF


def rtf_findings(octets: bytes, place: str, context: Context) -> Iterator[Finding]:
    """Templates from elsewhere, and objects: files, compound files, and those of the equation editor."""
    for match in _RTF_TEMPLATE.finditer(octets):
        yield from _fetched("remote-template", match[1].decode("latin-1").strip(), place, context)
    starts = [match.end() for match in _RTF_OBJECT.finditer(octets)][:OBJECTS_MAX]
    for start, end in pairwise([*starts, len(octets)]):
        digits = _NOT_HEX.sub(b"", octets[start:end])
        yield from _rtf_object(bytes.fromhex(digits[: len(digits) // 2 * 2].decode("ascii")), place)


def _rtf_object(octets: bytes, place: str) -> Iterator[Finding]:
    """An object of OLE 1.0, [MS-OLEDS] §2.2: version, form, class, two names, size, data."""
    (length,) = struct.unpack_from("<I", octets, 8) if len(octets) >= 12 else (0,)
    name = octets[12 : 12 + min(length, 100)].rstrip(b"\0").lower()
    start = octets.find(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")
    if name.startswith(b"equation") or b"\x02\xce\x02\x00\x00\x00\x00\x00\xc0" in octets:  # its class, [MS-OLEDS]
        yield _malware("equation-object", 90, "", place)
    elif name == b"package":
        at = 12 + length + 8
        yield from packed_file(octets[at + 4 :], place)
    elif name.startswith(b"ole2link") or b"\xe0\xc9\xea\x79\xf9\xba\xce\x11" in octets:  # URL moniker
        yield _malware("remote-object", 90, "OLE2Link", place)
    elif start >= 0:
        yield from compound_findings(octets[start:], place)
