"""Large content on its way into a file of its own, by a thread of its own, so that no small message waits for it.

The file is complete, flushed and its name durable before the record that names it is written. A file that no record
names is removed: by `abandon`, after the message's DONE is flushed, or at the next recovery. Names are random and never
used twice, so that a record can never name another message's content.
"""

import contextlib
import struct
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Final
from zlib import crc32

from outgate.spool.files import Files, Point, is_full, write_all
from outgate.spool.interface import SpoolError, SpoolFull
from outgate.spool.records import CHECKSUM_OCTETS, LargeReference
from outgate.spool.segments.jobs import JobThread
from outgate.spool.segments.room import Room

WRITE_OCTETS: Final = 1024 * 1024  # about what is written by one call and without a pause for others
FLUSH_OCTETS: Final = 8 * 1024 * 1024  # flushed each time so much has come, so that the last flush is short

_CHECKSUM: Final = struct.Struct("<I")

Ready = Callable[[LargeReference | None, SpoolError | None], None]


class LargeFile:
    """A `LargeContent`. The loop's thread calls the public methods; the jobs run on the large thread.

    post: runs a callable on the loop's thread. over: told on that thread when it is accepted or abandoned.
    """

    def __init__(
        self,
        files: Files,
        path: Path,
        *,
        thread: JobThread,
        post: Callable[[Callable[[], None]], None],
        room: Room,
        over: Callable[["LargeFile"], None],
    ) -> None:
        self._files = files
        self._path = path
        self._thread = thread
        self._post = post
        self._room = room
        self._over = over
        # The loop's thread:
        self._taken = 0
        self._is_over = False  # accepted or abandoned
        self._waiting: tuple[int, Callable[[], None]] | None = None
        # Both: the loop appends and sets the flag, the thread clears it and pops.
        self._chunks: deque[bytes] = deque()
        self._is_scheduled = False
        # The large thread; the loop reads `_settled`, octets that are in memory no more: written, or dropped.
        self._settled = 0
        self._written = 0
        self._unflushed = 0
        self._descriptor = -1
        self._checksums: list[int] = []
        self._block_octets = CHECKSUM_OCTETS  # in the block of the last checksum; full: the next octet begins another
        self._error: SpoolError | None = None

    @property
    def size_octets(self) -> int:
        return self._taken

    @property
    def unwritten_octets(self) -> int:
        return self._taken - self._settled

    def write(self, octets: bytes) -> None:
        if self._is_over or not octets:
            return
        self._taken += len(octets)
        self._room.under_way_octets += len(octets)
        self._chunks.append(octets)
        if not self._is_scheduled:
            self._is_scheduled = True
            self._thread.submit(self._on_chunks)

    def on_drained(self, below_octets: int, resume: Callable[[], None]) -> None:
        self._waiting = below_octets, resume
        self._tell_if_drained()

    def _tell_if_drained(self) -> None:
        if self._waiting is not None and self.unwritten_octets < self._waiting[0]:
            _, resume = self._waiting
            self._waiting = None
            resume()

    def peek(self) -> Path:
        return self._path

    def abandon(self) -> None:
        if not self._is_over:
            self._is_over = True
            self._over(self)
            self._room.under_way_octets -= self._taken
            self._thread.submit(self._on_abandoned)

    def complete(self, ready: Ready) -> None:
        """It is accepted: make it durable, then call `ready` on the large thread. For the spool."""
        assert not self._is_over
        self._is_over = True
        self._over(self)
        self._thread.submit(lambda: self._on_complete(ready))

    # On the large thread

    def _on_chunks(self) -> None:
        """Write about `WRITE_OCTETS` of what has come; the rest queues up behind other files."""
        self._is_scheduled = False  # before the look at the chunks: one that comes now schedules another job
        if self._chunks:  # else the end has come before this job did, and the file is closed
            self._work(self._write_some)
        if self._chunks and not self._is_scheduled:
            self._is_scheduled = True
            self._thread.submit(self._on_chunks)
        self._drained()

    def _on_complete(self, ready: Ready) -> None:
        self._work(self._finish)
        self._drained()
        self._leave()
        if self._error is not None:
            self._remove()
            ready(None, self._error)
        else:
            checksums = b"".join(map(_CHECKSUM.pack, self._checksums))
            ready(LargeReference(self._path.name, self._written, checksums), None)

    def _on_abandoned(self) -> None:
        self._drop_chunks()
        self._drained()
        self._leave()
        self._remove()

    def _work(self, work: Callable[[], None]) -> None:
        """Keep what fails for `complete`; a failing disk takes the whole spool out of service."""
        if self._error is None:
            try:
                work()
            except OSError as error:
                full = is_full(error)
                self._error = SpoolFull(f"no room for {self._path}: {error}") if full else self._room.fail(error)
                self._leave()
        if self._error is not None:
            self._drop_chunks()

    def _write_some(self) -> None:
        batch: list[bytes] = []
        length = 0
        while self._chunks and length < WRITE_OCTETS:
            batch.append(self._chunks.popleft())
            length += len(batch[-1])
        try:
            for chunk in batch:
                self._add_checksum(chunk)
            self._open()
            write_all(self._files, self._descriptor, batch, self._written)
            self._files.reached(Point.LARGE_WRITTEN)
        finally:
            self._settled += length
        self._written += length
        self._unflushed += length
        if self._unflushed >= FLUSH_OCTETS:
            self._files.fdatasync(self._descriptor)
            self._unflushed = 0

    def _finish(self) -> None:
        while self._chunks:
            self._write_some()
        self._open()
        self._files.fdatasync(self._descriptor)
        self._files.fsync_directory(self._path.parent)
        self._files.reached(Point.LARGE_FLUSHED)

    def _open(self) -> None:
        if self._descriptor == -1:
            self._descriptor = self._files.open(self._path, create=True)

    def _leave(self) -> None:
        if self._descriptor != -1:
            self._files.close(self._descriptor)
            self._descriptor = -1

    def _remove(self) -> None:
        with contextlib.suppress(OSError):  # the next recovery removes what is left
            self._files.unlink(self._path)

    def _drop_chunks(self) -> None:
        while self._chunks:
            self._settled += len(self._chunks.popleft())

    def _drained(self) -> None:
        if self._waiting is not None:
            self._post(self._tell_if_drained)

    def _add_checksum(self, chunk: bytes) -> None:
        view = memoryview(chunk)
        while view:
            if self._block_octets == CHECKSUM_OCTETS:
                self._checksums.append(0)
                self._block_octets = 0
            piece = view[: CHECKSUM_OCTETS - self._block_octets]
            self._checksums[-1] = crc32(piece, self._checksums[-1])
            self._block_octets += len(piece)
            view = view[len(piece) :]
