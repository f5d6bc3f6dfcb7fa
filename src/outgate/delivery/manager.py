"""The queue at work: takes durable messages, tries them, and leaves nothing without an outcome.

A *round* tries all pending recipients of a message once, in one job for each next hop. When the last job has ended
the message is finished, or gets a time for its next round; before that the failed recipients are reported by a DSN,
which is durable before the message's own state changes. So after a crash at any point a message may be tried or
reported twice, but never not at all.

The ordinary message costs no task: `submit`, a lane, a kept connection, one callback.
"""

import asyncio
import contextlib
from collections.abc import Callable
from functools import partial

from outgate.contract.commands import CommandResult, QueueAction, QueueCommand
from outgate.contract.events import DeliveryAttempted, Event, RecipientOutcome
from outgate.contract.policy import SenderRelay
from outgate.contract.wire import Answer, Failed, QueueList, QueueListed
from outgate.delivery import listing
from outgate.delivery.interface import (
    Clock,
    Connector,
    HopConnection,
    MailExchangers,
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
from outgate.delivery.outcome import OUTCOMES, judge, merged, reason_of
from outgate.delivery.routes import NoRoute, Router, RouteUnknown, by_domain, exchanger_hop, literal_hop, relay_hop
from outgate.delivery.schedule import DueHeap
from outgate.delivery.settings import LOOKUPS_MAX, SPOOL_RETRY_SECONDS, DeliverySettings
from outgate.mail.message import Message, Progress, QueueId, RecipientProgress, Status, fresh_progress
from outgate.mail.reply import Reply
from outgate.policy.reasons import Reason, reply_of
from outgate.policy.schedule import RetrySchedule
from outgate.spool.interface import Spool, SpoolError

__all__ = ["DeliveryManager", "DeliverySettings"]


class DeliveryManager:
    """Everything on the event loop's thread.

    router: the sender relay of a message, None for MX; may raise RouteUnknown. random: even in [0, 1).
    emit: takes events for the record, before the spool is told what they say.
    """

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
        self._resolver = resolver
        self._clock = clock
        self._router = router
        self._schedule = schedule
        self._settings = settings
        self._random = random
        self._emit = emit
        self._items: dict[QueueId, Item] = {}
        self._heap = DueHeap(clock, self._take_due)
        self._lanes = Lanes(
            connector=connector, clock=clock, settings=settings, begin=self._begin, failed=self._unreached
        )
        self._notices = Notices(
            spool=spool,
            threads=threads,
            clock=clock,
            host_name=settings.host_name,
            new_queue_id=new_queue_id,
            submit=self.submit,
        )
        self._relay_hops: dict[SenderRelay, NextHop] = {}
        self._lookups = asyncio.Semaphore(LOOKUPS_MAX)
        self._tasks: set[asyncio.Task[None]] = set()
        self._hot_octets = 0
        self._active = 0
        self._is_started = False
        self._is_stopping = False
        self._notices_sent = 0

    # Taking messages

    @property
    def queued(self) -> int:
        """Messages that are not finished."""
        return len(self._items)

    def recovered(self, message: Message, progress: Progress) -> None:
        """A message of an earlier process; tried from `start` on, when it is due."""
        item = Item(message, progress, None)
        self._items[message.queue_id] = item
        if item.state is State.DEFERRED:
            self._heap.put(item.next_attempt_at, item.queue_id)

    def submit(self, message: Message, content: bytes | None) -> None:
        """A message that has just become durable. content: its octets, if they are in memory; None if they are not."""
        if content is not None:
            if self._hot_octets + len(content) > self._settings.hot_octets_max:
                content = None
            else:
                self._hot_octets += len(content)
        item = Item(message, fresh_progress(len(message.forward_paths)), content)
        self._items[message.queue_id] = item
        if self._active >= self._settings.active_max or not self._is_started or self._is_stopping:
            self._heap.put(0.0, item.queue_id)
        else:
            self._try(item)

    def start(self) -> None:
        """Begin with what is due."""
        self._is_started = True
        self._take_due()

    async def drain(self, timeout_seconds: float) -> None:
        """Begin nothing more, and wait for what is under way, at most so long. What is left stays in the spool."""
        self._is_stopping = True
        self._heap.stop()
        self._lanes.drop_all()
        self._lanes.stop()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_seconds):
                await self._lanes.wait_until_quiet()
                await self._notices.wait_until_quiet()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _take_due(self) -> None:
        """Try what is due, as much as may be active at a time."""
        while self._active < self._settings.active_max and not self._is_stopping:
            entry = self._heap.pop()
            if entry is None:
                break
            at, queue_id = entry
            item = self._items.get(queue_id)
            if item is not None and item.state is State.DEFERRED and item.next_attempt_at == at:
                self._try(item)
        self._heap.wait()

    # A round

    def _try(self, item: Item) -> None:
        """Begin a round: find the next hops, and have each tried."""
        item.state = State.ACTIVE
        item.begun_at = self._clock.monotonic()
        item.results = {}
        self._active += 1
        message = item.message
        try:
            relay = self._router(message)
        except RouteUnknown:
            self._settle_locally(item, item.pending(), reply_of(Reason.POLICY_STALE), Reason.POLICY_STALE, "")
            return
        places: list[int] | range
        places = item.pending() if item.progress.attempts else range(len(message.forward_paths))
        if relay is not None:
            next_hop = self._relay_hops.get(relay)
            if next_hop is None:
                next_hop = self._relay_hops[relay] = relay_hop(relay)
            item.outstanding = 1
            self._put_jobs(item, places, next_hop)
            return
        groups = by_domain(message.forward_paths, places)
        item.outstanding = len(groups)
        for domain, group in groups.items():
            self._route(item, domain, group)

    def _route(self, item: Item, domain: str, places: list[int]) -> None:
        if domain.startswith("["):
            self._put_jobs(item, places, literal_hop(domain, self._settings.smtp_port))
            return
        task = asyncio.get_running_loop().create_task(self._look_up(item, domain, places))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _look_up(self, item: Item, domain: str, places: list[int]) -> None:
        async with self._lookups:
            found = await self._resolver.mail_exchangers(domain)
        if not self._is_stopping:
            self._routed(item, domain, places, found)

    def _routed(self, item: Item, domain: str, places: list[int], found: MailExchangers) -> None:
        hop = exchanger_hop(domain, found, self._settings.smtp_port)
        if isinstance(hop, NoRoute):
            self._settle_locally(item, places, hop.reply, hop.reason, domain)
        else:
            self._put_jobs(item, places, hop)

    def _put_jobs(self, item: Item, places: list[int] | range, next_hop: NextHop) -> None:
        """One of the round's outstanding parts becomes as many jobs as it takes."""
        step = self._settings.recipients_per_transaction
        if len(places) <= step:
            self._lanes.put(Job(item, tuple(places), next_hop))
            return
        jobs = [Job(item, tuple(places[start : start + step]), next_hop) for start in range(0, len(places), step)]
        item.outstanding += len(jobs) - 1
        for job in jobs:
            self._lanes.put(job)

    def _begin(self, lane: Lane, connection: HopConnection, job: Job) -> None:
        item = job.item
        message = item.message
        content = item.content
        if content is None:
            try:
                job.reader = self._spool.content(message.queue_id)
            except SpoolError:
                # The connection is still good: it goes back behind this call, which the lane does not expect to nest.
                asyncio.get_running_loop().call_soon(self._lanes.give_back, lane, connection)
                self._damaged(job)
                return
        connection.send(
            Transaction(
                message.reverse_path,
                job.forward_paths(),
                message.trace,
                content if job.reader is None else job.reader,  # type: ignore[arg-type]
                message.needs,
            ),
            partial(self._ended, lane, connection, job),
        )

    def _ended(self, lane: Lane, connection: HopConnection, job: Job, result: TransactionResult) -> None:
        if job.reader is not None:
            job.reader.close()
            job.reader = None
        if not result.is_heard and not job.was_unheard and not self._is_stopping:
            # A kept connection that the next hop had closed meanwhile says nothing about the message.
            job.was_unheard = True
            self._lanes.give_back(lane, connection)
            self._lanes.put(job, first=True)
            return
        if result.reason == Reason.CONTENT_DAMAGED:
            self._lanes.give_back(lane, connection)
            self._damaged(job)
            return
        places = job.places
        results = [judge(reply, result.peer) for reply in result.replies]
        self._settle(job.item, places, results, reason_of(results, result.reason), result.peer, result.tls)
        self._lanes.give_back(lane, connection)

    def _unreached(self, job: Job, failure: Unreachable) -> None:
        peer = failure.next_hop or job.next_hop.name
        self._settle_locally(job.item, job.places, failure.reply, failure.reason, peer)

    def _damaged(self, job: Job) -> None:
        """The content cannot be read. Held: a person may have a copy of the disk; a DSN would close the case."""
        item = job.item
        item.wish = Wish.HOLD
        self._settle_locally(item, job.places, Reply(451, "4.3.0", _DAMAGED), Reason.CONTENT_DAMAGED, "")

    def _settle_locally(
        self, item: Item, places: list[int] | tuple[int, ...], reply: Reply, reason: Reason, next_hop: str
    ) -> None:
        result = judge(reply, "" if reason in _OURS else next_hop)
        if not item.outstanding:
            item.outstanding = 1
        self._settle(item, places, [result] * len(places), reason.value, next_hop, "")

    def _settle(
        self,
        item: Item,
        places: list[int] | tuple[int, ...],
        results: list[RecipientProgress],
        reason: str,
        next_hop: str,
        tls: str,
    ) -> None:
        """A part of the round has ended with `results` for `places`."""
        item.outstanding -= 1
        for place, result in zip(places, results, strict=True):
            item.results[place] = result
        if item.outstanding:
            self._tell(item, places, results, reason, next_hop, tls, 0.0, is_final=False)
            # What was relayed must not be relayed again if we crash before the round has ended.
            relayed = {place: result for place, result in item.results.items() if result.status is Status.RELAYED}
            if relayed:
                recipients = merged(item.progress, relayed)
                self._spool.update(item.queue_id, _with(item.progress, recipients=recipients))
            return
        self._end_round(item, places, results, reason, next_hop, tls)

    def _end_round(
        self,
        item: Item,
        places: list[int] | tuple[int, ...],
        results: list[RecipientProgress],
        reason: str,
        next_hop: str,
        tls: str,
    ) -> None:
        message = item.message
        self._active -= 1
        attempts = item.progress.attempts + 1
        recipients = merged(item.progress, item.results)
        is_pending = any(recipient.status is Status.PENDING for recipient in recipients)
        next_attempt_at = 0.0
        expired: list[int] = []
        if is_pending:
            now = self._clock.now()
            later = self._schedule.next_attempt_at(now, message.received_at, attempts, self._random())
            if later is None and item.wish is not Wish.HOLD:
                expired = [place for place, one in enumerate(recipients) if one.status is Status.PENDING]
                recipients = _expire(recipients, expired)
                is_pending = False
            else:
                next_attempt_at = later or now
        failed = [
            place
            for place, (before, after) in enumerate(zip(item.progress.recipients, recipients, strict=True))
            if after.status is Status.FAILED and before.status is not Status.FAILED
        ]
        self._tell(item, places, results, reason, next_hop, tls, next_attempt_at, is_final=not is_pending, at=attempts)
        if expired:
            outcomes = [recipients[place] for place in expired]
            self._tell(item, expired, outcomes, Reason.EXPIRED.value, "", "", 0.0, is_final=True, at=attempts)
        progress = Progress(recipients, attempts, next_attempt_at, item.wish is Wish.HOLD)
        if failed and item.wish is not Wish.DELETE and deserves_notice(message):
            item.state = State.NOTIFYING
            self._notify(item, progress, failed)
        else:
            self._conclude(item, progress)

    def _notify(self, item: Item, progress: Progress, failed: list[int]) -> None:
        self._notices.send(
            item.message, progress, failed, item.content, partial(self._notified, item, progress, failed)
        )

    def _notified(self, item: Item, progress: Progress, failed: list[int], error: SpoolError | None) -> None:
        if error is None:
            self._notices_sent += 1
            self._conclude(item, progress)
        elif not self._is_stopping:
            # No room for the DSN: the message stays as it is in the spool until there is.
            self._clock.call_at(
                self._clock.monotonic() + SPOOL_RETRY_SECONDS, partial(self._notify, item, progress, failed)
            )

    def _conclude(self, item: Item, progress: Progress) -> None:
        """The round is over and reported: finish the message, or keep it for later."""
        queue_id = item.queue_id
        is_pending = any(recipient.status is Status.PENDING for recipient in progress.recipients)
        if not is_pending or item.wish is Wish.DELETE:
            if is_pending:
                self._tell_deleted(item, progress, "")
            self._forget_content(item)
            del self._items[queue_id]
            self._spool.finish(queue_id)
        else:
            if item.wish is Wish.HOLD:
                progress = _with(progress, held=True)
            self._forget_content(item)
            item.wish = Wish.NONE
            item.progress = progress
            item.next_attempt_at = progress.next_attempt_at
            self._spool.update(queue_id, progress)
            if progress.held:
                item.state = State.HELD
            else:
                item.state = State.DEFERRED
                self._heap.put(item.next_attempt_at, queue_id)
        if self._active < self._settings.active_max and not self._is_stopping:
            self._heap.wait()

    def _forget_content(self, item: Item) -> None:
        if item.content is not None:
            self._hot_octets -= len(item.content)
            item.content = None

    # The record

    def _tell(
        self,
        item: Item,
        places: list[int] | tuple[int, ...],
        results: list[RecipientProgress],
        reason: str,
        next_hop: str,
        tls: str,
        next_attempt_at: float,
        *,
        is_final: bool,
        at: int = 0,
    ) -> None:
        message = item.message
        paths = message.forward_paths
        self._emit(
            DeliveryAttempted(
                message.queue_id,
                at or item.progress.attempts + 1,
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
                self._clock.monotonic() - item.begun_at,
                next_attempt_at,
                is_final,
            )
        )

    def _tell_deleted(self, item: Item, progress: Progress, actor: str) -> None:
        places = [place for place, one in enumerate(progress.recipients) if one.status is Status.PENDING]
        text = f"deleted by {actor}" if actor else "deleted"
        results = [RecipientProgress(Status.FAILED, text)] * len(places)
        self._tell(item, places, results, Reason.DELETED.value, "", "", 0.0, is_final=True)

    # For people

    def list(self, question: QueueList) -> QueueListed:
        return listing.listed(self._items.values(), question, self._schedule)

    def show(self, queue_id: QueueId) -> Answer:
        item = self._items.get(queue_id)
        if item is None:
            return Failed(f"{queue_id} is not in the queue")
        return QueueListed((listing.shown(item, self._schedule),), 1)

    def command(self, command: QueueCommand) -> CommandResult:
        """What is under way at this moment ends first; a hold or deletion takes effect behind it."""
        done, absent = [], []
        for queue_id in command.queue_ids:
            item = self._items.get(queue_id)
            if item is None or (command.customer_id and item.message.customer_id != command.customer_id):
                absent.append(queue_id)
                continue
            match command.action:
                case QueueAction.RETRY:
                    self._retry(item)
                case QueueAction.HOLD:
                    self._hold(item)
                case QueueAction.RELEASE:
                    self._release(item)
                case QueueAction.DELETE:
                    self._delete(item, command.actor)
            done.append(queue_id)
        return CommandResult(tuple(done), tuple(absent))

    def _retry(self, item: Item) -> None:
        if item.state is State.DEFERRED:
            item.next_attempt_at = self._clock.now()
            self._heap.put(item.next_attempt_at, item.queue_id)

    def _hold(self, item: Item) -> None:
        if item.state is State.DEFERRED:
            item.state = State.HELD
            item.progress = _with(item.progress, held=True)
            self._spool.update(item.queue_id, item.progress)
        elif item.state is not State.HELD:
            item.wish = Wish.HOLD

    def _release(self, item: Item) -> None:
        if item.state is State.HELD:
            item.state = State.DEFERRED
            item.progress = _with(item.progress, held=False)
            self._spool.update(item.queue_id, item.progress)
            self._retry(item)
        elif item.wish is Wish.HOLD:
            item.wish = Wish.NONE

    def _delete(self, item: Item, actor: str) -> None:
        if item.state in (State.DEFERRED, State.HELD):
            self._tell_deleted(item, item.progress, actor)
            self._forget_content(item)
            del self._items[item.queue_id]
            self._spool.finish(item.queue_id)
        else:
            item.wish = Wish.DELETE

    def statistics(self) -> dict[str, float]:
        """Counters and gauges, named as in docs/metrics.md."""
        return {
            "queued": float(len(self._items)),
            "active": float(self._active),
            "lanes": float(len(self._lanes)),
            "connections": float(self._lanes.connections),
            "connects": float(self._lanes.connects),
            "connects_failed": float(self._lanes.connects_failed),
            "hot_octets": float(self._hot_octets),
            "notices": float(self._notices_sent),
        }


_DAMAGED = "content-damaged: the content cannot be read from the spool; the message is held"

# Reasons of ours: no next hop has said anything.
_OURS = frozenset({Reason.DNS_TROUBLE, Reason.DOMAIN_NOT_FOUND, Reason.DOMAIN_TAKES_NO_MAIL, Reason.POLICY_STALE})


def _with(
    progress: Progress, *, recipients: tuple[RecipientProgress, ...] | None = None, held: bool | None = None
) -> Progress:
    return Progress(
        progress.recipients if recipients is None else recipients,
        progress.attempts,
        progress.next_attempt_at,
        progress.held if held is None else held,
        progress.tries_begun,
    )


def _expire(recipients: tuple[RecipientProgress, ...], places: list[int]) -> tuple[RecipientProgress, ...]:
    """Give up what was pending to the last; what the next hop said last stands in the text."""
    given_up = set(places)
    return tuple(
        RecipientProgress(Status.FAILED, str(reply_of(Reason.EXPIRED, one.reply)), one.next_hop)
        if place in given_up
        else one
        for place, one in enumerate(recipients)
    )
