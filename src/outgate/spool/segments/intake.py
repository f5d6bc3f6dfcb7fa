"""What the loop's thread asks of the writer thread, in order, and how the writer sleeps.

Putting must cost the loop next to nothing, and the writer should wake up only for what somebody waits for: events and
marks are taken along with the next message, or when a timer of the writer's own ends.
"""

from collections import deque
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Final

from msgspec import Struct

from outgate.mail.message import Message, Progress
from outgate.spool.interface import Done, SpoolError
from outgate.spool.records import LargeReference
from outgate.spool.segments.segment import Entry

_AWAKE: Final = 0
_UNTIL_DUE: Final = 1  # a timer is set: what can wait need not wake
_UNTIL_WOKEN: Final = 2


class Accept(Struct, eq=False, gc=False):
    """content: None while a large content is being made durable; a `LargeReady` for the entry follows.
    size_octets: what the room is counted by."""

    entry: Entry
    message: Message
    content: bytes | None
    size_octets: int
    done: Done


class LargeReady(Struct, eq=False, gc=False):
    """The large content of `entry` is durable, or failed."""

    entry: Entry
    reference: LargeReference | None
    error: SpoolError | None = None


class Update(Struct, eq=False, gc=False):
    entry: Entry
    progress: Progress
    done: Done | None


class Finish(Struct, eq=False, gc=False):
    entry: Entry


class Stop(Struct, eq=False, gc=False):
    """Write and flush everything before it, then end."""


Mark = Update | Finish
Operation = Accept | LargeReady | Update | Finish | Stop | bytes  # bytes: an event


class Intake:
    """`put` and `put_lazily` may be called by any thread, `take` by the writer thread."""

    __slots__ = ("_operations", "_sleep", "_wake")

    def __init__(self) -> None:
        self._operations: deque[Operation] = deque()
        self._sleep = _AWAKE
        self._wake: SimpleQueue[None] = SimpleQueue()  # one token too many does no harm

    def put(self, operation: Operation) -> None:
        """Somebody waits for this."""
        self._operations.append(operation)
        if self._sleep:
            self._sleep = _AWAKE
            self._wake.put(None)

    def put_from_thread(self, operation: Operation) -> None:
        """`put`, from another thread than the loop's; here that is the same."""
        self.put(operation)

    def put_lazily(self, operation: Operation) -> None:
        """This may wait for the timer; if none is set, the writer wakes up to set one."""
        self._operations.append(operation)
        if self._sleep == _UNTIL_WOKEN:
            self._sleep = _AWAKE
            self._wake.put(None)

    def wake(self) -> None:
        """Let `take` return, if it sleeps, though nothing was put."""
        self._wake.put(None)

    def take(self, timeout_seconds: float | None) -> list[Operation]:
        """Everything that was put, after at most `timeout_seconds` of waiting for it; None waits for ever."""
        operations = self._operations
        if not operations and timeout_seconds != 0:
            self._sleep = _UNTIL_WOKEN if timeout_seconds is None else _UNTIL_DUE
            if not operations:  # looked at again behind the flag, so that nothing is put unseen in between
                with suppress(Empty):
                    self._wake.get(timeout=timeout_seconds)
            self._sleep = _AWAKE
        return [operations.popleft() for _ in range(len(operations))]
