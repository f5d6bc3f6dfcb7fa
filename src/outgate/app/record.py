"""Every event of a worker passes here: into the event log for the clerk, and as one line into the log for people.

No subject and no content is logged. A message has one line when it ends (relayed, failed, refused) and one for each
deferral; its acceptance is in the event log, not in the lines.
"""

from dataclasses import dataclass, field

from msgspec import Struct

from outgate.app.log import LogFile, rounded
from outgate.contract.events import (
    DeliveryAttempted,
    Event,
    MessageAccepted,
    MessageRefused,
    RecipientOutcome,
    SenderLocked,
    encode_event,
)
from outgate.spool.interface import Spool


class _AttemptLine(Struct, frozen=True):
    at: float
    process: str
    event: str
    id: str
    customer: str
    next_hop: str
    tls: str
    reason: str
    outcomes: tuple[RecipientOutcome, ...]
    seconds: float
    next_attempt_at: float


@dataclass(slots=True)
class Record:
    """Takes events on the loop's thread; never blocks."""

    spool: Spool
    log: LogFile
    outcomes: dict[str, int] = field(default_factory=dict)  # recipients by outcome
    attempts: dict[str, int] = field(default_factory=dict)  # attempts by reason

    def take(self, event: Event, *, is_repeated: bool = False) -> None:
        """Record `event`. is_repeated: it may have been recorded before a crash; no line for people then."""
        self.spool.record(encode_event(event))
        if is_repeated or type(event) is MessageAccepted:
            return
        if type(event) is DeliveryAttempted:
            self._log_attempt(event)
        elif type(event) is MessageRefused:
            self.log.write(
                "refused",
                id=event.queue_id,
                customer=event.customer_id,
                source=event.source,
                hello=event.hello_name,
                reverse_path=event.reverse_path,
                forward_paths=event.forward_paths,
                reason=event.reason,
                reply=event.reply,
            )
        elif type(event) is SenderLocked:
            self.log.write(
                "sender-locked",
                customer=event.customer_id,
                mailbox=event.mailbox,
                until=event.until,
                reason=event.reason,
            )

    def _log_attempt(self, event: DeliveryAttempted) -> None:
        for outcome in event.outcomes:
            self.outcomes[outcome.outcome] = self.outcomes.get(outcome.outcome, 0) + 1
        self.attempts[event.reason] = self.attempts.get(event.reason, 0) + 1
        self.log.write_struct(
            _AttemptLine(
                rounded(event.at, 1_000),
                event.worker,
                "attempted",
                event.queue_id,
                event.customer_id,
                event.next_hop,
                event.tls,
                event.reason,
                event.outcomes,
                rounded(event.duration_seconds, 10_000),
                event.next_attempt_at,
            )
        )
