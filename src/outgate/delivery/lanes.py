"""Lanes: the jobs and connections of each next hop, and what they may take of all connections together.

A lane never waits for another: each has its own jobs, connections and back-off. What they share is the total of
connections, and there the rule is that a lane may have at most half of what is left, so that no number of tar pits
takes the last ones from the rest. A next hop that is down is probed once, not for each message (RFC 5321 §4.5.4.1).
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

from outgate.contract.policy import RelayTls
from outgate.delivery.interface import Clock, Connector, HopConnection, NextHop, Unreachable
from outgate.delivery.item import Job
from outgate.delivery.settings import BACK_OFF_FIRST_SECONDS, BACK_OFF_MAX_SECONDS, DeliverySettings

LANES_KEPT: Final = 10_000  # lanes without jobs and connections are forgotten beyond this number

LaneKey = tuple[str, int, RelayTls]
Begin = Callable[["Lane", HopConnection, Job], None]
Failed = Callable[[Job, Unreachable], None]


class Lane:
    """One next hop. limit: connections that it may have now; it shrinks with failures and grows with successes."""

    __slots__ = (
        "back_off_seconds",
        "blocked_until",
        "busy",
        "connecting",
        "failure",
        "idle",
        "jobs",
        "limit",
        "next_hop",
    )

    def __init__(self, next_hop: NextHop, limit: int) -> None:
        self.next_hop = next_hop
        self.jobs: deque[Job] = deque()
        self.idle: list[HopConnection] = []
        self.busy = 0
        self.connecting = 0
        self.limit = limit
        self.blocked_until = 0.0
        self.back_off_seconds = 0.0
        self.failure: Unreachable | None = None

    @property
    def connections(self) -> int:
        return len(self.idle) + self.busy + self.connecting


class Lanes:
    """begin: has a job sent on a connection of its lane; `give_back` must follow. failed: the next hop could not be
    reached for this job."""

    def __init__(
        self, *, connector: Connector, clock: Clock, settings: DeliverySettings, begin: Begin, failed: Failed
    ) -> None:
        self._connector = connector
        self._clock = clock
        self._settings = settings
        self._begin = begin
        self._failed = failed
        self._lanes: dict[LaneKey, Lane] = {}
        self._hungry: deque[Lane] = deque()  # have jobs, and found no connection left in the total
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_stopping = False
        self._quiet = asyncio.Event()
        self.connections = 0
        self.connects = 0
        self.connects_failed = 0

    def __len__(self) -> int:
        return len(self._lanes)

    @property
    def busy(self) -> int:
        return sum(lane.busy for lane in self._lanes.values())

    @property
    def waiting_jobs(self) -> int:
        return sum(len(lane.jobs) for lane in self._lanes.values())

    def put(self, job: Job, *, first: bool = False) -> None:
        """Have `job` sent as soon as its lane can."""
        next_hop = job.next_hop
        key = (next_hop.name, next_hop.port, next_hop.tls)
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = Lane(next_hop, self._settings.destination_connections)
            if len(self._lanes) > LANES_KEPT:
                self._forget_unused()
        lane.next_hop = next_hop  # its hosts may be new ones
        if first:
            lane.jobs.appendleft(job)
        else:
            lane.jobs.append(job)
        self._run(lane)

    def give_back(self, lane: Lane, connection: HopConnection) -> None:
        """The job that was begun on `connection` has ended."""
        lane.busy -= 1
        if connection.is_usable and not self._is_stopping:
            if lane.limit < self._settings.destination_connections:
                lane.limit += 1
            lane.idle.append(connection)
            if lane.jobs:
                self._run(lane)
        elif self._is_stopping:
            connection.close()
            if not self.busy:
                self._quiet.set()

    def stop(self) -> None:
        """Begin nothing more; close what is idle."""
        self._is_stopping = True
        for task in self._tasks:
            task.cancel()
        for lane in self._lanes.values():
            idle, lane.idle = lane.idle, []
            for connection in idle:
                connection.close()

    async def wait_until_quiet(self) -> None:
        """After `stop`: until no job is under way."""
        if self.busy:
            await self._quiet.wait()

    def drop_all(self) -> None:
        """Forget the jobs that wait; their messages are in the spool."""
        for lane in self._lanes.values():
            lane.jobs.clear()

    def _run(self, lane: Lane) -> None:
        """Give jobs to connections; open more where that helps."""
        jobs, idle = lane.jobs, lane.idle
        while jobs and idle and not self._is_stopping:
            connection = idle.pop()
            if connection.is_usable:
                lane.busy += 1
                self._begin(lane, connection, jobs.popleft())
        if not jobs or self._is_stopping:
            return
        if lane.blocked_until > self._clock.monotonic() and not lane.busy:
            self._fail_jobs(lane)
            return
        while len(jobs) > lane.connecting and lane.connections < lane.limit:
            left = self._settings.connections - self.connections
            if left <= 0 or lane.connections > left:
                if lane not in self._hungry:
                    self._hungry.append(lane)
                return
            self.connections += 1
            lane.connecting += 1
            task = asyncio.get_running_loop().create_task(self._connect(lane))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _connect(self, lane: Lane) -> None:
        self.connects += 1
        try:
            connection = await self._connector.connect(lane.next_hop)
        except Unreachable as failure:
            self._lose(lane)
            self._unreached(lane, failure)
            return
        except BaseException:
            self._lose(lane)
            raise
        lane.connecting -= 1
        lane.failure = None
        lane.back_off_seconds = 0.0
        lane.blocked_until = 0.0
        lane.idle.append(connection)
        connection.when_closed(lambda: self._closed(lane, connection))
        self._run(lane)

    def _lose(self, lane: Lane) -> None:
        lane.connecting -= 1
        self.connections -= 1

    def _closed(self, lane: Lane, connection: HopConnection) -> None:
        self.connections -= 1
        if connection in lane.idle:
            lane.idle.remove(connection)
        if self._hungry:
            self._run(self._hungry.popleft())
        if lane.jobs:
            self._run(lane)

    def _unreached(self, lane: Lane, failure: Unreachable) -> None:
        """No connection came about. If others stand, the next hop only wants no more of them; else all jobs end."""
        self.connects_failed += 1
        if self._hungry:
            self._run(self._hungry.popleft())
        if lane.busy or lane.idle:
            lane.limit = max(1, lane.busy + len(lane.idle))
            return
        lane.limit = max(1, lane.limit // 2)
        if lane.connecting:
            return  # the others will tell
        lane.failure = failure
        lane.back_off_seconds = min(max(lane.back_off_seconds * 2, BACK_OFF_FIRST_SECONDS), BACK_OFF_MAX_SECONDS)
        lane.blocked_until = self._clock.monotonic() + lane.back_off_seconds
        self._fail_jobs(lane)

    def _fail_jobs(self, lane: Lane) -> None:
        failure = lane.failure
        assert failure is not None
        jobs, lane.jobs = lane.jobs, deque()
        for job in jobs:
            self._failed(job, failure)

    def _forget_unused(self) -> None:
        now = self._clock.monotonic()
        for key, lane in list(self._lanes.items()):
            if not lane.jobs and not lane.connections and lane.blocked_until <= now:
                del self._lanes[key]
