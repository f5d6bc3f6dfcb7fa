"""Asks rspamd: a POST over HTTP/1.1, on a connection that is used again where rspamd keeps it open."""

import asyncio
import contextlib
from contextlib import aclosing
from pathlib import Path
from typing import Final

from outgate.engines.address import Address, TcpAddress
from outgate.engines.http import Response, ResponseReader, request_head
from outgate.engines.interface import EngineAnswer, EngineFault, Question
from outgate.engines.rspamd import PATH, answer_of, fields_of
from outgate.net.engine_stream import EngineStream, connect, pieces, size_of

IDLE_SECONDS: Final = 5.0  # that an unused connection is kept


class RspamdClient:
    """name: stands in the findings. connections: how many are kept at most."""

    def __init__(self, name: str, address: Address, connections: int = 1) -> None:
        self._name = name
        self._address = address
        self._connections = connections
        self._host = f"{address.host}:{address.port}" if isinstance(address, TcpAddress) else "localhost"
        self._idle: list[tuple[EngineStream, asyncio.TimerHandle]] = []

    def close(self) -> None:
        while self._idle:
            stream, timer = self._idle.pop()
            timer.cancel()
            stream.close()

    async def ask(self, question: Question, content: bytes | Path) -> EngineAnswer:
        """Raises: EngineFault; ContentGone."""
        head = request_head(PATH, self._host, fields_of(question), await size_of(content))
        response = None
        kept = self._kept()
        if kept is not None:
            response = await self._exchange(kept, head, content, is_kept=True)
        if response is None:
            response = await self._exchange(await connect(self._address), head, content)
        assert response is not None
        return answer_of(self._name, response.status, response.body)

    async def _exchange(
        self, stream: EngineStream, head: bytes, content: bytes | Path, *, is_kept: bool = False
    ) -> Response | None:
        """None: a connection that was kept had ended before it brought anything, which is nobody's fault (RFC 9112
        §9.3.1). Asking twice does no harm."""
        reader = ResponseReader()
        is_whole = False
        try:
            is_whole = await self._send(stream, head, content)
            while reader.response is None:
                octets = await stream.receive()
                if not octets:
                    reader.end()
                    break
                reader.receive(octets)
        except EngineFault as fault:
            if is_kept and not reader.is_begun and fault.cause == "connection-lost":
                return None
            raise
        finally:
            response = reader.response
            if response is not None and response.is_kept and is_whole:
                self._keep(stream)
            else:
                stream.close()
        return response

    async def _send(self, stream: EngineStream, head: bytes, content: bytes | Path) -> bool:
        """Was all of it taken? If not there may be a response that says why."""
        with contextlib.suppress(EngineFault):
            await stream.send(head)
            async with aclosing(pieces(content)) as all_pieces:
                async for piece in all_pieces:
                    await stream.send(piece)
                    await asyncio.sleep(0)  # a long message is no reason to let others wait
            return True
        return False

    def _kept(self) -> EngineStream | None:
        while self._idle:
            stream, timer = self._idle.pop()
            timer.cancel()
            if stream.is_quiet:
                return stream
            stream.close()
        return None

    def _keep(self, stream: EngineStream) -> None:
        if len(self._idle) >= self._connections:
            stream.close()
            return
        timer = asyncio.get_running_loop().call_later(IDLE_SECONDS, self._drop, stream)
        self._idle.append((stream, timer))

    def _drop(self, stream: EngineStream) -> None:
        self._idle = [item for item in self._idle if item[0] is not stream]
        stream.close()
