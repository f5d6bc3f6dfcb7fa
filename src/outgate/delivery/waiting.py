"""Messages that wait for their next attempt, or for a person: all that a queue of 200,000 keeps in memory of each.

A message that waits is kept encoded, without its content, in some 1,000 octets; it becomes an `Item` for each round.
"""

from collections import deque
from collections.abc import Callable, Hashable, Iterator
from typing import Final

import msgspec
from msgspec import Struct

from outgate.delivery.interface import Clock
from outgate.delivery.schedule import DueHeap
from outgate.mail.message import Message, Progress, QueueId

_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(Message).decode


class Waiting(Struct, eq=False, gc=False):
    """packed: the message, encoded. progress: shared with the spool. is_urgent: a person wants it tried whatever the
    back-off of its next hops. is_slow: it waits in the slow lane, `next_attempt_at` is when it expires there."""

    queue_id: QueueId
    packed: bytes
    progress: Progress
    next_attempt_at: float
    is_urgent: bool = False
    is_slow: bool = False

    @property
    def message(self) -> Message:
        return _decode(self.packed)

    @property
    def is_held(self) -> bool:
        return self.progress.held

    def may_name(self, *texts: str) -> bool:
        """False if it certainly names not all of `texts`, in lower case, as customer or address: far less work than to
        decode the message."""
        octets = self.packed.lower()
        return all(text.encode() in octets for text in texts if text.isascii())


class WaitingRoom:
    """due: called when something is; it takes with `pop_due`. What is held is never due.

    *Parked* is what was due and found its lane full: it waits for that lane, in the order in which it was due.
    """

    def __init__(self, clock: Clock, due: Callable[[], None]) -> None:
        self._clock = clock
        self._heap = DueHeap(clock, due)
        self._waiting: dict[QueueId, Waiting] = {}
        self._parked: dict[Hashable, deque[QueueId]] = {}
        self.wait = self._heap.wait
        self.stop = self._heap.stop

    def __len__(self) -> int:
        return len(self._waiting)

    def __iter__(self) -> Iterator[Waiting]:
        return iter(tuple(self._waiting.values()))

    def get(self, queue_id: QueueId) -> Waiting | None:
        return self._waiting.get(queue_id)

    def put(self, message: Message, progress: Progress) -> Waiting:
        """Until `progress.next_attempt_at`, or until it is released if it is held."""
        queue_id = message.queue_id
        waiting = Waiting(queue_id, _encode(message), progress, progress.next_attempt_at)
        self._waiting[queue_id] = waiting
        if not progress.held:
            self._heap.put(waiting.next_attempt_at, queue_id)
        return waiting

    def put_slow(self, message: Message, progress: Progress, expires_at: float) -> Waiting:
        """Until the slow lane lets it go by `change`, or it is due because its time is over."""
        waiting = Waiting(message.queue_id, _encode(message), progress, expires_at, is_slow=True)
        self._waiting[message.queue_id] = waiting
        self._heap.put(expires_at, message.queue_id)
        return waiting

    def change(self, waiting: Waiting, progress: Progress, next_attempt_at: float, *, is_urgent: bool = False) -> None:
        """Let it wait for something else."""
        waiting.progress = progress
        waiting.next_attempt_at = next_attempt_at
        waiting.is_urgent = is_urgent
        if not progress.held:
            self._heap.put(next_attempt_at, waiting.queue_id)
            if self._heap.is_stale(len(self._waiting)):
                self._heap.rebuild((one.next_attempt_at, one.queue_id) for one in self if not one.progress.held)

    def remove(self, waiting: Waiting) -> None:
        del self._waiting[waiting.queue_id]

    def pop_due(self) -> Waiting | None:
        """Take out the next one that is due; None if none is."""
        while (entry := self._heap.pop()) is not None:
            waiting = self._waiting.get(entry[1])
            if waiting is not None and waiting.next_attempt_at == entry[0] and not waiting.progress.held:
                del self._waiting[waiting.queue_id]
                return waiting
        return None

    def park(self, waiting: Waiting, lane: Hashable) -> None:
        """What `pop_due` has just given waits for `lane`."""
        self._waiting[waiting.queue_id] = waiting
        self._parked.setdefault(lane, deque()).append(waiting.queue_id)

    def pop_parked(self, lane: Hashable) -> Waiting | None:
        """Take out the next one that waits for `lane`; None if none does."""
        parked = self._parked.get(lane)
        while parked:
            waiting = self._waiting.get(parked.popleft())
            # Meanwhile a person may have held it, or it was tried and deferred again.
            if waiting is not None and not waiting.progress.held and waiting.next_attempt_at <= self._clock.now():
                del self._waiting[waiting.queue_id]
                return waiting
        self._parked.pop(lane, None)
        return None
