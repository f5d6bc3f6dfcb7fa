"""Rounds: each message that is due is tried once at each of its next hops, and what came of that decides what is next.

When the last job of a round has ended the message is finished, or gets a time for its next round; before that the
failed recipients are reported by a DSN, which is durable before the message's own state changes. So after a crash at
any point a message may be tried or reported twice, but never not at all.

The ordinary message costs no task: `take`, a lane, a kept connection, one callback.
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from outgate.contract.events import DeliveryAttempted, Event, RecipientOutcome
from outgate.contract.policy import SenderRelay
from outgate.delivery.interface import (
    Clock,
    Connector,
    HopConnection,
    NextHop,
    Resolver,
    Threads,
    Transaction,
    TransactionResult,
    Unreachable,
)
from outgate.delivery.item import Item, Job, State, Wish
from outgate.delivery.lanes import Lane, Lanes
from outgate.delivery.notices import Notices, deserves_notice
from outgate.delivery.outcome import OUTCOMES, given_up, is_pending, judge, merged, reason_of
from outgate.delivery.routes import Router, RouteUnknown, by_domain, domain_hop, relay_hop, with_exchangers
from outgate.delivery.schedule import DueHeap
from outgate.delivery.settings import SPOOL_RETRY_SECONDS, DeliverySettings
from outgate.mail.message import Message, Progress, QueueId, RecipientProgress, Status, fresh_progress
from outgate.mail.reply import Reply
from outgate.policy.reasons import Reason, reply_of
from outgate.policy.schedule import RetrySchedule
from outgate.spool.interface import ContentReader, Spool, SpoolError, SpoolFailed

DROP_SECONDS: Final = 1.0  # for connections that are cut at the end to be gone

_RELAYED: Final = Reason.RELAYED.value
_HELD: Final = "the content cannot be read from the spool; the message is held"


class Rounds:
    """All unfinished messages. Everything on the event loop's thread."""

    def __init__(
        self,
        *,
        spool: Spool,
        connector: Connector,
        resolver: Resolver,
        clock: Clock,
        threads: Threads,
        router: Router,
        schedule: RetrySchedule,
        settings: DeliverySettings,
        random: Callable[[], float],
        new_queue_id: Callable[[], QueueId],
        emit: Callable[[Event], None],
    ) -> None:
        self._spool = spool
        self._connector = connector
        self._resolver = resolver
        self._clock = clock
        self._router = router
        self._schedule = schedule
        self._settings = settings
        self._random = random
        self._emit = emit
        self._heap = DueHeap(clock, self._take_due)
        self._notices = Notices(
            spool=spool,
            threads=threads,
            clock=clock,
            host_name=settings.host_name,
            new_queue_id=new_queue_id,
            submit=self.take,
        )
        self._relay_hops: dict[SenderRelay, NextHop] = {}
        self._is_started = False
        self._is_stopping = False
        self._is_over = False
        self.items: dict[QueueId, Item] = {}
        self.lanes = Lanes(
            connect=self._connect, clock=clock, settings=settings, begin=self._begin, failed=self._unreached
        )
        self.active = 0
        self.hot_octets = 0
        self.notices_sent = 0

    # Taking messages

    def take(self, message: Message, content: bytes | None) -> None:
        """A message that has just become durable. content: its octets, if they are in memory."""
        if content is not None:
            if self.hot_octets + len(content) > self._settings.hot_octets_max:
                content = None
            else:
                self.hot_octets += len(content)
        item = Item(message, fresh_progress(len(message.forward_paths)), content, is_fresh=True)
        self.items[message.queue_id] = item
        if self.active < self._settings.active_max and self._is_started and not self._is_stopping:
            self._try(item)
        else:
            self._heap.put(0.0, message.queue_id)

    def take_up(self, message: Message, progress: Progress) -> None:
        """A message of an earlier process; tried from `start` on, when it is due."""
        if not is_pending(progress.recipients):
            self._spool.finish(message.queue_id)  # it ended just before the crash
            return
        item = Item(message, progress, None, is_fresh=False)
        self.items[message.queue_id] = item
        if item.state is State.DEFERRED:
            self._heap.put(item.next_attempt_at, message.queue_id)

    def start(self) -> None:
        self._is_started = True
        self._take_due()

    async def drain(self, timeout_seconds: float) -> None:
        """Begin nothing more, and wait for what is under way, at most so long; then cut it. What is left stays in the
        spool as it is."""
        self._is_stopping = True
        self._heap.stop()
        self.lanes.stop()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_seconds):
                await self.lanes.wait_until_quiet()
                await self._notices.wait_until_quiet()
        self.lanes.drop_all()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DROP_SECONDS):
                await self.lanes.wait_until_quiet()
        self._is_over = True

    def _take_due(self) -> None:
        """Try what is due, as much as may be active at a time."""
        if not self._is_started:
            return
        while self.active < self._settings.active_max and not self._is_stopping:
            entry = self._heap.pop()
            if entry is None:
                break
            at, queue_id = entry
            item = self.items.get(queue_id)
            if item is not None and item.state is State.DEFERRED and item.next_attempt_at == at:
                self._try(item)
        if self.active < self._settings.active_max:
            self._heap.wait()  # else whoever leaves makes room

    # A round begins

    def _try(self, item: Item) -> None:
        item.state = State.ACTIVE
        item.begun_at = self._clock.monotonic()
        self.active += 1
        is_urgent, item.is_urgent = item.is_urgent, False
        try:
            relay = self._router(item.message)
        except RouteUnknown:
            item.outstanding = 1
            self._settle_alike(item, item.pending(), reply_of(Reason.POLICY_STALE), Reason.POLICY_STALE, "")
            return
        if item.is_fresh and relay is not None and self._is_one_job(item):
            item.is_fresh = False
            item.outstanding = 1
            self.lanes.put(Job(item, None, self._relay_hop(relay)))
            return
        item.is_fresh = False
        jobs = self._jobs(item, relay)
        item.outstanding = len(jobs)
        for job in jobs:
            self.lanes.put(job, is_urgent=is_urgent)

    def _is_one_job(self, item: Item) -> bool:
        return len(item.message.forward_paths) <= self._settings.recipients_per_transaction

    def _jobs(self, item: Item, relay: SenderRelay | None) -> list[Job]:
        """All pending recipients, one job for each next hop, or more where they are too many for one transaction."""
        pending = item.pending()
        port = self._settings.smtp_port
        groups: list[tuple[NextHop, Sequence[int]]]
        if relay is not None:
            groups = [(self._relay_hop(relay), pending)]
        else:
            by_name = by_domain(item.message.forward_paths, pending)
            groups = [(domain_hop(domain, port), places) for domain, places in by_name.items()]
        step = self._settings.recipients_per_transaction
        return [
            Job(item, tuple(places[start : start + step]), next_hop)
            for next_hop, places in groups
            for start in range(0, len(places), step)
        ]

    def _relay_hop(self, relay: SenderRelay) -> NextHop:
        """One object for each relay, so that the ordinary message builds none."""
        next_hop = self._relay_hops.get(relay)
        if next_hop is None:
            next_hop = self._relay_hops[relay] = relay_hop(relay)
        return next_hop

    async def _connect(self, next_hop: NextHop) -> HopConnection:
        """Raises: Unreachable."""
        if not next_hop.hosts:
            next_hop = with_exchangers(next_hop, await self._resolver.mail_exchangers(next_hop.name))
        return await self._connector.connect(next_hop)

    def _begin(self, lane: Lane, connection: HopConnection, job: Job) -> bool:
        item = job.item
        message = item.message
        content: bytes | ContentReader | None = item.content
        if content is None:
            try:
                content = job.reader = self._spool.content(message.queue_id)
            except SpoolError as error:
                self._unreadable(job, error)
                return False
        item.sending += 1
        connection.send(
            Transaction(message.reverse_path, job.forward_paths(), message.trace, content, message.needs),
            partial(self._ended, lane, connection, job),
        )
        return True

    # A job ends

    def _ended(self, lane: Lane, connection: HopConnection, job: Job, result: TransactionResult) -> None:
        if self._is_over:
            return
        item = job.item
        item.sending -= 1
        if job.reader is not None:
            job.reader.close()
            job.reader = None
        self.lanes.give_back(lane, connection)
        reason = result.reason
        if not reason and job.places is None and _are_all_positive(result.replies):
            self._relayed(item, result)
        elif not (result.is_heard or job.was_unheard or job.is_void or self._is_stopping):
            # A kept connection that the next hop had closed meanwhile says nothing about the message.
            job.was_unheard = True
            self.lanes.put(job, first=True)
        elif reason == Reason.CONTENT_DAMAGED:
            self._unreadable(job, None)
        else:
            results = [judge(reply, result.peer, reason) for reply in result.replies]
            self._settle(item, job.all_places(), results, reason_of(results, reason), result.peer, result.tls)

    def _relayed(self, item: Item, result: TransactionResult) -> None:
        """The ordinary end: all recipients at once. Whatever people wished for behind it comes too late."""
        message = item.message
        now = self._clock.now()
        replies = [str(reply) for reply in result.replies]
        self._emit(
            DeliveryAttempted(
                message.queue_id,
                item.progress.attempts + 1,
                result.peer,
                self._settings.worker,
                now,
                message.customer_id,
                tuple(
                    [
                        RecipientOutcome(place, path.text, "relayed", replies[place])
                        for place, path in enumerate(message.forward_paths)
                    ]
                ),
                _RELAYED,
                result.tls,
                self._clock.monotonic() - item.begun_at,
                0.0,
                True,
            )
        )
        self._leave_active()
        self._finish(item)

    def _unreached(self, job: Job, failure: Unreachable) -> None:
        peer = failure.next_hop or job.next_hop.name
        self._settle_alike(job.item, job.all_places(), failure.reply, failure.reason, peer)

    def _unreadable(self, job: Job, error: SpoolError | None) -> None:
        """Held: the disk may be mended, or a copy of it at hand; a DSN would close the case. If the whole spool has
        failed this process ends, and the next one sees what is really there."""
        item = job.item
        if not isinstance(error, SpoolFailed):
            item.wish = Wish.HOLD
        reply = Reply(451, "4.3.0", f"{Reason.CONTENT_DAMAGED}: {_HELD}")
        self._settle_alike(item, job.all_places(), reply, Reason.CONTENT_DAMAGED, "")

    def _settle_alike(self, item: Item, places: Sequence[int], reply: Reply, reason: Reason, next_hop: str) -> None:
        result = judge(reply, next_hop, reason)
        self._settle(item, places, [result] * len(places), reason.value, next_hop, "")

    def _settle(
        self,
        item: Item,
        places: Sequence[int],
        results: Sequence[RecipientProgress],
        reason: str,
        next_hop: str,
        tls: str,
    ) -> None:
        """A job of the round has ended with `results` for `places`."""
        item.outstanding -= 1
        if item.results is None:
            item.results = {}
        item.results.update(zip(places, results, strict=True))
        if item.outstanding:
            self._tell(item, places, results, reason, next_hop, tls)
            self._keep_relayed(item)
            return
        progress, expired = self._judge_round(item)
        is_final = not is_pending(progress.recipients)
        at = progress.next_attempt_at
        self._tell(item, places, results, reason, next_hop, tls, next_attempt_at=at, is_final=is_final and not expired)
        self._end_round(item, progress, expired)

    def _keep_relayed(self, item: Item) -> None:
        """What was relayed must not be relayed again if we crash before the round has ended."""
        assert item.results is not None
        relayed = {place: result for place, result in item.results.items() if result.status is Status.RELAYED}
        if relayed:
            self._spool.update(item.queue_id, with_changes(item.progress, recipients=merged(item.progress, relayed)))

    # A round ends

    def _judge_round(self, item: Item) -> tuple[Progress, Sequence[int]]:
        """How the message stands now, and whose time is over."""
        attempts = item.progress.attempts + 1
        recipients = merged(item.progress, item.results or {})
        if not is_pending(recipients):
            return Progress(recipients, attempts), ()
        now = self._clock.now()
        later = self._schedule.next_attempt_at(now, item.message.received_at, attempts, self._random())
        if later is not None or item.wish is Wish.HOLD:
            return Progress(recipients, attempts, later or now), ()
        expired = [place for place, one in enumerate(recipients) if one.status is Status.PENDING]
        return Progress(given_up(recipients), attempts), expired

    def _end_round(self, item: Item, progress: Progress, expired: Sequence[int]) -> None:
        if expired:
            results = [progress.recipients[place] for place in expired]
            self._tell(item, expired, results, Reason.EXPIRED.value, "", "", is_final=True)
        item.results = None
        self._leave_active()
        before = item.progress.recipients
        failed = [
            place
            for place, one in enumerate(progress.recipients)
            if one.status is Status.FAILED and before[place].status is not Status.FAILED
        ]
        if failed and item.wish is not Wish.DELETE and deserves_notice(item.message):
            item.state = State.NOTIFYING
            self._notify(item, progress, failed)
        else:
            self._conclude(item, progress)

    def _leave_active(self) -> None:
        self.active -= 1
        if self.active == self._settings.active_max - 1:
            self._heap.wait()  # what was due had to wait

    def _notify(self, item: Item, progress: Progress, failed: Sequence[int]) -> None:
        done = partial(self._notified, item, progress, failed)
        self._notices.send(item.message, progress.recipients, failed, item.content, done)

    def _notified(self, item: Item, progress: Progress, failed: Sequence[int], error: SpoolError | None) -> None:
        if error is None:
            self.notices_sent += 1
            self._conclude(item, progress)
        elif not self._is_stopping:
            # No room for the DSN: the message stays in the spool as it was until there is.
            again = partial(self._notify, item, progress, failed)
            self._clock.call_at(self._clock.monotonic() + SPOOL_RETRY_SECONDS, again)

    def _conclude(self, item: Item, progress: Progress) -> None:
        """The round is over and reported: finish the message, or keep it for later."""
        wish, item.wish = item.wish, Wish.NONE
        item.progress = progress
        if not is_pending(progress.recipients):
            self._finish(item)
        elif wish is Wish.DELETE:
            self._delete(item)
        else:
            self._forget_content(item)
            if wish is Wish.HOLD:
                item.progress = with_changes(progress, held=True)
            item.state = State.HELD if item.progress.held else State.DEFERRED
            item.next_attempt_at = progress.next_attempt_at
            self._spool.update(item.queue_id, item.progress)
            if item.state is State.DEFERRED:
                self._heap.put(item.next_attempt_at, item.queue_id)

    def _finish(self, item: Item) -> None:
        self._forget_content(item)
        del self.items[item.queue_id]
        self._spool.finish(item.queue_id)

    def _delete(self, item: Item) -> None:
        result = RecipientProgress(Status.FAILED, f"deleted by {item.actor or 'a person'}")
        places = item.pending()
        self._tell(item, places, [result] * len(places), Reason.DELETED.value, "", "", is_final=True)
        self._finish(item)

    def _forget_content(self, item: Item) -> None:
        if item.content is not None:
            self.hot_octets -= len(item.content)
            item.content = None

    # What people ask for

    def retry(self, item: Item) -> None:
        """Now, whatever the schedule and the back-off of its next hops say; a held message stays held."""
        if item.state is State.DEFERRED:
            item.is_urgent = True
            item.next_attempt_at = self._clock.now()
            self._heap.put(item.next_attempt_at, item.queue_id)

    def hold(self, item: Item) -> None:
        if item.state is State.DEFERRED:
            item.state = State.HELD
            item.progress = with_changes(item.progress, held=True)
            self._spool.update(item.queue_id, item.progress)
        elif item.state is not State.HELD:
            self._wish(item, Wish.HOLD)

    def release(self, item: Item) -> None:
        if item.state is State.HELD:
            item.state = State.DEFERRED
            item.progress = with_changes(item.progress, held=False)
            self._spool.update(item.queue_id, item.progress)
            self.retry(item)
        elif item.wish is Wish.HOLD:
            item.wish = Wish.NONE

    def delete(self, item: Item, actor: str) -> None:
        item.actor = actor
        if item.state in (State.DEFERRED, State.HELD):
            self._delete(item)
        else:
            self._wish(item, Wish.DELETE)

    def _wish(self, item: Item, wish: Wish) -> None:
        """What a connection has in its hands ends first; what only waits for one is called off."""
        item.wish = wish
        if item.state is not State.ACTIVE:
            return
        item.number += 1
        item.outstanding = item.sending
        if item.outstanding:
            return
        if item.results is None:
            self._leave_active()
            self._conclude(item, item.progress)
        else:
            progress, expired = self._judge_round(item)
            self._end_round(item, progress, expired)

    # The record

    def _tell(
        self,
        item: Item,
        places: Sequence[int],
        results: Sequence[RecipientProgress],
        reason: str,
        next_hop: str,
        tls: str,
        *,
        next_attempt_at: float = 0.0,
        is_final: bool = False,
    ) -> None:
        message = item.message
        paths = message.forward_paths
        self._emit(
            DeliveryAttempted(
                message.queue_id,
                item.progress.attempts + 1,
                next_hop,
                self._settings.worker,
                self._clock.now(),
                message.customer_id,
                tuple(
                    [
                        RecipientOutcome(place, paths[place].text, OUTCOMES[result.status], result.reply)
                        for place, result in zip(places, results, strict=True)
                    ]
                ),
                reason,
                tls,
                self._clock.monotonic() - item.begun_at if item.begun_at else 0.0,
                next_attempt_at,
                is_final,
            )
        )


def _are_all_positive(replies: Sequence[Reply]) -> bool:
    for reply in replies:  # noqa: SIM110 - a generator costs more than the rest of an ordinary end
        if not 200 <= reply.code < 300:
            return False
    return True


def with_changes(
    progress: Progress, *, recipients: tuple[RecipientProgress, ...] | None = None, held: bool | None = None
) -> Progress:
    return Progress(
        progress.recipients if recipients is None else recipients,
        progress.attempts,
        progress.next_attempt_at,
        progress.held if held is None else held,
        progress.tries_begun,
    )
