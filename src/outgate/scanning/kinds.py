"""What content is, by its octets, whatever it is called or declared as; and to which groups that belongs.

A name counts only where content does not tell: scripts and pages are text, and what runs them goes by the name.
"""

import re
from typing import Final

from outgate.mail.findings import AttachmentGroup
from outgate.scanning.message import BYTE_ORDER_MARKS

HEAD_OCTETS: Final = 4_096  # of content that are looked at for what it is

_EXECUTABLE: Final = AttachmentGroup.EXECUTABLE.value
_VIDEO: Final = AttachmentGroup.VIDEO.value
_AUDIO: Final = AttachmentGroup.AUDIO.value
_COMPRESSED: Final = AttachmentGroup.COMPRESSED.value
_HTML: Final = AttachmentGroup.HTML.value

# First octets, kind. The longest of what begins alike comes first.
_STARTS: Final = (
    (b"MZ", "windows-program"),
    (b"\x7fELF", "elf-program"),
    (b"\xfe\xed\xfa\xce", "mac-program"),
    (b"\xfe\xed\xfa\xcf", "mac-program"),
    (b"\xce\xfa\xed\xfe", "mac-program"),
    (b"\xcf\xfa\xed\xfe", "mac-program"),
    (b"dex\n", "android-program"),
    (b"\0asm", "webassembly"),
    (b"#!", "script"),
    (b"L\0\0\0\x01\x14\x02\0", "windows-shortcut"),
    (b"ITSF", "windows-help"),
    (b"!<arch>\ndebian-binary", "linux-package"),
    (b"\xed\xab\xee\xdb", "linux-package"),
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),
    (b"PK\x07\x08", "zip"),
    (b"Rar!\x1a\x07", "rar"),
    (b"7z\xbc\xaf\x27\x1c", "7z"),
    (b"MSCF", "cab"),
    (b"\x1f\x8b", "gzip"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\0", "xz"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\x1f\x9d", "compress"),
    (b"\x60\xea", "arj"),
    (b"**ACE**", "ace"),
    (b"vhdxfile", "disk-image"),
    (b"conectix", "disk-image"),
    (b"KDMV", "disk-image"),
    (b"QFI\xfb", "disk-image"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "ole"),
    (b"%PDF-", "pdf"),
    (b"{\\rt", "rtf"),
    (b"\xe4\x52\x5c\x7b\x8c\xd8\xa7\x4d", "onenote"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"GIF8", "gif"),
    (b"BM", "bmp"),
    (b"II*\0", "tiff"),
    (b"MM\0*", "tiff"),
    (b"ID3", "mp3"),
    (b"\xff\xfb", "mp3"),
    (b"\xff\xf3", "mp3"),
    (b"fLaC", "flac"),
    (b"OggS", "ogg"),
    (b"MThd", "midi"),
    (b"#!AMR", "amr"),
    (b"\x1aE\xdf\xa3", "matroska"),
    (b"FLV\x01", "flash-video"),
    (b"\0\0\x01\xba", "mpeg"),
    (b"\0\0\x01\xb3", "mpeg"),
    (b"0&\xb2u\x8ef\xcf\x11", "windows-media"),
    (b"SQLite format 3\0", "database"),
    (b"-----BEGIN PGP MESSAGE", "pgp-message"),
)
_STARTS_BY_FIRST: Final = {
    start[:1]: tuple(each for each in _STARTS if each[0][:1] == start[:1]) for start, _ in _STARTS
}
_AT_257: Final = b"ustar"  # of a tar archive
_AT_32769: Final = b"CD001"  # of an image of a compact disc

GROUPS: Final[dict[str, tuple[str, ...]]] = {
    "windows-program": (_EXECUTABLE,),
    "elf-program": (_EXECUTABLE,),
    "mac-program": (_EXECUTABLE,),
    "android-program": (_EXECUTABLE,),
    "java-program": (_EXECUTABLE,),
    "webassembly": (_EXECUTABLE,),
    "script": (_EXECUTABLE,),
    "windows-shortcut": (_EXECUTABLE,),
    "windows-help": (_EXECUTABLE,),
    "windows-installer": (_EXECUTABLE,),
    "linux-package": (_EXECUTABLE, _COMPRESSED),
    "disk-image": (_EXECUTABLE, _COMPRESSED),
    "zip": (_COMPRESSED,),
    "rar": (_COMPRESSED,),
    "7z": (_COMPRESSED,),
    "cab": (_COMPRESSED,),
    "gzip": (_COMPRESSED,),
    "bzip2": (_COMPRESSED,),
    "xz": (_COMPRESSED,),
    "zstd": (_COMPRESSED,),
    "compress": (_COMPRESSED,),
    "arj": (_COMPRESSED,),
    "ace": (_COMPRESSED,),
    "tar": (_COMPRESSED,),
    "mp3": (_AUDIO,),
    "flac": (_AUDIO,),
    "ogg": (_AUDIO,),
    "midi": (_AUDIO,),
    "amr": (_AUDIO,),
    "wave": (_AUDIO,),
    "mp4-audio": (_AUDIO,),
    "matroska": (_VIDEO,),
    "flash-video": (_VIDEO,),
    "mpeg": (_VIDEO,),
    "windows-media": (_VIDEO,),
    "avi": (_VIDEO,),
    "mp4": (_VIDEO,),
    "html": (_HTML,),
    "svg": (_HTML,),
    "mhtml": (_HTML,),
    "pgp-message": (AttachmentGroup.ENCRYPTED.value,),
}

# What runs as a program though its content is text or anything: by the end of the name.
_SCRIPT_ENDS_TEXT: Final = (
    "bat cmd com vbs vbe js jse wsf wsh wsc ps1 psm1 psd1 hta sct scr pif cpl msc msi msp mst reg inf lnk url scf "
    "application gadget appref-ms settingcontent-ms sh bash command py pyc pyw rb pl php jar jnlp exe dll sys ocx iso "
    "img vhd vhdx apk dmg pkg deb rpm xll wll ade adp mdb mde chm hlp"
)
SCRIPT_ENDS: Final = frozenset(_SCRIPT_ENDS_TEXT.split())
_PAGE_ENDS: Final = frozenset(("htm", "html", "xhtml", "shtml", "xht"))
_HTML_TEXT: Final = re.compile(
    rb"<!doctype\s+html|<(?:html|head|body|script|iframe|form|meta|svg|table|title|div)[\s>]", re.IGNORECASE
)
_SVG_TEXT: Final = re.compile(rb"<svg[\s>]", re.IGNORECASE)
_SCRIPT_TEXT: Final = re.compile(
    rb"\A\s*(?:@echo off|powershell|function\s+\w+\s*\(|var\s+\w+\s*=\s*new ActiveXObject|"
    rb"Set\s+\w+\s*=\s*CreateObject)",
    re.IGNORECASE,
)


def kind_of(octets: bytes, name: str, media_type: str) -> str:
    """A code such as "pdf"; "text", "image", "html" or "data" where the first octets do not tell. name, media_type: as
    declared, asked only where content may be anything."""
    head = octets[:HEAD_OCTETS]
    kind = _by_start(octets, head)
    if kind:
        return kind
    end = ending(name)
    text = _plain(head)
    if text is None:
        return "image" if media_type.startswith("image/") else "data"
    if _SVG_TEXT.search(text):
        return "svg"
    if end in _PAGE_ENDS or media_type == "text/html" or _HTML_TEXT.search(text):
        return "html"
    if end in ("mht", "mhtml"):
        return "mhtml"
    if end in SCRIPT_ENDS or _SCRIPT_TEXT.search(text):
        return "script"
    return "text"


def _by_start(octets: bytes, head: bytes) -> str:
    for start, kind in _STARTS_BY_FIRST.get(head[:1], ()):
        if head.startswith(start):
            return kind
    if head.startswith(
        b"\xca\xfe\xba\xbe"
    ):  # a class file has its version here, a program for several machines a count
        return "java-program" if head[4:8] > b"\0\0\0\x20" else "mac-program"
    if head.startswith(b"RIFF"):
        return {b"WAVE": "wave", b"AVI ": "avi", b"WEBP": "image"}.get(head[8:12], "data")
    if head[4:8] == b"ftyp":
        return (
            "mp4-audio"
            if head[8:11] in (b"M4A", b"M4B")
            else "image"
            if head[8:12] in (b"heic", b"avif", b"mif1")
            else "mp4"
        )
    if head[257:262] == _AT_257:
        return "tar"
    if octets[32_769:32_774] == _AT_32769:
        return "disk-image"
    if b"%PDF-" in head[:1024]:  # readers look so far for it
        return "pdf"
    return ""


def _plain(head: bytes) -> bytes | None:
    """The beginning as octets of ASCII text; None if it is no text."""
    for mark, charset in BYTE_ORDER_MARKS:
        if head.startswith(mark):
            return head[len(mark) :].decode(charset, "replace").encode("utf-8", "replace")
    return None if b"\0" in head else head


def ending(name: str) -> str:
    """Behind the last dot, in lower case, without what Windows leaves out at the end of a name."""
    return name.rstrip(". \t").rpartition(".")[2].lower() if "." in name.rstrip(". \t") else ""


def groups_of(kind: str, name: str) -> tuple[str, ...]:
    """Values of `AttachmentGroup` for content of this kind and name; what only a look inside tells is added by the
    scanners that look."""
    groups = GROUPS.get(kind, ())
    if ending(name) in SCRIPT_ENDS and _EXECUTABLE not in groups:
        groups = (*groups, _EXECUTABLE)
    return groups
