"""A clerk in the test's own event loop, and workers that say exactly what they are told."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from outgate.app.clerk_database import DatabaseThread
from outgate.app.clerk_service import Clerk, ClerkSettings
from outgate.app.configuration import Configuration
from outgate.contract.policy import FORMAT, PolicyItem
from outgate.contract.wire import Acknowledge, Current, Documents, Follow, FrameReader, FromClerk, FromWorker, frame
from outgate.spool.event_log import EventWriter
from outgate.spool.files import Files

SECONDS = 20.0  # for anything that is waited for; far more than it takes

MessageT = TypeVar("MessageT")


class Lines:
    """A log that remembers."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, dict[str, Any]]] = []

    def write(self, event: str, **fields: Any) -> None:
        self.lines.append((event, fields))

    def events(self) -> list[str]:
        return [event for event, _ in self.lines]


@dataclass
class Running:
    """A clerk that serves. database: a thread for the test's own questions, which a loop's thread may not ask."""

    clerk: Clerk
    socket: Path
    log: Lines
    stop: asyncio.Event
    database: DatabaseThread = field(default_factory=DatabaseThread)

    async def ask(self, work: Callable[..., MessageT], *arguments: Any, **keywords: Any) -> MessageT:
        return await self.database.run(work, *arguments, **keywords)

    async def until(self, holds: Callable[[], bool]) -> None:
        """Ask the database until it says so."""
        async with asyncio.timeout(SECONDS):
            while not await self.ask(holds):  # noqa: ASYNC110 - another process's database gives no sign
                await asyncio.sleep(0.01)


@asynccontextmanager
async def running_clerk(
    directory: Path,
    event_logs: Callable[[], Iterable[tuple[str, Path]]] = lambda: (),
    configuration: Configuration | None = None,
) -> AsyncIterator[Running]:
    """Ends the clerk in order, and fails the test if it does not end. Without `configuration` it asks no provider."""
    log = Lines()
    path = directory / "clerk.sock"
    clerk = Clerk(ClerkSettings(path, event_logs, configuration=configuration), log)
    running = Running(clerk, path, log, asyncio.Event())
    serving = asyncio.create_task(clerk.serve(running.stop))
    listening = asyncio.create_task(clerk.listening.wait())
    try:
        await asyncio.wait([serving, listening], timeout=SECONDS, return_when=asyncio.FIRST_COMPLETED)
        assert listening.done(), serving
        yield running
    finally:
        listening.cancel()
        running.stop.set()
        try:
            async with asyncio.timeout(SECONDS):
                await serving
        finally:
            await running.database.close()


class Worker:
    """One connection to the clerk."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._frames: FrameReader[FromClerk] = FrameReader(FromClerk)
        self._waiting: list[FromClerk] = []

    def say(self, message: FromWorker) -> None:
        self._writer.write(frame(message))

    def say_octets(self, octets: bytes) -> None:
        self._writer.write(octets)

    async def hear(self) -> FromClerk | None:
        """The clerk's next message; None when it has hung up."""
        async with asyncio.timeout(SECONDS):
            while not self._waiting:
                octets = await self._reader.read(65_536)
                if not octets:
                    return None
                self._waiting.extend(self._frames.receive(octets))
        return self._waiting.pop(0)

    async def hear_a(self, kind: type[MessageT]) -> MessageT:
        """The next message of this kind; others are passed over."""
        while (message := await self.hear()) is not None:
            if isinstance(message, kind):
                return message
        raise AssertionError(f"the clerk hung up before it sent {kind.__name__}")

    async def load(self, revision: int = 0) -> tuple[dict[str, PolicyItem], int]:
        """Take documents until the clerk says that these are all, and acknowledge. Items and revision."""
        items: dict[str, PolicyItem] = {}
        while True:
            match await self.hear():
                case Documents(changed, up_to, is_complete):
                    if is_complete:
                        items.clear()
                    items.update({item.key: item for item in changed})
                    revision = up_to
                    self.say(Acknowledge(revision))
                case Current(newest) if newest <= revision:
                    return items, revision
                case None:
                    raise AssertionError("the clerk hung up")

    async def close(self) -> None:
        self._writer.close()
        await self._writer.wait_closed()


@asynccontextmanager
async def worker_of(path: Path, name: str = "mx1/1", revision: int = 0, format: int = FORMAT) -> AsyncIterator[Worker]:  # noqa: A002
    """A worker that follows from `revision` and leaves in order."""
    worker = Worker(*await asyncio.open_unix_connection(str(path)))
    worker.say(Follow(name, format, revision))
    try:
        yield worker
    finally:
        await worker.close()


def write_events(directory: Path, *events: bytes) -> None:
    """Append to an event log as a worker does, with a new process's file."""
    directory.mkdir(parents=True, exist_ok=True)
    writer = EventWriter(Files(), directory)
    for event in events:
        writer.add(event)
    writer.flush()
    writer.close()
