"""Opens archives: their members are parts of the message like any other. ZIP, tar, gzip, bzip2, xz.

What cannot be opened here (7z, RAR and others; a password; damage) is a finding, never clean. How much may come out of
one is bounded before it comes out; names of members are for people only, nothing is written anywhere.
"""

import bz2
import gzip
import io
import lzma
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import IO, Any, Final

from outgate.mail.findings import Category, Finding
from outgate.scanning.guards import (
    ARCHIVE_DEPTH_MAX,
    ARCHIVE_FREE,
    ARCHIVE_RATIO_MAX,
    DECODED_MAX,
    PARTS_MAX,
)
from outgate.scanning.kinds import kind_of
from outgate.scanning.message import Part, cleaned_name

NAME: Final = "archives"
READ_OCTETS: Final = 256 * 1024  # of a member at a time
CLOSED: Final = frozenset(("rar", "7z", "cab", "zstd", "compress", "arj", "ace", "disk-image"))  # kinds we cannot open
_FLAG_ENCRYPTED: Final = 0x1  # APPNOTE 4.4.4
# What zipfile raises over an archive that is damaged or wants a password.
ZIP_FAILURES: Final = (
    *(OSError, EOFError, ValueError, LookupError, RuntimeError, NotImplementedError, ArithmeticError),
    *(struct.error, zlib.error, zipfile.BadZipFile),
)
_DAMAGED: Final = (*ZIP_FAILURES, lzma.LZMAError, tarfile.TarError)
# A document is an archive too. Of its members only those are parts that are more than its text and pictures.
_PLAIN_MEMBERS: Final = frozenset(("text", "html", "svg", "png", "jpeg", "gif", "bmp", "tiff", "image", "data"))
_KIND_BY_MEMBER: Final = (("word/", "word"), ("xl/", "excel"), ("ppt/", "powerpoint"), ("visio/", "visio"))


class _TooMuch(Exception):
    """More comes out than may."""


@dataclass(slots=True)
class Unpacked:
    """What came out of all archives of a message. kinds: what archives turned out to be, by place, where that is a
    document. encrypted: places of those that need a password."""

    parts: list[Part] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    kinds: dict[str, str] = field(default_factory=dict)
    encrypted: set[str] = field(default_factory=set)
    octets: int = 0

    def find(self, name: str, place: str) -> None:
        self.findings.append(Finding(Category.UNSCANNABLE, NAME, name, 100, "", place))


def unpack(parts: list[Part], others: int = 0) -> Unpacked:
    """Opens what is an archive among `parts`, and what is one inside it. others: parts that the message has besides."""
    done = Unpacked(octets=sum(len(part.octets) for part in parts))
    room = PARTS_MAX - len(parts) - others
    waiting = [(part, 0) for part in reversed(parts) if part.kind in _OPENERS or part.kind in CLOSED]
    while waiting:
        part, depth = waiting.pop()
        if part.kind in CLOSED:
            done.find("archive-not-opened", part.place)
            continue
        if depth >= ARCHIVE_DEPTH_MAX:
            done.find("archive-too-deep", part.place)
            continue
        before = len(done.parts)
        try:
            for member in _members(part, done):
                if len(done.parts) >= room:
                    done.find("too-many-parts", part.place)
                    return done
                done.parts.append(member)
        except _TooMuch:
            done.find("archive-too-large", part.place)
            if done.octets > DECODED_MAX:
                return done
        except NotImplementedError:
            done.find("archive-damaged", part.place)
        except RuntimeError:  # what zipfile raises where a password is wanted
            done.encrypted.add(part.place)
        except _DAMAGED:
            done.find("archive-damaged", part.place)
        inner = [each for each in done.parts[before:] if each.kind in _OPENERS or each.kind in CLOSED]
        waiting.extend((each, depth + 1) for each in reversed(inner))
    return done


def _members(part: Part, done: Unpacked) -> Iterator[Part]:
    allowed = max(ARCHIVE_FREE, len(part.octets) * ARCHIVE_RATIO_MAX)
    for name, content in _OPENERS[part.kind](part, done, _Budget(allowed, done)):
        shown = cleaned_name(name) or "unnamed"
        kind = kind_of(content, shown, "application/octet-stream")
        if part.place in done.kinds and kind in _PLAIN_MEMBERS and not shown.endswith(".bin"):
            continue
        yield Part(
            place=f"{part.place}/{part.name or part.kind}/{shown}",
            media_type="application/octet-stream",
            name=shown,
            octets=content,
            kind=kind,
            depth=part.depth + 1,
            is_attachment=True,
        )


@dataclass(slots=True)
class _Budget:
    """How much may still come out of one archive, and of all of the message."""

    left: int
    done: Unpacked

    def read(self, stream: IO[bytes]) -> bytes:
        """All of it. Raises: _TooMuch, before more than that is in memory."""
        pieces = []
        while piece := stream.read(READ_OCTETS):
            self.left -= len(piece)
            self.done.octets += len(piece)
            if self.left < 0 or self.done.octets > DECODED_MAX:
                raise _TooMuch
            pieces.append(piece)
        return b"".join(pieces)


def _open_zip(part: Part, done: Unpacked, budget: _Budget) -> Iterator[tuple[str, bytes]]:
    with zipfile.ZipFile(io.BytesIO(part.octets)) as archive:
        kind = document_kind(archive.namelist())
        if kind:
            done.kinds[part.place] = kind
        for info in archive.infolist():
            if info.filename.endswith("/"):
                continue
            if info.flag_bits & _FLAG_ENCRYPTED:
                done.encrypted.add(part.place)
                continue
            with archive.open(info) as stream:
                yield info.filename, budget.read(stream)


def _open_tar(part: Part, done: Unpacked, budget: _Budget) -> Iterator[tuple[str, bytes]]:  # noqa: ARG001 - one form
    with tarfile.open(fileobj=io.BytesIO(part.octets), mode="r:") as archive:
        for info in archive:
            stream = archive.extractfile(info) if info.isreg() else None
            if stream is not None:
                yield info.name, budget.read(stream)


def _stream_opener(
    opener: Callable[[IO[bytes]], Any], end: str
) -> Callable[[Part, Unpacked, _Budget], Iterator[tuple[str, bytes]]]:
    def open_stream(part: Part, done: Unpacked, budget: _Budget) -> Iterator[tuple[str, bytes]]:  # noqa: ARG001
        with opener(io.BytesIO(part.octets)) as stream:
            yield part.name.removesuffix(end) or "unnamed", budget.read(stream)

    return open_stream


_OPENERS: Final[dict[str, Callable[[Part, Unpacked, _Budget], Iterator[tuple[str, bytes]]]]] = {
    "zip": _open_zip,
    "tar": _open_tar,
    "gzip": _stream_opener(lambda octets: gzip.GzipFile(fileobj=octets), ".gz"),
    "bzip2": _stream_opener(bz2.BZ2File, ".bz2"),
    "xz": _stream_opener(lzma.LZMAFile, ".xz"),
}


def document_kind(names: list[str]) -> str:
    """What a ZIP with these members is, if it is a document or program: "word", "excel", "powerpoint", "visio",
    "open-document", "java-program", "android-program", or ""."""
    known = set(names)
    if "[Content_Types].xml" in known:
        return next(
            (kind for start, kind in _KIND_BY_MEMBER if any(name.startswith(start) for name in names)), "office"
        )
    if "mimetype" in known and "META-INF/manifest.xml" in known:
        return "open-document"
    if "AndroidManifest.xml" in known:
        return "android-program"
    return "java-program" if "META-INF/MANIFEST.MF" in known else ""
