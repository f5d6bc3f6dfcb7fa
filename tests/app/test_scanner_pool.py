"""The pool with processes that do as the test says: they are Python's own, and speak its frames."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import wraps
from pathlib import Path
from typing import Any

import pytest
from tests.scanning.test_codes import code, saved
from tests.scanning.test_office import BY_ITSELF, docm
from tests.scanning.test_pdf import blank, with_script, written
from tests.support.scanned import attached

from outgate.app.log import LogFile
from outgate.app.scanner_pool import AHEAD_OCTETS, ScannerPool
from outgate.mail.findings import Category, ScanReport
from outgate.policy.snapshot import Snapshot
from outgate.reception.interface import ScanRequest

REQUEST = ScanRequest("1", "ada@alpha.example", ("bob@beta.example",), "192.0.2.1")

# What the message says is what the process does.
OBEDIENT = """
import os, socket, sys, time
from msgspec import structs
from outgate.app import scanner_process
from outgate.mail.findings import ScanReport
from outgate.scanning.order import encode_report

class Pipeline:
    version = "test"
    def scan(self, octets, context):
        order = bytes(octets[:20]).decode().split()
        if order[0] == "die":
            os._exit(3)
        if order[0] == "hang":
            time.sleep(60)
        if order[0] == "eat":
            memory = bytearray(int(order[1]))
        if order[0] == "lie":
            os.write(stream.fileno(), b"\\xff\\xff\\xff\\xff")
            time.sleep(60)
        return ScanReport(version=order[0], hosts=tuple(sorted(context.domains)))

stream = socket.socket(fileno=os.dup(0))
scanner_process.confine()
stream.sendall(encode_report(ScanReport(version="test")))
scanner_process.ScannerProcess(Pipeline(), stream).run()
"""

Scan = Callable[[bytes | Path], Awaitable[ScanReport]]


@asynccontextmanager
async def pool(
    tmp_path: Path, processes: int = 1, program: str = OBEDIENT, **more: float
) -> AsyncIterator[tuple[ScannerPool, Scan]]:
    loop = asyncio.get_running_loop()
    log = LogFile(tmp_path / "log", "test")
    command = (sys.executable, "-c", program)
    made = ScannerPool(processes, snapshot=Snapshot(), loop=loop, log=log, command=command, **more)  # type: ignore[arg-type]

    async def scan(content: bytes | Path) -> ScanReport:
        future: asyncio.Future[ScanReport] = loop.create_future()
        made.scan(REQUEST, content, future.set_result)
        return await future

    try:
        yield made, scan
    finally:
        made.close()
        log.close()


def in_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    @wraps(test)
    def run(**arguments: Any) -> None:
        asyncio.run(test(**arguments))

    return run


def names(report: ScanReport) -> list[tuple[str, str]]:
    return [(finding.category.value, finding.name) for finding in report.findings]


@in_loop
async def test_messages_are_scanned_in_processes_that_start_when_needed(tmp_path: Path) -> None:
    async with pool(tmp_path, 2) as (made, scan):
        assert made.ready == 0
        reports = await asyncio.gather(*(scan(b"m%d" % number) for number in range(50)))
        assert [report.version for report in reports] == [f"m{number}" for number in range(50)]
        assert made.ready >= 1
        assert made.counters.scanned == 50


@in_loop
async def test_file_is_scanned_where_it_lies(tmp_path: Path) -> None:
    (tmp_path / "content").write_bytes(b"file" + b" " * 1_000_000)
    async with pool(tmp_path) as (_, scan):
        assert (await scan(tmp_path / "content")).version == "file"
        assert names(await scan(tmp_path / "absent")) == [("unscannable", "content-unreadable")]


@pytest.mark.parametrize(
    ("order", "name"), [(b"die", "scanner-crashed"), (b"hang", "scan-too-long"), (b"lie", "scan-too-long")]
)
@in_loop
async def test_message_that_ends_its_scanner_is_unscannable_and_the_next_is_scanned(
    tmp_path: Path, order: bytes, name: str
) -> None:
    async with pool(tmp_path, scan_seconds=1.0) as (made, scan):
        report, after = await asyncio.gather(scan(order), scan(b"after"))
        assert names(report) == [("unscannable", name)]
        assert not report.failed
        assert after.version == "after"
        assert made.counters.lost == 1


async def start_all(made: ScannerPool, scan: Scan, processes: int) -> None:
    async with asyncio.timeout(30):
        while made.ready < processes:
            await scan(b"ready")


@in_loop
async def test_message_behind_one_that_takes_long_is_taken_over_by_the_process_that_is_free(tmp_path: Path) -> None:
    async with pool(tmp_path, 2, scan_seconds=20.0) as (made, scan):
        await start_all(made, scan, 2)
        hanging = asyncio.ensure_future(scan(b"hang"))
        async with asyncio.timeout(10):
            quick, behind, last = await asyncio.gather(scan(b"quick"), scan(b"behind"), scan(b"last"))
        assert (quick.version, behind.version, last.version) == ("quick", "behind", "last")
        assert not hanging.done()
        assert made.counters.lost == 0
        hanging.cancel()


@in_loop
async def test_messages_that_a_lost_process_had_not_begun_with_are_scanned_and_only_its_own_is_not(
    tmp_path: Path,
) -> None:
    async with pool(tmp_path, 2) as (made, scan):
        await start_all(made, scan, 2)
        orders = [b"die" if number % 7 == 0 else b"m%d" % number for number in range(40)]
        reports = await asyncio.gather(*map(scan, orders))
        for order, report in zip(orders, reports, strict=True):
            if order == b"die":
                assert names(report) == [("unscannable", "scanner-crashed")]
            else:
                assert report.version == order.decode()
        assert made.counters.lost == 6


@in_loop
async def test_large_message_waits_for_a_free_process(tmp_path: Path) -> None:
    async with pool(tmp_path) as (made, scan):
        await start_all(made, scan, 1)
        large = b"large".ljust(AHEAD_OCTETS + 1)
        reports = await asyncio.gather(scan(b"first"), scan(large), scan(b"last"))
        assert [report.version for report in reports] == ["first", "large", "last"]


@in_loop
async def test_message_that_was_given_ahead_and_abandoned_tells_nobody(tmp_path: Path) -> None:
    async with pool(tmp_path) as (made, scan):
        await start_all(made, scan, 1)
        told: list[ScanReport] = []
        first = asyncio.ensure_future(scan(b"first"))
        await asyncio.sleep(0)
        made.scan(REQUEST, b"second", told.append).abandon()
        assert (await scan(b"last")).version == "last"
        assert (await first).version == "first"
        assert not told


@in_loop
async def test_message_that_eats_memory_is_unscannable(tmp_path: Path) -> None:
    async with pool(tmp_path) as (_, scan):
        report, after = await asyncio.gather(scan(b"eat 9000000000"), scan(b"after"))
        assert report.findings[0].category is Category.UNSCANNABLE
        assert after.version == "after"


@in_loop
async def test_message_for_which_no_process_is_free_in_time_was_not_looked_at(tmp_path: Path) -> None:
    async with pool(tmp_path, wait_seconds=0.2, scan_seconds=5.0) as (made, scan):
        while (await scan(b"ready")).failed:
            pass  # it takes longer to start than anybody waits here
        unanswered = made.counters.unanswered
        made.scan(REQUEST, b"hang", lambda _: None)
        assert (await scan(b"waits")).failed == ("built-in",)
        assert made.counters.unanswered == unanswered + 1


@in_loop
async def test_process_that_cannot_start_leaves_messages_unlooked_at(tmp_path: Path) -> None:
    async with pool(tmp_path, program="raise SystemExit(1)", wait_seconds=0.3) as (made, scan):
        assert (await scan(b"x")).failed == ("built-in",)
        assert made.ready == 0


@in_loop
async def test_abandoned_message_tells_nobody(tmp_path: Path) -> None:
    async with pool(tmp_path) as (made, scan):
        told: list[ScanReport] = []
        await scan(b"ready")
        made.scan(REQUEST, b"first", told.append).abandon()
        made.scan(REQUEST, b"second", told.append).abandon()
        assert (await scan(b"last")).version == "last"
        assert not told


@in_loop
async def test_the_real_process_with_the_built_in_scanners(tmp_path: Path) -> None:
    loop = asyncio.get_running_loop()
    log = LogFile(tmp_path / "log", "test")
    made = ScannerPool(1, snapshot=Snapshot(), loop=loop, log=log)
    future: asyncio.Future[ScanReport] = loop.create_future()
    made.scan(REQUEST, b"Subject: s\r\n\r\nhello\r\n", future.set_result)
    report = await future
    made.close()
    log.close()
    assert {finding.scanner for finding in report.findings} <= {"spam"}
    assert not report.failed
    assert report.seconds > 0


@in_loop
async def test_pictures_and_documents_are_read_under_confinement(tmp_path: Path) -> None:
    """Decoders load what they need when they need it: they must be able to, with few files and bounded memory."""
    loop = asyncio.get_running_loop()
    log = LogFile(tmp_path / "log", "test")
    made = ScannerPool(1, snapshot=Snapshot(), loop=loop, log=log)
    files = [(f"code.{kind.lower()}", saved(code(), kind)) for kind in ("PNG", "JPEG", "WEBP", "GIF", "TIFF")]
    files.append(("large.webp", saved(code(side=3_500), "WEBP")))
    files.append(("a.docm", docm(BY_ITSELF)))
    files.append(("a.pdf", written(with_script(blank(), "eval(1)"))))
    future: asyncio.Future[ScanReport] = loop.create_future()
    try:
        made.scan(REQUEST, attached(*files), future.set_result)
        report = await future
    finally:
        made.close()
        log.close()
    places = {finding.place for finding in report.findings if finding.name == "link-in-code"}
    assert places == {f"{number}/{name}" for number, (name, _) in enumerate(files[:6], 2)}
    found = {(finding.name, finding.weight) for finding in report.findings if finding.category is Category.MALWARE}
    assert found == {("macro-runs-by-itself", 90), ("pdf-script", 90)}
    assert not [finding for finding in report.findings if finding.category is Category.UNSCANNABLE]
