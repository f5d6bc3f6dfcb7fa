"""A message under way: what was settled when it was accepted, and how far each recipient has come.

`Message` never changes after the 250. `Progress` is replaced as a whole by each attempt. Both are written to the spool
as they stand here, field by field in this order: a new field goes to the end and has a default.
"""

from enum import IntEnum

from msgspec import Struct

from outgate.mail.address import ForwardPath, ReversePath
from outgate.mail.evidence import NO_EVIDENCE, Evidence
from outgate.mail.findings import NOT_SCANNED, ScanReport

QueueId = str  # 13 characters, unique in an installation; see `mail.queue_ids`


class ContentNeeds(IntEnum):
    """What the next hop must offer, as bits: without it the message becomes a DSN, never a conversion."""

    NOTHING = 0
    EIGHT_BIT = 1  # 8BITMIME, RFC 6152
    UTF8 = 2  # SMTPUTF8, RFC 6531
    CHUNKING = 4  # BDAT: bare CR or LF, no CR LF at the end, or a NUL before a dot, RFC 3030


class Lane(IntEnum):
    """How an accepted message goes on. HELD: it waits for a person from the start. SLOW: its sender is over a limit; it
    waits for its turn."""

    DIRECT = 0
    HELD = 1
    SLOW = 2


class Message(Struct, frozen=True, array_like=True, gc=False):
    """What stands from the 250 on.

    trace: our Received line (RFC 5321 §4.4) with its CR LF, that goes out in front of the content.
    size_octets: of the content as it came, without `trace`. needs: bits of `ContentNeeds`.
    received_at, all times: seconds since the epoch, UTC.
    customer_id: empty for Outgate's own mail (DSNs and notices).
    message_id_field, subject, header_from: from the header, for people who look for the message; never trusted.
    tls: protocol and cipher of the connection that it came by, or empty.
    lane: a value of `Lane`; lane_reason: code of the catalogue for one other than DIRECT.
    fingerprint: hash of the content as it came, compared with what leaves; empty where there is none.
    report: what scanning said of it, with what the policy made of that.
    sealed_key: where the content is kept sealed, what its key was sealed to (`sealing.keys`); else empty.
    copies: the other messages that this one came as, where its recipients fared differently; each has its own.
    """

    queue_id: QueueId
    customer_id: str
    received_at: float
    reverse_path: ReversePath
    forward_paths: tuple[ForwardPath, ...]
    size_octets: int
    needs: int
    trace: bytes
    reason: str
    source: str = ""
    hello_name: str = ""
    message_id_field: str = ""
    subject: str = ""
    header_from: str = ""
    tls: str = ""
    lane: int = 0
    lane_reason: str = ""
    fingerprint: bytes = b""
    evidence: Evidence = NO_EVIDENCE
    report: ScanReport = NOT_SCANNED
    sealed_key: bytes = b""
    copies: tuple[QueueId, ...] = ()


class Status(IntEnum):
    """How one recipient stands."""

    PENDING = 0
    RELAYED = 1  # the next hop has taken responsibility with its 250
    FAILED = 2  # for good; a DSN is due, or was not allowed


class RecipientProgress(Struct, frozen=True, array_like=True, gc=False):
    """One recipient's state. reply: the last reply or the last local reason, one line; next_hop: who gave it."""

    status: Status = Status.PENDING
    reply: str = ""
    next_hop: str = ""


class Progress(Struct, frozen=True, array_like=True, gc=False):
    """How far a message has come. recipients: parallel to `Message.forward_paths`.

    attempts: rounds of delivery that have ended. next_attempt_at: not tried before; 0.0 is at once.
    held: waits for a person, whatever the time. tries_begun: attempts that were begun and not seen to end, so that a
    message that kills its worker can be set aside. content_key: of sealed content, from when it was released on.
    told: its sender has been told that it is held.
    """

    recipients: tuple[RecipientProgress, ...]
    attempts: int = 0
    next_attempt_at: float = 0.0
    held: bool = False
    tries_begun: int = 0
    content_key: bytes = b""
    told: bool = False


_FRESH = RecipientProgress()
_FRESH_ONE = Progress((_FRESH,))  # of most messages


def fresh_progress(recipients: int) -> Progress:
    """Nothing tried yet."""
    return _FRESH_ONE if recipients == 1 else Progress((_FRESH,) * recipients)


def first_progress(message: Message) -> Progress:
    """How `message` stands when it is accepted: nothing tried yet, and waiting for a person if it is held."""
    recipients = len(message.forward_paths)
    return Progress((_FRESH,) * recipients, held=True) if message.lane == Lane.HELD else fresh_progress(recipients)
