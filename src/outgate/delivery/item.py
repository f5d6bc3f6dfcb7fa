"""A message that is being tried, and a part of it that goes to one next hop. What waits is in `waiting`."""

from enum import Enum

from outgate.delivery.interface import NextHop
from outgate.mail.address import ForwardPath
from outgate.mail.message import Message, Progress, QueueId, RecipientProgress, Status
from outgate.spool.interface import ContentReader


class State(Enum):
    """ACTIVE: an attempt is under way, or waits for a connection. NOTIFYING: a DSN about it is being made durable.
    OVER: the round has ended; the message waits, or is finished."""

    ACTIVE = 0
    NOTIFYING = 1
    OVER = 2


class Wish(Enum):
    """What a person asked for while an attempt was under way; carried out behind it."""

    NONE = 0
    HOLD = 1
    DELETE = 2


class Item:
    """One message. A *round* is one try of all its pending recipients, in one job for each next hop.

    content: in memory if fresh and small, else None. is_fresh: this is its first round, begun when it came.
    slot: its place in the table of tries, -1 for none.

    Of the round under way: number; outstanding: jobs that have not ended; sending: of these, those that a connection
    has; results: of the jobs that have ended, by the recipient's place; begun_at: monotonic; wish and actor: what is to
    come behind it, and who asked for that.
    """

    __slots__ = (
        "actor",
        "begun_at",
        "content",
        "is_fresh",
        "message",
        "number",
        "outstanding",
        "progress",
        "results",
        "sending",
        "slot",
        "state",
        "wish",
    )

    def __init__(self, message: Message, progress: Progress, content: bytes | None, *, is_fresh: bool) -> None:
        self.message = message
        self.progress = progress
        self.content = content
        self.state = State.ACTIVE
        self.is_fresh = is_fresh
        self.slot = -1
        self.number = 0
        self.outstanding = 0
        self.sending = 0
        self.results: dict[int, RecipientProgress] | None = None
        self.begun_at = 0.0
        self.wish = Wish.NONE
        self.actor = ""

    @property
    def queue_id(self) -> QueueId:
        return self.message.queue_id

    @property
    def next_attempt_at(self) -> float:
        return self.progress.next_attempt_at

    @property
    def is_held(self) -> bool:
        """Never: what is held is not being tried."""
        return False

    def pending(self) -> tuple[int, ...]:
        """Places of the recipients that are not final."""
        recipients = self.progress.recipients
        return tuple([place for place, one in enumerate(recipients) if one.status is Status.PENDING])


class Job:
    """Some recipients of one message, for one next hop. places: None for all of the message's.

    reader: open while a transaction reads content from the spool. was_unheard: a kept connection had ended under it
    once; it is not excused twice.
    """

    __slots__ = ("item", "next_hop", "number", "places", "reader", "was_unheard")

    def __init__(self, item: Item, places: tuple[int, ...] | None, next_hop: NextHop) -> None:
        self.item = item
        self.places = places
        self.next_hop = next_hop
        self.number = item.number
        self.reader: ContentReader | None = None
        self.was_unheard = False

    @property
    def is_void(self) -> bool:
        """Has its round been called off?"""
        return self.number != self.item.number

    def forward_paths(self) -> tuple[ForwardPath, ...]:
        paths = self.item.message.forward_paths
        return paths if self.places is None else tuple([paths[place] for place in self.places])

    def all_places(self) -> tuple[int, ...]:
        return tuple(range(len(self.item.message.forward_paths))) if self.places is None else self.places
