"""The file that a backup is: a tar archive of plain files, so that it can be read without Outgate.

    manifest.json            the format, who made it and when, and where the database was
    settings/outgate.toml    the settings file, as it was
    state/...                files of the state directory, at their place in it
    database/...             copies of the SQLite databases
    SHA256SUMS               of all of these, last; `sha256sum --check` understands it

What is read is not believed: an archive is taken as a whole, when every checksum is right and every name is known.
"""

import hashlib
import io
import re
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final, Self

import msgspec
from msgspec import Struct

from outgate import __version__

FORMAT: Final = 1
MANIFEST: Final = "manifest.json"
SUMS: Final = "SHA256SUMS"
SETTINGS: Final = "settings/outgate.toml"
TRACKER: Final = "database/tracker.sqlite3"
DATABASES: Final = ("database/portal.sqlite3", TRACKER)
STATE_PREFIX: Final = "state/"
TEXT_MAX: Final = 1024 * 1024  # octets of the manifest, and of the sums
PIECE_OCTETS: Final = 1024 * 1024  # read at a time
FILE_MODE: Final = 0o600  # it holds the secret key and all customers

_NAMES: Final = re.compile(
    r"manifest\.json|settings/outgate\.toml|database/(portal|tracker)\.sqlite3|"
    r"state/secret-key|state/tls/self-signed\.(pem|key)|state/workers/[1-9][0-9]?/policy"
)


class ArchiveError(Exception):
    """The archive cannot be used. The text says why, and what to do."""


class Manifest(Struct, frozen=True):
    """version: Outgate's. made_at: UTC, RFC 3339. database: `sqlite` or `postgresql`, which is not in the archive."""

    format: int
    version: str
    made_at: str
    node: str
    database: str


@dataclass(slots=True)
class ArchiveWriter:
    """Adds members one by one. `seal` comes last, and without it the archive is worth nothing."""

    tar: tarfile.TarFile
    made_at: int  # seconds since 1970, the time of every member
    sums: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, octets: bytes) -> None:
        self._add(name, io.BytesIO(octets), len(octets))

    def add_file(self, name: str, path: Path) -> None:
        """A file that does not change meanwhile. Raises: OSError."""
        with path.open("rb") as file:
            self._add(name, file, path.stat().st_size)

    def seal(self) -> None:
        text = "".join(f"{digest}  {name}\n" for name, digest in self.sums.items())
        self._add(SUMS, io.BytesIO(text.encode()), len(text))

    def _add(self, name: str, source: IO[bytes], size_octets: int) -> None:
        assert name == SUMS or _NAMES.fullmatch(name), name
        member = tarfile.TarInfo(name)
        member.size = size_octets
        member.mode = FILE_MODE
        member.mtime = self.made_at
        counting = _Hashing(source)
        self.tar.addfile(member, counting)
        self.sums[name] = counting.hash.hexdigest()


class _Hashing:
    def __init__(self, source: IO[bytes]) -> None:
        self.hash = hashlib.sha256()
        self._source = source

    def read(self, size: int = -1) -> bytes:
        octets = self._source.read(size)
        self.hash.update(octets)
        return octets


@dataclass(frozen=True, slots=True)
class Archive:
    """One that has been checked from end to end. `copy` checks again what it copies."""

    file: IO[bytes]
    manifest: Manifest
    sums: dict[str, str]

    @classmethod
    def check(cls, file: IO[bytes]) -> Self:
        """Read all of it, and change nothing. Raises: ArchiveError, OSError."""
        sums: dict[str, str] = {}
        texts: dict[str, bytes] = {}
        with _damage_named():
            for name, source in _members(file):
                if SUMS in texts:
                    raise ArchiveError(f"is damaged: {name} stands behind its end")
                if name in sums:
                    raise ArchiveError(f"is damaged: {name} is there twice")
                digest = hashlib.sha256()
                text = b""
                while octets := source.read(PIECE_OCTETS):
                    digest.update(octets)
                    if name in (MANIFEST, SUMS):
                        text += octets
                        if len(text) > TEXT_MAX:
                            raise ArchiveError(f"is damaged: {name} is too long")
                if name in (MANIFEST, SUMS):
                    texts[name] = text
                if name != SUMS:
                    sums[name] = digest.hexdigest()
        if SUMS not in texts:
            raise ArchiveError("is not whole: its end is missing. Use another backup")
        _compare(sums, texts[SUMS])
        return cls(file, _manifest(texts.get(MANIFEST, b"")), sums)

    def names(self) -> list[str]:
        return list(self.sums)

    def copy(self, names: frozenset[str], take: Callable[[str, IO[bytes]], None]) -> None:
        """Give `take` each of `names` as a stream, in the archive's order. Raises: ArchiveError, OSError."""
        with _damage_named():
            for name, source in _members(self.file):
                if name not in names:
                    continue
                hashing = _Hashing(source)
                take(name, hashing)  # type: ignore[arg-type]  # it may call `read`, and nothing else
                if hashing.hash.hexdigest() != self.sums.get(name):
                    raise ArchiveError(f"has changed while it was read: {name}")


def _members(file: IO[bytes]) -> Iterator[tuple[str, IO[bytes]]]:
    """Raises: ArchiveError for anything that this program would not have written; what `_damage_named` names."""
    file.seek(0)
    with tarfile.open(fileobj=file, mode="r:") as tar:
        for member in tar:
            source = tar.extractfile(member) if member.isreg() else None
            if source is None or not (member.name == SUMS or _NAMES.fullmatch(member.name)):
                raise ArchiveError(f"is no backup of this Outgate: it has {member.name!r}")
            yield member.name, source


@contextmanager
def _damage_named() -> Iterator[None]:
    """What the standard library raises for octets that are no archive. Raises: ArchiveError."""
    try:
        yield
    except (tarfile.TarError, EOFError, ValueError) as error:
        raise ArchiveError(f"is damaged, or no backup: {error}. Use another backup") from error


def _compare(sums: dict[str, str], text: bytes) -> None:
    lines = text.decode("utf-8", "replace").splitlines()
    written = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    for name in sums | written:
        if sums.get(name) != written.get(name):
            raise ArchiveError(f"is damaged: the checksum of {name} is not what it was. Use another backup")


def _manifest(octets: bytes) -> Manifest:
    try:
        manifest = msgspec.json.decode(octets, type=Manifest)
        version = _numbers(manifest.version)
    except (msgspec.MsgspecError, ValueError) as error:
        raise ArchiveError(f"is damaged: its manifest cannot be read: {error}") from error
    if manifest.format > FORMAT or version > _numbers(__version__):
        raise ArchiveError(
            f"was made by Outgate {manifest.version} (format {manifest.format}), this is {__version__} "
            f"(format {FORMAT}): restore it with that version or a newer one"
        )
    return manifest


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
