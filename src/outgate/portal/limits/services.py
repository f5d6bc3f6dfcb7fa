"""Locks and unlocks mailboxes, and keeps what the nodes have counted."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

from django.utils import timezone

from outgate.contract.commands import SendNotice
from outgate.contract.events import SenderLocked
from outgate.mail.address import AddressError, ReversePath
from outgate.portal.accounts import audit
from outgate.portal.accounts.audit import CLERK, Actor
from outgate.portal.accounts.models import Role
from outgate.portal.customers.models import Customer
from outgate.portal.errors import Invalid
from outgate.portal.feed.changes import changes
from outgate.portal.feed.services import order_notice
from outgate.portal.limits.models import KEY_MAX, LockedMailbox, NodeCount
from outgate.portal.limits.selectors import lock_of
from outgate.portal.outbound.documents import write_customer

BY_A_PERSON: Final = "sender-locked"  # reason of a lock that a person made
AGAIN_SECONDS: Final = 86_400  # a lock within so long after the one before lasts twice as long
FORGOTTEN_DAYS: Final = 7  # after the end of a lock
WRITE_MAX: Final = 500  # counts in one statement


def lock_sender(*, actor: Actor, customer: Customer, mailbox: str, seconds: int) -> LockedMailbox:
    """Lock a mailbox for so long from now, whatever was before. Raises: Invalid."""
    try:
        path = ReversePath.parse(mailbox)
    except AddressError as error:
        raise Invalid("mailbox", f"{error}. Give the whole address.") from error
    if seconds < 1:
        raise Invalid("seconds", "A lock lasts at least one second.")
    name = f"{path.local_part.lower()}@{path.domain}"
    with changes() as changed:
        now = timezone.now()
        row, _ = LockedMailbox.objects.update_or_create(
            customer=customer,
            mailbox=name,
            defaults={"reason": BY_A_PERSON, "locked_at": now, "until": now + timedelta(seconds=seconds), "times": 1},
        )
        write_customer(changed, customer)
        audit.record(actor, "sender.locked", f"{customer.slug}/{name}", reason=BY_A_PERSON, seconds=seconds)
        return row


def unlock_sender(*, actor: Actor, customer: Customer, mailbox: str) -> None:
    """End a lock at once, also what workers locked by themselves until now. Raises: NotFound."""
    with changes() as changed:
        row = lock_of(customer, mailbox)
        row.until = timezone.now()
        row.save(update_fields=["until"])
        write_customer(changed, customer)
        audit.record(actor, "sender.unlocked", f"{customer.slug}/{row.mailbox}", reason=row.reason)


def record_locks(events: Iterable[SenderLocked]) -> int:
    """Write down the locks that workers made by themselves; each new one is told to the customer's admins, once.

    An event that comes again, of a second worker that found the same, or from before an unlocking, changes nothing.
    Returns how many were new. Raises: django.db.Error; nothing was recorded.
    """
    new = 0
    for event in events:
        with changes() as changed:
            customer = Customer.objects.filter(slug=event.customer_id).first()
            if customer is not None and (row := _recorded(customer, event)) is not None:
                new += 1
                write_customer(changed, customer)
                audit.record(
                    CLERK, "sender.locked", f"{customer.slug}/{row.mailbox}", reason=row.reason, times=row.times
                )
                order_notice(_notice(customer, row), worker=event.worker)
    return new


def _recorded(customer: Customer, event: SenderLocked) -> LockedMailbox | None:
    """The row of a new lock; None if this is none."""
    try:
        at = datetime.fromtimestamp(event.at, UTC)
    except (ValueError, OverflowError, OSError):
        return None  # a time that is none
    row = customer.locked_mailboxes.filter(mailbox=event.mailbox).first()
    if row is not None and at <= row.until:
        return None
    if row is None:
        row = LockedMailbox(customer=customer, mailbox=event.mailbox, times=0)
    elif at - row.until > timedelta(seconds=AGAIN_SECONDS):
        row.times = 0
    seconds = max(event.until - event.at, 1.0) * 2.0 ** min(row.times, 30)
    row.times += 1
    row.reason = event.reason
    row.locked_at = at
    row.until = at + timedelta(seconds=min(seconds, max(event.max_seconds, 1)))
    row.save()
    return row


_CAUSES: Final = {
    "over-limit": "It wanted to send many times as much as its limit allows.",
    "invalid-recipients": "Too many of its recipients do not exist, say the servers that take their mail.",
}


def _notice(customer: Customer, row: LockedMailbox) -> SendNotice:
    admins = customer.users.filter(role=Role.CUSTOMER_ADMIN, is_active=True).order_by("email")
    until = row.until.strftime("%Y-%m-%d %H:%M UTC")
    text = (
        f"The mailbox {row.mailbox} of {customer.name} ({customer.slug}) may not send until {until}.\n\n"
        f"{_CAUSES.get(row.reason, '')} This is what an account in foreign hands looks like.\n\n"
        "Make sure that the account is in its owner's hands: a new password, no strange rules, no strange\n"
        "applications. Then it can be unlocked at once:\n\n"
        f"    outgate sender unlock {row.mailbox} --customer {customer.slug}\n\n"
        "Mail of it that was accepted before waits in the queue until the lock ends.\n\n"
        f"Reason code: {row.reason}\n"
    )
    recipients = tuple(admins.values_list("email", flat=True))
    return SendNotice(recipients, f"{row.mailbox} is locked and cannot send", text)


def forget_old(*, now: datetime) -> None:
    """Drop locks long over, and counts of windows that are past."""
    LockedMailbox.objects.filter(until__lt=now - timedelta(days=FORGOTTEN_DAYS)).delete()
    NodeCount.objects.filter(ends_at__lte=now).delete()


def write_counts(*, node: str, counts: Iterable[tuple[str, dict[int, int], float]], now: datetime) -> None:
    """Write down what `node` has counted: key, parts and when the last part is over (seconds since the epoch)."""
    rows = [
        NodeCount(
            node=node,
            key=key,
            parts={str(part): amount for part, amount in parts.items()},
            changed_at=now,
            ends_at=datetime.fromtimestamp(ends_at, UTC),
        )
        for key, parts, ends_at in counts
        if len(key) <= KEY_MAX
    ]
    NodeCount.objects.bulk_create(
        rows,
        batch_size=WRITE_MAX,
        update_conflicts=True,
        unique_fields=["node", "key"],
        update_fields=["parts", "changed_at", "ends_at"],
    )
