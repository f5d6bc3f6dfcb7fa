"""A worker's limits at work: told to the clerk, shared with other workers, kept on disk over a restart.

The copy is one checked file, replaced as a whole by a rename, and as good as none if it is damaged. It is written every
few seconds off the loop, so that a worker that is killed forgets at most that long; one that ends in order, nothing.
"""

import asyncio
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from outgate.app.log import Log
from outgate.contract.events import Event, SenderLocked
from outgate.contract.policy import Counted, LimitScope
from outgate.contract.wire import Count, CountsTold, CountsUsed, SendersAsk, SendersListed, SenderUse
from outgate.mail.encoding import UNDECODABLE
from outgate.policy.limits import Limiter
from outgate.policy.locks import Lock
from outgate.policy.meters import Meters
from outgate.policy.snapshot import Snapshot

COPY_SECONDS: Final = 2.0  # between two copies of the counts; longer if a copy takes long
COPY_SHARE: Final = 0.05  # of the time, at most, that is spent on making copies
SLICE: Final = 500  # senders looked at without a pause: some milliseconds
_MAGIC: Final = b"OGSENDERS1"
_SCOPES: Final = frozenset([scope.value for scope in LimitScope])  # what workers count beside these is no limit


class _Copy(Struct, frozen=True):
    workers: int
    counts: tuple[Count, ...]
    locks: tuple[Lock, ...]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Copy)


class Senders:
    """workers: on this machine, as configured. feed_is_current: is the snapshot known to be the newest? emit: takes
    events for the record."""

    def __init__(
        self,
        *,
        path: Path,
        worker: str,
        workers: int,
        snapshot: Snapshot,
        feed_is_current: Callable[[], bool],
        emit: Callable[[Event], None],
        now: Callable[[], float],
        log: Log,
    ) -> None:
        self._path = path
        self._worker = worker
        self._snapshot = snapshot
        self._emit = emit
        self._now = now
        self._log = log
        self._copied = 0
        self.limiter = Limiter(
            document=snapshot.document,
            locked=self._locked,
            workers=workers,
            workers_here=workers,
            knows_all=feed_is_current,
        )

    def _locked(self, lock: Lock) -> None:
        self._emit(
            SenderLocked(
                self._worker, lock.at, lock.customer_id, lock.mailbox, lock.until, lock.max_seconds, lock.reason
            )
        )

    # With the clerk

    def used(self) -> CountsUsed | None:
        meters = self.limiter.meters
        return CountsUsed(*meters.report()) if meters.has_news else None

    def told(self, told: CountsTold) -> None:
        meters = self.limiter.meters
        meters.confirm(told.number)
        meters.learn(told.counts, max(told.workers, 1), self._now())

    def lost(self) -> None:
        self.limiter.meters.unreported()

    # The copy

    def load(self) -> None:
        """What an earlier process has counted. Blocking; never raises for what a disk may hold."""
        copy = _read(self._path)
        if copy is not None:
            self.limiter.meters.learn(copy.counts, max(copy.workers, self.limiter.meters.workers), self._now())
            for lock in copy.locks:
                self.limiter.locks.add(lock)

    async def keep_copy(self) -> None:
        """Until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            try:
                await self.save()
            except OSError as error:
                self._log.write("senders-copy-failed", worker=self._worker, error=str(error))
            await asyncio.sleep(max(COPY_SECONDS, (loop.time() - began) / COPY_SHARE))

    async def save(self) -> None:
        """If anything has changed. Raises: OSError, leaving the old copy."""
        meters = self.limiter.meters
        changes = meters.changes + self.limiter.counters.locked
        if changes == self._copied:
            return
        counts: list[Count] = []
        all_meters = tuple(meters)
        for start in range(0, len(all_meters), SLICE):
            counts += Meters.known(all_meters[start : start + SLICE], self._now())
            await asyncio.sleep(0)
        copy = _Copy(meters.workers, tuple(counts), self.limiter.locks.own)
        await asyncio.get_running_loop().run_in_executor(None, _write, self._path, copy)
        self._copied = changes

    # For people

    async def listed(self, ask: SendersAsk) -> SendersListed:
        """The limits that are used most, fullest first."""
        found: list[tuple[float, SenderUse]] = []
        all_meters = tuple(self.limiter.meters)
        now = self._now()
        for start in range(0, len(all_meters), SLICE):
            for meter in all_meters[start : start + SLICE]:
                customer_id, scope, subject = meter.key
                if (ask.customer_id and customer_id != ask.customer_id) or meter.limits is None or scope not in _SCOPES:
                    continue
                for counted, windows in ((Counted.RECIPIENTS, meter.recipients), (Counted.MESSAGES, meter.messages)):
                    for window in windows:
                        if now >= window.ends:
                            window.advance(now)
                        used, maximum = window.used, window.maximum
                        if used and used * 100 >= ask.percent * maximum:
                            use = SenderUse(customer_id, scope, subject, counted.value, window.seconds, maximum, used)
                            found.append((used / maximum if maximum else 1.0, use))
            await asyncio.sleep(0)
        found.sort(key=lambda entry: -entry[0])
        return SendersListed(tuple([use for _, use in found[: ask.limit]]))


def _write(path: Path, copy: _Copy) -> None:
    body = _encoder.encode(copy)
    temporary = path.with_suffix(".new")
    temporary.write_bytes(_MAGIC + zlib.crc32(body).to_bytes(4, "big") + body)
    temporary.replace(path)


def _read(path: Path) -> _Copy | None:
    try:
        octets = path.read_bytes()
    except OSError:
        return None
    head = len(_MAGIC)
    body = octets[head + 4 :]
    if octets[:head] != _MAGIC or zlib.crc32(body) != int.from_bytes(octets[head : head + 4], "big"):
        return None
    try:
        return _decoder.decode(body)
    except UNDECODABLE:
        return None
