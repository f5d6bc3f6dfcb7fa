"""Deferred messages in the order of their next attempt, with one timer for all. Compact: 200,000 are ordinary."""

import heapq
from collections.abc import Callable, Iterable
from typing import Final

from outgate.delivery.interface import Clock
from outgate.mail.message import QueueId

LOOK_AGAIN_SECONDS: Final = 60.0  # at most: the wall clock may be set forward meanwhile
VOID_MAX: Final = 10_000  # entries that may be void, beside as many as there are messages, before the heap is rebuilt


class DueHeap:
    """`due` is called when something is; it takes with `pop`. An entry is void when its message has another time by
    now: the caller knows, and skips it."""

    def __init__(self, clock: Clock, due: Callable[[], None]) -> None:
        self._clock = clock
        self._due = due
        self._heap: list[tuple[float, QueueId]] = []
        self._timer_at = float("inf")
        self._cancel: Callable[[], None] | None = None
        self._is_stopped = False

    def put(self, at: float, queue_id: QueueId) -> None:
        heapq.heappush(self._heap, (at, queue_id))
        if at < self._timer_at:
            self._set(at)

    def pop(self) -> tuple[float, QueueId] | None:
        """The next entry that is due; None if none is."""
        if self._heap and self._heap[0][0] <= self._clock.now():
            return heapq.heappop(self._heap)
        return None

    def wait(self) -> None:
        """Set the timer for the next entry; called when `pop` has given None, or no more are wanted now."""
        if self._heap and not self._is_stopped:
            self._set(self._heap[0][0])

    def is_stale(self, messages: int) -> bool:
        """Are most entries void? messages: how many wait. A person who asks for a try leaves one void entry each."""
        return len(self._heap) > 2 * messages + VOID_MAX

    def rebuild(self, entries: Iterable[tuple[float, QueueId]]) -> None:
        """Forget everything but `entries`."""
        self._heap = list(entries)
        heapq.heapify(self._heap)

    def stop(self) -> None:
        self._is_stopped = True
        if self._cancel is not None:
            self._cancel()

    def _set(self, at: float) -> None:
        if self._is_stopped:
            return
        if self._cancel is not None:
            self._cancel()
        self._timer_at = at
        delay = min(max(at - self._clock.now(), 0.0), LOOK_AGAIN_SECONDS)
        self._cancel = self._clock.call_at(self._clock.monotonic() + delay, self._ring)

    def _ring(self) -> None:
        self._timer_at = float("inf")
        self._cancel = None
        self._due()
