"""The queue as people see it. A walk over all of it is cut into slices, between which others have their turn."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from operator import itemgetter
from typing import Final, TypeVar

from outgate.contract.wire import (
    QueuedMessage,
    QueuedRecipient,
    QueueFilter,
    QueueList,
    QueueListed,
    QueueSelect,
    QueueSelected,
)
from outgate.delivery.item import Item
from outgate.delivery.waiting import Waiting
from outgate.mail.message import QueueId, Status
from outgate.policy.schedule import RetrySchedule

PAGE_MAX: Final = 2_000  # messages in one answer; who wants more asks again for what follows
SLICE: Final = 2_000  # messages looked at without a pause: some milliseconds
SHOWN_SLICE: Final = 500  # messages decoded and shown without a pause

_STATUS: Final = {Status.PENDING: "pending", Status.RELAYED: "relayed", Status.FAILED: "failed"}

Queued = Item | Waiting
Key = tuple[float, QueueId]
Entry = tuple[float, QueueId, Queued]
Expected = Callable[[Waiting], float]
"""When a slow message should have its turn."""
_key: Final = itemgetter(0, 1)
ThingT = TypeVar("ThingT")


def _unexpected(_: Waiting) -> float:
    return 0.0


async def listed(
    queued: Sequence[Queued], question: QueueList, schedule: RetrySchedule, expected: Expected = _unexpected
) -> QueueListed:
    """At most `question.limit`, and `PAGE_MAX`, of the messages that match, by next attempt, and how many match in all.

    What changes while the walk is on may be shown as it was or as it is.
    """
    limit = min(question.limit, PAGE_MAX)
    after: Key = (question.after_at, question.after)
    first: list[Entry] = []
    total = 0
    async for part in _slices(queued, SLICE):
        entries: list[Entry] = [(one.next_attempt_at, one.queue_id, one) for one in part if _matches(one, question)]
        total += len(entries)
        if question.after:
            entries = [entry for entry in entries if entry[:2] > after]
        if len(first) == limit:
            last = first[-1][0]
            entries = [entry for entry in entries if entry[0] <= last]
        first += entries
        first.sort(key=_key)
        del first[limit:]
    messages: list[QueuedMessage] = []
    async for page in _slices(first, SHOWN_SLICE):
        messages += [shown(entry[2], schedule, expected) for entry in page]
    return QueueListed(tuple(messages), total)


async def selected(queued: Sequence[Queued], question: QueueSelect) -> QueueSelected:
    """The ids of all messages that match."""
    ids: list[QueueId] = []
    async for part in _slices(queued, SLICE):
        ids += [one.queue_id for one in part if _matches(one, question)]
    return QueueSelected(tuple(ids))


async def _slices(things: Sequence[ThingT], length: int) -> AsyncIterator[Sequence[ThingT]]:
    for start in range(0, len(things), length):
        yield things[start : start + length]
        await asyncio.sleep(0)


def _matches(queued: Queued, question: QueueFilter) -> bool:
    if question.held is not None and queued.is_held is not question.held:
        return False
    if question.slow is not None and _is_slow(queued) is not question.slow:
        return False
    if not (question.customer_id or question.sender or question.recipient):
        return True
    sender, recipient = question.sender.lower(), question.recipient.lower()
    if isinstance(queued, Waiting) and not queued.may_name(question.customer_id.lower(), sender, recipient):
        return False
    message = queued.message
    return (
        (not question.customer_id or message.customer_id == question.customer_id)
        and (not sender or message.reverse_path.text.lower() == sender)
        and (not recipient or any(path.text.lower() == recipient for path in message.forward_paths))
    )


def _is_slow(queued: Queued) -> bool:
    return isinstance(queued, Waiting) and queued.is_slow


def _state(queued: Queued) -> str:
    if isinstance(queued, Item):
        return "active"
    if queued.is_slow:
        return "slow"
    return "held" if queued.progress.held else "deferred"


def shown(queued: Queued, schedule: RetrySchedule, expected: Expected = _unexpected) -> QueuedMessage:
    message, progress = queued.message, queued.progress
    return QueuedMessage(
        message.queue_id,
        message.customer_id,
        _state(queued),
        message.received_at,
        queued.next_attempt_at,
        schedule.expires_at(message.received_at),
        progress.attempts,
        message.size_octets,
        message.reverse_path.text,
        tuple(
            [
                QueuedRecipient(path.text, _STATUS[recipient.status], recipient.reply, recipient.next_hop)
                for path, recipient in zip(message.forward_paths, progress.recipients, strict=True)
            ]
        ),
        message.message_id_field,
        message.subject,
        message.source,
        message.reason,
        expected(queued) if isinstance(queued, Waiting) and queued.is_slow else 0.0,
        message.lane_reason,
        message.sealed_key,
    )
