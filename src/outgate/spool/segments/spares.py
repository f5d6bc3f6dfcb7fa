"""Segment files before and after their use in the log.

A file is *filling* while it is made ready in the background, *spare* when it may be taken into use, and a numbered
segment while it belongs to the log. Writing zeros once is worth it: flushing blocks that have been written before costs
half of flushing fresh ones, because the file system has nothing to note. A recycled segment has that for free.

Taking into use: header, then the name with number and tag, then the directory's flush; the header becomes durable with
the first batch. A crash before the flush of the name leaves a spare, which is what it was.
Leaving use: the name becomes a spare's and the directory is flushed before the file may be taken again.
"""

import secrets
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from outgate.spool.files import Files, Point, is_full, write_all
from outgate.spool.framing import segment_header
from outgate.spool.records import BLOCK, TAG_OCTETS, Generation
from outgate.spool.segments.segment import Segment, segment_name

FILL_OCTETS: Final = 4 * 1024 * 1024  # of zeros with one flush: short enough to let commits pass in between

_SPARE: Final = "spare-"
_FILLING: Final = "filling-"


@dataclass(slots=True)
class _Retiring:
    """A segment on its way out. is_free: no reader has it. spare: its new name, None if it has been removed."""

    segment: Segment
    is_free: bool
    is_renamed: bool = False
    spare: Path | None = None


class Spares:
    """The files that wait for their next use.

    The writer thread calls it; what takes long runs as jobs on the upkeep thread, where `submit` puts them.
    """

    def __init__(
        self,
        files: Files,
        directory: Path,
        *,
        damaged: Path,
        segment_octets: int,
        kept: int,
        submit: Callable[[Callable[[], None]], None],
    ) -> None:
        """damaged: where segments go of which some could not be read."""
        self._files = files
        self._directory = directory
        self._damaged = damaged
        self._segment_octets = segment_octets
        self._kept = kept
        self._submit = submit
        self._spares: deque[tuple[Path, int]] = deque()  # path and descriptor
        self._retiring: deque[_Retiring] = deque()
        self._filling: tuple[Path, int] | None = None
        self._fill_is_due = False

    def __len__(self) -> int:
        return len(self._spares)

    def take_over(self, names: list[str]) -> None:
        """Start with what an earlier process left. Raises: OSError."""
        for name in names:
            path = self._directory / name
            if name.startswith(_FILLING):
                self._files.unlink(path)
            elif name.startswith(_SPARE):
                descriptor = self._files.open(path)
                if self._files.size(descriptor) == self._segment_octets and len(self._spares) < self._kept:
                    self._spares.append((path, descriptor))
                else:
                    self._files.close(descriptor)
                    self._files.unlink(path)

    def take(self, number: int, minimum_octets: int) -> Segment:
        """A segment for the log, of at least `minimum_octets`, under its name. Raises: OSError."""
        generation = Generation(number, secrets.token_bytes(TAG_OCTETS))
        path = self._directory / segment_name(generation)
        if minimum_octets <= self._segment_octets:
            if not self._spares:
                self.make_one()
            spare, descriptor = self._spares[0]
            size_octets = self._segment_octets
        else:
            size_octets = -(-minimum_octets // BLOCK) * BLOCK
            spare, descriptor = self._make(size_octets)
        try:
            write_all(self._files, descriptor, (segment_header(generation),), 0)
            self._files.rename(spare, path)
            self._files.reached(Point.SEGMENT_NAMED)
        except OSError:
            if size_octets != self._segment_octets:
                self._discard(spare, descriptor)
            raise
        if size_octets == self._segment_octets:
            self._spares.popleft()
        try:
            self._files.fsync_directory(self._directory)
        except OSError:
            self._discard(path, descriptor)
            raise
        self._files.reached(Point.SEGMENT_OPENED)
        return Segment(generation, path, descriptor, size_octets)

    def make_one(self) -> None:
        """A spare at once, without zeros written: a quick start, and room made sure of. Raises: OSError."""
        self._spares.append(self._make(self._segment_octets))

    def _make(self, size_octets: int) -> tuple[Path, int]:
        path = self._directory / f"{_SPARE}{secrets.token_hex(8)}"
        descriptor = self._files.open(path, create=True)
        try:
            self._files.allocate(descriptor, size_octets)
        except OSError:
            self._discard(path, descriptor)
            raise
        return path, descriptor

    def _discard(self, path: Path, descriptor: int) -> None:
        self._files.close(descriptor)
        self._files.unlink(path)

    def fill_ahead(self) -> None:
        """Have a zero-filled spare ready soon, unless there is one or it is being made."""
        if not self._fill_is_due and not self._spares:
            self._fill_is_due = True
            self._submit(lambda: self._fill(0))

    def _fill(self, offset: int) -> None:
        """One step; the next one queues up behind other jobs. Given up for lack of room. Raises: OSError."""
        try:
            if self._filling is None:
                path = self._directory / f"{_FILLING}{secrets.token_hex(8)}"
                self._filling = path, self._files.open(path, create=True)
                self._files.allocate(self._filling[1], self._segment_octets)
            path, descriptor = self._filling
            length = min(FILL_OCTETS, self._segment_octets - offset)
            write_all(self._files, descriptor, (bytes(length),), offset)
            self._files.fdatasync(descriptor)
            if offset + length < self._segment_octets:
                self._submit(lambda: self._fill(offset + length))
                return
            spare = path.with_name(path.name.replace(_FILLING, _SPARE))
            self._files.rename(path, spare)
            self._files.reached(Point.SPARE_FILLED)
        except OSError as error:
            filling, self._filling, self._fill_is_due = self._filling, None, False
            if filling is not None:
                self._discard(*filling)
            if not is_full(error):
                raise
            return
        self._filling, self._fill_is_due = None, False
        self._spares.append((spare, descriptor))

    def retire(self, segment: Segment) -> None:
        """Take `segment` out of the log for good; with this its records are forgotten, those of earlier ones before.

        Called on the writer thread, in the order of the log, which is kept: a mark in a later segment must not vanish
        while a message that it ends can still be found in an earlier one.
        """
        self._retiring.append(_Retiring(segment, segment.retire()))
        self._submit(self.retire_next)

    def retire_next(self) -> None:
        """Do what `retire` asked for; what fails for lack of room waits for the next call. Raises: OSError."""
        while self._retiring:
            try:
                self._retire(self._retiring[0])
            except OSError as error:
                if not is_full(error):
                    raise
                return
            self._retiring.popleft()

    def _retire(self, retiring: _Retiring) -> None:
        """Repeatable after any failure."""
        segment = retiring.segment
        if not retiring.is_renamed:
            is_wanted = segment.size_octets == self._segment_octets and len(self._spares) < self._kept
            if retiring.is_free and is_wanted and not segment.is_worn:
                retiring.spare = segment.path.with_name(f"{_SPARE}{secrets.token_hex(8)}")
                self._files.rename(segment.path, retiring.spare)
            else:
                retiring.spare = None
                if segment.is_worn:
                    self._files.rename(segment.path, self._damaged / segment.path.name)
                else:
                    self._files.unlink(segment.path)
            retiring.is_renamed = True
            self._files.reached(Point.SEGMENT_LEAVING)
        if segment.is_worn:
            self._files.fsync_directory(self._damaged)
        self._files.fsync_directory(self._directory)
        self._files.reached(Point.SEGMENT_RETIRED)
        if retiring.spare is not None:
            self._spares.append((retiring.spare, segment.descriptor))
        elif retiring.is_free:
            self._files.close(segment.descriptor)

    def close(self) -> None:
        """Release the files; the threads have ended."""
        for _, descriptor in self._spares:
            self._files.close(descriptor)
        self._spares.clear()
        for retiring in self._retiring:
            if retiring.is_free:
                self._files.close(retiring.segment.descriptor)
        self._retiring.clear()
        if self._filling is not None:
            self._discard(*self._filling)
            self._filling = None
