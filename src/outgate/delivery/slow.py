"""The slow lane: accepted mail of senders that are over a limit. It waits until the limit has room again, is charged
then, and goes on like mail that has just become due.

Each sender has a queue, small mail first: a message may be overtaken by smaller ones that came up to
`BEHIND_MAX_SECONDS` later, never by others, so that nothing starves. A queue whose head does not fit is *parked* at the
meter that has no room; the queues at one meter wake together with it, best head first, until it is full again. So a
message that leaves costs the logarithm of what waits. One that waits costs an entry of a heap beside what a deferred
one costs: of 200,000, measured, some 870 octets (deferred: 800), and 1,110 where no sender has more than two.
"""

from collections.abc import Callable
from heapq import heappop, heappush
from typing import Final

from outgate.delivery.interface import Clock
from outgate.delivery.pace import Pace
from outgate.delivery.schedule import DueHeap
from outgate.delivery.settings import FAULT_SECONDS
from outgate.delivery.waiting import Waiting, WaitingRoom
from outgate.mail.message import Lane, Message, Progress, QueueId
from outgate.policy import limits
from outgate.policy.limits import Blocked, Limiter
from outgate.policy.meters import Key
from outgate.policy.sender import Sender

BEHIND_MAX_SECONDS: Final = 1_800.0  # at most so much later mail overtakes a large message in the slow lane
BEHIND_OCTETS_PER_SECOND: Final = 16_384.0  # octets of a slow message for which it lets a second's later mail pass
BEHIND_SECONDS_PER_RECIPIENT: Final = 5.0  # the same for each of its recipients
_START: Final = "start"
_FAULT: Final = "fault"


def is_slow(message: Message, progress: Progress) -> bool:
    """Does it wait for its turn? Who has had that, or was let go by a person, has a time of its next attempt."""
    return message.lane == Lane.SLOW and not progress.attempts and not progress.next_attempt_at and not progress.held


def sender_of(message: Message) -> Sender:
    return limits.sender_of(message.customer_id, message.reverse_path, message.source)


class _Queue:
    """One sender's slow mail. heap: rank, id, recipients; an entry whose message has left is void. parked_at: name of
    the blocker."""

    __slots__ = ("heap", "parked_at", "sender")

    def __init__(self, sender: Sender) -> None:
        self.sender = sender
        self.heap: list[tuple[float, QueueId, int]] = []
        self.parked_at = ""


class _Blocker:
    """A meter without room. heap: rank and id of a queue's head, and the queue."""

    __slots__ = ("at", "heap", "key", "rate")

    def __init__(self, key: Key | None, at: float) -> None:
        self.key = key
        self.at = at
        self.rate = 0.0
        self.heap: list[tuple[float, QueueId, _Queue]] = []


class SlowLane:
    """room: where slow messages are kept, marked `is_slow`. let_go: told of each message whose turn it is, which is
    marked no more. fault: told the queue id of the head when our own code raised over it."""

    def __init__(
        self,
        clock: Clock,
        room: WaitingRoom,
        limiter: Limiter,
        let_go: Callable[[Waiting], None],
        fault: Callable[[QueueId, Exception], None],
    ) -> None:
        self._fault = fault
        self._clock = clock
        self._room = room
        self._limiter = limiter
        self._let_go = let_go
        self._queues: dict[Sender, _Queue] = {}
        self._blockers: dict[str, _Blocker] = {}
        self._is_started = False
        self._pace = Pace(clock, self._step)
        self._due = DueHeap(clock, self._pace.go)

    def put(self, message: Message, progress: Progress, expires_at: float) -> None:
        """It waits from now on, at most until `expires_at`. Its place in the quota is taken already."""
        waiting = self._room.put_slow(message, progress, expires_at)
        sender = sender_of(message)
        queue = self._queues.get(sender)
        if queue is None:
            queue = self._queues[sender] = _Queue(sender)
        recipients = len(message.forward_paths)
        heappush(queue.heap, (_rank(message, recipients), waiting.queue_id, recipients))
        if queue.parked_at:
            if self._is_started and queue.heap[0][1] == waiting.queue_id:
                self._try_new_head(queue, waiting, recipients)
        elif self._is_started:
            self._try(queue, is_new=True)
        else:
            self._park(queue, _START, None, 0.0, 0.0)

    def leave(self, waiting: Waiting) -> None:
        """A person takes it out."""
        waiting.is_slow = False
        message = waiting.message
        self._limiter.slow_room.leave(message.customer_id, message.size_octets)

    def start(self) -> None:
        self._is_started = True
        self._due.put(0.0, _START)
        self._pace.go()

    def stop(self) -> None:
        self._pace.stop()
        self._due.stop()

    # Whose turn it is

    def _step(self) -> bool:
        """Look at one queue of a meter that may have room. Returns whether there may be more to do."""
        if not self._is_started:
            return False
        entry = self._due.pop()
        if entry is None:
            self._due.wait()
            return False
        at, name = entry
        blocker = self._blockers.get(name)
        if blocker is None or at < blocker.at:
            return True  # gone, or put off
        _, _, queue = heappop(blocker.heap)
        if blocker.heap:
            self._due.put(at, name)  # until one is blocked by this meter again, which puts it off
        else:
            del self._blockers[name]
        self._unpark(queue, blocker)
        try:
            self._try(queue, is_new=False)
        except Exception as error:
            self._fault(queue.heap[0][1] if queue.heap else "", error)
            if queue.heap and not queue.parked_at:
                self._park(queue, _FAULT, None, self._clock.now() + FAULT_SECONDS, 0.0)
        return True

    def _try(self, queue: _Queue, *, is_new: bool) -> None:
        """Let its head go, or park it. is_new: it waits behind those who wait for a meter already."""
        head = self._head(queue)
        if head is None:
            del self._queues[queue.sender]
            return
        waiting, recipients = head
        blocked = self._draw(queue, waiting, recipients, is_behind=is_new)
        if blocked is not None:
            self._park(queue, _name(blocked.key), blocked.key, max(blocked.at, self._clock.now()), blocked.rate)
        elif self._head(queue) is None:
            del self._queues[queue.sender]
        else:
            self._park(queue, _START, None, self._clock.now(), 0.0)  # its next is tried in another step

    def _try_new_head(self, queue: _Queue, waiting: Waiting, recipients: int) -> None:
        """It is smaller than the head for which the queue is parked, and may fit where that does not."""
        self._draw(queue, waiting, recipients, is_behind=False)

    def _draw(self, queue: _Queue, waiting: Waiting, recipients: int, *, is_behind: bool) -> Blocked | None:
        """Let the head go if it fits."""
        now = self._clock.now()
        waited = now - waiting.message.received_at
        blocked = self._limiter.draw(queue.sender, recipients, waited, now, is_behind=is_behind)
        if blocked is None:
            heappop(queue.heap)
            self.leave(waiting)
            self._let_go(waiting)
        return blocked

    def _head(self, queue: _Queue) -> tuple[Waiting, int] | None:
        while queue.heap:
            waiting = self._room.get(queue.heap[0][1])
            if waiting is not None and waiting.is_slow:
                return waiting, queue.heap[0][2]
            heappop(queue.heap)
        return None

    def _park(self, queue: _Queue, name: str, key: Key | None, at: float, rate: float) -> None:
        blocker = self._blockers.get(name)
        if blocker is None:
            blocker = self._blockers[name] = _Blocker(key, at)
            self._due.put(at, name)
        elif at > blocker.at:
            blocker.at = at
            self._due.put(at, name)
        blocker.rate = rate or blocker.rate
        rank, queue_id, _ = queue.heap[0]
        heappush(blocker.heap, (rank, queue_id, queue))  # which may be its head no more when it wakes
        queue.parked_at = name
        if key is not None:
            self._limiter.wait_for(key, 1)

    def _unpark(self, queue: _Queue, blocker: _Blocker) -> None:
        queue.parked_at = ""
        if blocker.key is not None:
            self._limiter.wait_for(blocker.key, -1)

    # For people

    def estimates(self) -> Callable[[Waiting], float]:
        """When each slow message should have its turn, if nobody sends any more; good for one look at the queue.

        What is ahead of it in its own queue counts, and that other queues wait for the same meter.
        """
        ahead: dict[Sender, dict[QueueId, int]] = {}

        def estimate(waiting: Waiting) -> float:
            sender = sender_of(waiting.message)
            queue = self._queues.get(sender)
            blocker = self._blockers.get(queue.parked_at) if queue is not None else None
            if queue is None or blocker is None:
                return self._clock.now()
            if sender not in ahead:
                ahead[sender] = _recipients_ahead(queue)
            seconds = ahead[sender].get(waiting.queue_id, 0) / blocker.rate if blocker.rate else 0.0
            return max(blocker.at, self._clock.now()) + seconds * len(blocker.heap)

        return estimate


def _rank(message: Message, recipients: int) -> float:
    """The smaller, the sooner: the time of its coming, and what its size puts it behind."""
    behind = message.size_octets / BEHIND_OCTETS_PER_SECOND + recipients * BEHIND_SECONDS_PER_RECIPIENT
    return message.received_at + min(behind, BEHIND_MAX_SECONDS)


def _recipients_ahead(queue: _Queue) -> dict[QueueId, int]:
    ahead = {}
    total = 0
    for _, queue_id, recipients in sorted(queue.heap):
        ahead[queue_id] = total
        total += recipients
    return ahead


def _name(key: Key) -> str:
    return "\0".join(key)
