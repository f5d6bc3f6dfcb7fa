"""Rounds: each message that is due is tried once at each of its next hops, and what came of that decides what is next.

When the last job of a round has ended the message is finished, or gets a time for its next round; before that the
failed recipients are reported by a DSN, which is durable before the message's own state changes. So after a crash at
any point a message may be tried or reported twice, but never not at all.

The ordinary message costs no task: `take`, a lane, a kept connection, one callback.
"""

import asyncio
import contextlib
from collections.abc import Sequence
from functools import partial
from typing import Final

from outgate.contract.policy import SenderRelay
from outgate.delivery.interface import (
    HopConnection,
    NextHop,
    Transaction,
    TransactionResult,
    Unreachable,
)
from outgate.delivery.item import Item, Job, State, Wish
from outgate.delivery.lanes import Lane, Lanes
from outgate.delivery.means import Means
from outgate.delivery.notices import Notices, deserves_notice, owes_word
from outgate.delivery.outcome import given_up, is_pending, judge, merged, reason_of, unknown_recipients, with_changes
from outgate.delivery.pace import Pace
from outgate.delivery.reports import Reports
from outgate.delivery.routes import RouteUnknown, by_domain, domain_hop, relay_hop, with_exchangers
from outgate.delivery.settings import FAULT_SECONDS, SPOOL_RETRY_SECONDS
from outgate.delivery.slow import SlowLane, is_slow, sender_of
from outgate.delivery.suspects import Suspects
from outgate.delivery.waiting import Waiting, WaitingRoom
from outgate.mail.message import Message, Progress, QueueId, RecipientProgress, Status, first_progress
from outgate.mail.reply import Reply
from outgate.policy.reasons import Reason, reply_of, text_of
from outgate.spool.interface import ContentReader, SpoolError, SpoolFailed

DROP_SECONDS: Final = 1.0  # for connections that are cut at the end to be gone

_HELD: Final = "the content cannot be read from the spool; the message is held"


class Rounds:
    """items: messages that are being tried. waiting: all others that are not finished. Everything on the event loop's
    thread."""

    def __init__(self, means: Means) -> None:
        self._means = means
        self._spool = means.spool
        self._clock = means.clock
        self._tries = means.tries
        self._router = means.router
        self._settings = means.settings
        self._reports = Reports(means)
        self._pace = Pace(means.clock, self._try_next_due)
        self._notices = Notices(
            spool=means.spool,
            threads=means.threads,
            clock=means.clock,
            host_name=means.settings.host_name,
            new_queue_id=means.new_queue_id,
            submit=self.take,
            fault=means.fault,
        )
        self._relay_hops: dict[SenderRelay, NextHop] = {}
        self._is_started = False
        self._is_stopping = False
        self._is_over = False
        self.items: dict[QueueId, Item] = {}
        self.waiting = WaitingRoom(means.clock, self._pace.go)
        self.slow = SlowLane(means.clock, self.waiting, means.limiter, self._let_go, means.fault)
        self.suspects = Suspects(means, self._reports, self.waiting, self._begin_again)
        self.lanes = Lanes(
            connect=self._connect,
            clock=means.clock,
            settings=means.settings,
            begin=self._begin,
            failed=self._unreached,
            refill=self._refill,
            probed=self._probed,
        )
        self.active = 0
        self.hot_octets = 0
        self.notices_sent = 0

    # Taking messages

    def take(self, message: Message, content: bytes | None) -> None:
        """A message that has just become durable. content: its octets, if they are in memory."""
        progress = first_progress(message)
        if message.lane:  # held, or slow
            self._wait(message, progress, content)
            return
        if self.active >= self._settings.active_max or not self._is_started or self._is_stopping:
            self.waiting.put(message, progress)
            return
        if content is not None:
            if self.hot_octets + len(content) > self._settings.hot_octets_max:
                content = None
            else:
                self.hot_octets += len(content)
        item = Item(message, progress, content, is_fresh=True)
        self.items[message.queue_id] = item
        self._try(item)

    def take_up(self, message: Message, progress: Progress) -> None:
        """A message of an earlier process; tried from `start` on, when it is due."""
        if not is_pending(progress.recipients):
            self._spool.finish(message.queue_id)  # it ended just before the crash
        elif self.suspects.is_left(message.queue_id):
            self.suspects.take_up(message, progress)
        else:
            if is_slow(message, progress):
                self._means.limiter.slow_room.enter(message.customer_id, message.size_octets)
            self._wait(message, progress)

    def _wait(self, message: Message, progress: Progress, content: bytes | None = None) -> None:
        if is_slow(message, progress):
            self.slow.put(message, progress, self._means.schedule.expires_at(message.received_at))
            return
        self.waiting.put(message, progress)
        if owes_word(message, progress):
            self._tell_held(message, content)

    def _tell_held(self, message: Message, content: bytes | None) -> None:
        self._notices.tell_held(message, content, partial(self._told_held, message))

    def _told_held(self, message: Message, error: SpoolError | None) -> None:
        waiting = self.waiting.get(message.queue_id)
        if waiting is None or not waiting.progress.held:
            return  # meanwhile somebody has decided
        if error is None:
            self.notices_sent += 1
            waiting.progress = with_changes(waiting.progress, told=True)
            self._spool.update(waiting.queue_id, waiting.progress)
        elif not self._is_stopping:
            again = partial(self._tell_held, message, None)
            self._clock.call_at(self._clock.monotonic() + SPOOL_RETRY_SECONDS, again)

    def start(self) -> None:
        self._is_started = True
        self.slow.start()
        self.suspects.recovered()
        self._pace.go()

    async def drain(self, time_is_up: asyncio.Event) -> None:
        """Begin nothing more, and wait for what is under way until `time_is_up`; then cut it. What is left stays in the
        spool as it is."""
        self._is_stopping = True
        self._pace.stop()
        self.slow.stop()
        self.waiting.stop()
        self.lanes.stop()
        waits = [asyncio.create_task(self._wait_until_quiet()), asyncio.create_task(time_is_up.wait())]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        self.lanes.drop_all()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DROP_SECONDS):
                await self.lanes.wait_until_quiet()
        self._is_over = True
        for item in self.items.values():
            self._tries.end(item.slot)  # we end it, not the message us

    async def _wait_until_quiet(self) -> None:
        await self.lanes.wait_until_quiet()
        await self._notices.wait_until_quiet()

    # What waited becomes due

    def _try_next_due(self) -> bool:
        """Try the next message that is due, if so many may be active. Returns whether there may be another."""
        if not self._is_started or self._is_stopping or self.active >= self._settings.active_max:
            return False  # whoever leaves makes room
        waiting = self.waiting.pop_due()
        if waiting is None:
            self.waiting.wait()
            return False
        if waiting.is_slow:
            self._expire_slow(waiting)
        elif waiting.progress.tries_begun:
            self.suspects.put(waiting)
        else:
            self._begin_again(waiting)
        return True

    def _let_go(self, waiting: Waiting, *, is_urgent: bool = False) -> None:
        """The turn of a slow message has come; it was charged. Should we crash before that is written it is charged
        again, and waits as long as that takes."""
        now = self._clock.now()
        progress = with_changes(waiting.progress, next_attempt_at=now)
        self.waiting.change(waiting, progress, now, is_urgent=is_urgent)
        self._spool.update(waiting.queue_id, progress)

    def _expire_slow(self, waiting: Waiting) -> None:
        """Its turn has not come in all the time that a message has: it ends as others do, without a try."""
        self.slow.leave(waiting)
        item = Item(waiting.message, waiting.progress, None, is_fresh=False)
        self.items[item.queue_id] = item
        self.active += 1
        item.outstanding = 1
        reply = Reply(451, "4.7.1", text_of(Reason.OVER_LIMIT))
        self._settle_alike(item, item.pending(), reply, Reason.OVER_LIMIT, "")

    def _begin_again(self, waiting: Waiting) -> Item:
        """A round of a message that waited. If the one lane that it needs is full it waits for that."""
        item = Item(waiting.message, waiting.progress, None, is_fresh=False)
        self.items[item.queue_id] = item
        self._try(item, waiting)
        return item

    def _refill(self, lane: Lane) -> None:
        """Have some of what is parked for `lane` tried."""
        if self._is_stopping:
            return
        while not self.lanes.is_full(lane):
            waiting = self.waiting.pop_parked(lane.key)
            if waiting is None:
                lane.has_parked = False
                return
            self._begin_again(waiting)

    # A round begins

    def _try(self, item: Item, waiting: Waiting | None = None) -> None:
        """waiting: what the item was, None for a fresh one."""
        item.begun_at = self._clock.monotonic()
        self.active += 1
        try:
            relay = self._router(item.message)
            if waiting is None and relay is not None and self._is_one_job(item):
                item.outstanding = 1
                self.lanes.put(Job(item, None, self._relay_hop(relay)))
            else:
                self._put_jobs(item, self._jobs(item, relay), waiting)
        except RouteUnknown:
            item.outstanding = 1
            self._settle_alike(item, item.pending(), reply_of(Reason.POLICY_STALE), Reason.POLICY_STALE, "")
        except Exception as error:
            self._stumble(item, error)

    def _put_jobs(self, item: Item, jobs: list[Job], waiting: Waiting | None) -> None:
        is_urgent = waiting is not None and waiting.is_urgent
        if waiting is not None and len(jobs) == 1 and not is_urgent and not waiting.progress.tries_begun:
            lane = self.lanes.find(jobs[0].next_hop)
            if lane is not None and self.lanes.is_full(lane):
                self.active -= 1
                del self.items[item.queue_id]
                lane.has_parked = True
                self.waiting.park(waiting, lane.key)
                return
        item.outstanding = len(jobs)
        for job in jobs:
            self.lanes.put(job, is_urgent=is_urgent, is_backlog=waiting is not None)

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
            next_hop = with_exchangers(next_hop, await self._means.resolver.mail_exchangers(next_hop.name))
        return await self._means.connector.connect(next_hop)

    def _probed(self, job: Job) -> None:
        """A connection is made for this job: should that end the worker, the message is a suspect."""
        item = job.item
        if item.slot == -1 and item.state is State.ACTIVE:
            item.slot = self._tries.begin(item.queue_id)

    def _begin(self, lane: Lane, connection: HopConnection, job: Job) -> bool:
        item = job.item
        message = item.message
        if item.slot == -1:
            item.slot = self._tries.begin(message.queue_id)
        content: bytes | ContentReader | None = item.content
        if content is None:
            try:
                content = job.reader = self._spool.content(message.queue_id)
            except SpoolError as error:
                self._unreadable(job, error)
                return False
            except Exception as error:
                self._stumble(item, error)
                return False
        item.sending += 1
        try:
            connection.send(
                Transaction(
                    message.reverse_path,
                    job.forward_paths(),
                    message.trace,
                    content,
                    message.needs,
                    message.fingerprint,
                ),
                partial(self._ended, lane, connection, job),
            )
        except Exception as error:
            self._close_reader(job)
            self._stumble(item, error)
            connection.close()  # who knows what it has said
            self.lanes.give_back(lane, connection)
        return True

    # A job ends

    def _ended(self, lane: Lane, connection: HopConnection, job: Job, result: TransactionResult) -> None:
        if self._is_over:
            return
        job.item.sending -= 1
        self._close_reader(job)
        self.lanes.give_back(lane, connection, is_heard=result.is_heard)
        try:
            self._judge(job, result)
        except Exception as error:
            self._stumble(job.item, error)

    def _close_reader(self, job: Job) -> None:
        if job.reader is not None:
            job.reader.close()
            job.reader = None

    def _judge(self, job: Job, result: TransactionResult) -> None:
        """What its replies mean for a job of the round under way, or of one that was given up."""
        item = job.item
        if item.state is not State.ACTIVE:
            return
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
        self._reports.relayed(item, result)
        self._leave_active(item)
        self._finish(item)

    def _stumble(self, item: Item, error: Exception) -> None:
        """Our own code raised over this message: it is deferred, whatever else was under way for it, and we go on.

        What its jobs have achieved is lost to us; recipients that were relayed may get it again.
        """
        self._means.fault(item.queue_id, error)
        if item.state is not State.ACTIVE or self.items.get(item.queue_id) is not item:
            return  # its round is over; what is left of it is in the spool
        item.number += 1  # voids jobs that wait
        item.results = None
        pending = item.pending()
        result = judge(reply_of(Reason.INTERNAL_ERROR), "", Reason.INTERNAL_ERROR)
        item.outstanding = 1
        try:
            self._settle(item, pending, [result] * len(pending), Reason.INTERNAL_ERROR.value, "", "")
        except Exception as again:
            self._means.fault(item.queue_id, again)
            self._put_back(item)

    def _put_back(self, item: Item) -> None:
        """Not even its deferral can be told: let it wait as it was."""
        if self.items.get(item.queue_id) is item:
            if item.state is State.ACTIVE:
                self._leave_active(item)
            self._leave(item)
            waiting = self.waiting.put(item.message, item.progress)
            self.waiting.change(waiting, item.progress, self._clock.now() + FAULT_SECONDS)
            self.suspects.ended(item)

    def _unreached(self, job: Job, failure: Unreachable) -> None:
        peer = failure.next_hop or job.next_hop.name
        try:
            self._settle_alike(job.item, job.all_places(), failure.reply, failure.reason, peer)
        except Exception as error:
            self._stumble(job.item, error)

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
        self._watch_unknown(item.message, results)
        if item.results is None:
            item.results = {}
        item.results.update(zip(places, results, strict=True))
        if item.outstanding:
            self._reports.attempted(item, places, results, reason, next_hop, tls)
            self._keep_relayed(item)
            return
        progress, expired = self._judge_round(item)
        is_final = not is_pending(progress.recipients)
        at = progress.next_attempt_at
        self._reports.attempted(
            item, places, results, reason, next_hop, tls, next_attempt_at=at, is_final=is_final and not expired
        )
        self._end_round(item, progress, expired)

    def _watch_unknown(self, message: Message, results: Sequence[RecipientProgress]) -> None:
        """A sender of mail to people who do not exist may be locked for it."""
        unknown = unknown_recipients(results) if message.customer_id else 0
        if unknown:
            self._means.limiter.unknown_recipients(sender_of(message), unknown, self._clock.now())

    def _keep_relayed(self, item: Item) -> None:
        """What was relayed must not be relayed again if we crash before the round has ended."""
        assert item.results is not None
        relayed = {place: result for place, result in item.results.items() if result.status is Status.RELAYED}
        if relayed:
            self._spool.update(item.queue_id, with_changes(item.progress, recipients=merged(item.progress, relayed)))

    # A round ends

    def _judge_round(self, item: Item) -> tuple[Progress, Sequence[int]]:
        """How the message stands now, and whose time is over."""
        attempts, key = item.progress.attempts + 1, item.progress.content_key
        recipients = merged(item.progress, item.results or {})
        if not is_pending(recipients):
            return Progress(recipients, attempts), ()
        now = self._clock.now()
        received_at, means = item.message.received_at, self._means
        later = means.schedule.next_attempt_at(now, received_at, attempts, means.random())
        if later is not None or item.wish is Wish.HOLD:
            return Progress(recipients, attempts, later or now, content_key=key), ()
        expired = [place for place, one in enumerate(recipients) if one.status is Status.PENDING]
        return Progress(given_up(recipients), attempts), expired

    def _end_round(self, item: Item, progress: Progress, expired: Sequence[int]) -> None:
        if expired:
            results = [progress.recipients[place] for place in expired]
            self._reports.attempted(item, expired, results, Reason.EXPIRED.value, "", "", is_final=True)
        item.results = None
        self._leave_active(item)
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

    def _leave_active(self, item: Item) -> None:
        item.state = State.OVER
        self.active -= 1
        if self.active == self._settings.active_max - 1:
            self.waiting.wait()  # what was due had to wait

    def _notify(self, item: Item, progress: Progress, failed: Sequence[int]) -> None:
        done = partial(self._notified, item, progress, failed)
        self._notices.send(item.message, progress.recipients, failed, item.content, done)

    def _notified(self, item: Item, progress: Progress, failed: Sequence[int], error: SpoolError | None) -> None:
        if error is None:
            self.notices_sent += 1
            try:
                self._conclude(item, progress)
            except Exception as exception:
                self._means.fault(item.queue_id, exception)
                self._put_back(item)
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
            self._report_deleted(item, item.actor)
            self._finish(item)
        else:
            if wish is Wish.HOLD:
                progress = with_changes(progress, held=True)
            self._spool.update(item.queue_id, progress)
            self._leave(item)
            self.waiting.put(item.message, progress)
            self.suspects.ended(item)

    def _finish(self, item: Item) -> None:
        self._leave(item)
        self._spool.finish(item.queue_id)
        self.suspects.ended(item)

    def _leave(self, item: Item) -> None:
        """It is not tried any more."""
        self._tries.end(item.slot)
        item.slot = -1
        if item.content is not None:
            self.hot_octets -= len(item.content)
            item.content = None
        del self.items[item.queue_id]

    # What people ask for. What waits is changed at once; what is being tried, behind the attempt.

    def retry(self, waiting: Waiting) -> None:
        """Now, whatever the schedule and the back-off of its next hops say; a held message stays held, a slow one
        slow."""
        if not waiting.progress.held and not waiting.is_slow:
            self.waiting.change(waiting, waiting.progress, self._clock.now(), is_urgent=True)

    def hold(self, waiting: Waiting) -> None:
        if not waiting.progress.held:
            progress = with_changes(waiting.progress, held=True)
            if waiting.is_slow:  # released, it goes at once
                self.slow.leave(waiting)
                progress = with_changes(progress, next_attempt_at=self._clock.now())
            self.waiting.change(waiting, progress, waiting.next_attempt_at)
            self._spool.update(waiting.queue_id, progress)

    def release(self, waiting: Waiting, content_key: bytes = b"") -> None:
        """A message that was set aside is a suspect again: should the worker end under it, it is set aside again.
        content_key: of sealed content; empty leaves the one that is known."""
        if waiting.is_slow:
            self.slow.leave(waiting)
            self._let_go(waiting, is_urgent=True)
        elif waiting.progress.held:
            before = waiting.progress
            progress = with_changes(
                before,
                held=False,
                tries_begun=min(before.tries_begun, 1),
                content_key=content_key or before.content_key,
            )
            self.waiting.change(waiting, progress, self._clock.now(), is_urgent=True)
            self._spool.update(waiting.queue_id, progress)

    def delete(self, waiting: Waiting, actor: str) -> None:
        if waiting.is_slow:
            self.slow.leave(waiting)
        self.waiting.remove(waiting)
        item = Item(waiting.message, waiting.progress, None, is_fresh=False)
        self._report_deleted(item, actor)
        self._spool.finish(item.queue_id)

    def release_wish(self, item: Item) -> None:
        if item.wish is Wish.HOLD:
            item.wish = Wish.NONE

    def wish(self, item: Item, wish: Wish, actor: str = "") -> None:
        """What a connection has in its hands ends first; what only waits for one is called off."""
        item.wish, item.actor = wish, actor
        if item.state is not State.ACTIVE:
            return
        item.number += 1
        item.outstanding = item.sending
        if item.outstanding:
            return
        if item.results is None:
            self._leave_active(item)
            self._conclude(item, item.progress)
        else:
            progress, expired = self._judge_round(item)
            self._end_round(item, progress, expired)

    def _report_deleted(self, item: Item, actor: str) -> None:
        result = RecipientProgress(Status.FAILED, f"deleted by {actor or 'a person'}")
        places = item.pending()
        self._reports.attempted(item, places, [result] * len(places), Reason.DELETED.value, "", "", is_final=True)


def _are_all_positive(replies: Sequence[Reply]) -> bool:
    for reply in replies:  # noqa: SIM110 - a generator costs more than the rest of an ordinary end
        if not 200 <= reply.code < 300:
            return False
    return True
