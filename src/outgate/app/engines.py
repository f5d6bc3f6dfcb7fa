"""Asks all scanning engines about a message at once, beside the scanner processes, and makes one report of it all.

Each engine stands behind a gate: so many questions at a time, so long for each, and a breaker that leaves an engine
alone which does not answer. Whatever an engine does, a message gets its report.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

from msgspec import structs

from outgate.app.engine_settings import Engine, EngineClient, make_client
from outgate.app.log import LogFile
from outgate.engines.breaker import Breaker, BreakerState
from outgate.engines.interface import EngineAnswer, EngineFault, Question, clean, too_large
from outgate.mail.findings import Finding, ScanReport
from outgate.net.engine_stream import ContentGone, size_of
from outgate.reception.interface import Scan, Scanning, ScanRequest
from outgate.scanning.pipeline import kept

WAITING_MAX: Final = 2_000  # messages that wait for one engine; about more it is not asked

Done = Callable[[ScanReport], None]


@dataclass(slots=True)
class EngineCounters:
    """For the metrics. failures: by cause. seconds: of the answers."""

    answers: int = 0
    findings: int = 0
    undecided: int = 0
    skipped: int = 0  # not asked, because the breaker was open or too many waited
    seconds: float = 0.0
    failures: dict[str, int] = field(default_factory=dict)


class EngineGate:
    """One engine. On the loop's thread."""

    def __init__(
        self,
        settings: Engine,
        client: EngineClient,
        *,
        loop: asyncio.AbstractEventLoop,
        log: LogFile,
        worker: str = "",
    ) -> None:
        self.name = settings.name
        self.settings = settings
        self.counters = EngineCounters()
        self.breaker = Breaker(settings.failures, settings.pause_seconds)
        self.under_way = 0
        self._client = client
        self._loop = loop
        self._log = log
        self._worker = worker
        self._room = asyncio.Semaphore(settings.connections)

    def close(self) -> None:
        self._client.close()

    async def ask(self, question: Question, content: bytes | Path) -> EngineAnswer | None:
        """None: it gave no answer. Never raises for what the engine does."""
        if self.under_way >= WAITING_MAX:
            self.counters.skipped += 1
            return None
        self.under_way += 1
        try:
            return await self._ask(question, content)
        finally:
            self.under_way -= 1

    async def _ask(self, question: Question, content: bytes | Path) -> EngineAnswer | None:
        end = self._loop.time() + self.settings.timeout_seconds
        try:
            if await size_of(content) > self.settings.size_octets:
                return self._answered(too_large(self.name), 0.0)
            async with asyncio.timeout_at(end):
                await self._room.acquire()
        except (TimeoutError, ContentGone):  # no fault of the engine, or one that others have noticed
            self.counters.skipped += 1
            return None
        try:
            return await self._ask_in_turn(question, content, end)
        finally:
            self._room.release()

    async def _ask_in_turn(self, question: Question, content: bytes | Path, end: float) -> EngineAnswer | None:
        began = self._loop.time()
        if not self.breaker.admit(began):
            self.counters.skipped += 1
            return None
        is_over = False
        try:
            async with asyncio.timeout_at(end):
                answer = await self._client.ask(question, content)
            is_over = True
            self._recovered()
            return self._answered(answer, self._loop.time() - began)
        except ContentGone:
            self.counters.skipped += 1
        except TimeoutError:
            is_over = True
            self._failed(EngineFault("time-out"))
        except EngineFault as fault:
            is_over = True
            self._failed(fault)
        finally:
            if not is_over:
                self.breaker.abandoned()
        return None

    def _answered(self, answer: EngineAnswer, seconds: float) -> EngineAnswer:
        counters = self.counters
        counters.answers += 1
        counters.seconds += seconds
        counters.findings += len(answer.findings)
        counters.undecided += answer.is_undecided
        return answer

    def _recovered(self) -> None:
        was_open = self.breaker.state is not BreakerState.CLOSED
        self.breaker.succeeded()
        if was_open:
            self._log.write("engine-answers-again", worker=self._worker, engine=self.name)

    def _failed(self, fault: EngineFault) -> None:
        counts = self.counters.failures
        counts[fault.cause] = counts.get(fault.cause, 0) + 1
        was = self.breaker.state
        self.breaker.failed(self._loop.time())
        event = "engine-left-alone" if self.breaker.state is BreakerState.OPEN else "engine-failed"
        if was is not BreakerState.OPEN:  # of those asked before it was opened one line is enough
            self._log.write(
                event, worker=self._worker, engine=self.name, cause=fault.cause, detail=clean(fault.detail)[:200]
            )


class Engines:
    """Implements `reception.interface.Scanning`: the built-in scanners and all engines, asked at once.

    fault: notes an exception that is our bug.
    """

    def __init__(
        self,
        built_in: Scanning,
        gates: Sequence[EngineGate],
        *,
        loop: asyncio.AbstractEventLoop,
        host_name: str = "",
        fault: Callable[[Exception], None],
    ) -> None:
        self.gates = tuple(gates)
        self._built_in = built_in
        self._loop = loop
        self._host_name = clean(host_name)
        self._fault = fault
        self._under_way: set[_Asked] = set()

    def close(self) -> None:
        """Whoever waits is not answered any more. Idempotent."""
        for asked in list(self._under_way):
            asked.abandon()
        for gate in self.gates:
            gate.close()

    def scan(self, request: ScanRequest, content: bytes | Path, done: Done) -> Scan:
        question = Question(
            clean(request.customer_id),
            clean(request.reverse_path),
            tuple(map(clean, request.forward_paths)),
            clean(request.source),
            self._host_name,
        )
        asked = _Asked(self, done, len(self.gates) + 1)
        self._under_way.add(asked)
        for gate in self.gates:
            task = self._loop.create_task(gate.ask(question, content))
            asked.tasks.append(task)
            task.add_done_callback(partial(asked.engine_is_done, gate.name))
        asked.built_in = self._built_in.scan(request, content, asked.built_in_is_done)
        return asked


class _Asked:
    """One message, until all have answered or nobody waits any more."""

    def __init__(self, engines: Engines, done: Done, awaited: int) -> None:
        self.tasks: list[asyncio.Task[EngineAnswer | None]] = []
        self.built_in: Scan | None = None
        self._engines = engines
        self._done: Done | None = done
        self._awaited = awaited
        self._began = engines._loop.time()
        self._report = ScanReport()
        self._findings: list[Finding] = []
        self._failed: list[str] = []

    def abandon(self) -> None:
        self._done = None
        self._engines._under_way.discard(self)
        for task in self.tasks:
            task.cancel()
        if self.built_in is not None:
            self.built_in.abandon()

    def built_in_is_done(self, report: ScanReport) -> None:
        self._report = report
        self._one_less()

    def engine_is_done(self, name: str, task: asyncio.Task[EngineAnswer | None]) -> None:
        if task.cancelled():
            self._failed.append(name)
        elif (error := task.exception()) is not None:
            assert isinstance(error, Exception)
            self._engines._fault(error)
            self._failed.append(name)
        else:
            answer = task.result()
            if answer is None or answer.is_undecided:
                self._failed.append(name)
            if answer is not None:
                self._findings += answer.findings
        self._one_less()

    def _one_less(self) -> None:
        self._awaited -= 1
        done = self._done
        if self._awaited or done is None:
            return
        self._done = None
        self._engines._under_way.discard(self)
        report = self._report
        names = [gate.name for gate in self._engines.gates]
        done(
            structs.replace(
                report,
                findings=tuple(kept([*report.findings, *self._findings])),
                failed=(*report.failed, *sorted(self._failed, key=names.index)),
                seconds=self._engines._loop.time() - self._began,
                version=" ".join(filter(None, [report.version, *names])),
            )
        )


def fitting(engines: Sequence[Engine], connections: int) -> list[Engine]:
    """The engines with no more connections than that together, in the proportion of their settings; each at least
    one."""
    wanted = sum(engine.connections for engine in engines)
    if wanted <= connections:
        return list(engines)
    return [
        structs.replace(engine, connections=max(engine.connections * connections // wanted, 1)) for engine in engines
    ]


def make_gates(
    settings: Iterable[Engine], *, loop: asyncio.AbstractEventLoop, log: LogFile, worker: str
) -> list[EngineGate]:
    return [EngineGate(engine, make_client(engine), loop=loop, log=log, worker=worker) for engine in settings]
