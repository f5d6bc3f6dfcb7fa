"""The spool's directory: who owns it, which format it has, where things are, and what is set aside.

    format     the version of everything else, as text
    lock       held by the process that owns the spool
    segments/  the log: numbered segments, and spare files for the next ones
    large/     contents too large for the log, a file each
    events/    the event log
    damaged/   octets that should have been records and were none, for a person to look at
    drained    there when the spool was worked off for good: nothing in it but events is wanted any more

The format file is written before anything else and replaced after each step of an upgrade, so that a step that a crash
interrupts is taken again: steps must be repeatable.
"""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, Self

from outgate.spool.files import Files, Point, make_directories, read_all, write_all
from outgate.spool.interface import SpoolError, SpoolFailed
from outgate.spool.records import FORMAT_VERSION

DAMAGED_MAX: Final = 256 * 1024 * 1024  # octets kept in damaged/; more is only counted and logged

DRAINED: Final = "drained"  # the name of the mark

Upgrade = Callable[[Files, Path], None]  # one version to the next, in place, on a locked spool; repeatable


def _nothing_to_do(_files: Files, _path: Path) -> None:
    """What the older version wrote reads as it is; only the older one must not read what this one writes."""


UPGRADES: Final[Mapping[int, Upgrade]] = {1: _nothing_to_do}  # by the version that it starts from; 1 is the first

_FORMAT_TEXT: Final = "outgate spool, format "
_FORMAT_MAX: Final = 100  # octets
_REAL: Final = Files()
_PARTS: Final = ("segments", "large", "events", "damaged")

_log: Final = logging.getLogger(__name__)


class SpoolDirectory:
    """A spool's directory, locked for this process until `close`, with the present format."""

    def __init__(self, files: Files, path: Path, lock: int) -> None:
        self.files = files
        self.path = path
        self._lock = lock
        self.segments, self.large, self.events, self.damaged = (path / part for part in _PARTS)

    @classmethod
    def open(
        cls,
        files: Files,
        path: Path,
        *,
        version: int = FORMAT_VERSION,
        upgrades: Mapping[int, Upgrade] = UPGRADES,
    ) -> Self:
        """Create it, or take it over and upgrade it.

        Raises: SpoolError if it is in use or of a format that this version cannot take up; SpoolFailed if the disk
        fails.
        """
        try:
            make_directories(files, path)
            lock = _locked(files, path)
            try:
                _settle_format(files, path, version, upgrades)
                files.unlink(path / DRAINED)  # whoever opens it may put mail into it
                for part in _PARTS:
                    files.make_directory(path / part)
                files.fsync_directory(path)
                files.reached(Point.SPOOL_OPENED)
            except BaseException:
                files.close(lock)
                raise
        except OSError as error:
            raise SpoolFailed(f"the spool {path} cannot be opened: {error}") from error
        return cls(files, path, lock)

    def close(self) -> None:
        self.files.close(self._lock)

    def mark_drained(self) -> bool:
        """Say for good that there is no mail here, while it is still locked; then `close`. False, and not said, if
        there are damaged octets for a person. Raises: OSError."""
        if self.files.names(self.damaged):
            return False
        self.files.close(self.files.open(self.path / DRAINED, create=True))
        self.files.fsync_directory(self.path)
        self.files.reached(Point.MARKED_DRAINED)
        return True

    def set_aside(self, name: str, octets: bytes) -> None:
        """Keep damaged octets under `name` for a person. The same name twice is the same damage. Raises: OSError."""
        _log.error("spool %s: damaged octets %s, %d of them", self.path, name, len(octets))
        kept = 0
        for known in self.files.names(self.damaged):
            descriptor = self.files.open(self.damaged / known)
            size = self.files.size(descriptor)
            self.files.close(descriptor)
            if known != name:
                kept += size
            elif size == len(octets):
                return
            else:
                self.files.unlink(self.damaged / known)  # a crash came while it was written
        if kept + len(octets) <= DAMAGED_MAX:
            _write_file(self.files, self.damaged / name, octets)
            self.files.fsync_directory(self.damaged)
            self.files.reached(Point.DAMAGE_KEPT)


def lock_if_drained(path: Path, files: Files = _REAL) -> int | None:
    """Take the lock of a spool that was worked off and that nobody has opened since: the descriptor, to be closed by
    the caller. None for any other. Raises: OSError."""
    if DRAINED not in files.names(path):
        return None
    lock = files.open(path / "lock")
    if files.lock(lock) and DRAINED in files.names(path):
        return lock
    files.close(lock)
    return None


def _locked(files: Files, path: Path) -> int:
    try:
        lock = files.open(path / "lock", create=True)
    except FileExistsError:
        lock = files.open(path / "lock")
    if not files.lock(lock):
        files.close(lock)
        raise SpoolError(f"the spool {path} is in use by another process")
    return lock


def _settle_format(files: Files, path: Path, version: int, upgrades: Mapping[int, Upgrade]) -> None:
    names = files.names(path)
    if "format" not in names:
        if "segments" in names and files.names(path / "segments"):
            raise SpoolError(f"the spool {path} has segments but no format file: it is not touched")
        _write_format(files, path, version)
        return
    found = _read_format(files, path)
    if found > version:
        raise SpoolError(
            f"the spool {path} has format {found}, this version of Outgate knows up to {version}: "
            "start the version that wrote it, or a newer one"
        )
    while found < version:
        upgrade = upgrades.get(found)
        if upgrade is None:
            raise SpoolError(f"the spool {path} has format {found}, which this version of Outgate cannot upgrade")
        _log.warning("spool %s: upgrading format %d to %d", path, found, found + 1)
        upgrade(files, path)
        found += 1
        _write_format(files, path, found)


def _read_format(files: Files, path: Path) -> int:
    descriptor = files.open(path / "format")
    try:
        text = read_all(files, descriptor, _FORMAT_MAX, 0).decode("ascii", "replace").strip()
    finally:
        files.close(descriptor)
    number = text.removeprefix(_FORMAT_TEXT)
    if not text.startswith(_FORMAT_TEXT) or not number.isdecimal():
        raise SpoolError(f"the spool {path} has a format file that says {text!r}: it is not touched")
    return int(number)


def _write_format(files: Files, path: Path, version: int) -> None:
    """In one step, and durable: half a format file would lock out a good spool."""
    fresh = path / "format.new"
    files.unlink(fresh)
    _write_file(files, fresh, f"{_FORMAT_TEXT}{version}\n".encode())
    files.rename(fresh, path / "format")
    files.reached(Point.FORMAT_WRITTEN)
    files.fsync_directory(path)


def _write_file(files: Files, path: Path, octets: bytes) -> None:
    descriptor = files.open(path, create=True)
    try:
        write_all(files, descriptor, (octets,), 0)
        files.fdatasync(descriptor)
    finally:
        files.close(descriptor)
