"""A worker's end of the feed: follows the clerk, applies documents, carries out commands, acknowledges.

The clerk may be away at any time; mail goes on from what the worker knows, and a `Currency` says how far that may be
trusted: a sender is refused for good on the ground of identity only while it holds.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final

from outgate.contract.commands import Command, CommandResult
from outgate.contract.policy import FORMAT
from outgate.contract.wire import (
    Acknowledge,
    CommandDone,
    CountsTold,
    CountsUsed,
    Current,
    Documents,
    Follow,
    FrameReader,
    FromClerk,
    FromWorker,
    Ordered,
    WireError,
    frame,
)
from outgate.net.currency import Currency

HEARTBEAT_SECONDS: Final = 1.0  # between two
COUNT_SECONDS: Final = 0.1  # between two looks whether the clerk should be told what was used of limits
RECONNECT_SECONDS: Final = 0.5  # before the clerk is looked for again
READ_OCTETS: Final = 256 * 1024  # read at a time


class FeedFollower:
    """Runs until cancelled. All callbacks come on the event loop's thread.

    used: what the clerk should be told of limits, if anything; told: takes its answer, and what it tells by itself;
    lost: called when the clerk is gone, and with it what it has not answered.
    """

    def __init__(
        self,
        *,
        path: Path,
        worker: str,
        revision: Callable[[], int],
        apply: Callable[[Documents], None],
        carry_out: Callable[[Command], CommandResult],
        queued: Callable[[], int],
        currency: Currency,
        used: Callable[[], CountsUsed | None] = lambda: None,
        told: Callable[[CountsTold], None] = lambda _: None,
        lost: Callable[[], None] = lambda: None,
    ) -> None:
        self._path = path
        self._worker = worker
        self._revision = revision
        self._apply = apply
        self._carry_out = carry_out
        self._queued = queued
        self._currency = currency
        self._used = used
        self._told = told
        self._lost = lost

    async def run(self) -> None:
        while True:
            try:
                reader, writer = await asyncio.open_unix_connection(str(self._path))
            except OSError:
                await asyncio.sleep(RECONNECT_SECONDS)
                continue
            beside = [asyncio.create_task(work) for work in (self._beat(writer), self._count(writer))]
            try:
                await self._follow(reader, writer)
            except (OSError, WireError):
                pass  # the clerk went away or talks nonsense: ask anew
            finally:
                for task in beside:
                    task.cancel()
                writer.close()
                self._lost()
            await asyncio.sleep(RECONNECT_SECONDS)

    async def _follow(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        frames: FrameReader[FromClerk] = FrameReader(FromClerk)
        self._say(writer, Follow(self._worker, FORMAT, self._revision()))
        while octets := await reader.read(READ_OCTETS):
            for message in frames.receive(octets):
                match message:
                    case Documents():
                        if message.is_complete:
                            self._currency.doubt()  # what we held was wrong; it is complete only in the end
                        self._apply(message)
                        self._acknowledge(writer)
                    case Current(revision):
                        if revision <= self._revision():
                            self._currency.confirm()
                    case Ordered(number, command):
                        self._say(writer, CommandDone(number, self._carry_out(command)))
                    case CountsTold():
                        self._told(message)
            await writer.drain()

    async def _beat(self, writer: asyncio.StreamWriter) -> None:
        while not writer.is_closing():
            await asyncio.sleep(HEARTBEAT_SECONDS)
            self._acknowledge(writer)

    async def _count(self, writer: asyncio.StreamWriter) -> None:
        while not writer.is_closing():
            await asyncio.sleep(COUNT_SECONDS)
            used = self._used()
            if used is not None:
                self._say(writer, used)

    def _acknowledge(self, writer: asyncio.StreamWriter) -> None:
        self._say(writer, Acknowledge(self._revision(), self._queued()))

    @staticmethod
    def _say(writer: asyncio.StreamWriter, message: FromWorker) -> None:
        if not writer.is_closing():
            writer.write(frame(message))
