"""rspamd's client with fakes that behave badly, and with the real one."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.engine import QUESTION, Behaviour, engine, in_loop
from tests.support.installation import short_directory
from tests.support.rspamd import GTUBE, Rspamd

from outgate.engines.address import parse_address
from outgate.engines.interface import EngineAnswer, EngineFault
from outgate.net.rspamd import RspamdClient

CLEAN = b'{"score": 0.0, "required_score": 15.0, "action": "no action"}'


def response(body: bytes = CLEAN, *fields: str) -> bytes:
    lines = ["HTTP/1.1 200 OK", f"Content-Length: {len(body)}", *fields, "", ""]
    return "\r\n".join(lines).encode() + body


async def request(reader: asyncio.StreamReader) -> tuple[list[str], bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    [length] = [int(line.partition(":")[2]) for line in head if line.startswith("Content-Length")]
    return head, await reader.readexactly(length)


def says(octets: bytes) -> Behaviour:
    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request(reader)
        writer.write(octets)
        await writer.drain()
        writer.write_eof()
        await reader.read()

    return behave


@in_loop
async def test_one_connection_serves_one_message_after_the_other(tmp_path: Path) -> None:
    seen: list[bytes] = []
    connections = 0

    async def keeps(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        while True:
            head, body = await request(reader)
            assert head[0] == "POST /checkv2 HTTP/1.1"
            assert "Rcpt: bob@beta.example" in head
            seen.append(body)
            writer.write(response())

    (tmp_path / "content").write_bytes(b"c" * 3_000_000)
    async with engine(keeps) as address:
        client = RspamdClient("rspamd", address)
        for content in (b"a", b"", tmp_path / "content"):
            assert await client.ask(QUESTION, content) == EngineAnswer()
        client.close()
    assert seen == [b"a", b"", b"c" * 3_000_000]
    assert connections == 1


@in_loop
async def test_connection_that_ended_meanwhile_is_replaced() -> None:
    connections = 0

    async def ends(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await request(reader)
        writer.write(response())
        if connections == 1:  # takes another question, and is gone without a word
            await request(reader)

    async with engine(ends) as address:
        client = RspamdClient("rspamd", address)
        for _ in range(3):
            assert await client.ask(QUESTION, b"content") == EngineAnswer()
        client.close()
    assert connections >= 2


@in_loop
async def test_connection_that_rspamd_closes_is_not_kept() -> None:
    connections = 0

    async def closes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await request(reader)
        writer.write(response(CLEAN, "Connection: close"))
        await reader.read()

    async with engine(closes) as address:
        client = RspamdClient("rspamd", address)
        for _ in range(2):
            await client.ask(QUESTION, b"content")
    assert connections == 2


@pytest.mark.parametrize(
    ("said", "cause"),
    [
        (b"", "connection-lost"),
        (response()[:-5], "connection-lost"),
        (b"220 mail.example ESMTP\r\n\r\n", "nonsense"),
        (response(b"<html>"), "nonsense"),
        (response() + b"more", "nonsense"),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 10_000, "nonsense"),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "error"),
    ],
    ids=["nothing", "cut", "other", "html", "more", "endless", "status"],
)
@in_loop
async def test_what_is_no_answer_is_a_fault(said: bytes, cause: str) -> None:
    async with engine(says(said)) as address:
        client = RspamdClient("rspamd", address)
        with pytest.raises(EngineFault) as caught:
            await client.ask(QUESTION, b"content")
        assert caught.value.cause == cause
        client.close()


@in_loop
async def test_endless_body_is_cut() -> None:
    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(b" " * 60_000)
            await writer.drain()

    async with engine(endless) as address:
        with pytest.raises(EngineFault, match="too large"):
            await RspamdClient("rspamd", address).ask(QUESTION, b"content")


@in_loop
async def test_slow_one_can_be_given_up_and_its_connection_is_not_kept() -> None:
    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\n")
        await reader.read()

    async with engine(slow) as address:
        client = RspamdClient("rspamd", address)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await client.ask(QUESTION, b"content")
        assert client._kept() is None


@pytest.fixture(scope="module")
def rspamd() -> Iterator[Rspamd]:
    with short_directory() as directory:
        made = Rspamd(directory).start()
        try:
            yield made
        finally:
            made.stop()


@in_loop
async def test_the_real_one(rspamd: Rspamd) -> None:
    client = RspamdClient("rspamd", parse_address(rspamd.address))
    head = b"From: ada@alpha.example\r\nSubject: %b\r\n\r\n"
    assert await client.ask(QUESTION, head % b"minutes" + b"hello\r\n") == EngineAnswer()
    [falcon] = (await client.ask(QUESTION, head % b"Project Falcon" + b"hello\r\n")).findings
    assert (falcon.weight, falcon.detail) == (495, "7.5 of 15.0, TEST_FALCON 7.5")
    [gtube] = (await client.ask(QUESTION, head % b"test" + GTUBE + b"\r\n")).findings
    assert gtube.weight == 990
    client.close()
