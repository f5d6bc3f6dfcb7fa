"""Lanes: the jobs and connections of each next hop, and what they may take of all connections together.

A lane never waits for another: each has its own jobs, connections and back-off. What they share is the total of
connections, and there are two rules for that. A lane may have at most half of what is left, so that one does not crowd
out the next. And a part is kept for next hops that have proven themselves, by being configured or by taking mail
before, so that no number of tar pits stops the mail to these. A next hop that is down is probed once, not for each
message (RFC 5321 §4.5.4.1).

In a lane fresh mail and the *backlog*, what was deferred before, take turns, so that neither starves. A lane holds only
as much of its backlog as keeps its connections busy, and asks for more when that runs low.

A connection takes many messages, since each new one costs as much as several of them. Some servers have enough sooner;
what was to be next on the connection is then sent on another at once (`is_heard`), and the lane learns how many this
next hop takes, so that no further message is in the way.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from outgate.contract.policy import Login, RelayTls
from outgate.delivery.interface import Clock, HopConnection, NextHop, Unreachable
from outgate.delivery.item import Job
from outgate.delivery.settings import (
    BACK_OFF_FIRST_SECONDS,
    BACK_OFF_MAX_SECONDS,
    BACKLOG_LOW,
    BACKLOG_MAX,
    FAILED_AT_ONCE,
    KEPT_FOR_PROVEN,
    LANES_KEPT,
    LEARNED_SECONDS_EACH,
    LEARNED_SECONDS_MAX,
    STRANGE_CONNECTIONS_FIRST,
    TRANSACTIONS_MAX,
    DeliverySettings,
)
from outgate.policy.reasons import Reason, reply_of

LaneKey = tuple[str, int, RelayTls, Login | None]
Connect = Callable[[NextHop], Awaitable[HopConnection]]
Begin = Callable[["Lane", HopConnection, Job], bool]
Failed = Callable[[Job, Unreachable], None]
Refill = Callable[["Lane"], None]
Probed = Callable[[Job], None]


class Lane:
    """One next hop. jobs: of fresh mail; backlog: of mail that was deferred before. has_parked: more of that waits
    elsewhere for this lane. limit: connections that it may have now; it shrinks with failures and grows with successes.

    blocked_until: monotonic; nobody tries the next hop before, jobs end with `failure`, the last word on it.
    transactions_max: on one connection, as learned_until then (monotonic).
    """

    __slots__ = (
        "back_off_seconds",
        "backlog",
        "blocked_until",
        "busy",
        "connecting",
        "failure",
        "has_parked",
        "idle",
        "is_backlogs_turn",
        "is_failing",
        "is_fetching",
        "is_proven",
        "jobs",
        "key",
        "learned_until",
        "limit",
        "next_hop",
        "transactions_max",
    )

    def __init__(self, key: LaneKey, next_hop: NextHop, limit: int) -> None:
        self.key = key
        self.next_hop = next_hop
        self.jobs: deque[Job] = deque()
        self.backlog: deque[Job] = deque()
        self.is_backlogs_turn = False
        self.has_parked = False
        self.idle: list[HopConnection] = []
        self.busy: set[HopConnection] = set()
        self.connecting = 0
        self.limit = limit
        self.blocked_until = 0.0
        self.back_off_seconds = 0.0
        self.failure: Unreachable | None = None
        self.is_failing = False  # its jobs are being ended, some at a time
        self.is_fetching = False  # more of its backlog, which may end at once and leave it empty again
        self.is_proven = next_hop.from_operator
        self.transactions_max = TRANSACTIONS_MAX
        self.learned_until = 0.0

    @property
    def connections(self) -> int:
        return len(self.idle) + len(self.busy) + self.connecting

    @property
    def waiting(self) -> int:
        """Jobs that no connection has yet."""
        return len(self.jobs) + len(self.backlog)

    def next_job(self) -> Job | None:
        """Take out the next one to be sent."""
        backlog = self.backlog
        if backlog and (self.is_backlogs_turn or not self.jobs):
            self.is_backlogs_turn = False
            return backlog.popleft()
        self.is_backlogs_turn = True
        return self.jobs.popleft() if self.jobs else None


class Lanes:
    """connect: looks up and connects; raises Unreachable. begin: has a job sent on a connection of its lane; if it says
    True, `give_back` must follow. failed: the next hop could not be reached for this job. refill: puts more of what is
    parked for a lane. probed: told for which job a connection is about to be made."""

    def __init__(
        self,
        *,
        connect: Connect,
        clock: Clock,
        settings: DeliverySettings,
        begin: Begin,
        failed: Failed,
        refill: Refill,
        probed: Probed,
    ) -> None:
        self._connect_to = connect
        self._clock = clock
        self._settings = settings
        self._begin = begin
        self._failed = failed
        self._refill = refill
        self._probed = probed
        self._lanes: dict[LaneKey, Lane] = {}
        self._forget_above = LANES_KEPT
        self._hungry: deque[Lane] = deque()  # have jobs, and found too few connections left
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_stopping = False
        self._quiet: asyncio.Future[None] | None = None
        self.connections = 0
        self.connects = 0
        self.connects_failed = 0

    def __len__(self) -> int:
        return len(self._lanes)

    def find(self, next_hop: NextHop) -> Lane | None:
        """The lane of `next_hop`, if there is one."""
        return self._lanes.get((next_hop.name, next_hop.port, next_hop.tls, next_hop.login))

    def is_full(self, lane: Lane) -> bool:
        """Has it as much of its backlog as it should?"""
        return len(lane.backlog) >= BACKLOG_MAX

    def put(self, job: Job, *, first: bool = False, is_urgent: bool = False, is_backlog: bool = False) -> None:
        """Have `job` sent as soon as its lane can. is_urgent: whatever its back-off says."""
        next_hop = job.next_hop
        key = (next_hop.name, next_hop.port, next_hop.tls, next_hop.login)
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._make(key, next_hop)
        if is_urgent:
            lane.blocked_until = 0.0
        if first:
            lane.jobs.appendleft(job)
        elif is_backlog:
            lane.backlog.append(job)
        else:
            lane.jobs.append(job)
        if not lane.is_failing:
            self._run(lane)

    def give_back(self, lane: Lane, connection: HopConnection, *, is_heard: bool = True) -> None:
        """The job that was begun on `connection` has ended. is_heard: as in `TransactionResult`."""
        lane.busy.discard(connection)
        if not is_heard:
            self._learn(lane, connection.transactions - 1)
        if self._is_stopping:
            connection.close()
            self._tell_quiet()
        elif connection.is_usable:
            lane.is_proven = True
            if lane.limit < self._settings.destination_connections:
                lane.limit += 1
            if connection.transactions >= lane.transactions_max:
                self._retire(lane, connection)
            else:
                lane.idle.append(connection)
            if lane.has_parked and len(lane.backlog) < BACKLOG_LOW:
                self._fetch(lane)
            if lane.jobs or lane.backlog:
                self._run(lane)
            elif self._hungry and lane.idle:
                lane.idle[-1].close()  # others need the place

    def _learn(self, lane: Lane, transactions: int) -> None:
        """The next hop has ended a connection after so many."""
        if 0 < transactions < lane.transactions_max:
            lane.transactions_max = transactions
            seconds = min(LEARNED_SECONDS_EACH * transactions, LEARNED_SECONDS_MAX)
            lane.learned_until = self._clock.monotonic() + seconds
            for connection in [each for each in lane.idle if each.transactions >= transactions]:
                connection.close()

    def _retire(self, lane: Lane, connection: HopConnection) -> None:
        """It has taken as many as a connection should."""
        connection.close()
        if self._clock.monotonic() >= lane.learned_until:
            lane.transactions_max = TRANSACTIONS_MAX

    def stop(self) -> None:
        """Begin nothing more; forget the jobs that wait, whose messages are in the spool; close what is idle."""
        self._is_stopping = True
        self._hungry.clear()
        for task in self._tasks:
            task.cancel()
        for lane in self._lanes.values():
            lane.jobs.clear()
            lane.backlog.clear()
            for connection in tuple(lane.idle):
                connection.close()

    async def wait_until_quiet(self) -> None:
        """After `stop`: until no job is under way."""
        self._quiet = asyncio.get_running_loop().create_future()
        self._tell_quiet()
        await self._quiet

    def drop_all(self) -> None:
        """Cut what is still under way."""
        for lane in self._lanes.values():
            for connection in tuple(lane.busy):
                connection.close()

    def _tell_quiet(self) -> None:
        quiet = self._quiet
        if quiet is not None and not quiet.done() and not any(lane.busy for lane in self._lanes.values()):
            quiet.set_result(None)

    # Jobs and connections

    def _run(self, lane: Lane) -> None:
        """Give jobs to connections; open more where that helps."""
        idle = lane.idle
        while idle and not self._is_stopping:
            if not idle[-1].is_usable:
                idle.pop()
                continue
            job = lane.next_job()
            if job is None:
                if lane.has_parked and self._fetch(lane):
                    continue
                return
            if job.is_void:
                continue
            connection = idle.pop()
            lane.busy.add(connection)
            if not self._begin(lane, connection, job):
                lane.busy.discard(connection)
                idle.append(connection)
        waiting = len(lane.jobs) + len(lane.backlog)
        if not waiting or self._is_stopping:
            return
        if lane.blocked_until > self._clock.monotonic() and not lane.busy:
            self._fail_jobs(lane)
            return
        while waiting > lane.connecting and lane.connections < lane.limit:
            if not self._has_room(lane):
                if lane not in self._hungry:
                    self._hungry.append(lane)
                return
            self.connections += 1
            if not lane.connecting:
                lane.failure = None
            lane.connecting += 1
            self._probed(lane.jobs[0] if lane.jobs else lane.backlog[0])
            task = asyncio.get_running_loop().create_task(self._connect(lane))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _fetch(self, lane: Lane) -> bool:
        """Get more of what is parked for `lane`. Returns whether there was any."""
        if lane.is_fetching:
            return False
        lane.is_fetching = True
        self._refill(lane)
        lane.is_fetching = False
        return lane.waiting > 0

    def _has_room(self, lane: Lane) -> bool:
        """May it have one more of what is left? If little is left, a connection that idles in another lane goes."""
        if self._is_within_share(lane):
            return True
        for other in self._lanes.values():
            if other.idle and not other.waiting:
                other.idle[0].close()  # its end makes the hungry lanes look again
                break
        return self._is_within_share(lane)

    def _is_within_share(self, lane: Lane) -> bool:
        most = self._settings.connections
        left = most - self.connections - (0 if lane.is_proven else int(most * KEPT_FOR_PROVEN))
        return left > 0 and lane.connections <= left

    async def _connect(self, lane: Lane) -> None:
        self.connects += 1
        try:
            connection = await self._connect_to(lane.next_hop)
        except Unreachable as failure:
            self._miss(lane)
            self._unreached(lane, failure)
            return
        except asyncio.CancelledError:
            self._miss(lane)
            raise
        except BaseException:
            self._miss(lane)
            self._unreached(lane, Unreachable(reply_of(Reason.NEXT_HOP_UNREACHABLE, lane.next_hop.name)))
            raise  # our mistake: the loop's exception handler tells of it
        lane.connecting -= 1
        lane.failure = None
        lane.back_off_seconds = 0.0
        lane.blocked_until = 0.0
        lane.idle.append(connection)
        connection.when_closed(lambda: self._closed(lane, connection))
        if self._is_stopping:
            connection.close()
        self._run(lane)

    def _miss(self, lane: Lane) -> None:
        lane.connecting -= 1
        self.connections -= 1

    def _closed(self, lane: Lane, connection: HopConnection) -> None:
        self.connections -= 1
        if connection in lane.idle:
            lane.idle.remove(connection)
        self._feed_hungry()
        if lane.waiting and not lane.is_failing:
            self._run(lane)

    def _feed_hungry(self) -> None:
        """Each lane that found no room looks again, in turn."""
        for _ in range(len(self._hungry)):
            lane = self._hungry.popleft()
            self._run(lane)
            if self._hungry and self._hungry[-1] is lane:
                return  # there is none for the next one either

    # Next hops that cannot be reached

    def _unreached(self, lane: Lane, failure: Unreachable) -> None:
        """No connection came about. If others stand, the next hop only wants no more of them; else all jobs end."""
        self.connects_failed += 1
        self._feed_hungry()
        if lane.failure is None or failure.reply.is_transient or lane.failure.reply.is_permanent:
            lane.failure = failure  # of several that fail together a transient one outweighs: doubt defers
        if lane.busy or lane.idle:
            lane.limit = max(1, len(lane.busy) + len(lane.idle))
            return
        lane.limit = max(1, lane.limit // 2)
        if lane.connecting:
            return  # the others will tell
        lane.back_off_seconds = min(max(lane.back_off_seconds * 2, BACK_OFF_FIRST_SECONDS), BACK_OFF_MAX_SECONDS)
        lane.blocked_until = self._clock.monotonic() + lane.back_off_seconds
        self._fail_jobs(lane)

    def _fail_jobs(self, lane: Lane) -> None:
        """End the jobs of a lane, some at a time, so that others have their turn."""
        failure = lane.failure
        assert failure is not None
        lane.is_failing = True
        for _ in range(FAILED_AT_ONCE):
            job = lane.next_job()
            if job is None:
                break
            if not job.is_void:
                self._failed(job, failure)
        if lane.has_parked and not lane.waiting:
            self._fetch(lane)
        lane.is_failing = False
        if lane.waiting:
            lane.is_failing = True
            asyncio.get_running_loop().call_soon(self._go_on, lane)

    def _go_on(self, lane: Lane) -> None:
        lane.is_failing = False
        self._run(lane)

    # The lanes

    def _make(self, key: LaneKey, next_hop: NextHop) -> Lane:
        if len(self._lanes) >= self._forget_above:
            self._forget_unused()
        most = self._settings.destination_connections
        limit = most if next_hop.from_operator else min(most, STRANGE_CONNECTIONS_FIRST)
        lane = self._lanes[key] = Lane(key, next_hop, limit)
        return lane

    def _forget_unused(self) -> None:
        now = self._clock.monotonic()
        for lane in tuple(self._lanes.values()):
            if not lane.waiting and not lane.has_parked and not lane.connections and lane.blocked_until <= now:
                del self._lanes[lane.key]
        self._forget_above = max(LANES_KEPT, 2 * len(self._lanes))
