"""A connection to an engine, and the pieces of content that go over it.

Sockets without asyncio's streams: nothing is buffered here, so that memory is what is asked for, and an answer that
came before the engine stopped listening can still be read. Time-outs are the caller's.
"""

import asyncio
import os
import socket
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import BinaryIO, Final

from outgate.engines.address import Address, UnixAddress
from outgate.engines.interface import EngineFault

READ_OCTETS: Final = 16 * 1024  # of an answer, at a time
PIECE_OCTETS: Final = 64 * 1024  # of content, at a time: a chunk of clamd, a body packet of a milter less one octet
FILE_OCTETS: Final = 1024 * 1024  # of a file with large content, at a time, on a thread


class EngineStream:
    """One connection. Close it whatever happens."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._loop = asyncio.get_running_loop()

    async def send(self, octets: bytes | memoryview) -> None:
        """Raises: EngineFault."""
        try:
            await self._loop.sock_sendall(self._socket, octets)
        except OSError as error:
            raise EngineFault("connection-lost", _words(error)) from error

    async def receive(self, octets_max: int = READ_OCTETS) -> bytes:
        """What has come, b"" at the end. Raises: EngineFault."""
        await asyncio.sleep(
            0
        )  # a peer that talks without a pause must not keep the loop, nor its own time-out, waiting
        try:
            return await self._loop.sock_recv(self._socket, octets_max)
        except OSError as error:
            raise EngineFault("connection-lost", _words(error)) from error

    @property
    def is_quiet(self) -> bool:
        """Is it open, and has nothing come that nobody asked for? For a connection that is used again."""
        try:
            self._socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    def close(self) -> None:
        """Idempotent."""
        self._socket.close()


async def connect(address: Address) -> EngineStream:
    """Raises: EngineFault."""
    loop = asyncio.get_running_loop()
    try:
        if isinstance(address, UnixAddress):
            return await _connected(socket.AF_UNIX, address.path)
        found = await loop.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise EngineFault("unreachable", _words(error)) from error
    trouble = "no address"
    for family, _, _, _, place in found:
        try:
            return await _connected(family, place)
        except OSError as error:
            trouble = _words(error)
    raise EngineFault("unreachable", trouble)


async def _connected(family: int, place: object) -> EngineStream:
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setblocking(False)
        await asyncio.get_running_loop().sock_connect(made, place)  # type: ignore[arg-type]
        if family != socket.AF_UNIX:
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except BaseException:
        made.close()
        raise
    return EngineStream(made)


def _words(error: OSError) -> str:
    return os.strerror(error.errno) if isinstance(error.errno, int) and error.errno > 0 else type(error).__name__


async def size_of(content: bytes | Path) -> int:
    """Octets. Raises: ContentGone."""
    if isinstance(content, bytes):
        return len(content)
    try:
        return (await asyncio.to_thread(content.stat)).st_size
    except OSError as error:
        raise ContentGone(_words(error)) from error


class ContentGone(Exception):
    """The file that holds the content cannot be read: no fault of the engine."""


async def pieces(content: bytes | Path, octets: int = PIECE_OCTETS) -> AsyncGenerator[memoryview, None]:
    """The content in order, at most `octets` each. Raises: ContentGone."""
    if isinstance(content, bytes):
        whole = memoryview(content)
        for start in range(0, len(whole), octets):
            yield whole[start : start + octets]
        return
    try:
        file = content.open("rb")  # not on a thread: given up meanwhile, it would be left open
    except OSError as error:
        raise ContentGone(_words(error)) from error
    try:
        while block := await _read(file):
            whole = memoryview(block)
            for start in range(0, len(whole), octets):
                yield whole[start : start + octets]
    finally:
        file.close()


async def _read(file: BinaryIO) -> bytes:
    try:
        return await asyncio.to_thread(file.read, FILE_OCTETS)
    except OSError as error:
        raise ContentGone(_words(error)) from error
