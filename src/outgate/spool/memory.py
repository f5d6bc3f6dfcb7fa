"""The twin of the spool on disk, for tests of others: the same promises, kept in memory.

What would be on the disk is in a `MemoryDisk`, which outlives the spool as a disk outlives a process. `fail_next`,
`hold_answers` and the attributes of the disk let a test choose what happens.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import msgspec

from outgate.mail.message import Message, Progress, QueueId, first_progress
from outgate.spool.interface import (
    INLINE_MAX,
    ContentReader,
    Done,
    Health,
    LargeContent,
    SpoolError,
    SpoolFailed,
    SpoolFull,
)


@dataclass(slots=True)
class MemoryDisk:
    """available_octets: what may still be accepted. messages: encoded, so that nothing is shared with the caller."""

    messages: dict[QueueId, tuple[bytes, bytes, bytes]] = field(default_factory=dict)  # message, progress, content
    events: list[bytes] = field(default_factory=list)
    available_octets: int = 1 << 40


_encode = msgspec.msgpack.Encoder().encode
_message_decoder = msgspec.msgpack.Decoder(Message)
_progress_decoder = msgspec.msgpack.Decoder(Progress)


class MemorySpool:
    """A `Spool`. post: has a callable called on the loop's thread, soon."""

    def __init__(self, *, post: Callable[[Callable[[], None]], object], disk: MemoryDisk | None = None) -> None:
        self.disk = disk if disk is not None else MemoryDisk()
        self._post = post
        self._health = Health.GOOD
        self._failures: list[SpoolError] = []
        self._under_way_octets = 0
        self._is_closed = False
        self._held: list[Callable[[], None]] | None = None

    # For tests

    def fail_next(self, error: SpoolError) -> None:
        """The next `accept` ends with `error` and keeps nothing. SpoolFailed takes the spool out of service."""
        self._failures.append(error)

    def hold_answers(self) -> None:
        """Keep every `done` back until `give_answers`."""
        self._held = self._held or []

    def give_answers(self) -> None:
        held, self._held = self._held or [], None
        for call in held:
            self._post(call)

    @property
    def events(self) -> list[bytes]:
        return self.disk.events

    # The interface

    def recover(self) -> list[tuple[Message, Progress]]:
        return [
            (_message_decoder.decode(message), _progress_decoder.decode(progress))
            for message, progress, _ in self.disk.messages.values()
        ]

    def can_accept(self, size_octets: int) -> bool:
        room = self.disk.available_octets - self._under_way_octets
        return not self._is_closed and self._health is not Health.FAILED and size_octets <= room

    @property
    def health(self) -> Health:
        if self._health is Health.FAILED:
            return Health.FAILED
        return Health.GOOD if self.disk.available_octets > 0 else Health.FULL

    def large(self) -> LargeContent:
        self._check_service()
        return _MemoryLarge(self._add_under_way)

    def accept(self, message: Message, content: bytes | LargeContent, done: Done) -> None:
        if isinstance(content, bytes):
            assert len(content) <= INLINE_MAX, "larger content has a file of its own"
            octets = content
        else:
            assert isinstance(content, _MemoryLarge)
            octets = content.take()
        error = self._obstacle(len(octets))
        if error is None:
            progress = first_progress(message)
            self.disk.messages[message.queue_id] = (_encode(message), _encode(progress), octets)
            self.disk.available_octets -= len(octets)
        self._answer(partial(done, error))

    def update(self, queue_id: QueueId, progress: Progress, done: Done | None = None) -> None:
        error: SpoolError | None = None
        if queue_id not in self.disk.messages:
            error = SpoolError(f"the spool has no message {queue_id}")
        elif self._health is Health.FAILED:
            error = SpoolFailed("the spool has failed")
        else:
            message, _, content = self.disk.messages[queue_id]
            self.disk.messages[queue_id] = (message, _encode(progress), content)
        if done is not None:
            self._answer(partial(done, error))

    def finish(self, queue_id: QueueId) -> None:
        found = None if self._health is Health.FAILED else self.disk.messages.pop(queue_id, None)
        if found is not None:
            self.disk.available_octets += len(found[2])

    def record(self, event: bytes) -> None:
        if self._health is not Health.FAILED:
            self.disk.events.append(event)

    def content(self, queue_id: QueueId) -> ContentReader:
        found = self.disk.messages.get(queue_id)
        if found is None:
            raise SpoolError(f"the spool has no message {queue_id}")
        return _MemoryReader(found[2])

    def close(self) -> None:
        self._is_closed = True

    def _obstacle(self, size_octets: int) -> SpoolError | None:
        if self._health is Health.FAILED or self._is_closed:
            return SpoolFailed("the spool has failed or is closed")
        if self._failures:
            error = self._failures.pop(0)
            if isinstance(error, SpoolFailed):
                self._health = Health.FAILED
            return error
        return SpoolFull("no room") if size_octets > self.disk.available_octets else None

    def _check_service(self) -> None:
        if self._health is Health.FAILED or self._is_closed:
            raise SpoolFailed("the spool has failed or is closed")

    def _add_under_way(self, octets: int) -> None:
        self._under_way_octets += octets

    def _answer(self, call: Callable[[], None]) -> None:
        if self._held is not None:
            self._held.append(call)
        else:
            self._post(call)


class _MemoryLarge:
    """A `LargeContent` that is written at once."""

    def __init__(self, under_way: Callable[[int], None]) -> None:
        self._under_way = under_way
        self._chunks: list[bytes] = []
        self._size_octets = 0
        self._is_over = False

    @property
    def size_octets(self) -> int:
        return self._size_octets

    @property
    def unwritten_octets(self) -> int:
        return 0

    def write(self, octets: bytes) -> None:
        if not self._is_over:
            self._chunks.append(octets)
            self._size_octets += len(octets)
            self._under_way(len(octets))

    def on_drained(self, below_octets: int, resume: Callable[[], None]) -> None:  # noqa: ARG002  # always drained
        resume()

    def peek(self) -> bytes:
        return b"".join(self._chunks)

    def abandon(self) -> None:
        if not self._is_over:
            self.take()

    def take(self) -> bytes:
        assert not self._is_over
        self._is_over = True
        self._under_way(-self._size_octets)
        octets = b"".join(self._chunks)
        self._chunks.clear()
        return octets


class _MemoryReader:
    def __init__(self, content: bytes) -> None:
        self._content: bytes | None = content
        self._size_octets = len(content)

    @property
    def size_octets(self) -> int:
        return self._size_octets

    def read(self, offset: int, length: int) -> bytes:
        if self._content is None:
            raise SpoolError("the reader is closed")
        return self._content[offset : offset + length]

    def close(self) -> None:
        self._content = None
