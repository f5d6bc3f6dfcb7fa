"""The one layer through which the spool touches files, so that tests can put a disk of their own in its place.

Nothing else in `spool` calls `os` for files. A test's layer fails with EIO or ENOSPC at the n-th call, or models a disk
that loses, keeps or reorders what was not flushed. `reached` marks the places where a crash is worth trying.

Durability as it is assumed here and no further: `fdatasync` makes a file's octets and size durable, not its name;
`fsync_directory` makes names durable; a rename is one step; a sector of 512 octets is written whole or not at all.
"""

import contextlib
import errno
import fcntl
import os
from collections.abc import Sequence
from enum import Enum
from pathlib import Path
from typing import Final, NamedTuple, Protocol

try:
    from outgate.spool._flusher import Flusher as CompiledFlusher
except ImportError:  # it is optional
    CompiledFlusher = None  # type: ignore[assignment,misc]

BUFFERS_MAX: Final = 1024  # buffers of one pwritev: IOV_MAX of Linux, limits.h
FILE_MODE: Final = 0o600  # mail is nobody else's
DIRECTORY_MODE: Final = 0o700

_FULL: Final = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE))  # no room, or no descriptor


class Point(Enum):
    """Where a crash is worth trying: right after something was written, and right after it was made durable.

    tests/spool/test_crash.py crashes at each of them, and fails if there is one that it does not come by.
    docs/reliability.md says what each means.
    """

    FORMAT_WRITTEN = "format-written"
    SPOOL_OPENED = "spool-opened"
    SEGMENT_NAMED = "segment-named"
    SEGMENT_OPENED = "segment-opened"
    BATCH_WRITTEN = "batch-written"
    BATCH_FLUSHED = "batch-flushed"
    COPIED_FORWARD = "copied-forward"
    VOID_DECLARED = "void-declared"
    SPARE_FILLED = "spare-filled"
    SEGMENT_LEAVING = "segment-leaving"
    SEGMENT_RETIRED = "segment-retired"
    LARGE_WRITTEN = "large-written"
    LARGE_FLUSHED = "large-flushed"
    LARGE_REMOVED = "large-removed"
    EVENT_FILE_OPENED = "event-file-opened"
    EVENTS_WRITTEN = "events-written"
    EVENTS_FLUSHED = "events-flushed"
    EVENTS_DROPPED = "events-dropped"
    DAMAGE_KEPT = "damage-kept"
    MARKED_DRAINED = "marked-drained"


def is_full(error: OSError) -> bool:
    """Does `error` mean that there is no room, or no descriptor (which passes), not that the disk has failed?"""
    return error.errno in _FULL


class Batch(NamedTuple):
    """Octets for one place in one file, that are to be flushed together."""

    descriptor: int
    buffers: Sequence[bytes]
    offset: int


class Flusher(Protocol):
    """Writes and flushes one batch at a time in the background, without the interpreter's lock.

    descriptor: readable when a batch has ended. begin: file, buffers, offset. end: waits for the batch; raises OSError
    if it may not be durable. close: idempotent.
    """

    @property
    def descriptor(self) -> int: ...

    def begin(self, file: int, buffers: Sequence[bytes], offset: int, /) -> None: ...

    def end(self) -> None: ...

    def close(self) -> None: ...


class Files:
    """The real thing. Every method may raise OSError. Descriptors are plain numbers, owned by who opened them."""

    def make_directory(self, path: Path) -> None:
        """Not its parents; does nothing if it is there."""
        path.mkdir(mode=DIRECTORY_MODE, exist_ok=True)

    def names(self, directory: Path) -> list[str]:
        return [path.name for path in directory.iterdir()]

    def open(self, path: Path, *, create: bool = False) -> int:
        """For reading and writing; with `create` the file must be new."""
        flags = os.O_RDWR | os.O_CLOEXEC
        if create:
            flags |= os.O_CREAT | os.O_EXCL
        return os.open(path, flags, FILE_MODE)

    def close(self, descriptor: int) -> None:
        os.close(descriptor)

    def size(self, descriptor: int) -> int:
        return os.fstat(descriptor).st_size

    def allocate(self, descriptor: int, length: int) -> None:
        """Give the file `length` octets that read as zero and have their place on the disk."""
        os.posix_fallocate(descriptor, 0, length)

    def pread(self, descriptor: int, length: int, offset: int) -> bytes:
        """May return fewer octets, none only at the end."""
        return os.pread(descriptor, length, offset)

    def pwritev(self, descriptor: int, buffers: Sequence[bytes | memoryview], offset: int) -> int:
        """At most `BUFFERS_MAX` buffers. Returns how many octets were written, maybe fewer than given."""
        return os.pwritev(descriptor, buffers, offset)

    def fdatasync(self, descriptor: int) -> None:
        os.fdatasync(descriptor)

    def fsync_directory(self, directory: Path) -> None:
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def rename(self, old: Path, new: Path) -> None:
        os.rename(old, new)  # noqa: PTH104  # the layer speaks in system calls

    def unlink(self, path: Path) -> None:
        """Does nothing if it is gone already."""
        path.unlink(missing_ok=True)

    def available_octets(self, directory: Path) -> int:
        """What an ordinary process may still write on this file system."""
        state = os.statvfs(directory)
        return state.f_bavail * state.f_frsize

    def lock(self, descriptor: int) -> bool:
        """Take the exclusive lock on the file until it is closed. False if another process or opener has it."""
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def drop_cached(self, descriptor: int) -> None:
        """Let the next read come from the disk, as far as what is cached is not waiting to be written."""
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)

    def flusher(self) -> Flusher | None:
        """None if it is not compiled here: then the writer thread does the same, and takes the interpreter's lock."""
        return None if CompiledFlusher is None else CompiledFlusher()

    def reached(self, point: Point) -> None:
        """Nothing; tests crash here."""


def make_directories(files: Files, path: Path) -> None:
    """`path` and its parents, durable, also those that others have made and not flushed.

    A parent that this account may not read is somebody else's affair, who made it long ago. Raises: OSError.
    """
    missing = []
    for directory in (path, *path.parents):
        try:
            files.make_directory(directory)
            break
        except FileNotFoundError:
            missing.append(directory)
    for directory in reversed(missing):
        files.make_directory(directory)
    for parent in path.parents:
        with contextlib.suppress(PermissionError):
            files.fsync_directory(parent)


def write_all(files: Files, descriptor: int, buffers: Sequence[bytes | memoryview], offset: int) -> None:
    """Write all of `buffers`, in as few calls as `BUFFERS_MAX` and short writes allow. Raises: OSError."""
    for first in range(0, len(buffers), BUFFERS_MAX):
        batch = buffers[first : first + BUFFERS_MAX]
        length = sum(map(len, batch))
        written = files.pwritev(descriptor, batch, offset)
        if written < length:
            rest = memoryview(b"".join(batch))
            while written < length:
                written += files.pwritev(descriptor, (rest[written:],), offset + written)
        offset += length


def read_all(files: Files, descriptor: int, length: int, offset: int) -> bytes:
    """`length` octets from `offset`, fewer only at the end of the file. Raises: OSError."""
    octets = files.pread(descriptor, length, offset)
    if len(octets) == length or not octets:
        return octets
    pieces = [octets]
    missing = length - len(octets)
    while missing and (octets := files.pread(descriptor, missing, offset + length - missing)):
        pieces.append(octets)
        missing -= len(octets)
    return b"".join(pieces)
