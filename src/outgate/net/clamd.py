"""Asks clamd: one connection a message, content in chunks, one reply (`engines.clamd`)."""

import asyncio
import contextlib
from contextlib import aclosing
from pathlib import Path

from outgate.engines.address import Address
from outgate.engines.clamd import COMMAND, END, REPLY_LINE_MAX, answer_of, chunk_head
from outgate.engines.interface import EngineAnswer, EngineFault, Question
from outgate.net.engine_stream import EngineStream, connect, pieces


class ClamdClient:
    """name: stands in the findings."""

    def __init__(self, name: str, address: Address) -> None:
        self._name = name
        self._address = address

    def close(self) -> None:
        """Nothing is kept."""

    async def ask(self, question: Question, content: bytes | Path) -> EngineAnswer:  # noqa: ARG002 - content is all
        """Raises: EngineFault; ContentGone."""
        stream = await connect(self._address)
        try:
            return answer_of(self._name, await self._reply(stream, content))
        finally:
            stream.close()

    async def _reply(self, stream: EngineStream, content: bytes | Path) -> bytes:
        """clamd replies before the end if it has enough, and listens no more: what it said is then worth more than
        that it did not take the rest."""
        with contextlib.suppress(EngineFault):
            await self._send(stream, content)
        received = bytearray()
        while b"\0" not in received:
            piece = await stream.receive()
            if not piece:
                raise EngineFault("connection-lost", "no whole reply")
            received += piece
            if len(received) > REPLY_LINE_MAX:
                raise EngineFault("nonsense", "the reply has no end")
        return bytes(received).partition(b"\0")[0]

    async def _send(self, stream: EngineStream, content: bytes | Path) -> None:
        await stream.send(COMMAND)
        async with aclosing(pieces(content)) as all_pieces:
            async for piece in all_pieces:
                await stream.send(chunk_head(len(piece)))
                await stream.send(piece)
                await asyncio.sleep(0)  # a long message is no reason to let others wait
        await stream.send(END)
