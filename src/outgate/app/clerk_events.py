"""Ships the workers' event logs into the tracker."""

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec

from outgate.contract.events import Event, decode_event
from outgate.portal.tracker.recording import record_events
from outgate.portal.tracker.selectors import BEGINNING, shipping_cursor
from outgate.spool.event_log import forget_events, read_events

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
    """Record the next events of one log, then let it forget them. Returns whether there may be more. Blocking.

    An event is forgotten only after the transaction that recorded it; recorded twice, it is still one.
    Raises: django.db.Error, OSError; nothing is lost, call again.
    """
    cursor = shipping_cursor(log)
    files = sorted(directory.glob("*.events"))
    shipped.lag_octets[log] = max(0, sum(file.stat().st_size for file in files) - cursor[1])
    if files and files[-1].name < f"{cursor[0]:016}":
        cursor = BEGINNING  # somebody removed the spool: its log counts from the start again
    bodies, end = read_events(directory, cursor, BATCH_OCTETS, report_damage=shipped.count_unreadable)
    if end == cursor:
        shipped.lag_seconds[log] = 0.0
        return False
    events: list[Event] = []
    for body in bodies:
        try:
            events.append(decode_event(body))
        except msgspec.MsgspecError:
            shipped.count_unreadable()  # of a later version, or damaged: it must not stop those behind it
    shipped.unreadable += record_events(events, log=log, cursor=end)
    shipped.events += len(events)
    shipped.lag_seconds[log] = max(0.0, time.time() - events[-1].at) if events else 0.0
    forget_events(directory, end)
    return True
