"""Finds messages of a customer, newest first, within the time that a person waits.

Pages begin behind a queue id, which begins with the time. What is looked for beside the time is tried on a stretch of
messages after the other, until a page is full, nothing is left, or the time is up: then the answer says how far back it
looked, and the next page goes on there.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from django.db.models import Count, Exists, Min, OuterRef, Q, QuerySet

from outgate.mail.queue_ids import QUEUE_ID_ALPHABET, queue_id
from outgate.portal.errors import Invalid
from outgate.portal.reason_pages import reason_page
from outgate.portal.tracker.models import Status, TrackedAttempt, TrackedMessage, TrackedRecipient

PAGE_SIZE: Final = 50
STRETCH: Final = 2_000  # messages that one statement looks at
SEARCH_SECONDS: Final = 0.15  # after which a search begins no further stretch
NEWER_MAX: Final = 99  # of newer messages that are counted; more are "99 and more"
DAYS_DEFAULT: Final = 7  # that a search goes back if nobody says from when
TEXT_MAX: Final = 320  # characters of one text to look for: a path at its longest, RFC 5321 §4.5.3.1
LANES: Final = (("direct", "Direct"), ("slow", "Slow lane"), ("held", "Held"))
NULL_PATH: Final = "<>"
QUEUE_ID_LENGTH: Final = len(queue_id(0, 0, 0))

_NO_END: Final = "Z" * (QUEUE_ID_LENGTH + 1)  # above every queue id, in whatever order a database has texts
_LAST_MILLISECOND: Final = 2**41 - 1  # that a queue id can tell


@dataclass(frozen=True, slots=True)
class MessageFilter:
    """What is looked for; empty is anything. sender: part of reverse-path or From field, `<>` is the null reverse-path.
    recipient, subject, message_id: part of these. reason: a code of message or attempt. source: an address or its
    beginning. lane: of `LANES`. since, until: aware; None is `DAYS_DEFAULT` days back, and no end."""

    sender: str = ""
    recipient: str = ""
    subject: str = ""
    message_id: str = ""
    status: str = ""
    reason: str = ""
    source: str = ""
    lane: str = ""
    since: datetime | None = None
    until: datetime | None = None

    def conditions(self) -> Q:
        """Of one message, without the time."""
        wanted = Q()
        if self.status:
            wanted &= Q(status=self.status)
        if self.source:
            wanted &= Q(source__startswith=self.source)
        if self.lane:
            wanted &= Q(lane="" if self.lane == "direct" else self.lane)
        if self.sender == NULL_PATH:
            wanted &= Q(reverse_path="")
        elif self.sender:
            wanted &= Q(reverse_path__icontains=self.sender) | Q(header_from__icontains=self.sender)
        if self.subject:
            wanted &= Q(subject__icontains=self.subject)
        if self.message_id:
            wanted &= Q(message_id_field__icontains=self.message_id)
        if self.reason:
            attempts = TrackedAttempt.objects.filter(queue_id=OuterRef("queue_id"), reason=self.reason)
            wanted &= Q(reason=self.reason) | Q(lane_reason=self.reason) | Q(Exists(attempts))
        if self.recipient:
            rows = TrackedRecipient.objects.filter(queue_id=OuterRef("queue_id"))
            wanted &= Q(Exists(rows.filter(forward_path__icontains=self.recipient)))
        return wanted

    def beginning(self, now: datetime) -> datetime:
        """From when on."""
        return self.since or (self.until or now) - timedelta(days=DAYS_DEFAULT)


NAMES: Final = tuple(field.name for field in fields(MessageFilter))  # of the parameters of an address, too


def read_filter(values: Mapping[str, str]) -> tuple[MessageFilter, list[Invalid]]:
    """The filter that `values` by name ask for, without those that cannot be taken, and what is wrong with these."""
    found: dict[str, str | datetime | None] = {}
    faults = []
    for name in NAMES:
        value = values.get(name, "").strip()
        if value:
            try:
                found[name] = _read(name, value)
            except Invalid as error:
                faults.append(error)
    wanted = MessageFilter(**found)  # type: ignore[arg-type] # `_read` gives each its type
    if wanted.since and wanted.until and wanted.since >= wanted.until:
        faults.append(Invalid("until", "The end lies before the beginning. Enter a later time."))
    return wanted, faults


def _read(name: str, value: str) -> str | datetime:
    """Raises: Invalid."""
    if name in ("since", "until"):
        return _time(name, value)
    if len(value) > TEXT_MAX:
        raise Invalid(name, f"This has {len(value)} characters. Enter at most {TEXT_MAX}.")
    match name:
        case "status" if value not in Status.values:
            raise Invalid(name, f"There is no status {value!r}. Choose one of these.")
        case "lane" if value not in dict(LANES):
            raise Invalid(name, f"There is no lane {value!r}. Choose one of these.")
        case "reason" if reason_page(value) is None:
            raise Invalid(name, f"There is no reason code {value!r}. They are listed under Reason codes.")
        case "reason":
            return value.lower()
    return value


def _time(name: str, value: str) -> datetime:
    """Raises: Invalid."""
    try:
        at = datetime.fromisoformat(value)
        at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
        at.timestamp()
    except (ValueError, OverflowError, OSError) as error:
        raise Invalid(name, f"{value!r} is not a time. Enter one such as 2026-11-23T12:00, in UTC.") from error
    if at.year < 1970:
        raise Invalid(name, "There was no mail then. Enter a later time.")
    return at


@dataclass(frozen=True, slots=True)
class Found:
    """next_before: the cursor of what follows; empty is the end. searched_to: set where the time was up before the page
    was full: nothing that was looked for is between there and the last of `messages`."""

    messages: list[TrackedMessage]
    next_before: str = ""
    searched_to: datetime | None = None


def search(
    customer_id: str,
    wanted: MessageFilter,
    *,
    now: datetime,
    before: str = "",
    limit: int = PAGE_SIZE,
    seconds: float = SEARCH_SECONDS,
    clock: Callable[[], float] = time.monotonic,
) -> Found:
    """At most `limit` messages with queue ids below `before`, newest first."""
    conditions = wanted.conditions()
    asked = _range(customer_id, wanted, now, before=before)
    if not conditions:
        return _page(list(asked.rows()[: limit + 1]), limit)
    found: list[TrackedMessage] = []
    stop_at = clock() + seconds
    for stretch in asked.stretches():
        found += stretch.rows().filter(conditions)[: limit + 1 - len(found)]
        if len(found) > limit:
            break
        if clock() >= stop_at:
            return Found(found, stretch.lowest, time_of(stretch.lowest))
    return _page(found, limit)


def _page(found: list[TrackedMessage], limit: int) -> Found:
    return Found(found[:limit], found[limit - 1].queue_id if len(found) > limit else "")


class Every:
    """All that is wanted, newest first, among the newest `looked_at_max` messages, with a stretch at a time in memory.
    is_cut: whether it ended there, with messages behind that nobody looked at."""

    def __init__(self, customer_id: str, wanted: MessageFilter, *, now: datetime, looked_at_max: int) -> None:
        self.is_cut = False
        self._conditions = wanted.conditions()
        self._range = _range(customer_id, wanted, now)
        self._messages = self._walk(looked_at_max)

    def __iter__(self) -> Iterator[TrackedMessage]:
        return self._messages

    def _walk(self, looked_at_max: int) -> Iterator[TrackedMessage]:
        looked_at = 0
        for stretch in self._range.stretches():
            if looked_at >= looked_at_max:
                self.is_cut = True
                return
            looked_at += STRETCH
            yield from stretch.rows().filter(self._conditions)


def count_newer(customer_id: str, wanted: MessageFilter, *, now: datetime, after: str) -> int:
    """How many that are wanted have queue ids above `after`, of the newest `STRETCH`; at most `NEWER_MAX` + 1."""
    for stretch in _range(customer_id, wanted, now, after=after).stretches():
        rows = stretch.rows().filter(wanted.conditions()).values_list("queue_id")
        return len(rows[: NEWER_MAX + 1])
    return 0


def newest(
    customer_id: str,
    conditions: Q,
    *,
    since: datetime,
    limit: int,
    seconds: float = SEARCH_SECONDS,
    clock: Callable[[], float] = time.monotonic,
) -> list[TrackedMessage]:
    """At most `limit` messages that came since then and meet the conditions, newest first. Where there is more mail
    than can be looked through in `seconds`, only the newest is."""
    found: list[TrackedMessage] = []
    stop_at = clock() + seconds
    for stretch in _Range(customer_id, first_id(since), _NO_END).stretches():
        found += stretch.rows().filter(conditions)[: limit - len(found)]
        if len(found) >= limit or clock() >= stop_at:
            break
    return found


@dataclass(frozen=True, slots=True)
class _Range:
    """A customer's messages from `lowest` on to below `end`. One bound of each kind goes into a statement: of two
    SQLite would take one to find the rows, and not always the nearer one, and read all between to try the other."""

    customer_id: str
    lowest: str
    end: str

    def rows(self) -> QuerySet[TrackedMessage]:
        """Newest first."""
        rows = TrackedMessage.objects.filter(customer_id=self.customer_id)
        return rows.filter(queue_id__gte=self.lowest, queue_id__lt=self.end).order_by("-queue_id")

    def stretches(self) -> Iterator["_Range"]:
        """Pieces of `STRETCH` messages, newest first, whose bounds the index alone tells."""
        rest = self
        while True:
            piece = rest.rows().values("queue_id")[:STRETCH].aggregate(lowest=Min("queue_id"), count=Count("queue_id"))
            if not piece["count"]:
                return
            yield replace(rest, lowest=piece["lowest"])
            if piece["count"] < STRETCH:
                return
            rest = replace(rest, end=piece["lowest"])


def _range(customer_id: str, wanted: MessageFilter, now: datetime, *, before: str = "", after: str = "") -> _Range:
    """before, after: queue ids, neither of them in it; empty is no bound."""
    lowest = first_id(wanted.beginning(now))
    if after:
        lowest = max(lowest, f"{after}0")  # the next text in order
    end = first_id(wanted.until) if wanted.until else _NO_END
    return _Range(customer_id, lowest, min(end, before) if before else end)


def first_id(at: datetime) -> str:
    """The lowest queue id of that time."""
    return queue_id(min(int(at.timestamp() * 1000), _LAST_MILLISECOND), 0, 0)


def time_of(name: str) -> datetime:
    """When the id was given. `name`: a queue id, see `mail.message.queue_id`."""
    number = 0
    for character in name:
        number = number << 5 | QUEUE_ID_ALPHABET.index(character)
    return datetime.fromtimestamp((number >> 24) / 1000, UTC)


_LOOK_ALIKES: Final = str.maketrans("OIL", "011")


def read_queue_id(text: str) -> str:
    """A queue id as people write or paste it; empty if it is none."""
    name = text.strip().upper().translate(_LOOK_ALIKES)
    return name if len(name) == QUEUE_ID_LENGTH and all(each in QUEUE_ID_ALPHABET for each in name) else ""
