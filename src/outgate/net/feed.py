"""A worker's end of the feed: follows the clerk, applies documents, carries out commands, acknowledges.

The clerk may be away at any time; mail goes on from what the worker knows, and `is_current` says how far that may be
trusted: a sender is refused for good on the ground of identity only while it is True.
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

CURRENT_SECONDS: Final = 10.0  # the feed counts as current this long after the clerk's last confirmation
HEARTBEAT_SECONDS: Final = 1.0
RECONNECT_SECONDS: Final = 0.5
READ_OCTETS: Final = 256 * 1024


class FeedFollower:
    """Runs until cancelled. All callbacks come on the event loop's thread."""

    def __init__(
        self,
        *,
        path: Path,
        worker: str,
        revision: Callable[[], int],
        apply: Callable[[Documents], None],
        carry_out: Callable[[Command], CommandResult],
        queued: Callable[[], int],
        monotonic: Callable[[], float],
    ) -> None:
        self._path = path
        self._worker = worker
        self._revision = revision
        self._apply = apply
        self._carry_out = carry_out
        self._queued = queued
        self._monotonic = monotonic
        self._confirmed_at = float("-inf")

    @property
    def is_current(self) -> bool:
        """Has the clerk confirmed within `CURRENT_SECONDS` that nothing newer than what we hold exists?"""
        return self._monotonic() - self._confirmed_at < CURRENT_SECONDS

    async def run(self) -> None:
        while True:
            try:
                reader, writer = await asyncio.open_unix_connection(str(self._path))
            except OSError:
                await asyncio.sleep(RECONNECT_SECONDS)
                continue
            heartbeat = asyncio.create_task(self._beat(writer))
            try:
                await self._follow(reader, writer)
            except (OSError, WireError):
                pass  # the clerk went away or talks nonsense: ask anew
            finally:
                heartbeat.cancel()
                writer.close()
            await asyncio.sleep(RECONNECT_SECONDS)

    async def _follow(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        frames: FrameReader[FromClerk] = FrameReader(FromClerk)
        self._say(writer, Follow(self._worker, FORMAT, self._revision()))
        while octets := await reader.read(READ_OCTETS):
            for message in frames.receive(octets):
                match message:
                    case Documents():
                        if message.is_complete:
                            self._confirmed_at = float("-inf")  # what we held was wrong; it is complete only in the end
                        self._apply(message)
                        self._acknowledge(writer)
                    case Current(revision):
                        if revision <= self._revision():
                            self._confirmed_at = self._monotonic()
                    case Ordered(number, command):
                        self._say(writer, CommandDone(number, self._carry_out(command)))
            await writer.drain()

    async def _beat(self, writer: asyncio.StreamWriter) -> None:
        while not writer.is_closing():
            await asyncio.sleep(HEARTBEAT_SECONDS)
            self._acknowledge(writer)

    def _acknowledge(self, writer: asyncio.StreamWriter) -> None:
        self._say(writer, Acknowledge(self._revision(), self._queued()))

    @staticmethod
    def _say(writer: asyncio.StreamWriter, message: FromWorker) -> None:
        if not writer.is_closing():
            writer.write(frame(message))
