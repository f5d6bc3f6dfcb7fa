"""The clerk's conversations with the workers: documents and commands down, acknowledgements and results up.

The database is asked on behalf of all of them together, several times a second, by `Clerk`; what it found is in
`FeedView`. When the database is away, conversations stay open and the workers are told nothing, least of all that they
are current.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

import msgspec

from outgate.app.clerk_counts import CountBook
from outgate.app.clerk_database import DatabaseAway, DatabaseThread
from outgate.app.log import Log
from outgate.contract.policy import FORMAT
from outgate.contract.wire import (
    Acknowledge,
    CommandDone,
    CountsUsed,
    Current,
    Follow,
    FrameReader,
    FromWorker,
    WireError,
    frame,
)
from outgate.portal.feed import selectors, services
from outgate.portal.feed.selectors import Head

CURRENT_SECONDS: Final = 1.0  # between two confirmations, and the age at which a look no longer confirms anything
HEARTBEAT_WRITE_SECONDS: Final = 5.0  # an unchanged heartbeat is written so often: a third of WORKER_LIVE_SECONDS
READ_OCTETS: Final = 64 * 1024
NOTHING_YET: Final = Head(0, 0)


@dataclass(slots=True)
class FeedView:
    """What the last look into the database found.

    newest_command: the highest number of a command that is not done. looked_at: the loop's time of the look.
    hint: set when it is worth looking again, as after an acknowledgement, which may finish an activation.
    """

    database: DatabaseThread
    log: Log
    book: CountBook = field(default_factory=lambda: CountBook(""))
    head: Head = NOTHING_YET
    newest_command: int = 0
    looked_at: float = float("-inf")
    hint: asyncio.Event = field(default_factory=asyncio.Event)
    conversations: "set[Conversation]" = field(default_factory=set)

    def looked(self, head: Head, newest_command: int, at: float) -> None:
        self.head = head
        self.newest_command = newest_command
        self.looked_at = at
        for conversation in self.conversations:
            conversation.wake.set()


class Conversation:
    """One worker, from its `Follow` to the end of the connection."""

    def __init__(self, view: FeedView, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.wake = asyncio.Event()
        self.worker = ""
        self.acknowledged = 0
        self._view = view
        self._reader = reader
        self._writer = writer
        self._loop = asyncio.get_running_loop()
        self._sent = 0  # the revision that the worker is at when it has read what we have sent
        self._commands_sent = 0  # the last number
        self._commands_seen = 0  # the newest number when we last looked for commands
        self._told = -1  # the revision of our last `Current`
        self._told_at = float("-inf")
        self._counts_told = 0  # version of the book
        self._came_at = float("inf")
        self._written_at = float("-inf")
        # A worker acts for seconds on the word that it is current: so that word must not wait in a buffer of ours.
        writer.transport.set_write_buffer_limits(high=0)

    async def run(self) -> None:
        """Raises nothing for what the worker does."""
        self._view.conversations.add(self)
        telling: asyncio.Task[None] | None = None
        try:
            async for message in self._messages():
                if isinstance(message, Follow):
                    if telling is not None or message.format < FORMAT:
                        self._view.log.write("follower-refused", worker=message.worker, format=message.format)
                        return
                    self.worker = message.worker
                    self._sent = message.revision
                    self._came_at = self._loop.time()
                    self._view.log.write("follower-came", worker=self.worker, revision=message.revision)
                    await self._heard(Acknowledge(message.revision))  # which brings about a look, and that wakes us
                    telling = asyncio.create_task(self._tell())
                    telling.add_done_callback(lambda _: self._writer.close())  # the worker comes again
                elif telling is None:
                    return
                elif isinstance(message, Acknowledge):
                    await self._heard(message)
                elif isinstance(message, CountsUsed):
                    await self._count(message)
                else:
                    await self._done(message)
        except (OSError, WireError) as error:
            self._view.log.write("follower-broke", worker=self.worker, error=str(error))
        finally:
            self._view.conversations.discard(self)
            self._writer.close()
            if telling is not None:
                telling.cancel()
                (ended,) = await asyncio.gather(telling, return_exceptions=True)
                bug = repr(ended) if isinstance(ended, Exception) else ""
                self._view.log.write("follower-left", worker=self.worker, error=bug)

    def close(self) -> None:
        self._writer.close()

    async def _messages(self) -> AsyncIterator[FromWorker]:
        frames: FrameReader[FromWorker] = FrameReader(FromWorker)
        while octets := await self._reader.read(READ_OCTETS):
            for message in frames.receive(octets):
                yield message

    # Up

    async def _heard(self, beat: Acknowledge) -> None:
        """Write down how far the worker is, if that is new or was not written for a while."""
        head = self._view.head
        # What lies outside was acknowledged in a history that a restored backup has undone: it counts for nothing.
        is_ours = head.complete_below <= beat.revision <= head.revision
        revision = beat.revision if is_ours else 0
        now = self._loop.time()
        if revision == self.acknowledged and now - self._written_at < HEARTBEAT_WRITE_SECONDS:
            return
        try:
            await self._view.database.run(
                services.record_heartbeat,
                worker=self.worker,
                revision=revision,
                queued=beat.queued,
                now=datetime.now(UTC),
            )
        except DatabaseAway:
            return  # the next beat comes in a second
        self.acknowledged = revision
        self._written_at = now
        self._view.hint.set()

    async def _done(self, report: CommandDone) -> None:
        try:
            await self._view.database.run(
                services.record_report,
                number=report.number,
                worker=self.worker,
                result=report.result,
                now=datetime.now(UTC),
            )
        except DatabaseAway:
            # Have it carried out again, when the database is back: that changes nothing, but is reported on again.
            self._commands_sent = min(self._commands_sent, report.number - 1)
            self._commands_seen = 0

    async def _count(self, used: CountsUsed) -> None:
        """Answered at once, from memory: the worker may be waiting for room. The other workers are told too."""
        view = self._view
        view.book.workers = max(view.book.workers, sum(bool(each.worker) for each in view.conversations))
        await self._send(frame(view.book.told(used.number, view.book.add(used.counts))))
        for conversation in view.conversations:
            if conversation is not self:
                conversation.wake.set()

    # Down

    async def _tell(self) -> None:
        """After each look, until the worker goes away."""
        while True:
            await self.wake.wait()
            self.wake.clear()
            try:
                await self._tell_counts()
                await self._tell_documents()
                await self._tell_commands()
                await self._tell_current()
            except DatabaseAway as error:
                self._view.log.write("feed-stopped", worker=self.worker, error=str(error))
            except OSError:
                return  # the reading side sees it too, and ends the conversation

    async def _tell_counts(self) -> None:
        book = self._view.book
        if book.version == self._counts_told:
            return
        version, self._counts_told = self._counts_told, book.version
        for told in book.since(version):
            await self._send(frame(told))

    async def _tell_documents(self) -> None:
        view = self._view
        if self._sent > view.head.revision:
            await view.database.run(services.begin_anew, seen_revision=self._sent)
            view.head = await view.database.run(selectors.head)
        is_anew = self._sent < view.head.complete_below
        if is_anew:
            view.log.write("follower-begins-anew", worker=self.worker, revision=self._sent)
            self._sent = 0
        while is_anew or self._sent < view.head.revision:
            octets, up_to = await view.database.run(_documents_frame, self._sent, is_anew)
            if up_to <= self._sent and not is_anew:
                return  # the database has gone back since the look; the next one shows it
            is_anew = False
            self._sent = up_to
            if up_to > view.head.revision:
                view.head = Head(up_to, view.head.complete_below)
            await self._send(octets)

    async def _tell_commands(self) -> None:
        newest = self._view.newest_command
        if newest == self._commands_seen:
            return
        while rows := await self._view.database.run(
            selectors.commands_for, self.worker, datetime.now(UTC), after=self._commands_sent
        ):
            for row in rows:
                await self._send(frame(row))
            self._commands_sent = rows[-1].number
        self._commands_seen = newest

    async def _tell_current(self) -> None:
        now = self._loop.time()
        revision = self._view.head.revision
        if self._view.looked_at < max(self._came_at, now - CURRENT_SECONDS):
            return  # that was too long ago to vouch for, or before the worker asked
        if revision == self._told and now - self._told_at < CURRENT_SECONDS:
            return
        self._told = revision
        self._told_at = now
        await self._send(frame(Current(revision)))

    async def _send(self, octets: bytes) -> None:
        self._writer.write(octets)
        await self._writer.drain()


def _documents_frame(revision: int, is_anew: bool) -> tuple[bytes, int]:
    documents = selectors.documents_since(revision)
    return frame(msgspec.structs.replace(documents, is_complete=is_anew)), documents.up_to
