"""A message in the queue, and a part of it that goes to one next hop."""

from enum import Enum

from outgate.delivery.interface import NextHop
from outgate.mail.address import ForwardPath
from outgate.mail.message import Message, Progress, QueueId, RecipientProgress, Status
from outgate.spool.interface import ContentReader


class State(Enum):
    """ACTIVE: an attempt is under way, or waits for a connection. NOTIFYING: a DSN about it is being made durable."""

    ACTIVE = "active"
    DEFERRED = "deferred"
    HELD = "held"
    NOTIFYING = "notifying"


class Wish(Enum):
    """What a person asked for while an attempt was under way; carried out behind it."""

    NONE = 0
    HOLD = 1
    DELETE = 2


class Item:
    """One message. content: in memory if fresh and small, else None. results: of the round that is under way, by the
    recipient's place. outstanding: jobs of the round that have not ended. begun_at: of the round, monotonic."""

    __slots__ = (
        "begun_at",
        "content",
        "message",
        "next_attempt_at",
        "outstanding",
        "progress",
        "results",
        "state",
        "wish",
    )

    def __init__(self, message: Message, progress: Progress, content: bytes | None) -> None:
        self.message = message
        self.progress = progress
        self.content = content
        self.state = State.HELD if progress.held else State.DEFERRED
        self.next_attempt_at = progress.next_attempt_at
        self.results: dict[int, RecipientProgress] = {}
        self.outstanding = 0
        self.begun_at = 0.0
        self.wish = Wish.NONE

    @property
    def queue_id(self) -> QueueId:
        return self.message.queue_id

    def pending(self) -> list[int]:
        """Places of the recipients that are not final."""
        return [place for place, recipient in enumerate(self.progress.recipients) if recipient.status is Status.PENDING]


class Job:
    """Some recipients of one message, for one next hop. reader: open while a transaction reads content from the spool.
    was_unheard: a kept connection had ended under it once; it is not excused twice."""

    __slots__ = ("item", "next_hop", "places", "reader", "was_unheard")

    def __init__(self, item: Item, places: tuple[int, ...], next_hop: NextHop) -> None:
        self.item = item
        self.places = places
        self.next_hop = next_hop
        self.reader: ContentReader | None = None
        self.was_unheard = False

    def forward_paths(self) -> tuple[ForwardPath, ...]:
        paths = self.item.message.forward_paths
        if len(self.places) == len(paths):
            return paths
        return tuple([paths[place] for place in self.places])
