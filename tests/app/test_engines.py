"""Engines asked at once, with clients that do as the test says."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.support.engine import in_loop

from outgate.app.engine_settings import Engine
from outgate.app.engines import EngineGate, Engines, fitting
from outgate.app.log import LogFile
from outgate.engines.interface import EngineAnswer, EngineFault, Question
from outgate.mail.findings import Category, Finding, ScanReport
from outgate.net.engine_stream import ContentGone
from outgate.reception.interface import Scan, ScanRequest

REQUEST = ScanRequest("1", "ada@alpha.example", ("bob@beta.example\r\nX: y",), "192.0.2.1")
MALWARE = Finding(Category.MALWARE, "av", "signature")
SPAM = Finding(Category.SPAM, "spam", "model", 500)
REPORT = ScanReport((SPAM,), version="built-in/1")
CLEAN = EngineAnswer()


class BuiltIn:
    """Answers at once, or never."""

    def __init__(self, report: ScanReport | None = REPORT) -> None:
        self.report = report
        self.abandoned = 0

    def scan(self, request: ScanRequest, content: bytes | Path, done: Callable[[ScanReport], None]) -> Scan:
        if self.report is not None:
            done(self.report)
        return self

    def abandon(self) -> None:
        self.abandoned += 1


@dataclass
class Client:
    """What `then` holds: an answer to give, an exception to raise, an event to wait for."""

    then: Any = CLEAN
    asked: list[Question] = field(default_factory=list)
    is_asked: asyncio.Event = field(default_factory=asyncio.Event)
    closed: int = 0

    async def ask(self, question: Question, content: bytes | Path) -> EngineAnswer:
        self.asked.append(question)
        self.is_asked.set()
        if isinstance(self.then, asyncio.Event):
            await self.then.wait()
            return EngineAnswer()
        if isinstance(self.then, Exception):
            raise self.then
        assert isinstance(self.then, EngineAnswer)
        return self.then

    def close(self) -> None:
        self.closed += 1


class Setting:
    def __init__(self, tmp_path: Path) -> None:
        self.loop = asyncio.get_running_loop()
        self.log_path = tmp_path / "log"
        self.log = LogFile(self.log_path, "test")
        self.built_in = BuiltIn()
        self.clients: list[Client] = []
        self.faults: list[Exception] = []
        self.engines = self.with_clients()

    def with_clients(self, *clients: Client, **settings: Any) -> Engines:
        self.clients = list(clients)
        gates = [
            EngineGate(Engine(f"e{number}", "clamd", "h:1", **settings), client, loop=self.loop, log=self.log)
            for number, client in enumerate(clients)
        ]
        self.engines = Engines(
            self.built_in, gates, loop=self.loop, host_name="outgate.example", fault=self.faults.append
        )
        return self.engines

    async def scan(self, content: bytes | Path = b"content") -> ScanReport:
        future: asyncio.Future[ScanReport] = self.loop.create_future()
        self.engines.scan(REQUEST, content, future.set_result)
        return await future

    def events(self) -> list[str]:
        self.log.close()
        return [json.loads(line)["event"] for line in self.log_path.read_text().splitlines()]


@asynccontextmanager
async def setting(tmp_path: Path) -> AsyncIterator[Setting]:
    made = Setting(tmp_path)
    try:
        yield made
    finally:
        made.engines.close()
        await asyncio.sleep(0)
        made.log.close()


def test_engines_fit_the_room_that_there_is() -> None:
    engines = [Engine("a", "clamd", "h:1", connections=30), Engine("b", "clamd", "h:1", connections=10)]
    assert fitting(engines, 40) == engines
    assert [engine.connections for engine in fitting(engines, 20)] == [15, 5]
    assert [engine.connections for engine in fitting(engines, 0)] == [1, 1]


@in_loop
async def test_one_report_of_all(tmp_path: Path) -> None:
    async with setting(tmp_path) as here:
        clients = Client(EngineAnswer((MALWARE,))), Client()
        here.with_clients(*clients)
        report = await here.scan()
        assert set(report.findings) == {SPAM, MALWARE}
        assert report.is_complete
        assert report.version == "built-in/1 e0 e1"
        [question] = clients[0].asked
        assert question.host_name == "outgate.example"
        assert question.forward_paths == ("bob@beta.exampleX: y",)


@pytest.mark.parametrize(
    ("then", "causes"),
    [
        (EngineFault("nonsense", "x\ny"), {"nonsense": 1}),
        (ContentGone("gone"), {}),
        (EngineAnswer(is_undecided=True), {}),
        (ValueError("bug"), {}),
    ],
    ids=["fault", "content-gone", "undecided", "bug"],
)
@in_loop
async def test_engine_without_an_answer_is_named(tmp_path: Path, then: Any, causes: dict[str, int]) -> None:
    async with setting(tmp_path) as here:
        engines = here.with_clients(Client(then), Client(EngineAnswer((MALWARE,))))
        report = await here.scan()
        assert report.failed == ("e0",)
        assert MALWARE in report.findings
        assert engines.gates[0].counters.failures == causes
        assert [type(error) for error in here.faults] == ([ValueError] if isinstance(then, ValueError) else [])


@in_loop
async def test_all_that_failed_are_named_the_built_in_first(tmp_path: Path) -> None:
    async with setting(tmp_path) as here:
        here.with_clients(Client(EngineFault("a")), Client(EngineFault("b")))
        here.built_in.report = ScanReport(failed=("built-in",))
        assert (await here.scan()).failed == ("built-in", "e0", "e1")


@in_loop
async def test_too_late_is_a_fault(tmp_path: Path) -> None:
    async with setting(tmp_path) as here:
        engines = here.with_clients(Client(asyncio.Event()), timeout_seconds=0.05)
        assert (await here.scan()).failed == ("e0",)
        assert engines.gates[0].counters.failures == {"time-out": 1}
        assert engines.gates[0].under_way == 0


@in_loop
async def test_engine_that_fails_is_left_alone_and_tried_again(tmp_path: Path) -> None:
    async with setting(tmp_path) as here:
        client = Client(EngineFault("unreachable"))
        [gate] = here.with_clients(client, failures=3, pause_seconds=0.2).gates
        for _ in range(5):
            assert (await here.scan()).failed == ("e0",)
        assert len(client.asked) == 3
        assert gate.breaker.state.name == "OPEN"
        assert gate.counters.skipped == 2
        client.then = EngineAnswer()
        while (await here.scan()).failed:  # noqa: ASYNC110 - until the pause is over
            await asyncio.sleep(0.01)
        assert gate.breaker.state.name == "CLOSED"
        assert len(client.asked) == 4
        assert here.events() == ["engine-failed", "engine-failed", "engine-left-alone", "engine-answers-again"]


@in_loop
async def test_only_so_many_are_asked_about_at_a_time(tmp_path: Path) -> None:
    async with setting(tmp_path) as here:
        go = asyncio.Event()
        client = Client(go)
        here.with_clients(client, connections=2)
        scans = [asyncio.create_task(here.scan()) for _ in range(5)]
        await client.is_asked.wait()
        for _ in range(10):
            await asyncio.sleep(0)
        assert len(client.asked) == 2
        go.set()
        assert all(report.is_complete for report in await asyncio.gather(*scans))
        assert len(client.asked) == 5


@in_loop
async def test_large_content_is_not_given_to_an_engine_that_takes_less(tmp_path: Path) -> None:
    async with setting(tmp_path) as here:
        client = Client()
        here.with_clients(client, size_octets=10)
        (tmp_path / "content").write_bytes(b"x" * 11)
        for content in (b"x" * 11, tmp_path / "content"):
            report = await here.scan(content)
            assert report.is_complete
            assert (Category.UNSCANNABLE, "engine-too-large") in [
                (each.category, each.name) for each in report.findings
            ]
        assert not client.asked
        assert (await here.scan(tmp_path / "absent")).failed == ("e0",)


@in_loop
async def test_abandoned_message_tells_nobody_and_counts_for_nothing(tmp_path: Path) -> None:
    async with setting(tmp_path) as here:
        client = Client(asyncio.Event())
        [gate] = here.with_clients(client).gates
        here.built_in.report = None
        told: list[ScanReport] = []
        scan = here.engines.scan(REQUEST, b"content", told.append)
        await client.is_asked.wait()
        scan.abandon()
        scan.abandon()
        while gate.under_way:  # noqa: ASYNC110 - until it has noticed
            await asyncio.sleep(0)
        assert not told
        assert here.built_in.abandoned
        assert not gate.breaker.failures


@in_loop
async def test_nobody_is_told_after_the_end(tmp_path: Path) -> None:
    async with setting(tmp_path) as here:
        client = Client(asyncio.Event())
        here.with_clients(client)
        told: list[ScanReport] = []
        here.engines.scan(REQUEST, b"content", told.append)
        await client.is_asked.wait()
        here.engines.close()
        await asyncio.sleep(0.01)
        assert not told
        assert client.closed == 1
