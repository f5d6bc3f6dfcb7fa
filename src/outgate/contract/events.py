"""Events: what happened to messages, from the workers to the record. RFC 5321's *outcome* belongs to one recipient.

`event_id` follows from the content, so that an event shipped twice is one event. Times are seconds since the epoch.
"""

from collections.abc import Callable
from typing import Final

import msgspec
from msgspec import Struct

from outgate.mail.evidence import NO_EVIDENCE, Evidence
from outgate.mail.findings import NOT_SCANNED, ScanReport


class MessageAccepted(Struct, frozen=True, tag="accepted", gc=False):
    """A message was made durable and answered with 250. reason: why it was admitted.

    lane: "" for direct, else "held" or "slow", with its reason code in lane_reason.
    sealed_key: of held content, what its key was sealed to; see `sealing.keys`. Empty where the content is not sealed.
    copies: the other messages that the same content became, where its recipients fared differently.
    """

    queue_id: str
    worker: str
    at: float
    customer_id: str
    source: str
    hello_name: str
    tls: str
    reverse_path: str
    forward_paths: tuple[str, ...]
    size_octets: int
    reason: str
    message_id_field: str = ""
    header_from: str = ""
    subject: str = ""
    lane: str = ""
    lane_reason: str = ""
    evidence: Evidence = NO_EVIDENCE
    report: ScanReport = NOT_SCANNED
    sealed_key: bytes = b""
    copies: tuple[str, ...] = ()

    @property
    def event_id(self) -> str:
        return f"{self.queue_id}/accepted"


class MessageRefused(Struct, frozen=True, tag="refused", gc=False):
    """A recipient or a whole message was refused, or told to come again.

    queue_id: given to every transaction when MAIL came, shown to the sender as our reference.
    stage: "rcpt" or "content" (later "mail", "connect"). ordinal: counts the refusals of one transaction.
    """

    queue_id: str
    ordinal: int
    worker: str
    at: float
    customer_id: str
    source: str
    hello_name: str
    tls: str
    stage: str
    reverse_path: str
    forward_paths: tuple[str, ...]
    reason: str
    reply: str
    size_octets: int = 0
    message_id_field: str = ""
    header_from: str = ""
    subject: str = ""
    evidence: Evidence = NO_EVIDENCE
    report: ScanReport = NOT_SCANNED

    @property
    def event_id(self) -> str:
        return f"{self.queue_id}/refused/{self.ordinal}"


class RecipientOutcome(Struct, frozen=True, array_like=True, gc=False):
    """What an attempt meant for one recipient. outcome: "relayed", "deferred" or "failed"; reply: one line."""

    recipient: int  # place in `MessageAccepted.forward_paths`
    forward_path: str
    outcome: str
    reply: str


class DeliveryAttempted(Struct, frozen=True, tag="attempted", gc=False):
    """One try at one hop, or a decision without one (no route, expired, deleted by a person).

    reason: code from the catalogue. tls: protocol and cipher, or empty. next_attempt_at: 0.0 if there is none.
    is_final: no recipient of the message is pending any more.
    """

    queue_id: str
    attempt: int
    next_hop: str
    worker: str
    at: float
    customer_id: str
    outcomes: tuple[RecipientOutcome, ...]
    reason: str
    tls: str = ""
    duration_seconds: float = 0.0
    next_attempt_at: float = 0.0
    is_final: bool = False

    @property
    def event_id(self) -> str:
        first = self.outcomes[0].recipient if self.outcomes else 0
        return f"{self.queue_id}/attempt/{self.attempt}/{first}/{self.next_hop}"


class SenderLocked(Struct, frozen=True, tag="sender-locked"):
    """A worker has locked a mailbox by itself. until: by the first lock's time; a repeated one may last longer, at most
    `max_seconds`. reason: "over-limit" or "invalid-recipients"."""

    worker: str
    at: float
    customer_id: str
    mailbox: str
    until: float
    max_seconds: int
    reason: str

    @property
    def event_id(self) -> str:
        return f"{self.customer_id}/{self.mailbox}/locked/{self.at}"


MessageEvent = MessageAccepted | MessageRefused | DeliveryAttempted
Event = MessageEvent | SenderLocked

_decoder: msgspec.msgpack.Decoder[Event] = msgspec.msgpack.Decoder(Event)


encode_event: Final[Callable[[Event], bytes]] = msgspec.msgpack.Encoder().encode


def decode_event(octets: bytes) -> Event:
    """Raises: one of `UNDECODABLE` (mail.encoding)."""
    return _decoder.decode(octets)
