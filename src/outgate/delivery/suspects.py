"""Poison: messages under which an earlier worker ended, tried one after the other, and set aside at the second end.

Which messages are being tried is noted in a table that outlives the process (`Tries`). What stands in it at the start
was being tried when the worker ended: each of these is a *suspect*, most of them innocent. Its next try has a durable
mark (`Progress.tries_begun`) before it, and no other suspect is tried beside it. If the worker ends under it again, it
is held, and the others go on. A try whose end was seen, whatever the outcome, takes the suspicion away.

Reception needs none of this: content that ends the worker before its 250 was never accepted, and nothing is kept of it.
"""

from collections.abc import Callable
from functools import partial

from outgate.delivery.item import Item, State
from outgate.delivery.means import Means
from outgate.delivery.outcome import judge, merged, with_changes
from outgate.delivery.reports import Reports
from outgate.delivery.settings import SPOOL_RETRY_SECONDS, SUSPECT_SECONDS, TRIES_MAX
from outgate.delivery.waiting import Waiting, WaitingRoom
from outgate.mail.message import Message, Progress, QueueId, Status
from outgate.policy.reasons import Reason, reply_of
from outgate.spool.interface import SpoolError


class Suspects:
    """room: where messages wait. begin: begins a round of one of these."""

    def __init__(self, means: Means, reports: Reports, room: WaitingRoom, begin: Callable[[Waiting], Item]) -> None:
        self._spool = means.spool
        self._clock = means.clock
        self._tries = means.tries
        self._reports = reports
        self._room = room
        self._begin = begin
        self._left = means.tries.left()
        self._marking: set[QueueId] = set()
        self._tried: Item | None = None
        self.set_aside = 0

    def is_left(self, queue_id: QueueId) -> bool:
        """Was it being tried when the earlier worker ended? Asked at recovery."""
        return queue_id in self._left

    def take_up(self, message: Message, progress: Progress) -> None:
        """Mark it, durably; then it may wait for its time, or is held."""
        begun = progress.tries_begun + 1
        if begun < TRIES_MAX:
            progress = with_changes(progress, tries_begun=begun)
        else:
            pending = [place for place, one in enumerate(progress.recipients) if one.status is Status.PENDING]
            result = judge(reply_of(Reason.SET_ASIDE), "", Reason.SET_ASIDE)
            recipients = merged(progress, dict.fromkeys(pending, result))
            progress = with_changes(progress, recipients=recipients, held=True, tries_begun=begun)
            self.set_aside += 1
            attempt = progress.attempts + begun
            self._reports.settled(message, attempt, pending, [result] * len(pending), Reason.SET_ASIDE)
        self._marking.add(message.queue_id)
        self._mark(message, progress)

    def _mark(self, message: Message, progress: Progress) -> None:
        self._spool.update(message.queue_id, progress, partial(self._marked, message, progress))

    def _marked(self, message: Message, progress: Progress, error: SpoolError | None) -> None:
        if error is not None:
            again = partial(self._mark, message, progress)
            self._clock.call_at(self._clock.monotonic() + SPOOL_RETRY_SECONDS, again)
            return
        self._marking.discard(message.queue_id)
        self._tries.end(self._left.pop(message.queue_id))
        self._room.put(message, progress)

    def recovered(self) -> None:
        """Every message that the spool has was taken up: what else the table names had ended."""
        for queue_id in self._left.keys() - self._marking:
            self._tries.end(self._left.pop(queue_id))

    def put(self, waiting: Waiting) -> None:
        """One that is due; tried when it is its turn."""
        self._room.park(waiting, self)
        self._next()

    def ended(self, item: Item) -> None:
        """A round has ended; if it was the suspect's, it is the turn of the next."""
        if item is self._tried:
            self._tried = None
            self._next()

    def _next(self) -> None:
        while self._tried is None and (waiting := self._room.pop_parked(self)) is not None:
            item = self._begin(waiting)
            if item.state is State.ACTIVE:  # else its round has ended already
                self._tried = item
                # One whose next hop is slow must not hold up the others: a poison works faster than that.
                self._clock.call_at(self._clock.monotonic() + SUSPECT_SECONDS, partial(self.ended, item))
