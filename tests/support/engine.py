"""Engines for tests: whoever connects is told what the test says."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from functools import wraps
from typing import Any

from outgate.engines.address import TcpAddress
from outgate.engines.interface import Question

QUESTION = Question("1", "ada@alpha.example", ("bob@beta.example",), "192.0.2.1", "outgate.example")

Behaviour = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def in_loop(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    @wraps(test)
    def run(**arguments: Any) -> None:
        asyncio.run(test(**arguments))

    return run


@asynccontextmanager
async def engine(behaviour: Behaviour, *, hears_all: bool = False) -> AsyncIterator[TcpAddress]:
    """Its address. What still talks at the end is cut, or has a time to hear the rest."""
    talks: set[asyncio.Task[None]] = set()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        talks.add(task)
        try:
            with suppress(OSError, EOFError):
                await behaviour(reader, writer)
        except asyncio.CancelledError:
            pass
        finally:
            talks.discard(task)
            writer.transport.abort()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    try:
        yield TcpAddress("127.0.0.1", server.sockets[0].getsockname()[1])
    finally:
        server.close()
        if hears_all and talks:
            await asyncio.wait(talks, timeout=5)
        for task in list(talks):
            task.cancel()
        await asyncio.gather(*talks, return_exceptions=True)
        await asyncio.sleep(0)  # aborted transports tell their protocols
        await server.wait_closed()


async def swallow(reader: asyncio.StreamReader) -> bytes:
    """All that comes until the peer ends."""
    return await reader.read()
