"""The event log: the worker appends encoded events to numbered files, the clerk reads them and has them removed.

One process writes, another reads; they share nothing but the files, and neither waits for the other.

    events/0000000000000007-9f86d081884c7d65.events
           number           tag: eight random octets

A file is a row of frames, `tag 8 | CRC-32 4 | length 4 | event`, with the CRC over length and event. As in a segment
(see `records`), the tag lets a reader find the next frame behind a damaged one, and no text that a sender chose can
pass for a frame, because the tag is told to no one.

What must hold:

- A file is appended to by the process that created it, and by no other: a torn tail stays at the end of its file.
- The name of a file is durable before its first frame is written, so that a crash can never give the same number to
  another file after a reader has moved its cursor into this one.
- A file is complete and flushed before the next one exists. So a reader that sees a later file waits for nothing more.
- Everything added is on stable storage when `EventWriter.flush` has returned.
"""

import contextlib
import re
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple
from zlib import crc32

from outgate.spool.event_frames import FRAME_OCTETS, TAG_OCTETS, frames, read_frames
from outgate.spool.files import Batch, Files, Point, read_all, write_all

FILE_OCTETS: Final = 16 * 1024 * 1024  # a file that has reached this is followed by the next
QUOTA_OCTETS: Final = 1024 * 1024 * 1024  # of all files; above it the oldest is dropped and counted
UNWRITTEN_MAX: Final = 16 * 1024 * 1024  # octets of events in memory while the disk is full; then the oldest go

_NAME: Final = re.compile(r"([0-9]{16})-([0-9a-f]{16})\.events").fullmatch
_REAL: Final = Files()


class EventCursor(NamedTuple):
    """Up to where events have been read: a file's number and an offset in it. (0, 0) is the very beginning."""

    number: int
    offset: int


class _EventFile(NamedTuple):
    number: int
    tag: bytes
    name: str


class EventWriter:
    """Owned by the spool's writer thread. `add` only remembers; `flush` writes and flushes."""

    def __init__(
        self,
        files: Files,
        directory: Path,
        *,
        file_octets: int = FILE_OCTETS,
        quota_octets: int = QUOTA_OCTETS,
    ) -> None:
        """Raises: OSError."""
        self._files = files
        self._directory = directory
        self._file_octets = file_octets
        self._quota_octets = quota_octets
        known = _event_files(files, directory)
        self._number = known[-1].number if known else 0
        self._descriptor = -1
        self._tag = b""
        self._seed = 0
        self._end = 0
        self._unwritten: list[bytes] = []
        self._unwritten_octets = 0
        self.recorded = 0
        self.dropped = 0  # events lost for lack of room; those of a dropped file are counted from its frames
        self.files_dropped = 0

    @property
    def is_behind(self) -> bool:
        """Has anything been added that is not flushed?"""
        return bool(self._unwritten)

    @property
    def unwritten_octets(self) -> int:
        return self._unwritten_octets

    def add(self, event: bytes) -> None:
        self._unwritten.append(event)
        self._unwritten_octets += len(event)
        self.recorded += 1

    def flush(self) -> None:
        """Make everything that was added durable.

        Raises: OSError. If it means a full disk, nothing is lost or doubled by calling again later; whatever else it
        means, this writer must not be used any more.
        """
        if not self._unwritten:
            return
        if not self.is_open:
            self._next_file()
        batch = self.batch()
        write_all(self._files, batch.descriptor, batch.buffers, batch.offset)
        self._files.reached(Point.EVENTS_WRITTEN)
        try:
            self._files.fdatasync(self._descriptor)
        except OSError:
            self.flush_failed()
            raise
        self._files.reached(Point.EVENTS_FLUSHED)
        self.flushed(batch)

    @property
    def is_open(self) -> bool:
        """Is there a file with room? Else `flush` begins one."""
        return self._descriptor != -1 and self._end < self._file_octets

    def batch(self) -> Batch:
        """Everything that was added, for the caller to write and flush; `flushed` or `flush_failed` must follow, and
        nothing be added in between. Only while `is_open`. Again at the same place, if it failed half-way."""
        return Batch(self._descriptor, frames(self._unwritten, self._tag, self._seed), self._end)

    def flushed(self, batch: Batch) -> None:
        self._end += sum(map(len, batch.buffers))
        self._unwritten.clear()
        self._unwritten_octets = 0

    def flush_failed(self) -> None:
        """What the disk has of this file is unknown now. The events go once more into a new one: twice is harmless."""
        self._leave_file()

    def drop_excess(self) -> None:
        """Forget the oldest events that are above `UNWRITTEN_MAX`, when the disk has been full for long."""
        first = 0
        while self._unwritten_octets > UNWRITTEN_MAX:
            self._unwritten_octets -= len(self._unwritten[first])
            first += 1
        del self._unwritten[:first]
        self.dropped += first

    def close(self) -> None:
        self._leave_file()

    def _leave_file(self) -> None:
        if self._descriptor != -1:
            self._files.close(self._descriptor)
            self._descriptor = -1

    def _next_file(self) -> None:
        self._leave_file()
        self._keep_quota()
        tag = secrets.token_bytes(TAG_OCTETS)
        number = self._number + 1
        path = self._directory / f"{number:016}-{tag.hex()}.events"
        descriptor = self._files.open(path, create=True)
        try:
            self._files.fsync_directory(self._directory)
        except OSError:
            self._files.close(descriptor)
            self._number = number  # its name may be on the disk
            raise
        self._files.reached(Point.EVENT_FILE_OPENED)
        self._descriptor, self._number, self._tag, self._seed, self._end = descriptor, number, tag, crc32(tag), 0

    def _keep_quota(self) -> None:
        """Drop the oldest files until there is room for another one. The clerk has not come so far."""
        sizes = []
        for file in _event_files(self._files, self._directory):
            with _opened(self._files, self._directory / file.name) as descriptor:
                sizes.append((file, 0 if descriptor is None else self._files.size(descriptor)))
        total = sum(size for _, size in sizes)
        for file, size in sizes:
            if total + self._file_octets <= self._quota_octets:
                return
            with _opened(self._files, self._directory / file.name) as descriptor:
                if descriptor is not None:
                    self.dropped += read_all(self._files, descriptor, size, 0).count(file.tag)
            self._files.unlink(self._directory / file.name)
            self._files.reached(Point.EVENTS_DROPPED)
            self.files_dropped += 1
            total -= size


def read_events(
    directory: Path,
    cursor: tuple[int, int],
    limit_octets: int,
    *,
    files: Files = _REAL,
    report_damage: Callable[[], None] = lambda: None,
) -> tuple[list[bytes], EventCursor]:
    """The next events behind `cursor`, and the cursor behind them. directory: `events/` of a spool. Blocking.

    Stops when `limit_octets` are reached, but not before the first event. An equal cursor: there is nothing new. At the
    end of the last file, or where its octets make no sense (yet), it waits; in a file that another one follows it goes
    on with the next good frame, and calls `report_damage` for each place where some were lost. Files that are gone
    (dropped by quota, forgotten) are passed over.
    Raises: OSError.
    """
    events: list[bytes] = []
    room = limit_octets
    number, offset = cursor
    later = [file for file in _event_files(files, directory) if file.number >= number]
    for file in later:
        if file.number != number:
            number, offset = file.number, 0
        found: list[bytes] = []
        is_exhausted = True
        with _opened(files, directory / file.name) as descriptor:
            if descriptor is not None:
                reading = _Reading(file.tag, is_complete=file is not later[-1], report_damage=report_damage)
                found, offset = reading.read(files, descriptor, offset, room)
                is_exhausted = offset >= files.size(descriptor)
        events += found
        room -= sum(map(len, found))
        if room <= 0 or not is_exhausted:
            break
    return events, EventCursor(number, offset)


def forget_events(directory: Path, cursor: tuple[int, int], *, files: Files = _REAL) -> None:
    """Remove the files that lie wholly before `cursor`. The one that it points into stays. Raises: OSError."""
    for file in _event_files(files, directory):
        if file.number < cursor[0]:
            files.unlink(directory / file.name)


class _Reading:
    """Reads frames of one file. is_complete: another file follows, so nothing is added to this one any more."""

    def __init__(self, tag: bytes, *, is_complete: bool, report_damage: Callable[[], None]) -> None:
        self._tag = tag
        self._seed = crc32(tag)
        self._is_complete = is_complete
        self._report_damage = report_damage

    def read(self, files: Files, descriptor: int, offset: int, room: int) -> tuple[list[bytes], int]:
        """Events from `offset` on, and the offset behind them."""
        rest = max(files.size(descriptor) - offset, 0)  # after a power failure a file may be shorter than it was
        window = min(rest, room + FRAME_OCTETS)
        octets = read_all(files, descriptor, window, offset)
        events, used = self._parse(octets, room, may_skip=window == rest and self._is_complete)
        if not events and window < rest:  # one long event, or damage: look at all that is there
            octets = read_all(files, descriptor, rest, offset)
            events, used = self._parse(octets, room, may_skip=self._is_complete)
        return events, offset + used

    def _parse(self, octets: bytes, room: int, *, may_skip: bool) -> tuple[list[bytes], int]:
        events, used, lost = read_frames(octets, self._tag, self._seed, room, may_skip=may_skip)
        for _ in range(lost):
            self._report_damage()
        return events, used


@contextlib.contextmanager
def _opened(files: Files, path: Path) -> Iterator[int | None]:
    """None if the file is gone: the other process removes files too."""
    try:
        descriptor = files.open(path)
    except FileNotFoundError:
        yield None
        return
    try:
        yield descriptor
    finally:
        files.close(descriptor)


def _event_files(files: Files, directory: Path) -> list[_EventFile]:
    """In order. None if there is no such directory: a worker that never started."""
    try:
        names = files.names(directory)
    except FileNotFoundError:
        return []
    return sorted(_EventFile(int(match[1]), bytes.fromhex(match[2]), name) for name in names if (match := _NAME(name)))
