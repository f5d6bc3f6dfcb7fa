"""A disk for tests of the spool: it knows what is durable, and fails, loses, reorders, tears and garbles the rest.

What it models is what a file system promises, and no more: `fdatasync` makes octets and size of a file durable, not its
name; `fsync_directory` makes the names in one directory durable; a rename is one step. Of everything else any part may
survive a crash: of each sector any version that was written since the last flush, of names any of the changes.
"""

import errno
import os
import random
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from outgate.spool.files import Files, Point, write_all

SECTOR: Final = 512  # octets that a disk writes whole or not at all; `Wear` does not even grant that
CHANGES: Final = frozenset(
    {"make_directory", "create", "allocate", "pwritev", "fdatasync", "fsync_directory", "rename", "unlink"}
)
LOOKS: Final = frozenset({"names", "open", "pread", "available_octets"})

Keep = Callable[[], bool]


@dataclass(eq=False)
class _Node:
    """A file. octets: as processes see it. durable: as it is after the worst crash. dirty: for each sector that may
    differ its versions since the last flush, oldest first. last_write: the sectors of the latest one."""

    octets: bytearray = field(default_factory=bytearray)
    durable: bytearray = field(default_factory=bytearray)
    dirty: dict[int, list[bytes]] = field(default_factory=dict)
    last_write: range = range(0)

    def copy(self) -> "_Node":
        dirty = {sector: list(versions) for sector, versions in self.dirty.items()}
        return _Node(bytearray(self.octets), bytearray(self.durable), dirty, self.last_write)

    def write(self, octets: bytes, offset: int) -> None:
        end = offset + len(octets)
        if len(self.octets) < end:
            resize(self.octets, end)
        self.octets[offset:end] = octets
        self.last_write = range(offset // SECTOR, -(-end // SECTOR))
        for sector in self.last_write:
            version = bytes(self.octets[sector * SECTOR : (sector + 1) * SECTOR])
            self.dirty.setdefault(sector, []).append(version)

    def flush(self) -> None:
        resize(self.durable, len(self.octets))
        for sector in self.dirty:
            part = slice(sector * SECTOR, (sector + 1) * SECTOR)
            self.durable[part] = self.octets[part]
        self.dirty.clear()
        self.last_write = range(0)

    def after_crash(self, keep: Keep, wear: "Wear | None", *, is_appended_to: bool) -> "_Node":
        """Every sector is there as it was flushed, or in any later version, in any combination.

        is_appended_to: a sector may hold flushed octets beside fresh ones, and only the fresh ones suffer. (Segments
        do not ask for that: what is flushed together has sectors of its own.)
        """
        survivor = bytearray(self.durable)
        for sector, versions in sorted(self.dirty.items()):
            kept = next((version for version in reversed(versions) if keep()), None)
            if kept is None:
                continue
            start = sector * SECTOR
            if wear is not None:
                old = bytes(survivor[start : start + SECTOR])
                kept = wear.worn(kept, old, is_last=sector in self.last_write, spares=len(old) * is_appended_to)
            if len(survivor) < start + len(kept):
                resize(survivor, start + len(kept))
            survivor[start : start + len(kept)] = kept
        if len(survivor) != len(self.octets) and keep():
            resize(survivor, len(self.octets))
        return _Node(survivor, bytearray(survivor))


def resize(octets: bytearray, length: int) -> None:
    del octets[length:]
    octets.extend(bytes(length - len(octets)))


class Luck:
    """Which unflushed things survive a crash: all, none, or any."""

    def __init__(self, source: random.Random) -> None:
        self._source = source
        self._chance = source.choice((0.0, 0.5, 0.9, 1.0))

    def __call__(self) -> bool:
        return self._source.random() < self._chance


class Wear:
    """What a bad disk does beside losing whole sectors, to what was not flushed only: it tears a sector of the last
    write at any octet, and flips bits."""

    def __init__(self, source: random.Random) -> None:
        self._source = source
        self.torn = 0
        self.flipped = 0

    def worn(self, fresh: bytes, old: bytes, *, is_last: bool, spares: int) -> bytes:
        """What the disk has of a sector. old: what it had there before, maybe nothing. spares: the first so many
        octets."""
        if is_last and self._source.random() < 0.3:
            self.torn += 1
            cut = self._source.randrange(len(fresh))
            return fresh[:cut] + old.ljust(len(fresh), b"\0")[cut : len(fresh)]
        if self._source.random() < 0.05 and spares < len(fresh):
            self.flipped += 1
            return flipped(fresh, self._source.randrange(spares * 8, len(fresh) * 8))
        return fresh


def flipped(octets: bytes, bit: int) -> bytes:
    changed = bytearray(octets)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


class FailingCalls:
    """A `SimulatedDisk.before` that lets some of the calls fail: of those that change something, or of `among`.

    number: of the error. first, last: from and up to which call, counted from 1.
    """

    def __init__(self, number: int, first: int, last: int, among: frozenset[str] = CHANGES) -> None:
        self._among = among
        self._number = number
        self._first = first
        self._last = last
        self.seen = 0
        self.failed: list[str] = []

    def __call__(self, call: str) -> None:
        if call in self._among:
            self.seen += 1
            if self._first <= self.seen <= self._last:
                self.failed.append(call)
                raise OSError(self._number, os.strerror(self._number))


class ThreadFlusher:
    """A `Flusher` whose writes and flushes go through a layer of the test's."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._thread: threading.Thread | None = None
        self._error: OSError | None = None
        self.descriptor = os.eventfd(0)

    def begin(self, file: int, buffers: Sequence[bytes], offset: int) -> None:
        assert self._thread is None, "one batch at a time"
        self._thread = threading.Thread(target=self._run, args=(file, buffers, offset))
        self._thread.start()

    def _run(self, file: int, buffers: Sequence[bytes], offset: int) -> None:
        self._error = None
        try:
            write_all(self._files, file, buffers, offset)
            self._files.fdatasync(file)
        except OSError as error:
            self._error = error
        os.eventfd_write(self.descriptor, 1)

    def end(self) -> None:
        assert self._thread is not None, "a batch has begun"
        self._thread.join()
        self._thread = None
        os.eventfd_read(self.descriptor)
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        if self._thread is not None:
            self._thread.join()
        if self.descriptor != -1:
            os.close(self.descriptor)
            self.descriptor = -1


class SimulatedDisk(Files):
    """A file system in memory that knows what is durable.

    before: called with each call's name before it takes effect, while no other call runs; may raise OSError, look at
    the disk, or take a copy. at_point: the same for the spool's named points. capacity_octets: of all files; beyond it,
    ENOSPC.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._names: dict[Path, _Node] = {}
        self._durable_names: dict[Path, _Node] = {}
        self._unsynced: list[tuple[Path, Path | None, _Node | None]] = []  # path, renamed from, linked to
        self._directories: set[Path] = {Path("/")}
        self._durable_directories: set[Path] = {Path("/")}
        self._open: dict[int, _Node] = {}
        self._next_descriptor = 1000
        self._locked: dict[int, _Node] = {}
        self.before: Callable[[str], None] = lambda call: None
        self.at_point: Callable[[Point], None] = lambda point: None
        self.capacity_octets = 1 << 40
        self.short_writes: Callable[[int], int] = lambda length: length

    # What a test does

    def copy(self) -> "SimulatedDisk":
        """The same disk at this moment, with no file open."""
        with self._lock:
            nodes = {id(node): node.copy() for node in (*self._names.values(), *self._durable_names.values())}
            for _, _, node in self._unsynced:
                if node is not None and id(node) not in nodes:
                    nodes[id(node)] = node.copy()
            other = SimulatedDisk()
            other._names = {path: nodes[id(node)] for path, node in self._names.items()}
            other._durable_names = {path: nodes[id(node)] for path, node in self._durable_names.items()}
            other._unsynced = [(a, b, None if node is None else nodes[id(node)]) for a, b, node in self._unsynced]
            other._directories = set(self._directories)
            other._durable_directories = set(self._durable_directories)
            return other

    def after_crash(self, keep: Keep, wear: Wear | None = None) -> "SimulatedDisk":
        """The disk after the machine lost power. keep: asked for each thing that was not flushed. wear: what becomes
        of the sectors that were kept; none if not given."""
        source = self.copy()
        for path, renamed_from, node in source._unsynced:
            if keep():
                _apply(source._durable_names, path, renamed_from, node)
        survivor = SimulatedDisk()
        for directory in sorted(source._directories):  # parents first
            is_durable = directory in source._durable_directories
            if (is_durable or keep()) and directory.parent in survivor._directories:
                survivor._directories.add(directory)
        survivor._durable_directories = set(survivor._directories)
        nodes: dict[int, _Node] = {}
        for path, node in source._durable_names.items():
            if path.parent in survivor._directories:
                if id(node) not in nodes:
                    nodes[id(node)] = node.after_crash(keep, wear, is_appended_to=path.suffix == ".events")
                survivor._names[path] = nodes[id(node)]
        survivor._durable_names = dict(survivor._names)
        return survivor

    def paused(self) -> AbstractContextManager[bool]:
        """While it is held, no other thread's call goes on: what is promised then was on the disk before."""
        return self._lock

    def read(self, path: Path) -> bytes:
        return bytes(self._names[path].octets)

    def copy_file(self, path: Path, octets: bytes) -> None:
        """Put a file there, durable, with its directory."""
        self._names[path] = self._durable_names[path] = _Node(bytearray(octets), bytearray(octets))
        self.add_directory(path.parent)

    def add_directory(self, path: Path) -> None:
        """Have a directory, durable, with its parents."""
        self._directories.update((path, *path.parents))
        self._durable_directories.update((path, *path.parents))

    def damage(self, path: Path, offset: int, octets: bytes) -> None:
        """Change what is on the disk behind everybody's back."""
        node = self._names[path]
        for content in (node.octets, node.durable):
            content[offset : offset + len(octets)] = octets

    def flip(self, path: Path, bit: int) -> None:
        """The same with one bit of the file."""
        octets = self.read(path)
        self.damage(path, bit // 8, flipped(octets, bit)[bit // 8 : bit // 8 + 1])

    def paths(self, directory: Path) -> list[Path]:
        return sorted(path for path in self._names if path.parent == directory)

    @property
    def open_files(self) -> int:
        return len(self._open)

    # What the spool calls

    def _begin(self, call: str) -> None:
        self.before(call)

    def make_directory(self, path: Path) -> None:
        with self._lock:
            self._begin("make_directory")
            if path.parent not in self._directories:
                raise FileNotFoundError(errno.ENOENT, "no such directory", str(path.parent))
            self._directories.add(path)

    def names(self, directory: Path) -> list[str]:
        with self._lock:
            self._begin("names")
            if directory not in self._directories:
                raise FileNotFoundError(errno.ENOENT, "no such directory", str(directory))
            files = {path.name for path in self._names if path.parent == directory}
            return list(files | {path.name for path in self._directories if path.parent == directory and path.name})

    def open(self, path: Path, *, create: bool = False) -> int:
        with self._lock:
            self._begin("create" if create else "open")
            if create:
                if path in self._names:
                    raise FileExistsError(errno.EEXIST, "exists", str(path))
                if path.parent not in self._directories:
                    raise FileNotFoundError(errno.ENOENT, "no such directory", str(path.parent))
                self._change(path, None, _Node())
            if path not in self._names:
                raise FileNotFoundError(errno.ENOENT, "no such file", str(path))
            self._next_descriptor += 1
            self._open[self._next_descriptor] = self._names[path]
            return self._next_descriptor

    def close(self, descriptor: int) -> None:
        with self._lock:
            del self._open[descriptor]
            self._locked.pop(descriptor, None)

    def size(self, descriptor: int) -> int:
        with self._lock:
            return len(self._open[descriptor].octets)

    def allocate(self, descriptor: int, length: int) -> None:
        with self._lock:
            self._begin("allocate")
            node = self._open[descriptor]
            self._take_room(length - len(node.octets))
            if length > len(node.octets):
                resize(node.octets, length)

    def pread(self, descriptor: int, length: int, offset: int) -> bytes:
        with self._lock:
            self._begin("pread")
            return bytes(self._open[descriptor].octets[offset : offset + length])

    def pwritev(self, descriptor: int, buffers: Sequence[bytes | memoryview], offset: int) -> int:
        with self._lock:
            self._begin("pwritev")
            octets = b"".join(buffers)
            octets = octets[: self.short_writes(len(octets))]
            node = self._open[descriptor]
            self._take_room(offset + len(octets) - len(node.octets))
            if octets:
                node.write(octets, offset)
            return len(octets)

    def fdatasync(self, descriptor: int) -> None:
        with self._lock:
            self._begin("fdatasync")
            self._open[descriptor].flush()

    def fsync_directory(self, directory: Path) -> None:
        with self._lock:
            self._begin("fsync_directory")
            later = []
            for change in self._unsynced:
                if change[0].parent == directory:
                    _apply(self._durable_names, *change)
                else:
                    later.append(change)
            self._unsynced = later
            self._durable_directories |= {path for path in self._directories if path.parent == directory}

    def rename(self, old: Path, new: Path) -> None:
        with self._lock:
            self._begin("rename")
            if old not in self._names:
                raise FileNotFoundError(errno.ENOENT, "no such file", str(old))
            self._change(new, old, None)

    def unlink(self, path: Path) -> None:
        with self._lock:
            self._begin("unlink")
            if path in self._names:
                self._change(path, None, None)

    def available_octets(self, directory: Path) -> int:
        with self._lock:
            self._begin("available_octets")
            return self.capacity_octets - self._used()

    def lock(self, descriptor: int) -> bool:
        with self._lock:
            node = self._open[descriptor]
            if node in self._locked.values():
                return False
            self._locked[descriptor] = node
            return True

    def drop_cached(self, descriptor: int) -> None:
        pass

    def flusher(self) -> ThreadFlusher:
        return ThreadFlusher(self)

    def reached(self, point: Point) -> None:
        with self._lock:
            self.at_point(point)

    def _change(self, path: Path, renamed_from: Path | None, node: _Node | None) -> None:
        self._unsynced.append((path, renamed_from, node))
        _apply(self._names, path, renamed_from, node)

    def _used(self) -> int:
        nodes = {id(node): node for node in (*self._names.values(), *self._open.values())}
        return sum(len(node.octets) for node in nodes.values())

    def _take_room(self, octets: int) -> None:
        if octets > 0 and self._used() + octets > self.capacity_octets:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _apply(names: dict[Path, _Node], path: Path, renamed_from: Path | None, node: _Node | None) -> None:
    if node is not None:
        names[path] = node
    elif renamed_from is None:
        names.pop(path, None)
    elif renamed_from in names:
        names[path] = names.pop(renamed_from)
