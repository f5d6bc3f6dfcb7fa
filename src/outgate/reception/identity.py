"""Queue ids for one worker: unique for ever, though the clock may step back."""

from collections.abc import Callable
from typing import Final

from outgate.mail.message import QueueId
from outgate.mail.queue_ids import queue_id

COUNTER_MAX: Final = 16_383  # ids in one millisecond; then the next millisecond is taken in advance


class QueueIds:
    """Gives ids in ascending order, from the wall clock or, if that goes back, from the last id on."""

    def __init__(self, worker: int, now: Callable[[], float]) -> None:
        self._worker = worker
        self._now = now
        self._milliseconds = 0
        self._counter = 0

    def next(self) -> QueueId:
        milliseconds = int(self._now() * 1000)
        if milliseconds > self._milliseconds:
            self._milliseconds = milliseconds
            self._counter = 0
        elif self._counter < COUNTER_MAX:
            self._counter += 1
        else:
            self._milliseconds += 1
            self._counter = 0
        return queue_id(self._milliseconds, self._worker, self._counter)
