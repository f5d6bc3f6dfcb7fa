"""The committer on the event loop's own thread, where a compiled flusher writes and flushes behind its back.

The writer thread (`writer`) has to take the interpreter's lock from the loop several times for each flush; measured,
that was a fifth of a message's cost. Here an ordinary commit is begun and ended by the loop, and a thread without the
lock does what lies between. What is not ordinary (another segment, copying forward, a full disk) is a round on a
thread of its own, as the writer thread would do it; meanwhile the loop leaves the committer alone.
"""

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Callable
from enum import Enum
from typing import Protocol

from outgate.spool.files import Flusher
from outgate.spool.segments.committer import Committer
from outgate.spool.segments.intake import Operation
from outgate.spool.segments.jobs import JobThread
from outgate.spool.segments.room import Room


class Loop(Protocol):
    """What an event loop offers, as far as it is needed here."""

    def call_soon(self, callback: Callable[[], object], /) -> object: ...

    def call_later(self, delay: float, callback: Callable[[], object], /) -> asyncio.TimerHandle: ...

    def call_soon_threadsafe(self, callback: Callable[[], object], /) -> object: ...

    def add_reader(self, fd: int, callback: Callable[[], object], /) -> object: ...

    def remove_reader(self, fd: int, /) -> object: ...


class _State(Enum):
    """Who has the committer: the loop in the first three, nobody in the last."""

    IDLE = 0
    WOKEN = 1  # `_begin` will be called by the loop
    FLUSHING = 2  # between `begin` and `end`
    ROUND = 3  # a round is under way on the thread
    STOPPED = 4


class LoopWriter:
    """Takes operations like an `Intake`, and commits them like a `Writer`.

    `put` and `put_lazily` on the loop's thread, `put_from_thread` and `wake` on any, `stop` on any other than the
    loop's or when the loop does not run.
    """

    def __init__(self, flusher: Flusher, loop: Loop) -> None:
        self._flusher = flusher
        self._loop = loop
        self._operations: deque[Operation] = deque()
        self._state = _State.IDLE
        self._timer: asyncio.TimerHandle | None = None
        self._lock = threading.Lock()  # for `stop`, which comes from elsewhere
        self._rounds_thread = JobThread("spool-writer", self._round_failed)
        self._is_started = False

    def start(self, committer: Committer, room: Room) -> None:
        """On any thread."""
        self._committer = committer
        self._room = room
        self._is_started = True
        self._rounds_thread.start()
        self._loop.call_soon_threadsafe(self._watch)

    def _watch(self) -> None:
        self._loop.add_reader(self._flusher.descriptor, self._flush_ended)
        self._wake_if_idle()

    # What was asked for

    def put(self, operation: Operation) -> None:
        """Somebody waits for this."""
        self._operations.append(operation)
        if self._state is _State.IDLE:
            self._wake()

    def put_lazily(self, operation: Operation) -> None:
        """This may wait for the timer; if none is set, the loop's next turn sets one."""
        self._operations.append(operation)
        if self._state is _State.IDLE and self._timer is None:
            self._wake()

    def put_from_thread(self, operation: Operation) -> None:
        self._operations.append(operation)
        self.wake()

    def wake(self) -> None:
        """Let the committer look, though nothing was put."""
        with contextlib.suppress(RuntimeError):  # the loop may be gone while the spool closes; `stop` takes the rest
            self._loop.call_soon_threadsafe(self._wake_if_idle)

    def _wake_if_idle(self) -> None:
        if self._is_started and self._state is _State.IDLE:
            self._wake()

    def _wake(self) -> None:
        """At the end of the loop's turn, so that all that came in it shares the flush."""
        self._state = _State.WOKEN
        self._loop.call_soon(self._begin)

    def _taken(self) -> list[Operation]:
        operations = self._operations
        return [operations.popleft() for _ in range(len(operations))]

    # Commits

    def _begin(self) -> None:
        with self._lock:
            if self._state is _State.WOKEN:
                self._advance()

    def _advance(self) -> None:
        """Begin what is due; else sleep."""
        committer = self._committer
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        committer.take(self._taken())
        if self._room.failure is not None:
            committer.fail(self._room.failure)
            self._state = _State.IDLE
            return
        batch = committer.begin()
        if batch is not None:
            self._state = _State.FLUSHING
            self._flusher.begin(batch.descriptor, batch.buffers, batch.offset)
        elif committer.is_due:
            self._state = _State.ROUND
            self._rounds_thread.submit(self._round)
        else:
            self._state = _State.IDLE
            seconds = committer.seconds_until_due()
            if seconds is not None:
                self._timer = self._loop.call_later(seconds, self._timer_ended)

    def _timer_ended(self) -> None:
        self._timer = None
        if self._state is _State.IDLE:
            self._state = _State.WOKEN
            self._begin()

    def _flush_ended(self) -> None:
        with self._lock:
            if self._state is _State.FLUSHING:
                self._end_flush()
                self._advance()

    def _end_flush(self) -> None:
        error: OSError | None = None
        try:
            self._flusher.end()
        except OSError as raised:
            error = raised
        try:
            self._committer.end(error)
        except Exception as raised:  # whatever it is, nobody may wait for ever
            self._room.fail(raised)

    # Rounds on the thread

    def _round(self) -> None:
        if self._room.failure is None:
            self._committer.round()
        self._post_round_ended()

    def _round_failed(self, error: Exception) -> None:
        self._room.fail(error)
        self._post_round_ended()

    def _post_round_ended(self) -> None:
        with contextlib.suppress(RuntimeError):  # as in `wake`
            self._loop.call_soon_threadsafe(self._round_ended)

    def _round_ended(self) -> None:
        with self._lock:
            if self._state is _State.ROUND:
                self._advance()

    # The end

    def stop(self) -> None:
        """Write and flush everything that was asked for before. Blocking."""
        with self._lock:
            state, self._state = self._state, _State.STOPPED
        self._rounds_thread.stop()
        if state is _State.FLUSHING:
            self._end_flush()
        self._committer.take(self._taken())
        if self._room.failure is None:
            try:
                self._committer.round()
                self._committer.finish()
            except Exception as error:  # as above
                self._room.fail(error)
        if self._room.failure is not None:
            self._committer.fail(self._room.failure)
        self._release()

    def _release(self) -> None:
        """The loop must let go of the descriptor before it is closed."""
        try:
            self._loop.call_soon_threadsafe(self._let_go)
        except RuntimeError:
            self._flusher.close()

    def _let_go(self) -> None:
        self._loop.remove_reader(self._flusher.descriptor)
        self._flusher.close()
        if self._timer is not None:
            self._timer.cancel()
