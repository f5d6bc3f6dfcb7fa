"""What can be set on delivery, and its limits."""

from dataclasses import dataclass
from typing import Final

RECIPIENTS_PER_TRANSACTION: Final = 100  # more go in further transactions: every next hop must take so many, RFC 5321
ACTIVE_MAX: Final = 20_000  # messages with an attempt under way or in a lane; more due ones wait in the schedule
HOT_OCTETS_MAX: Final = 64 * 1024 * 1024  # of fresh content kept in memory; above it content is read from the spool
STRANGE_CONNECTIONS_FIRST: Final = 5  # to a next hop found by DNS, until it has shown that it takes more
KEPT_FOR_PROVEN: Final = 0.2  # of all connections, which next hops that have not taken mail yet never get
BACK_OFF_FIRST_SECONDS: Final = 1.0  # a next hop that could not be reached is left alone so long,
BACK_OFF_MAX_SECONDS: Final = 120.0  # twice as long after each further failure, up to this
FAILED_AT_ONCE: Final = 50  # jobs of an unreachable next hop that are deferred before others get their turn
TRANSACTIONS_MAX: Final = 1_000  # on one connection; a next hop that wants fewer says so with 421, see `lanes`
LEARNED_SECONDS_EACH: Final = 60.0  # for each message that it took, a next hop is held so long to be one that wants few
LEARNED_SECONDS_MAX: Final = 3_600.0  # at most; it may have been a restart, which is why few messages say less
BACKLOG_MAX: Final = 100  # jobs in one lane of mail that was deferred before: a few for each connection
BACKLOG_LOW: Final = 50  # at which more of it is fetched
SLICE_SECONDS: Final = 0.004  # of work on the backlog at a time; as long a pause follows, for what is fresh
SLICE_STEPS: Final = 100  # at most, in one slice
SUSPECT_SECONDS: Final = 5.0  # a message that may have ended the worker is tried alone for so long
TRIES_MAX: Final = 2  # under so many the worker ended: then the message is set aside
LANES_KEPT: Final = 10_000  # lanes without jobs and connections are forgotten beyond this number
FAULT_SECONDS: Final = 300.0  # until a message over which our own code raised twice is tried again
SPOOL_RETRY_SECONDS: Final = 30.0  # until a DSN that the spool had no room for is tried again


@dataclass(frozen=True, slots=True)
class DeliverySettings:
    """worker: name of this worker, for events. host_name: ours, for DSNs. smtp_port: of hosts found by MX.
    destination_connections: to one next hop at a time; connections: to all together."""

    worker: str
    host_name: str
    smtp_port: int = 25
    destination_connections: int = 20
    connections: int = 500
    recipients_per_transaction: int = RECIPIENTS_PER_TRANSACTION
    active_max: int = ACTIVE_MAX
    hot_octets_max: int = HOT_OCTETS_MAX
