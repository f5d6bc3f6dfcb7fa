"""Connections to engines, and content in pieces."""

import asyncio
from pathlib import Path

import pytest
from tests.support.engine import engine, in_loop
from tests.support.installation import free_port, short_directory

from outgate.engines.address import TcpAddress, UnixAddress
from outgate.engines.interface import EngineFault
from outgate.net.engine_stream import FILE_OCTETS, ContentGone, connect, pieces, size_of


async def joined(content: bytes | Path, octets: int) -> list[bytes]:
    return [bytes(piece) async for piece in pieces(content, octets)]


@pytest.mark.parametrize("length", [0, 1, 9, 10, 11, FILE_OCTETS + 1])
@in_loop
async def test_pieces_are_the_content_from_memory_and_from_a_file(tmp_path: Path, length: int) -> None:
    content = bytes(range(251)) * (length // 251 + 1)
    content = content[:length]
    (tmp_path / "content").write_bytes(content)
    for source in (content, tmp_path / "content"):
        parts = await joined(source, 10 if length < 100 else 65_535)
        assert b"".join(parts) == content
        assert all(parts)
        assert await size_of(source) == length


@in_loop
async def test_file_that_is_gone_is_no_fault_of_the_engine(tmp_path: Path) -> None:
    with pytest.raises(ContentGone):
        await joined(tmp_path / "absent", 10)
    with pytest.raises(ContentGone):
        await size_of(tmp_path / "absent")


@in_loop
async def test_nobody_listens() -> None:
    with short_directory() as directory:
        nowhere = (UnixAddress(str(directory / "absent")), TcpAddress("127.0.0.1", free_port()))
        for address in nowhere:
            with pytest.raises(EngineFault) as caught:
                await connect(address)
            assert caught.value.cause == "unreachable"


@in_loop
async def test_words_of_the_engine_that_nobody_asked_for_are_seen() -> None:
    async def greets(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(1)
        writer.write(b"hello")
        await reader.read()

    async with engine(greets) as address:
        stream = await connect(address)
        try:
            assert stream.is_quiet
            await stream.send(b"x")
            assert await stream.receive(2) == b"he"
            assert not stream.is_quiet
        finally:
            stream.close()
