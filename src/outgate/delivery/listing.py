"""The queue as people see it."""

import heapq
from collections.abc import Iterable

from outgate.contract.wire import QueuedMessage, QueuedRecipient, QueueList, QueueListed
from outgate.delivery.item import Item, State
from outgate.mail.message import Status
from outgate.policy.schedule import RetrySchedule

_STATUS = {Status.PENDING: "pending", Status.RELAYED: "relayed", Status.FAILED: "failed"}


def listed(items: Iterable[Item], question: QueueList, schedule: RetrySchedule) -> QueueListed:
    """At most `question.limit` of the messages that match, by next attempt, and how many match in all."""
    matching = [item for item in items if _matches(item, question)]
    keys = [(item.next_attempt_at, item.queue_id) for item in matching]
    order = heapq.nsmallest(question.limit + _place(keys, question.after), range(len(keys)), key=keys.__getitem__)
    if question.after:
        after = next((key for key in keys if key[1] == question.after), None)
        if after is not None:
            order = [place for place in order if keys[place] > after]
    return QueueListed(tuple([shown(matching[place], schedule) for place in order[: question.limit]]), len(matching))


def _place(keys: list[tuple[float, str]], after: str) -> int:
    """How many come before and with `after`, so that as many more are sorted."""
    if not after:
        return 0
    key = next((key for key in keys if key[1] == after), None)
    return 0 if key is None else sum(other <= key for other in keys)


def _matches(item: Item, question: QueueList) -> bool:
    message = item.message
    if question.customer_id and message.customer_id != question.customer_id:
        return False
    if question.sender and message.reverse_path.text.lower() != question.sender.lower():
        return False
    if question.held is not None and (item.state is State.HELD) is not question.held:
        return False
    if question.recipient:
        wanted = question.recipient.lower()
        return any(path.text.lower() == wanted for path in message.forward_paths)
    return True


def shown(item: Item, schedule: RetrySchedule) -> QueuedMessage:
    message, progress = item.message, item.progress
    return QueuedMessage(
        message.queue_id,
        message.customer_id,
        "active" if item.state is State.NOTIFYING else item.state.value,
        message.received_at,
        item.next_attempt_at,
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
    )
