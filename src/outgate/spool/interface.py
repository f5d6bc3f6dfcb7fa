"""What reception and delivery ask of a spool. `segments` keeps it on disk, `memory` in memory for tests.

A spool stores; the queue orders. One process owns a spool. Calls come from one thread, the event loop's, and none of
them blocks: what takes time happens behind them, and ends with a call of `done` on that same thread. Calls take effect
in the order in which they were made.

Everything that a 250 promises rests on `accept`: `done(None)` comes only after message and content are on stable
storage (RFC 5321 §6.1). Events that are recorded before a `finish` or `update` are durable no later than it is, so that
nothing leaves the spool unrecorded.
"""

from collections.abc import Callable, Iterable
from enum import Enum
from pathlib import Path
from typing import Final, Protocol

from outgate.mail.message import Message, Progress, QueueId

INLINE_MAX: Final = 256 * 1024  # octets of content that stand in the log itself; larger content gets a file of its own


class SpoolError(Exception):
    """A promise that the spool cannot keep. The text is for the log."""


class SpoolFull(SpoolError):
    """No room: nothing was kept; the sender is asked to come again (452 4.3.1). Earlier messages are untouched."""


class SpoolFailed(SpoolError):
    """A write or flush failed (EIO). What was not confirmed is not promised. The spool takes nothing more in this
    process; a new process recovers what is really on the disk. A failed flush is never repeated as if it were new."""


class Health(Enum):
    GOOD = "good"
    FULL = "full"  # below the reserve; becomes good again by itself
    FAILED = "failed"  # for the rest of this process


Done = Callable[[SpoolError | None], None]


class LargeContent(Protocol):
    """Content too large for the log, on its way into a file of its own. Abandoned if it is never accepted."""

    def write(self, octets: bytes) -> None:
        """Take the next octets, in order. Never blocks; failures show at `accept`."""

    @property
    def size_octets(self) -> int: ...

    @property
    def unwritten_octets(self) -> int:
        """Octets taken and still in memory. The caller stops reading from its peer above a bound of its own."""

    def on_drained(self, below_octets: int, resume: Callable[[], None]) -> None:
        """Call `resume` once, on the loop's thread, as soon as `unwritten_octets` is below `below_octets`; at once if
        it is already, and also when the spool has failed."""

    def peek(self) -> bytes | Path:
        """What has come, for a look before it is accepted: the octets, or the file that holds them. Only while
        `unwritten_octets` is 0, and until it is accepted or abandoned. The file may be gone if the spool has failed."""

    def abandon(self) -> None:
        """Forget it. Idempotent; does nothing after `accept`."""


class ContentReader(Protocol):
    """Reads a message's content as it came, without its trace line. Blocking: call it off the loop."""

    @property
    def size_octets(self) -> int: ...

    def read(self, offset: int, length: int) -> bytes:
        """`length` octets from `offset`; fewer only at the end.

        Raises: SpoolError, also when the octets do not have the checksum that was kept with them.
        """

    def close(self) -> None: ...


class Spool(Protocol):
    def recover(self) -> Iterable[tuple[Message, Progress]]:
        """All messages that are neither finished nor lost, once, before anything else is called. Blocking.

        A torn or corrupt record is set aside and reported, never fatal, and hides no other record.
        """

    def can_accept(self, size_octets: int) -> bool:
        """Is there room for a message of this size beside all that is under way? Cheap; asked for every MAIL."""

    @property
    def health(self) -> Health: ...

    def large(self) -> LargeContent:
        """A writer for content above `INLINE_MAX`. Raises: SpoolError."""

    def accept(self, message: Message, content: bytes | LargeContent, done: Done) -> None:
        """Make `message` durable with its `first_progress`; `done(None)` when it is. Content up to `INLINE_MAX` as
        bytes, larger as a `LargeContent` of this spool."""

    def update(self, queue_id: QueueId, progress: Progress, done: Done | None = None) -> None:
        """Replace the progress of a message. Without `done` it is written with the next flush, or within a second."""

    def finish(self, queue_id: QueueId) -> None:
        """The message has no pending recipient: its place may be used again. Needs no flush of its own: a crash may
        bring it back as it was (twice is possible, never is not). Unknown ids are ignored."""

    def record(self, event: bytes) -> None:
        """Append one encoded event to the event log; durable with the next flush, or within a second."""

    def content(self, queue_id: QueueId) -> ContentReader:
        """The content of an unfinished message. A reader stays valid after `finish`, until it is closed.

        Raises: SpoolError if there is none.
        """

    def close(self) -> None:
        """Write and flush everything that was asked for, then release the files. Blocking. Idempotent."""


class SealedStore(Spool, Protocol):
    """Where held mail waits. `accept` is for what is not sealed."""

    def hold(self, message: Message, content: bytes | LargeContent, key: bytes, done: Done) -> None:
        """As `accept`, with the content sealed by `key` (`sealing.content`), which nothing here remembers. content: may
        be a `LargeContent` of another spool, complete; it is abandoned when it is sealed. `message.sealed_key` is what
        `key` was sealed to; the content can be had again when `update` brings a progress with the key."""
