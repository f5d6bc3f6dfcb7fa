"""What all conversations of a worker share, and what a conversation needs of its connection."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Protocol

from outgate.contract.events import Event as ContractEvent
from outgate.mail.address import ForwardPath
from outgate.mail.message import Message, QueueId
from outgate.mail.reply import Reply
from outgate.policy.failures import Failures
from outgate.policy.limits import Limiter
from outgate.policy.reasons import Reason
from outgate.policy.snapshot import Snapshot
from outgate.reception.gathering import Prover
from outgate.reception.holding import Holding
from outgate.reception.interface import Scanning
from outgate.reception.room import ContentRoom
from outgate.spool.interface import Spool

STRANGER_EVENTS_PER_SECOND: Final = 5.0  # refusals of strangers that are recorded; the rest is only counted
STRANGER_EVENTS_BURST: Final = 500.0  # refusals that may be recorded at once after a quiet time


class SessionView(Protocol):
    """What the conversation reads from the session."""

    @property
    def hello_name(self) -> str: ...

    @property
    def is_extended(self) -> bool: ...


class Wire(Protocol):
    """The way back to the connection."""

    @property
    def address(self) -> str: ...

    @property
    def session(self) -> SessionView: ...

    @property
    def reply_later(self) -> Callable[[Reply], None]: ...

    @property
    def pause_reading(self) -> Callable[[], None]: ...

    @property
    def resume_reading(self) -> Callable[[], None]: ...


@dataclass(slots=True)
class ReceptionCounters:
    """For the metrics."""

    accepted: int = 0
    accepted_octets: int = 0
    refused: dict[str, int] = field(default_factory=dict)  # by reason
    pools: dict[str, int] = field(default_factory=dict)  # messages of Microsoft's pools, by pool
    unheard_of_pools: int = 0  # of these, such as had a name or an SFP value that no rule knows
    dkim: dict[str, int] = field(default_factory=dict)  # messages by the verdict on entry
    scanned: dict[str, int] = field(default_factory=dict)  # messages by what was decided of their content

    def refuse(self, reason: Reason) -> None:
        self.refused[reason] = self.refused.get(reason, 0) + 1


@dataclass(slots=True)
class Budget:
    """So much a second, saved up to a burst: what strangers may have recorded, so that they cannot fill a disk."""

    per_second: float
    burst: float
    now: Callable[[], float]
    _left: float = 0.0
    _at: float = 0.0

    def spend(self) -> bool:
        """Take one, if there is one."""
        now = self.now()
        self._left = min(self._left + max(now - self._at, 0.0) * self.per_second, self.burst)
        self._at = now
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True


@dataclass(slots=True)
class Reception:
    """What all conversations of a worker share.

    emit: takes every event for the record. submit: takes each message that is durable, with its content if that is in
    memory. tls_available: can a handshake be done now? postmaster: where mail for our own postmaster goes. fault: told
    the queue id when our own code raised over a message; called while the exception is handled. limiter: charged with
    each message that was proven. failures: proofs that failed, by who failed them. prover: gathers what DNS is needed
    for; without one no signature is looked at, and no cloud mail can be proven. scanning: looks into the content of
    customers who want it; without one nobody does, and their degraded mode decides. holding: where held mail of
    customers with a key goes; without one it waits in the spool, as it came.
    """

    snapshot: Snapshot
    spool: Spool
    worker: str
    host_name: str
    hops_max: int
    next_queue_id: Callable[[], QueueId]
    now: Callable[[], float]
    feed_is_current: Callable[[], bool]
    tls_available: Callable[[], bool]
    emit: Callable[[ContractEvent], None]
    submit: Callable[[Message, bytes | None], None]
    fault: Callable[[QueueId, Exception], None]
    postmaster: ForwardPath | None = None
    limiter: Limiter = field(default_factory=Limiter.of_nobody)
    prover: Prover | None = None
    scanning: Scanning | None = None
    holding: Holding | None = None
    counters: ReceptionCounters = field(default_factory=ReceptionCounters)
    is_stopping: bool = False
    room: ContentRoom = field(default_factory=ContentRoom)
    failures: Failures = field(init=False)
    own_domains: frozenset[str] = field(init=False)
    stranger_events: Budget = field(init=False)

    def __post_init__(self) -> None:
        self.failures = Failures(self.limiter.meters)
        self.stranger_events = Budget(STRANGER_EVENTS_PER_SECOND, STRANGER_EVENTS_BURST, self.now)
        self.own_domains = frozenset((self.host_name.lower(),)) if self.postmaster is not None else frozenset()
