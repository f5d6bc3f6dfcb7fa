"""Visual Basic in documents: taken out of its project ([MS-OVBA]) and looked at for what runs by itself.

The decompressor is our own: bounded, and it takes what it can of damaged containers, as Office does.
"""

import codecs
import re
import struct
from collections.abc import Iterator
from typing import Final

from outgate.scanning.compound import Compound

MODULES_MAX: Final = 200  # modules of one project that are looked at
SOURCE_MAX: Final = 512 * 1024  # octets of one module's source, decompressed
PROJECT_MAX: Final = 4 * 1024 * 1024  # octets of one project's sources together
STREAM_MAX: Final = 4 * 1024 * 1024  # octets of one stream of a project that are read
CHUNK_OCTETS: Final = 4_096  # that one chunk decompresses to, [MS-OVBA] §2.4.1.1.3

_MODULE_STREAM: Final = 0x001A  # ids of records in the stream `dir`, [MS-OVBA] §2.3.4.2
_MODULE_OFFSET: Final = 0x0031
_PROJECT_VERSION: Final = 0x0009
_CODE_PAGE: Final = 0x0003
_MAC_ROMAN: Final = 10_000
# How each module begins: a container's signature, the head of its first chunk, eight characters as they are.
_BEGINNING: Final = re.compile(rb"\x01[\s\S]{2}\x00Attribut")

_BY_ITSELF: Final = re.compile(
    r"\b(?:auto_?(?:open|close|exec|new|exit)|(?:document|workbook)_(?:before)?(?:open|close|new|activate|windowactivate|"
    r"sheetactivate|contentcontrolonenter)|app_(?:document|workbook)open|\w{1,60}_(?:painted|layout|"
    r"navigatecomplete2|documentcomplete))\b",
    re.IGNORECASE,
)  # fmt: skip
_CALLS: Final = re.compile(
    r"\b(?:shell(?:execute\w{0,8})?|createobject|getobject|urldownloadtofile\w?|wscript\.shell|(?:ms|win)?xmlhttp|"
    r"winhttprequest|adodb\.stream|powershell|cmd\.exe|comspec|mshta|regsvr32|rundll32|certutil|bitsadmin|"
    r"virtualalloc(?:ex)?|createthread|createremotethread|rtlmovememory|callwindowproc\w?|writeprocessmemory|"
    r"winexec|createprocess\w?|loadlibrary\w?|enumsystemlocales\w?|savetofile|scriptcontrol|"
    r"win32_process\w{0,10}|winmgmts|callbyname|macscript|appleScriptTask|executeexcel4macro|"
    r"filecopy|kill|environ|vbproject|accessvbom)\b",
    re.IGNORECASE,
)  # fmt: skip
# Of the calls, what other code starts or fetches: these are not what macros of an office do.
# Of the calls, those that macros of an office have other reasons for.
_ORDINARY: Final = frozenset(
    (
        *("createobject", "getobject", "callbyname", "filecopy", "kill", "environ", "winmgmts", "rtlmovememory"),
        *("xmlhttp", "msxmlhttp", "winxmlhttp", "winhttprequest"),
        *("callwindowproc", "callwindowproca", "callwindowprocw", "loadlibrary", "loadlibrarya", "loadlibraryw"),
    )
)
# An object whose name is put together: it is to be hidden.
_HIDDEN_OBJECT: Final = re.compile(r"\b(?:create|get)object\b\s{0,9}\(?\s{0,9}[^\"\s(,)=]", re.IGNORECASE)
HIDDEN: Final = "createobject of a hidden name"
_COMMENT: Final = re.compile(r"^[ \t]*(?:'|rem\b)[^\n]*", re.IGNORECASE | re.MULTILINE)


def sources(compound: Compound) -> Iterator[str]:
    """The source of each module, "" for one that has none left. Raises: DamagedCompound."""
    room = PROJECT_MAX
    storages = {path[:-1]: path for path in compound.named("dir") if path[-2:-1] and path[-2].lower() == "vba"}
    offsets: dict[tuple[str, ...], int] = {}
    charset = "cp1252"
    for storage, path in storages.items():
        charset, modules = _modules(decompressed(compound.read(path, STREAM_MAX), SOURCE_MAX))
        offsets.update({(*(each.lower() for each in storage), name.lower()): at for name, at in modules.items()})
    looked_at = 0
    for path in compound.names:
        if path[:-1] not in storages or path[-1].lower() in ("dir", "_vba_project") or path[-1].startswith("__SRP_"):
            continue
        looked_at += 1
        if looked_at > MODULES_MAX or room <= 0:
            return
        octets = compound.read(path, STREAM_MAX)
        at = offsets.get(tuple(each.lower() for each in path), -1)
        if not 0 <= at < len(octets) or octets[at] != 1:
            match = _BEGINNING.search(octets)
            if match is None:
                continue
            at = match.start()
        text = decompressed(octets[at:], min(SOURCE_MAX, room)).decode(charset, "replace")
        room -= len(text)
        yield text


def has_project(compound: Compound) -> bool:
    """Is there code of any kind in it?"""
    return any(path[-2:-1] and path[-2].lower() == "vba" for path in compound.named("dir", "_vba_project"))


def _modules(directory: bytes) -> tuple[str, dict[str, int]]:
    """Charset of the project, and where in each module's stream its source begins. [MS-OVBA] §2.3.4.2."""
    charset, modules, name, at = "cp1252", dict[str, int](), "", 0
    while at + 6 <= len(directory) and len(modules) < MODULES_MAX:
        kind, size = struct.unpack_from("<HI", directory, at)
        if kind == _PROJECT_VERSION:
            size = 6  # whatever it says
        value = directory[at + 6 : at + 6 + size]
        if kind == _CODE_PAGE and len(value) == 2:
            charset = _charset(int.from_bytes(value, "little"))
        elif kind == _MODULE_STREAM:
            name = value.decode(charset, "replace")
        elif kind == _MODULE_OFFSET and len(value) == 4 and name:
            modules[name] = int.from_bytes(value, "little")
        at += 6 + size
    return charset, modules


def _charset(code_page: int) -> str:
    """Python's name of it; that of Western Windows for one that it does not know."""
    name = "mac-roman" if code_page == _MAC_ROMAN else f"cp{code_page}"
    try:
        codecs.lookup(name)
    except LookupError:
        return "cp1252"
    return name


def decompressed(octets: bytes, octets_max: int) -> bytes:
    """A compressed container, [MS-OVBA] §2.4.1; at most so much of it. What is damaged ends it; never raises."""
    if octets[:1] != b"\x01":
        return b""
    done = bytearray()
    at = 1
    while at + 2 <= len(octets) and len(done) < octets_max:
        (head,) = struct.unpack_from("<H", octets, at)
        end = min(at + (head & 0x0FFF) + 3, len(octets))
        if (head >> 12) & 0b111 != 0b011:  # the signature of a chunk
            break
        if head & 0x8000:
            _decompress_chunk(octets, at + 2, end, done)
        else:
            done += octets[at + 2 : at + 2 + CHUNK_OCTETS]
            end = min(at + 2 + CHUNK_OCTETS, len(octets))
        at = end
    return bytes(done[:octets_max])


def _decompress_chunk(octets: bytes, at: int, end: int, done: bytearray) -> None:
    """Tokens: characters as they are, and copies of what came before in this chunk. [MS-OVBA] §2.4.1.3.2."""
    start = len(done)
    while at < end:
        flags = octets[at]
        at += 1
        for bit in range(8):
            if at >= end or len(done) - start > CHUNK_OCTETS:
                return
            if not flags >> bit & 1:
                done.append(octets[at])
                at += 1
                continue
            if at + 2 > end:
                return
            (token,) = struct.unpack_from("<H", octets, at)
            at += 2
            # Bits for how far back: as many as reach over the chunk so far, 4 at least. [MS-OVBA] §2.4.1.3.19.1
            distance_bits = max((len(done) - start - 1).bit_length(), 4)
            length = (token & (0xFFFF >> distance_bits)) + 3
            distance = (token >> (16 - distance_bits)) + 1
            if distance > len(done) - start:
                return
            piece = bytes(done[-distance:])
            done += (piece * (length // distance + 1))[:length]


def starters(source: str) -> list[str]:
    """What of the code Office runs by itself, each once, as it is written."""
    return list(dict.fromkeys(match[0] for match in _BY_ITSELF.finditer(_code(source))))


def calls(source: str) -> list[str]:
    """Calls that reach beyond the document, in lower case, each once."""
    code = _code(source)
    found = dict.fromkeys(match[0].lower() for match in _CALLS.finditer(code))
    if _HIDDEN_OBJECT.search(code):
        found[HIDDEN] = None
    return list(found)


def grave(found: list[str]) -> list[str]:
    """Those that start or fetch other code, or hide what they make."""
    return [call for call in found if call not in _ORDINARY]


def _code(source: str) -> str:
    """Without comments of whole lines, and with lines joined that end by a mark of continuation."""
    return _COMMENT.sub("", source.replace("\r\n", "\n").replace(" _\n", " "))
