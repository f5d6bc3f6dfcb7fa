"""A spool of sealed contents: the store of held mail, beside the spool that mail passes through.

What lies here for weeks can be read by nobody who has the disk. Where somebody decides to release a message, its
progress brings the key of its content (`Progress.content_key`), and from then on it is read as if it had never been
sealed. What has no sealed key, such as a notification about a message of this store, passes as it is.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Final

from outgate.mail.message import Message, Progress, QueueId
from outgate.sealing.content import PIECE_OCTETS, SEALED_PIECE_OCTETS, ContentSealer, pieces_of
from outgate.sealing.keys import Unopenable
from outgate.spool.interface import (
    INLINE_MAX,
    ContentReader,
    Done,
    Health,
    LargeContent,
    Spool,
    SpoolError,
    SpoolFailed,
)

STEP_PIECES: Final = 16  # of a large content that are read and sealed at a time: a mebibyte, some milliseconds
AHEAD_MAX: Final = 4 * 1024 * 1024  # octets of one large content that are sealed and not written yet


class SealedSpool:
    """A `SealedStore` over a spool of its own.

    run: does blocking work on another thread. Everything else is called on the event loop's thread.
    """

    def __init__(self, spool: Spool, run: Callable[[Callable[[], bytes]], Awaitable[bytes]]) -> None:
        self._spool = spool
        self._run = run
        self._keys: dict[QueueId, bytes] = {}  # of sealed messages; empty until released
        self._tasks: set[asyncio.Task[None]] = set()

    def recover(self) -> Iterable[tuple[Message, Progress]]:
        return self._noted(self._spool.recover())

    def _noted(self, recovered: Iterable[tuple[Message, Progress]]) -> Iterator[tuple[Message, Progress]]:
        for message, progress in recovered:
            if message.sealed_key:
                self._keys[message.queue_id] = progress.content_key
            yield message, progress

    def can_accept(self, size_octets: int) -> bool:
        return self._spool.can_accept(size_octets)

    @property
    def health(self) -> Health:
        return self._spool.health

    def large(self) -> LargeContent:
        return self._spool.large()

    def accept(self, message: Message, content: bytes | LargeContent, done: Done) -> None:
        assert not message.sealed_key, "sealed content comes by `hold`"
        self._spool.accept(message, content, done)

    def hold(self, message: Message, content: bytes | LargeContent, key: bytes, done: Done) -> None:
        sealer = ContentSealer(key, message.size_octets)
        self._keys[message.queue_id] = b""
        done = partial(self._held, message.queue_id, done)
        if not isinstance(content, bytes):
            task = asyncio.get_running_loop().create_task(self._hold_large(message, content, sealer, done))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            return
        sealed = sealer.seal(0, content)
        if len(sealed) <= INLINE_MAX:
            self._spool.accept(message, sealed, done)
            return
        try:
            large = self._spool.large()
        except SpoolError as error:
            asyncio.get_running_loop().call_soon(done, error)
            return
        large.write(sealed)
        self._spool.accept(message, large, done)

    def _held(self, queue_id: QueueId, done: Done, error: SpoolError | None) -> None:
        if error is not None:
            self._keys.pop(queue_id, None)
        done(error)

    async def _hold_large(self, message: Message, content: LargeContent, sealer: ContentSealer, done: Done) -> None:
        sealed: LargeContent | None = None
        try:
            await _drained(content, 1)
            if content.unwritten_octets:
                raise SpoolFailed("the spool that the content came to has failed")
            source = content.peek()
            sealed = self._spool.large()
            for first in range(0, pieces_of(message.size_octets), STEP_PIECES):
                sealed.write(await self._run(partial(_seal_step, source, sealer, first)))
                if sealed.unwritten_octets > AHEAD_MAX:
                    await _drained(sealed, AHEAD_MAX)
            self._spool.accept(message, sealed, done)
        except Exception as error:
            if sealed is not None:
                sealed.abandon()
            known = error if isinstance(error, SpoolError) else SpoolFailed(f"content cannot be sealed: {error}")
            done(known)
        finally:
            content.abandon()

    def update(self, queue_id: QueueId, progress: Progress, done: Done | None = None) -> None:
        if progress.content_key and queue_id in self._keys:
            self._keys[queue_id] = progress.content_key
        self._spool.update(queue_id, progress, done)

    def finish(self, queue_id: QueueId) -> None:
        self._keys.pop(queue_id, None)
        self._spool.finish(queue_id)

    def record(self, event: bytes) -> None:
        self._spool.record(event)

    def content(self, queue_id: QueueId) -> ContentReader:
        key = self._keys.get(queue_id)
        if key is None:
            return self._spool.content(queue_id)
        if not key:
            raise SpoolError(f"the content of {queue_id} is sealed")
        return OpeningReader(self._spool.content(queue_id), key)

    def close(self) -> None:
        self._spool.close()


class OpeningReader:
    """Reads sealed content as it came. Raises: SpoolError, where the key does not open it or it was changed."""

    __slots__ = ("_opened", "_opened_at", "_reader", "_sealed_octets", "_sealer", "size_octets")

    def __init__(self, reader: ContentReader, key: bytes) -> None:
        self._reader = reader
        self._sealed_octets = reader.size_octets
        pieces = -(-self._sealed_octets // SEALED_PIECE_OCTETS)
        self.size_octets = self._sealed_octets - pieces * (SEALED_PIECE_OCTETS - PIECE_OCTETS)
        self._sealer = ContentSealer(key, self.size_octets)
        self._opened = b""  # the last pieces that were opened: who reads on in small steps opens each piece once
        self._opened_at = 0

    def read(self, offset: int, length: int) -> bytes:
        end = min(offset + length, self.size_octets)
        if offset >= end:
            return b""
        if offset < self._opened_at or end > self._opened_at + len(self._opened):
            self._open(offset // PIECE_OCTETS, -(-end // PIECE_OCTETS))
        start = offset - self._opened_at
        return self._opened[start : start + end - offset]

    def _open(self, first: int, behind: int) -> None:
        """Pieces from `first` to before `behind`."""
        start = first * SEALED_PIECE_OCTETS
        sealed = self._reader.read(start, min(behind * SEALED_PIECE_OCTETS, self._sealed_octets) - start)
        try:
            self._opened, self._opened_at = self._sealer.open(first, sealed), first * PIECE_OCTETS
        except Unopenable as error:
            raise SpoolError(f"sealed content cannot be opened: {error}") from error

    def close(self) -> None:
        self._opened = b""
        self._reader.close()


def _seal_step(source: bytes | Path, sealer: ContentSealer, first: int) -> bytes:
    """Blocking. Raises: OSError."""
    start, octets = first * PIECE_OCTETS, STEP_PIECES * PIECE_OCTETS
    if isinstance(source, bytes):
        return sealer.seal(first, source[start : start + octets])
    with source.open("rb") as file:
        file.seek(start)
        return sealer.seal(first, file.read(octets))


async def _drained(content: LargeContent, below_octets: int) -> None:
    drained = asyncio.Event()
    content.on_drained(below_octets, drained.set)
    await drained.wait()
