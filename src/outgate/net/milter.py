"""Asks a milter: one connection a message (`engines.milter`)."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from pathlib import Path
from typing import Final

from outgate.engines.address import Address
from outgate.engines.interface import EngineAnswer, EngineFault, Question, too_large
from outgate.engines.milter import (
    DATA_MAX,
    HEAD_MAX,
    NEGOTIATION,
    QUIT,
    Command,
    MilterSession,
    PacketReader,
    Reaction,
    Step,
    head_end,
)
from outgate.mail.findings import Category
from outgate.net.engine_stream import EngineStream, connect, pieces

OUTGOING_MAX: Final = 64 * 1024  # octets that are gathered before they are sent, where no reply is awaited


class MilterClient:
    """name: stands in the findings. category: what a refusal of this milter means."""

    def __init__(self, name: str, address: Address, category: Category) -> None:
        self._name = name
        self._address = address
        self._category = category

    def close(self) -> None:
        """Nothing is kept."""

    async def ask(self, question: Question, content: bytes | Path) -> EngineAnswer:
        """Raises: EngineFault; ContentGone."""
        stream = await connect(self._address)
        try:
            talk = _Talk(stream, MilterSession(self._name, self._category))
            async with aclosing(pieces(content, DATA_MAX)) as all_pieces:
                answer = await talk.run(question, all_pieces)
            with contextlib.suppress(EngineFault):
                await stream.send(QUIT)
            return answer or too_large(self._name)
        finally:
            stream.close()


class _Talk:
    """About one message."""

    def __init__(self, stream: EngineStream, session: MilterSession) -> None:
        self._stream = stream
        self._session = session
        self._reader = PacketReader()
        self._outgoing = bytearray()

    async def run(self, question: Question, content: AsyncGenerator[memoryview, None]) -> EngineAnswer | None:
        """None: the header is more than a milter takes."""
        session = self._session
        await self._stream.send(NEGOTIATION)
        session.negotiated(await self._packet())
        reaction = await self._say_all(session.envelope(question))
        if isinstance(reaction, EngineAnswer):
            return reaction
        start = bytearray()
        async for piece in content:
            start += piece
            if head_end(start) >= 0 or len(start) > HEAD_MAX + DATA_MAX:
                break
        end = head_end(start)
        head = start if end < 0 else start[:end]
        steps = session.header(bytes(head)) if len(head) <= HEAD_MAX else None
        if steps is None:
            return None
        reaction = await self._say_all(steps)
        if isinstance(reaction, EngineAnswer):
            return reaction
        rest = b"" if end < 0 else bytes(start[end + (4 if end else 2) :])
        reaction = await self._say_body(rest, content)
        if isinstance(reaction, EngineAnswer):
            return reaction
        reaction = await self._say(session.end())
        assert isinstance(reaction, EngineAnswer)
        return reaction

    async def _say_all(self, steps: Iterable[Step]) -> Reaction | EngineAnswer:
        for step in steps:
            reaction = await self._say(step)
            if isinstance(reaction, EngineAnswer):
                return reaction
        return Reaction.GO_ON

    async def _say_body(self, start: bytes, rest: AsyncGenerator[memoryview, None]) -> Reaction | EngineAnswer:
        session = self._session
        if not session.wants(Command.BODY):
            return Reaction.GO_ON
        for place in range(0, len(start), DATA_MAX):
            reaction = await self._say(session.body(start[place : place + DATA_MAX]))
            if reaction is not Reaction.GO_ON:
                return reaction
        async for piece in rest:
            reaction = await self._say(session.body(piece))
            if reaction is not Reaction.GO_ON:
                return reaction
        return Reaction.GO_ON

    async def _say(self, step: Step) -> Reaction | EngineAnswer:
        session = self._session
        if not session.wants(step.command):
            return Reaction.GO_ON
        self._outgoing += step.octets
        is_awaited = session.awaits(step.command)
        if is_awaited or len(self._outgoing) >= OUTGOING_MAX:
            octets = bytes(self._outgoing)
            self._outgoing.clear()
            await self._stream.send(octets)
            await asyncio.sleep(0)  # a long message is no reason to let others wait
        reaction: Reaction | EngineAnswer = Reaction.WAIT if is_awaited else Reaction.GO_ON
        while reaction is Reaction.WAIT:
            reaction = session.read(await self._packet(), step.command)
        return reaction

    async def _packet(self) -> bytes:
        while (packet := self._reader.next_packet()) is None:
            octets = await self._stream.receive()
            if not octets:
                raise EngineFault("connection-lost", "in the midst of a message")
            self._reader.receive(octets)
        return packet
