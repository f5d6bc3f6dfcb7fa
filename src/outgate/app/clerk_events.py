"""Ships the workers' event logs into the tracker."""

import contextlib
import os
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from outgate.contract.events import MessageEvent, SenderLocked, decode_event
from outgate.mail.encoding import UNDECODABLE
from outgate.portal.limits.services import record_locks
from outgate.portal.tracker.durability import durable
from outgate.portal.tracker.recording import record_events
from outgate.portal.tracker.selectors import BEGINNING, shipping_cursor
from outgate.portal.tracker.services import forget_log
from outgate.spool.directory import lock_if_drained
from outgate.spool.event_log import forget_events, read_events

GONE: Final = ".gone"  # behind the number of a worker whose directory is being removed
BATCH_OCTETS: Final = 256 * 1024  # about a thousand events: the database thread is free again soon


@dataclass(slots=True)
class Shipped:
    """Counters since the start, and by log: how old the last recorded event was when more were to come, and how many
    octets the log holds that it has not forgotten."""

    events: int = 0
    unreadable: int = 0
    lag_seconds: dict[str, float] = field(default_factory=dict)
    lag_octets: dict[str, int] = field(default_factory=dict)

    def count_unreadable(self) -> None:
        self.unreadable += 1


def ship_batch(log: str, directory: Path, shipped: Shipped) -> bool:
    """Record the next events of one log, then let it forget them. Blocking.

    Returns whether there are so many that the next batch should follow at once; small batches cost more.
    An event is forgotten only after the transaction that recorded it is durable; recorded twice, it is still one.
    Raises: django.db.Error, OSError; nothing is lost, call again.
    """
    cursor = shipping_cursor(log)
    files = sorted(directory.glob("*.events"))
    shipped.lag_octets[log] = max(0, sum(file.stat().st_size for file in files) - cursor[1])
    if files and _is_of_another_log(cursor, files):
        cursor = BEGINNING  # somebody removed the spool, or brought back an old database: read again what is known
    bodies, end = read_events(directory, cursor, BATCH_OCTETS, report_damage=shipped.count_unreadable)
    if end == cursor:
        shipped.lag_seconds[log] = 0.0
        take_away_drained(log, directory.parent)
        return False
    events: list[MessageEvent] = []
    locks: list[SenderLocked] = []
    for body in bodies:
        try:
            event = decode_event(body)
            if isinstance(event, SenderLocked):
                locks.append(event)
            else:
                events.append(event)
        except UNDECODABLE:
            shipped.count_unreadable()  # of a later version, or damaged: it must not stop those behind it
    record_locks(locks)  # before the log is marked as read: recorded again, they change nothing
    forgets = bool(files) and files[0].name < f"{end[0]:016}"  # those that lie wholly before, see `forget_events`
    with durable() if forgets else contextlib.nullcontext():
        shipped.unreadable += record_events(events, log=log, cursor=end)
    shipped.events += len(events) + len(locks)
    shipped.lag_seconds[log] = max(0.0, time.time() - events[-1].at) if events else 0.0
    if forgets:
        forget_events(directory, end)
    return sum(map(len, bodies)) >= BATCH_OCTETS // 2  # what frames the events counts too


def _is_of_another_log(cursor: tuple[int, int], files: Sequence[Path]) -> bool:
    """Does it point behind the last file, or behind the end of its own? files: by number."""
    number = f"{cursor[0]:016}"
    return files[-1].name < number or any(
        file.name.startswith(number) and file.stat().st_size < cursor[1] for file in files
    )


def take_away_drained(log: str, spool: Path) -> None:
    """Remove the directory of a worker that is gone, if its spool was worked off for good (see `adoption`). Blocking.

    All its events must have been recorded. A worker that takes the directory up again meanwhile has the lock, or finds
    nothing and begins anew. Raises: django.db.Error, OSError; call again.
    """
    lock = lock_if_drained(spool)
    if lock is None:
        return
    try:
        with durable():
            forget_log(log)  # before the files: a new log of this name counts from the start again
        gone = spool.parent.with_name(f"{spool.parent.name}{GONE}")
        spool.parent.rename(gone)
        shutil.rmtree(gone)
    finally:
        os.close(lock)


def remove_remains(workers: Path) -> None:
    """What a crash left of `take_away_drained`. Raises: OSError."""
    for gone in workers.glob(f"*{GONE}"):
        shutil.rmtree(gone)
