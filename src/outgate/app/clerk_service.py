"""The clerk at work: its loops, and the socket that the workers come to. Import it after Django has been set up."""

import asyncio
import contextlib
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import psycopg

from outgate.app.clerk_counts import WRITE_SECONDS, CountBook
from outgate.app.clerk_database import DatabaseAway, DatabaseThread
from outgate.app.clerk_events import Shipped, ship_batch
from outgate.app.clerk_feed import Conversation, FeedView
from outgate.app.clerk_keys import KeyLoop
from outgate.app.clerk_providers import ProviderLoop
from outgate.app.clerk_spf import SpfLoop
from outgate.app.configuration import Configuration
from outgate.app.log import Log
from outgate.portal.api.idempotency import forget_old as forget_old_answers
from outgate.portal.feed import selectors, services
from outgate.portal.feed.listening import can_listen, wake_ups
from outgate.portal.feed.selectors import Head, live_workers
from outgate.portal.limits.services import forget_old as forget_old_limits
from outgate.portal.outbound.activation import finish_activations
from outgate.portal.start import migrate
from outgate.portal.tracker.services import prune

LOOK_SECONDS: Final = 0.15  # between two looks into the database, without a hint
LISTENING_LOOK_SECONDS: Final = 0.9  # the same where PostgreSQL gives hints
LOOK_PAUSE_SECONDS: Final = 0.02  # between two looks, whatever hints come
SHIP_SECONDS: Final = 0.2
SHIP_LAST_SECONDS: Final = 8.0  # after the order to stop; what is left then is the next clerk's
RETRY_MAX_SECONDS: Final = 5.0  # between two attempts while the database is away
PRUNE_SECONDS: Final = 86_400.0
PRUNE_PAUSE_SECONDS: Final = 0.05  # between two pieces, so that pruning delays nothing else
EVENT_DAYS_DEFAULT: Final = 90


@dataclass(frozen=True, slots=True)
class ClerkSettings:
    """socket: where the workers come to. event_logs: name and directory of each worker's event log, asked for at every
    round, since workers may come and go. event_days: age at which the tracker forgets a message. node: this one.
    configuration: how the providers' networks are refreshed and SPF records are looked at; without it nobody does.
    """

    socket: Path
    event_logs: Callable[[], Iterable[tuple[str, Path]]]
    event_days: int = EVENT_DAYS_DEFAULT
    node: str = ""
    configuration: Configuration | None = None


class Clerk:
    """One clerk. `serve` runs it once."""

    def __init__(self, settings: ClerkSettings, log: Log) -> None:
        self.listening = asyncio.Event()
        self._settings = settings
        self._log = log
        self._database = DatabaseThread()
        self._book = CountBook(settings.node)
        self._view = FeedView(self._database, log, self._book)
        self._providers = (
            ProviderLoop(settings.configuration, self._database, log) if settings.configuration is not None else None
        )
        self._spf = SpfLoop(settings.configuration, self._database, log) if settings.configuration is not None else None
        self._shipped = Shipped()
        self._is_migrated = asyncio.Event()
        self._is_database_up = False
        self._has_hints = False

    async def serve(self, stop: asyncio.Event) -> None:
        """Run until `stop`; then ship what is there, and end."""
        server = await self._open()
        try:
            async with asyncio.TaskGroup() as group:
                coroutines = (
                    self._look(),
                    self._listen(),
                    self._prune(),
                    self._exchange_counts(),
                    self._look_after_providers(),
                    self._look_at_spf(),
                    self._look_after_keys(),
                )
                loops = [group.create_task(loop) for loop in coroutines]
                shipping = group.create_task(self._ship(stop))
                await stop.wait()
                await asyncio.wait([shipping], timeout=SHIP_LAST_SECONDS)
                for task in (*loops, shipping):
                    task.cancel()
                with contextlib.suppress(DatabaseAway):
                    await self._book.write(self._database)
        finally:
            server.close()
            for conversation in tuple(self._view.conversations):
                conversation.close()
            self._settings.socket.unlink(missing_ok=True)
            await self._database.close()
            self._log.write("clerk-stopped", events=self._shipped.events)

    def statistics(self) -> dict[str, float]:
        """Names as in docs/metrics.md. Of this process; call it on the loop's thread."""
        followers = [conversation for conversation in self._view.conversations if conversation.worker]
        revision = self._view.head.revision
        return {
            "outgate_clerk_database_up": float(self._is_database_up),
            "outgate_clerk_revision": float(revision),
            "outgate_clerk_followers": float(len(followers)),
            "outgate_clerk_followers_behind": float(sum(each.acknowledged < revision for each in followers)),
            "outgate_clerk_events": float(self._shipped.events),
            "outgate_clerk_events_unreadable": float(self._shipped.unreadable),
            "outgate_clerk_event_lag_seconds": max(self._shipped.lag_seconds.values(), default=0.0),
            "outgate_clerk_event_lag_octets": float(sum(self._shipped.lag_octets.values())),
            **(self._providers.statistics() if self._providers is not None else {}),
        }

    # The workers

    async def _open(self) -> asyncio.Server:
        path = self._settings.socket
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)  # a killed predecessor's; the supervisor runs one clerk
        old_mask = os.umask(0o177)  # whoever may connect is told all customers
        try:
            server = await asyncio.start_unix_server(self._converse, str(path))
        finally:
            os.umask(old_mask)
        self.listening.set()
        return server

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await Conversation(self._view, reader, writer).run()

    # The loops. Each goes on when the database is away, and ends the process when it meets a bug.

    async def _look(self) -> None:
        """Ask the database what is new, again and again."""
        loop = asyncio.get_running_loop()
        pause = LOOK_SECONDS
        while True:
            try:
                if not self._is_migrated.is_set():
                    await self._database.run(migrate)
                    self._is_migrated.set()
                began_at = loop.time()
                head, newest_command = await self._database.run(_look_into_database)
            except DatabaseAway as error:
                if self._is_database_up or pause == LOOK_SECONDS:
                    self._log.write("database-away", error=str(error))
                self._is_database_up = False
                pause = min(pause * 2, RETRY_MAX_SECONDS)
            else:
                if not self._is_database_up:
                    self._log.write("database-up", revision=head.revision)
                self._is_database_up = True
                self._view.looked(head, newest_command, began_at)
                pause = LISTENING_LOOK_SECONDS if self._has_hints else LOOK_SECONDS
            await _wait(self._view.hint, pause)
            self._view.hint.clear()
            await asyncio.sleep(LOOK_PAUSE_SECONDS)

    async def _listen(self) -> None:
        while can_listen():
            try:
                async for _ in wake_ups():
                    self._has_hints = True
                    self._view.hint.set()
            except (psycopg.Error, OSError):
                pass  # looking tells of it
            self._has_hints = False
            await asyncio.sleep(RETRY_MAX_SECONDS)

    async def _ship(self, stop: asyncio.Event) -> None:
        """Ship all event logs; after `stop` until they are empty or the database is away."""
        await self._is_migrated.wait()
        pause = SHIP_SECONDS
        while True:
            is_last = stop.is_set()  # asked before, so that what came until then is seen by this round
            has_more = has_failed = False
            for log, directory in self._settings.event_logs():
                try:
                    has_more |= await self._database.run(ship_batch, log, directory, self._shipped)
                except (DatabaseAway, OSError) as error:
                    has_failed = True
                    self._log.write("shipping-failed", log=log, error=str(error))
            if is_last and (has_failed or not has_more):
                return
            pause = min(pause * 2, RETRY_MAX_SECONDS) if has_failed else SHIP_SECONDS
            if has_failed or not has_more:
                await _wait(stop, pause)

    async def _exchange_counts(self) -> None:
        """With the database, and through it with the other nodes."""
        await self._is_migrated.wait()
        while True:
            try:
                await self._book.exchange(self._database)
                live = await self._database.run(live_workers, datetime.now(UTC))
                self._book.workers = max(len(live), len(self._view.conversations), 1)
            except DatabaseAway as error:
                self._log.write("counting-failed", error=str(error))
            await asyncio.sleep(WRITE_SECONDS)

    async def _prune(self) -> None:
        await self._is_migrated.wait()
        while True:
            now = datetime.now(UTC)
            try:
                await self._database.run(services.forget_old, now=now)
                await self._database.run(forget_old_limits, now=now)
                await self._database.run(forget_old_answers, now=now)
                before = now - timedelta(days=self._settings.event_days)
                while pruned := await self._database.run(prune, before=before):
                    self._log.write("messages-pruned", messages=pruned)
                    await asyncio.sleep(PRUNE_PAUSE_SECONDS)
            except DatabaseAway as error:
                self._log.write("pruning-failed", error=str(error))
            await asyncio.sleep(PRUNE_SECONDS)

    async def _look_after_providers(self) -> None:
        await self._is_migrated.wait()
        if self._providers is not None:
            await self._providers.run()

    async def _look_at_spf(self) -> None:
        await self._is_migrated.wait()
        if self._spf is not None:
            await self._spf.run()

    async def _look_after_keys(self) -> None:
        await self._is_migrated.wait()
        await KeyLoop(self._database, self._log).run()


def _look_into_database() -> tuple[Head, int]:
    now = datetime.now(UTC)
    finish_activations(now=now)
    return selectors.head(), selectors.newest_command(now)


async def _wait(event: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
