"""What people decide over waiting mail: release, try now, delete. Workers carry it out."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from django.db import transaction
from django.utils import timezone

from outgate.contract.commands import QueueAction, QueueCommand
from outgate.portal.accounts import audit
from outgate.portal.accounts.caller import Caller
from outgate.portal.customers.models import Customer
from outgate.portal.errors import Invalid, NotFound
from outgate.portal.feed.services import order_command
from outgate.portal.held.keys import content_keys
from outgate.portal.held.models import MessageOrder
from outgate.portal.tracker.models import Status, TrackedMessage
from outgate.portal.tracker.search import read_queue_id

CHOSEN_MAX: Final = 100  # messages of one order
NAMED_MAX: Final = 5  # messages that an error names
NO_RIGHT: Final = "Your rights do not include working on held mail. Ask an administrator of your organisation for them."
STAFF_ONLY: Final = (
    "Mail that is held as malware or phishing is released by your provider's staff alone. Leave it out, or ask them."
)
# Held for these, a message is released by staff alone: who was deceived by it would let it out.
DANGEROUS: Final = frozenset(("content-malware", "content-phishing"))
ACTIONS: Final = {
    QueueAction.RELEASE: frozenset((Status.HELD.value, Status.SLOW.value)),
    QueueAction.RETRY: frozenset((Status.DEFERRED.value, Status.QUEUED.value)),
    QueueAction.DELETE: frozenset((Status.HELD.value, Status.SLOW.value, Status.DEFERRED.value, Status.QUEUED.value)),
}  # how a message has to stand for it
DONE: Final = {
    QueueAction.RELEASE: "message.released",
    QueueAction.RETRY: "message.retried",
    QueueAction.DELETE: "message.deleted",
}  # by action, in the audit log


def check_may_work(caller: Caller) -> None:
    """Raises: NotFound."""
    if not caller.may_work_on_held:
        raise NotFound(NO_RIGHT)


def may_do(caller: Caller, message: TrackedMessage, action: QueueAction) -> bool:
    """Is it to be offered?"""
    if not caller.may_work_on_held or message.status not in ACTIONS[action]:
        return False
    return action is not QueueAction.RELEASE or _may_release(caller, message)


class Taken(StrEnum):
    """What became of one message of an order."""

    ORDERED = "ordered"
    NOT_WAITING = "not-waiting"  # any more, or not so that this can be done: somebody was quicker
    STAFF_ONLY = "staff-only"  # see `DANGEROUS`
    UNKNOWN = "unknown"  # no message of the customer's


@dataclass(frozen=True, slots=True)
class Ordered:
    """taken: by queue id, of all that were named, in their order. left: what is staff's alone to release."""

    taken: dict[str, Taken]
    left: tuple[TrackedMessage, ...] = ()

    def count(self, what: Taken = Taken.ORDERED) -> int:
        return list(self.taken.values()).count(what)


def order(*, caller: Caller, customer: Customer, references: Iterable[str], action: QueueAction) -> Ordered:
    """Have it done to these messages of the customer's.

    Those that do not wait any more are passed over, and so are those that the caller may not release if there are
    others. Carried out within seconds, while a worker lives; an order that is repeated is one order. The command that
    releases sealed messages holds their keys.
    Raises: Invalid (also: the caller may release none of them), NotFound (no such right, or not the customer's).
    """
    check_may_work(caller)
    wanted = list(dict.fromkeys(filter(None, map(read_queue_id, references))))
    if not wanted:
        raise Invalid("chosen", "Nothing is chosen. Tick the messages first.")
    if len(wanted) > CHOSEN_MAX:
        raise Invalid("chosen", f"These are {len(wanted)} messages. Choose at most {CHOSEN_MAX} at a time.")
    messages = list(TrackedMessage.objects.filter(customer_id=customer.slug, queue_id__in=wanted).order_by("queue_id"))
    if not messages:
        raise NotFound("No such message is recorded.")
    taken = dict.fromkeys(wanted, Taken.UNKNOWN)
    left = [message for message in messages if action is QueueAction.RELEASE and not _may_release(caller, message)]
    if len(left) == len(messages):
        raise Invalid("chosen", STAFF_ONLY)
    allowed = [message for message in messages if message not in left]
    waiting = [message for message in allowed if message.status in ACTIONS[action]]
    for found, what in ((left, Taken.STAFF_ONLY), (allowed, Taken.NOT_WAITING), (waiting, Taken.ORDERED)):
        taken.update((message.queue_id, what) for message in found)
    if not waiting:
        return Ordered(taken, tuple(left))
    keys = _keys(caller, customer, waiting) if action is QueueAction.RELEASE else {}
    ids = tuple(message.queue_id for message in waiting)
    now = timezone.now()
    with transaction.atomic():
        # Every worker is asked: the spool of one that is gone is another's by now.
        command = QueueCommand(action, ids, caller.actor.name, customer.slug, keys)
        number = order_command(actor=caller.actor, command=command)
        for message in waiting:
            MessageOrder.objects.update_or_create(
                queue_id=message.queue_id,
                defaults={"command_id": number, "action": action.value, "actor": caller.actor.name, "at": now},
            )
            audit.record(caller.actor, DONE[action], f"{customer.slug}/{message.queue_id}", reason=message.lane_reason)
    return Ordered(taken, tuple(left))


def _may_release(caller: Caller, message: TrackedMessage) -> bool:
    return message.lane_reason not in DANGEROUS or caller.may_release_dangerous


def _keys(caller: Caller, customer: Customer, messages: list[TrackedMessage]) -> dict[str, bytes]:
    """By queue id, of those that are sealed. All or nothing, since what is refused takes back its transaction, which
    may be the caller's. Raises: Invalid."""
    sealed = {message.queue_id: bytes(message.sealed_key) for message in messages if message.sealed_key}
    keys = content_keys(caller.actor, customer, sealed)
    if closed := [queue_id for queue_id in sealed if queue_id not in keys]:
        more = f" and {len(closed) - NAMED_MAX} more" if len(closed) > NAMED_MAX else ""
        raise Invalid(
            "chosen",
            f"Nothing is released: {', '.join(closed[:NAMED_MAX])}{more} cannot be opened, since the key is not at "
            "hand. The operator has been told and may be able to bring it back. Leave these out to release the others.",
        )
    return keys
