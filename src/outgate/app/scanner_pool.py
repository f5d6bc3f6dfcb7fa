"""The scanner processes of a worker: hands messages over, and takes the blame from the worker when one is lost.

Each process looks at one message at a time, so that it is known which one ended it. Such a message is unscannable, and
is not tried again: it would do the same to the next process. A message for which no process was free in time is another
thing: it was not looked at, and the report says so (`failed`).

While a process is busy it is given one more, small message, so that it can go on at once and does not stand still until
the worker has come round to it. Should the first take long, whichever process is free takes the second over.
"""

import asyncio
import contextlib
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, cast

import msgspec

from outgate.app.log import LogFile
from outgate.mail.findings import Category, Finding, ScanReport
from outgate.policy.snapshot import Snapshot
from outgate.reception.interface import ScanRequest
from outgate.scanning.order import (
    CUSTOMERS_MAX,
    FRAME_MAX,
    LENGTH,
    ScanCustomer,
    ScanOrder,
    decode_report,
    encode_order,
)
from outgate.scanning.pipeline import NAME

SCAN_SECONDS: Final = 20.0  # for one message in a process; then the process is ended
WAIT_SECONDS: Final = 40.0  # for a free process; with the above a minute in all
WAITING_MAX: Final = 2_000  # messages that wait for a process; more are not scanned now
AHEAD_OCTETS: Final = 64 * 1024  # of content that is given to a process that is busy: it must fit into the socket
PATIENCE_SECONDS: Final = 0.05  # that such a message waits behind another while a process is free
START_SECONDS: Final = 30.0  # for a process to be ready
PROGRAM: Final = (sys.executable, "-m", "outgate.app.scanner_process")  # behind it files of YARA rules
RESTART_FIRST_SECONDS: Final = 0.1  # before a process that was lost without a message is started again
RESTART_MAX_SECONDS: Final = 10.0  # between two starts of a process that does not get ready

Done = Callable[[ScanReport], None]


@dataclass(slots=True)
class ScanCounters:
    """For the metrics: messages by how they ended, processes lost, seconds that messages took in processes."""

    scanned: int = 0
    unanswered: int = 0
    lost: int = 0  # processes that ended or were ended over a message
    seconds: float = 0.0


@dataclass(slots=True, eq=False)
class _Job:
    """A message until `done`, or until nobody waits for it."""

    request: ScanRequest
    content: bytes | Path
    done: Done | None
    timer: asyncio.TimerHandle | None = None

    @property
    def content_in_order(self) -> bytes:
        """What of its content goes to a process with the order."""
        return b"" if isinstance(self.content, Path) else self.content

    def abandon(self) -> None:
        self.done = None
        self.content = b""
        self.stop_timer()

    def stop_timer(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None

    def tell(self, report: ScanReport) -> None:
        self.stop_timer()
        done, self.done = self.done, None
        if done is not None:
            done(report)


class ScannerPool:
    """Implements `reception.interface.Scanning` with the built-in scanners. On the loop's thread only.

    command: starts a process whose standard input is its end of a socket pair.
    """

    def __init__(
        self,
        processes: int,
        *,
        snapshot: Snapshot,
        loop: asyncio.AbstractEventLoop,
        log: LogFile,
        worker: str = "",
        scan_seconds: float = SCAN_SECONDS,
        wait_seconds: float = WAIT_SECONDS,
        command: tuple[str, ...] = PROGRAM,
    ) -> None:
        self.counters = ScanCounters()
        self.version = ""
        self._snapshot = snapshot
        self._loop = loop
        self._log = log
        self._worker = worker
        self._scan_seconds = scan_seconds
        self._wait_seconds = wait_seconds
        self._command = command
        self._waiting: deque[_Job] = deque()
        self._members = [_Member(self, number) for number in range(1, processes + 1)]
        self._is_started = False
        self._tick: asyncio.TimerHandle | None = None

    @property
    def ready(self) -> int:
        """Processes that can take a message."""
        return sum(member.is_ready for member in self._members)

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    def _start(self) -> None:
        """With the first message, so that nobody pays for processes that nobody needs."""
        self._is_started = True
        for member in self._members:
            member.start()

    def close(self) -> None:
        """End the processes; whoever waits is not answered any more. Idempotent."""
        for job in self._waiting:
            job.abandon()
        self._waiting.clear()
        if self._tick is not None:
            self._tick.cancel()
            self._tick = None
        for member in self._members:
            member.close()

    def scan(self, request: ScanRequest, content: bytes | Path, done: Done) -> _Job:
        if not self._is_started:
            self._start()
        job = _Job(request, content, done)
        member = next((member for member in self._members if member.is_free), None)
        if member is not None:
            member.give(job)
        elif len(self._waiting) >= WAITING_MAX:
            self._fail(job)
        else:
            job.timer = self._loop.call_later(self._wait_seconds, self._fail, job)
            self._waiting.append(job)
            self._give_ahead()
        return job

    def _give_ahead(self) -> None:
        """What waits goes on to processes that are busy, in its order."""
        for member in self._members:
            while self._waiting and self._waiting[0].done is None:
                self._waiting.popleft()
            if not self._waiting or len(self._waiting[0].content_in_order) > AHEAD_OCTETS:
                return
            if member.has_room_ahead:
                member.give_ahead(self._waiting.popleft())
                if self._tick is None:
                    self._tick = self._loop.call_later(PATIENCE_SECONDS, self._look_ahead)

    def _look_ahead(self) -> None:
        """Does one wait behind another that takes long, while a process is free?"""
        self._tick = None
        for member in self._members:
            if member.is_free:
                self._freed(member)
        if any(member.has_ahead for member in self._members):
            self._tick = self._loop.call_later(PATIENCE_SECONDS, self._look_ahead)

    def _fail(self, job: _Job) -> None:
        """Nobody has looked at it."""
        with contextlib.suppress(ValueError):
            self._waiting.remove(job)
        self.counters.unanswered += 1
        job.tell(ScanReport(failed=(NAME,)))

    def _freed(self, member: "_Member") -> None:
        """It can take the next message: one that waits, or that waits behind another in a process that is busy."""
        while self._waiting and member.is_free:
            job = self._waiting.popleft()
            if job.done is not None:
                job.stop_timer()
                member.give(job)
        if not member.is_free:
            self._give_ahead()
            return
        for other in self._members:
            taken = other.take_ahead()
            if taken is not None:
                member.give(taken)
                return

    def _put_back(self, job: _Job) -> None:
        """The process that was to look at it next is gone."""
        if job.done is not None:
            self._waiting.appendleft(job)
            free = next((member for member in self._members if member.is_free), None)
            if free is not None:
                self._freed(free)

    def _order(self, job: _Job, known: dict[str, object]) -> bytes:
        request = job.request
        document = self._snapshot.document(request.customer_id)
        customer, forget = None, False
        if document is not None and known.get(request.customer_id) is not document:
            if len(known) >= CUSTOMERS_MAX:
                known.clear()
                forget = True
            known[request.customer_id] = document
            customer = ScanCustomer(tuple(domain.name for domain in document.domains), document.scanning)
        is_file = isinstance(job.content, Path)
        return encode_order(
            ScanOrder(
                request.customer_id,
                request.reverse_path,
                request.forward_paths,
                request.source,
                b"" if isinstance(job.content, Path) else job.content,
                str(job.content) if is_file else "",
                customer,
                forget,
            )
        )


class _Member(asyncio.Protocol):
    """One process and its end of the socket pair, started again when it is lost."""

    def __init__(self, pool: ScannerPool, number: int) -> None:
        self._pool = pool
        self._number = number
        self._process: subprocess.Popen[bytes] | None = None
        self._transport: asyncio.Transport | None = None
        self._received = bytearray()
        self._known: dict[str, object] = {}  # customers that it was told of
        self._job: _Job | None = None
        self._ahead: _Job | None = None  # that it has, and has not begun with
        self._ahead_since = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._pause = RESTART_FIRST_SECONDS
        self._starting: asyncio.Task[None] | None = None
        self._is_late = False
        self._is_closed = False
        self.is_ready = False

    @property
    def is_free(self) -> bool:
        return self.is_ready and self._job is None

    @property
    def has_room_ahead(self) -> bool:
        return self.is_ready and self._job is not None and self._ahead is None

    def start(self, after_seconds: float = 0.0) -> None:
        self._starting = self._pool._loop.create_task(self._start(after_seconds))

    async def _start(self, after_seconds: float) -> None:
        await asyncio.sleep(after_seconds)
        if self._is_closed:
            return
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        loop = self._pool._loop
        try:
            self._process = await loop.run_in_executor(None, partial(_spawn, self._pool._command, theirs))
        except OSError as error:
            ours.close()
            self._pool._log.write(
                "scanner-not-started", worker=self._pool._worker, number=self._number, error=str(error)
            )
            self._again()
            return
        finally:
            theirs.close()
        self._timer = loop.call_later(START_SECONDS, self._too_late)
        await loop.create_unix_connection(lambda: self, sock=ours)
        self._close_if_over()

    def _close_if_over(self) -> None:
        """It was closed while it was being started."""
        if self._is_closed:
            self.close()

    def give(self, job: _Job) -> None:
        self._begin(job)
        self._send(job)

    @property
    def has_ahead(self) -> bool:
        return self._ahead is not None and self._ahead.done is not None

    def give_ahead(self, job: _Job) -> None:
        self._ahead, self._ahead_since = job, self._pool._loop.time()
        self._send(job)

    def take_ahead(self) -> _Job | None:
        """What has waited here for long, for another process; what this one will say of it counts no more."""
        job = self._ahead
        if job is None or job.done is None or self._pool._loop.time() - self._ahead_since < PATIENCE_SECONDS:
            return None
        self._ahead = _Job(job.request, b"", None)
        return job

    def _begin(self, job: _Job) -> None:
        self._job = job
        job.stop_timer()
        self._timer = self._pool._loop.call_later(self._pool._scan_seconds, self._too_late)

    def _send(self, job: _Job) -> None:
        assert self._transport is not None
        self._transport.write(self._pool._order(job, self._known))

    def _too_late(self) -> None:
        self._is_late = True
        if self._process is not None:
            self._process.kill()

    def close(self) -> None:
        self._is_closed = True
        self.is_ready = False
        if self._transport is not None:
            self._transport.abort()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    # The protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are none by their class
        self._received.clear()

    def data_received(self, data: bytes) -> None:
        received = self._received
        received += data
        while len(received) >= LENGTH.size and not self._is_late:
            length = LENGTH.unpack_from(received)[0]
            if length > FRAME_MAX:
                self._too_late()
                return
            end = LENGTH.size + length
            if len(received) < end:
                return
            body = bytes(received[LENGTH.size : end])
            del received[:end]
            try:
                report = decode_report(body)
            except msgspec.MsgspecError:
                self._too_late()
                return
            self._stop_timer()
            self._answered(report)

    def _answered(self, report: ScanReport) -> None:
        if not self.is_ready:  # its first word
            self.is_ready = True
            self._pause = RESTART_FIRST_SECONDS
            self._pool.version = report.version
        job, self._job = self._job, None
        following, self._ahead = self._ahead, None
        if following is not None:
            self._begin(following)
        self._pool._freed(self)
        if job is not None:
            self._pool.counters.scanned += 1
            self._pool.counters.seconds += report.seconds
            job.tell(report)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - how it ended does not matter
        self._stop_timer()
        self._transport = None
        was_ready, self.is_ready = self.is_ready, False
        self._known.clear()
        job, self._job = self._job, None
        following, self._ahead = self._ahead, None
        process, self._process = self._process, None
        is_late, self._is_late = self._is_late, False
        if process is not None and not self._is_closed:
            process.kill()
            self._pool._loop.run_in_executor(None, process.wait)
        if self._is_closed:
            return
        if following is not None:
            self._pool._put_back(following)
        if job is not None:
            self._pool.counters.lost += 1
            name = "scan-too-long" if is_late else "scanner-crashed"
            self._pool._log.write("scanner-lost", worker=self._pool._worker, number=self._number, cause=name)
            self.start()
            job.tell(ScanReport((Finding(Category.UNSCANNABLE, NAME, name),)))
            return
        if not was_ready:
            self._pool._log.write("scanner-not-ready", worker=self._pool._worker, number=self._number)
        self._again()

    def _again(self) -> None:
        self._pause = min(self._pause * 2, RESTART_MAX_SECONDS)
        self.start(self._pause)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _spawn(command: Sequence[str], stream: socket.socket) -> subprocess.Popen[bytes]:
    """In a session of its own, so that the terminal's Ctrl-C does not come to it. Raises: OSError."""
    return subprocess.Popen(  # noqa: S603 - our own command
        command, stdin=stream.fileno(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
