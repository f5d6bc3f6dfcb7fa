"""How the processes of one machine talk: frames of msgpack on a stream socket, and the messages in them.

Two conversations. On the clerk's socket workers follow the *feed*: a worker says `Follow`, gets documents and commands,
and acknowledges. On each worker's own *control* socket the command line and the supervisor ask and get one answer.
"""

from collections.abc import Iterator
from typing import Any, Final, Generic, TypeVar

import msgspec
from msgspec import Struct

from outgate.contract.commands import Command, CommandResult, QueueCommand
from outgate.contract.policy import PolicyItem

FRAME_MAX: Final = 64 * 1024 * 1024  # octets of one frame; a longer one ends the conversation
DOCUMENTS_PER_FRAME: Final = 1000


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


FromWorker = Follow | Acknowledge | CommandDone


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


FromClerk = Documents | Current | Ordered


# Control: questions to a worker, one answer each


class QueueList(Struct, frozen=True, tag="list"):
    """Messages in order of their next attempt. Filters are exact, empty is any. after: queue id to go on from."""

    limit: int = 100
    after: str = ""
    customer_id: str = ""
    sender: str = ""
    recipient: str = ""
    held: bool | None = None


class QueueShow(Struct, frozen=True, tag="show"):
    queue_id: str


class Statistics(Struct, frozen=True, tag="statistics"):
    """Ask for the counters and gauges."""


Question = QueueList | QueueShow | QueueCommand | Statistics


class QueuedRecipient(Struct, frozen=True):
    forward_path: str
    status: str  # "pending", "relayed", "failed"
    reply: str
    next_hop: str


class QueuedMessage(Struct, frozen=True):
    """A message in the queue, for people. state: "active", "deferred" or "held"."""

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


class QueueListed(Struct, frozen=True, tag="listed"):
    messages: tuple[QueuedMessage, ...]
    total: int  # that match, whatever the limit


class Measured(Struct, frozen=True, tag="measured"):
    """name to value, names as in docs/metrics.md; labels inside the name in Prometheus' form."""

    values: dict[str, float]


class CommandAnswer(Struct, frozen=True, tag="result"):
    result: CommandResult


class Failed(Struct, frozen=True, tag="failed"):
    """The question could not be answered; the text is for a person."""

    text: str


Answer = QueueListed | Measured | CommandAnswer | Failed


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
            except msgspec.MsgspecError as error:
                raise WireError(str(error)) from error
