"""How the processes of one machine talk: frames of msgpack on a stream socket, and the messages in them.

Two conversations. On the clerk's socket workers follow the *feed*: a worker says `Follow`, gets documents and commands,
and acknowledges. On each worker's own *control* socket the command line and the supervisor ask and get one answer.
"""

from collections.abc import Iterator
from typing import Any, Final, Generic, TypeVar

import msgspec
from msgspec import Struct

from outgate.contract.commands import Command, CommandResult, QueueCommand
from outgate.contract.policy import Login, PolicyItem, RelayTls
from outgate.mail.encoding import UNDECODABLE

FRAME_MAX: Final = 64 * 1024 * 1024  # octets of one frame; a longer one ends the conversation
DOCUMENTS_PER_FRAME: Final = 1000  # policy documents; more go in further frames


# The feed: worker to clerk


class Follow(Struct, frozen=True, tag="follow"):
    """Who I am, and the revision up to which I hold everything (0: nothing)."""

    worker: str  # "node/number", such as "mx1/1"
    format: int
    revision: int


class Acknowledge(Struct, frozen=True, tag="ack"):
    """Heartbeat, sent each second and at once after a new revision was applied."""

    revision: int
    queued: int = 0  # messages in the worker's spool


class CommandDone(Struct, frozen=True, tag="done"):
    number: int
    result: CommandResult


class Count(Struct, frozen=True, array_like=True):
    """What was used of one limit, by part of its window. scope, counted: values of `policy.LimitScope`, `Counted`.
    parts: number of a tenth of `seconds` since the epoch, and how much was used in it."""

    customer_id: str
    scope: str
    subject: str
    counted: str
    seconds: int
    parts: dict[int, int]


class CountsUsed(Struct, frozen=True, tag="used"):
    """What this worker has used and not told yet. number: of this report, for `CountsTold`."""

    number: int
    counts: tuple[Count, ...]


FromWorker = Follow | Acknowledge | CommandDone | CountsUsed


# The feed: clerk to worker


class Documents(Struct, frozen=True, tag="documents"):
    """Changed documents, ascending by revision. With these the worker is at `up_to`.

    is_complete: the worker forgets all that it holds before it takes these, and knows itself not to be current until
    the next `Current`: everything comes anew, in this frame and those behind it, since the database was restored from a
    backup and the worker follows a history that is no more. `up_to` may then be lower than what the worker was at.
    """

    items: tuple[PolicyItem, ...]
    up_to: int
    is_complete: bool = False


class Current(Struct, frozen=True, tag="current"):
    """The clerk has just asked the database: `revision` is the newest. Sent each second, only after a real look."""

    revision: int


class Ordered(Struct, frozen=True, tag="command"):
    """Carry this out and answer `CommandDone`; may come again after a reconnection."""

    number: int
    command: Command


class CountsTold(Struct, frozen=True, tag="told"):
    """What all workers together have used: whole parts, which only grow. number: of the report that is counted now, 0
    if this answers none. workers: how many share the limits, of all nodes."""

    number: int
    workers: int
    counts: tuple[Count, ...]


FromClerk = Documents | Current | Ordered | CountsTold


# Control: questions to a worker, one answer each


class QueueFilter(Struct, frozen=True):
    """Which messages. Filters are exact but for the case of addresses, empty is any."""

    customer_id: str = ""
    sender: str = ""
    recipient: str = ""
    held: bool | None = None
    slow: bool | None = None


class QueueList(QueueFilter, frozen=True, tag="list"):
    """Messages in order of their next attempt, at most `limit` and what the worker gives at once. after_at, after: next
    attempt and queue id of the message to go on from."""

    limit: int = 100
    after_at: float = 0.0
    after: str = ""


class QueueSelect(QueueFilter, frozen=True, tag="select"):
    """The ids of all that match."""


class QueueShow(Struct, frozen=True, tag="show"):
    queue_id: str


class SendersAsk(Struct, frozen=True, tag="senders"):
    """Which senders have used at least `percent` of a limit? customer_id: empty is any."""

    customer_id: str = ""
    percent: int = 50
    limit: int = 1_000


class Statistics(Struct, frozen=True, tag="statistics"):
    """Ask for the counters and gauges."""


class RelayTest(Struct, frozen=True, tag="relay-test"):
    """Try a sender relay, up to AUTH. No message is sent."""

    host: str
    port: int
    tls: RelayTls
    login: Login | None = None


Question = RelayTest | QueueList | QueueSelect | QueueShow | QueueCommand | Statistics | SendersAsk


class QueuedRecipient(Struct, frozen=True):
    forward_path: str
    status: str  # "pending", "relayed", "failed"
    reply: str
    next_hop: str


class QueuedMessage(Struct, frozen=True):
    """A message in the queue, for people. state: "active", "deferred", "held" or "slow".

    sealed_key: of held content that is sealed, what its key was sealed to; else empty.
    expected_at: when a slow message should have its turn, an estimate; else 0.0. lane_reason: code for a message that
    did not go on directly when it was accepted.
    """

    queue_id: str
    customer_id: str
    state: str
    received_at: float
    next_attempt_at: float
    expires_at: float
    attempts: int
    size_octets: int
    reverse_path: str
    recipients: tuple[QueuedRecipient, ...]
    message_id_field: str = ""
    subject: str = ""
    source: str = ""
    reason: str = ""
    expected_at: float = 0.0
    lane_reason: str = ""
    sealed_key: bytes = b""


class QueueListed(Struct, frozen=True, tag="listed"):
    messages: tuple[QueuedMessage, ...]
    total: int  # that match, whatever the limit


class QueueSelected(Struct, frozen=True, tag="selected"):
    queue_ids: tuple[str, ...]


class SenderUse(Struct, frozen=True):
    """How much of one limit is used. scope, counted: values of `policy.LimitScope`, `policy.Counted`. subject: the
    mailbox, domain or source; empty for the customer's own limit and that of the null reverse-path."""

    customer_id: str
    scope: str
    subject: str
    counted: str
    seconds: int
    maximum: int
    used: int


class SendersListed(Struct, frozen=True, tag="senders-listed"):
    senders: tuple[SenderUse, ...]


class Measured(Struct, frozen=True, tag="measured"):
    """name to value, names as in docs/metrics.md; labels inside the name in Prometheus' form."""

    values: dict[str, float]


class DialogueLine(Struct, frozen=True, array_like=True):
    """direction: "<" is the relay, ">" we, "*" a note. seconds: since the beginning. Printable, and cut."""

    direction: str
    text: str
    seconds: float


class RelayTested(Struct, frozen=True, tag="relay-tested"):
    """verdict: for people, with the remedy. tls: protocol and cipher, or empty. certificate: what it says, in a
    line."""

    is_good: bool
    verdict: str
    lines: tuple[DialogueLine, ...] = ()
    tls: str = ""
    certificate: str = ""


class CommandAnswer(Struct, frozen=True, tag="result"):
    result: CommandResult


class Failed(Struct, frozen=True, tag="failed"):
    """The question could not be answered; the text is for a person."""

    text: str


Answer = RelayTested | QueueListed | QueueSelected | Measured | CommandAnswer | SendersListed | Failed


class WireError(Exception):
    """The other side sent what is no frame, or a longer one than `FRAME_MAX`."""


_encoder = msgspec.msgpack.Encoder()


def frame(message: Any) -> bytes:
    """`message` (one of the structs above) as a frame: four octets of length, big-endian, and msgpack."""
    body = _encoder.encode(message)
    return len(body).to_bytes(4, "big") + body


MessageT = TypeVar("MessageT")


class FrameReader(Generic[MessageT]):
    """Cuts a stream of octets into messages of one union. Sans-io; at most one frame and a read are buffered."""

    def __init__(self, union: Any) -> None:
        self._decoder: msgspec.msgpack.Decoder[MessageT] = msgspec.msgpack.Decoder(union)
        self._buffer = bytearray()

    def receive(self, octets: bytes) -> Iterator[MessageT]:
        """The messages that are complete with `octets`.

        Raises: WireError; the conversation is over.
        """
        self._buffer += octets
        while len(self._buffer) >= 4:
            length = int.from_bytes(self._buffer[:4], "big")
            if length > FRAME_MAX:
                raise WireError(f"a frame of {length} octets; at most {FRAME_MAX} are taken")
            if len(self._buffer) < 4 + length:
                return
            body = bytes(self._buffer[4 : 4 + length])
            del self._buffer[: 4 + length]
            try:
                yield self._decoder.decode(body)
            except UNDECODABLE as error:
                raise WireError(str(error)) from error
