"""clamd's client with fakes that behave badly, and with the real one."""

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.clamd import EICAR, SIGNATURE, Clamd
from tests.support.engine import QUESTION, engine, in_loop
from tests.support.installation import short_directory

from outgate.engines.address import parse_address
from outgate.engines.interface import EngineAnswer, EngineFault
from outgate.mail.findings import Category
from outgate.net.clamd import ClamdClient
from outgate.net.engine_stream import ContentGone


async def stream_of(reader: asyncio.StreamReader) -> bytes:
    assert await reader.readexactly(10) == b"zINSTREAM\0"
    content = b""
    while length := int.from_bytes(await reader.readexactly(4), "big"):
        content += await reader.readexactly(length)
    return content


@pytest.mark.parametrize("length", [0, 1, 65_536, 65_537, 3_000_000])
@in_loop
async def test_content_arrives_whole(tmp_path: Path, length: int) -> None:
    content = bytes(length)
    (tmp_path / "content").write_bytes(content)
    seen: list[bytes] = []

    async def clean(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await stream_of(reader))
        for octet in b"stream: OK\0":
            writer.write(bytes([octet]))
            await writer.drain()

    async with engine(clean) as address:
        for source in (content, tmp_path / "content"):
            assert await ClamdClient("clamd", address).ask(QUESTION, source) == EngineAnswer()
    assert seen == [content, content]


@pytest.mark.parametrize(
    ("said", "cause"),
    [(b"", "connection-lost"), (b"stream: OK", "connection-lost"), (b"x" * 10_000, "nonsense"), (b"?\0", "nonsense")],
    ids=["nothing", "cut", "endless", "garbage"],
)
@in_loop
async def test_what_is_no_answer_is_a_fault(said: bytes, cause: str) -> None:
    async def speaks(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await stream_of(reader)
        writer.write(said)
        await writer.drain()
        writer.write_eof()
        await reader.read()

    async with engine(speaks) as address:
        with pytest.raises(EngineFault) as caught:
            await ClamdClient("clamd", address).ask(QUESTION, b"content")
    assert caught.value.cause == cause


@in_loop
async def test_endless_answer_is_cut() -> None:
    async def endless(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(b"stream: " * 1_000)
            await writer.drain()

    async with engine(endless) as address:
        with pytest.raises(EngineFault, match="no end"):
            await ClamdClient("clamd", address).ask(QUESTION, b"content")


@in_loop
async def test_silent_one_can_be_given_up_at_any_time() -> None:
    asked = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await stream_of(reader)
        asked.set()
        await reader.read()

    async with engine(silent) as address:
        task = asyncio.create_task(ClamdClient("clamd", address).ask(QUESTION, b"content"))
        await asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


@in_loop
async def test_one_that_takes_nothing_can_be_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        address = parse_address(f"127.0.0.1:{deaf.getsockname()[1]}")
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await ClamdClient("clamd", address).ask(QUESTION, bytes(30_000_000))


@in_loop
async def test_file_that_is_gone(tmp_path: Path) -> None:
    async def clean(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    async with engine(clean) as address:
        with pytest.raises(ContentGone):
            await ClamdClient("clamd", address).ask(QUESTION, tmp_path / "absent")


@pytest.fixture(scope="module")
def clamd() -> Iterator[Clamd]:
    with short_directory() as directory:
        made = Clamd(directory, stream_octets=1_000_000).start()
        try:
            yield made
        finally:
            made.kill()


@in_loop
async def test_the_real_one(clamd: Clamd) -> None:
    client = ClamdClient("clamd", parse_address(clamd.address))
    assert await client.ask(QUESTION, b"Subject: s\r\n\r\nhello\r\n") == EngineAnswer()
    [finding] = (await client.ask(QUESTION, EICAR)).findings
    assert finding.category is Category.MALWARE
    assert finding.name.startswith(SIGNATURE)


@in_loop
async def test_the_real_one_says_what_is_too_large(clamd: Clamd) -> None:
    client = ClamdClient("clamd", parse_address(clamd.address))
    [finding] = (await client.ask(QUESTION, bytes(1_200_000))).findings
    assert finding.name == "engine-too-large"
