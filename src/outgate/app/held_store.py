"""A worker's store of held mail: a spool of its own beside the worker's, sealed, with what delivers from it.

Worker N keeps it in workers/N.held. Mail that is held waits there for weeks without being in the way of mail that
passes, and none of its octets can be read there until somebody releases it. What is released goes out from where it
lies, by the same rules as all mail. See `spool.sealed`.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Self

from outgate.app.record import Record
from outgate.delivery.interface import Tries
from outgate.delivery.manager import DeliveryManager
from outgate.delivery.means import Means
from outgate.mail.message import Message, Progress
from outgate.reception.holding import Holding
from outgate.reception.record import accepted_event
from outgate.spool.interface import Health
from outgate.spool.sealed import SealedSpool
from outgate.spool.segments import SegmentSettings, SegmentSpool

SEGMENT_OCTETS = 8 * 1024 * 1024  # of its log: little is held, and an empty store should take little room
SPARES_KEPT = 1  # segments, for the same reason
CONNECTIONS_MAX = 10  # to next hops, for what is released


@dataclass(frozen=True, slots=True)
class HeldStore:
    """Everything on the event loop's thread but `recover`."""

    spool: SegmentSpool
    sealed: SealedSpool
    delivery: DeliveryManager
    record: Record
    worker: str

    @classmethod
    def over(cls, spool: SegmentSpool, *, means: Means, tries: Tries, record: Record) -> Self:
        """spool: just opened, of its own. means, record: of the worker's own mail."""
        sealed = SealedSpool(spool, means.threads.run)
        own = replace(record, spool=sealed)
        settings = replace(means.settings, connections=min(means.settings.connections, CONNECTIONS_MAX))
        delivery = DeliveryManager(replace(means, spool=sealed, tries=tries, emit=own.take, settings=settings))
        return cls(spool, sealed, delivery, own, means.settings.worker)

    @property
    def holding(self) -> Holding:
        return Holding(self.sealed, self.record.take, self.delivery.submit)

    @property
    def has_failed(self) -> bool:
        return self.spool.health is Health.FAILED

    def take_up(self, recovered: Iterable[tuple[Message, Progress]]) -> None:
        """What `sealed.recover` has found. What nobody decided yet may lack its event of acceptance."""
        for message, progress in recovered:
            self.delivery.recovered(message, progress)
            if not progress.attempts and message.customer_id:
                self.record.take(accepted_event(message, self.worker), is_repeated=True)


def settings_of(settings: SegmentSettings) -> SegmentSettings:
    """For a store of held mail beside a spool with `settings`."""
    return replace(settings, segment_octets=min(settings.segment_octets, SEGMENT_OCTETS), spares_kept=SPARES_KEPT)
