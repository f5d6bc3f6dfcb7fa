"""How many files and sockets this process may have open, and how many connections that makes.

A process that runs out of descriptors can open no segment and no large content, so it must never come to that: the
limits of connections are made to fit before the first one is taken.
"""

import resource
from dataclasses import dataclass
from typing import Final

from outgate.app.configuration import Delivery, Limits

RESERVED_MAX: Final = (
    1_024  # descriptors for segments, event log, log, feed, control and DNS; a quarter if there are few
)
PER_CONNECTION: Final = 2  # descriptors: its socket, and the file that a large content is written to or read from


@dataclass(frozen=True, slots=True)
class Room:
    """connections: from senders; next_hop_connections: to next hops; engine_connections: to scanning engines, all
    together. is_short: fewer than what is set."""

    descriptors: int
    connections: int
    next_hop_connections: int
    is_short: bool
    engine_connections: int = 0


def raise_limit() -> int:
    """Take as many descriptors as this process may have. Returns how many that is."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def fit(limits: Limits, delivery: Delivery, descriptors: int, engine_connections: int = 0) -> Room:
    """The connections that `descriptors` are enough for: as set, or less of all in the same proportion."""
    wanted = PER_CONNECTION * (limits.connections + delivery.connections + engine_connections)
    there = descriptors - min(RESERVED_MAX, descriptors // 4)
    if wanted <= there:
        return Room(
            descriptors,
            limits.connections,
            delivery.connections,
            is_short=False,
            engine_connections=engine_connections,
        )
    return Room(
        descriptors,
        max(limits.connections * there // wanted, 1),
        max(delivery.connections * there // wanted, 1),
        is_short=True,
        engine_connections=engine_connections * there // wanted,
    )
