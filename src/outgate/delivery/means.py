"""What delivery works with, handed from the manager to its parts as one."""

from collections.abc import Callable
from dataclasses import dataclass, field

from outgate.contract.events import Event
from outgate.delivery.interface import Clock, Connector, Resolver, Threads, Tries
from outgate.delivery.routes import Router
from outgate.delivery.settings import DeliverySettings
from outgate.mail.message import QueueId
from outgate.policy.limits import Limiter
from outgate.policy.schedule import RetrySchedule
from outgate.spool.interface import Spool


@dataclass(frozen=True, slots=True)
class Means:
    """router: the sender relay of a message, None for MX; may raise RouteUnknown. random: even in [0, 1).

    emit: takes events for the record, before the spool is told what they say.
    fault: told the queue id when our own code raised over a message; called while the exception is handled.
    limiter: says when a slow message may go; without one nothing is limited.
    """

    spool: Spool
    connector: Connector
    resolver: Resolver
    clock: Clock
    threads: Threads
    tries: Tries
    router: Router
    schedule: RetrySchedule
    settings: DeliverySettings
    random: Callable[[], float]
    new_queue_id: Callable[[], QueueId]
    emit: Callable[[Event], None]
    fault: Callable[[QueueId, Exception], None]
    limiter: Limiter = field(default_factory=Limiter.of_nobody)
