"""Mail in spools whose worker is gone for good, as when 4 workers became 2: a living worker works them off.

Worker N keeps its spool in workers/N, and its held mail in workers/N.held. Where N is above `workers` both are
*orphans*; each falls to one of the living workers, so that none is asked for twice, and the spool's own lock sees to it
that a worker which is still ending goes first.
The adopter opens it as a spool beside its own and delivers from it by the same rules, with events in the orphan's own
event log: nothing is copied, so a crash at any time leaves an orphan as it was, a little emptier.

When it is empty it is marked as drained, under its lock, and left to the clerk, who takes the directory away as soon as
its events are recorded (`clerk_events`). One with damaged octets or held mail stays.
"""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from outgate.app.configuration import HELD_SUFFIX, Configuration
from outgate.app.log import Log
from outgate.app.record import Record
from outgate.delivery.interface import Tries
from outgate.delivery.manager import DeliveryManager
from outgate.delivery.means import Means
from outgate.mail.message import Message, Progress
from outgate.reception.record import accepted_event
from outgate.spool.directory import DRAINED
from outgate.spool.interface import Health, Spool, SpoolError, SpoolFailed
from outgate.spool.sealed import SealedSpool
from outgate.spool.segments import SegmentSpool

LOOK_SECONDS: Final = 1.0  # between two looks whether an orphan is free, or empty, or has failed
SHARE: Final = 2  # adopted spools together may have one connection to next hops for so many of the worker's own


def orphans(configuration: Configuration, adopter: int) -> list[Path]:
    """The directories of the workers that are gone, such as fall to worker `adopter`. Blocking."""
    gone = []
    for path in configuration.state_directory.glob("workers/*/spool/format"):
        directory = path.parent.parent
        number = directory.name.removesuffix(HELD_SUFFIX)
        if not number.isdecimal() or (path.parent / DRAINED).exists():
            continue
        beyond = int(number) - configuration.workers
        if beyond > 0 and (int(number) - 1) % configuration.workers + 1 == adopter:
            gone.append((beyond, directory))
    return [directory for _, directory in sorted(gone)]


@dataclass(frozen=True, slots=True)
class Adopter:
    """What a worker lends its adopted spools.

    delivery, means, record: of its own mail. open_spool, open_tries: what a worker's directory has; `open_spool` may
    raise SpoolError. stopping: set when nothing more may be begun.
    """

    configuration: Configuration
    number: int
    log: Log
    delivery: DeliveryManager
    means: Means
    record: Record
    open_spool: Callable[[Path], SegmentSpool]
    open_tries: Callable[[Path], Tries]
    stopping: asyncio.Event

    async def run(self) -> None:
        """Work off all orphans that fall to this worker; ends when none is left, or by being cancelled."""
        directories = await asyncio.to_thread(orphans, self.configuration, self.number)
        async with asyncio.TaskGroup() as group:
            for directory in directories:
                group.create_task(self._adopt(directory, among=len(directories)))

    async def _adopt(self, directory: Path, *, among: int) -> None:
        """Until it is empty. One that is in use or fails is asked for again and again."""
        name = f"{self.configuration.node}/{directory.name}"
        last_error = ""
        while not self.stopping.is_set():
            try:
                if await self._work_off(directory, name, among):
                    self.log.write("adopted-spool-drained", spool=name)
                else:
                    remedy = "see damaged/ in its directory, then remove the directory"
                    self.log.write("adopted-spool-kept", spool=name, remedy=remedy)
                return
            except SpoolError as error:
                if str(error) != last_error:
                    last_error = str(error)
                    self.log.write("adoption-waits", spool=name, error=last_error)
            await asyncio.sleep(LOOK_SECONDS)

    async def _work_off(self, directory: Path, name: str, among: int) -> bool:
        """Deliver all that is in it. False if the directory must stay. Raises: SpoolError."""
        spool, store, recovered = await asyncio.to_thread(self._open, directory)
        try:
            record = replace(self.record, spool=store)
            own = self.means.settings
            settings = replace(own, connections=max(1, own.connections // SHARE // among))
            tries = self.open_tries(directory)
            means = replace(self.means, spool=store, tries=tries, emit=record.take, settings=settings)
            delivery = DeliveryManager(means)
            for message, progress in recovered:
                delivery.recovered(message, progress)
                if not progress.attempts and message.customer_id:
                    record.take(accepted_event(message, name), is_repeated=True)
            self.log.write("spool-adopted", spool=name, queued=delivery.queued)
            await self._deliver(delivery, spool)
            return await asyncio.to_thread(spool.close_for_good)
        finally:
            await asyncio.to_thread(spool.close)

    def _open(self, directory: Path) -> tuple[SegmentSpool, Spool, Iterable[tuple[Message, Progress]]]:
        """The spool, and what mail is read through."""
        spool = self.open_spool(directory)
        store: Spool = spool
        if directory.name.endswith(HELD_SUFFIX):
            store = SealedSpool(spool, self.means.threads.run)
        try:
            return spool, store, store.recover()
        except SpoolError:
            spool.close()
            raise

    async def _deliver(self, delivery: DeliveryManager, spool: SegmentSpool) -> None:
        """Until nothing is queued. Raises: SpoolFailed."""
        self.delivery.adopted.append(delivery)
        try:
            if not self.stopping.is_set():
                delivery.start()
            while delivery.queued:
                await asyncio.sleep(LOOK_SECONDS)
                if spool.health is Health.FAILED:
                    time_is_up = asyncio.Event()
                    time_is_up.set()
                    await delivery.drain(time_is_up)
                    raise SpoolFailed("its disk has failed")
        finally:
            self.delivery.adopted.remove(delivery)
