"""What people are told by mail about their own accounts: through Outgate's own lane, as any letter of its own.

A letter goes to the person alone. It is best effort: while no worker lives, nobody is told.
"""

from django.utils import timezone

from outgate.contract.commands import SendNotice
from outgate.portal.accounts.audit import Actor
from outgate.portal.accounts.models import User
from outgate.portal.feed.selectors import worker_for_letters
from outgate.portal.feed.services import order_notice


def can_send() -> bool:
    """Does a worker live that would take a letter now?"""
    return bool(worker_for_letters(timezone.now()))


def send(*, to: str, subject: str, text: str) -> bool:
    """In the transaction under way. Returns whether a worker was found."""
    worker = worker_for_letters(timezone.now())
    if worker:
        order_notice(SendNotice((to,), subject, text, is_private=True), worker=worker)
    return bool(worker)


def tell_of_change(*, user: User, actor: Actor, what: str, to: str = "") -> None:
    """what: a sentence about the account, such as "The password was changed." to: a former address; empty is the
    user's own. There is no link in it: who gets used to links in such letters follows false ones."""
    at = timezone.now().strftime("%Y-%m-%d %H:%M UTC")
    where = f" from {actor.address}" if actor.address else ""
    send(
        to=to or user.email,
        subject="Your Outgate account was changed",
        text=f"Your account {user.email} at Outgate:\n\n"
        f"{what}\n\n"
        f"By {actor.name}{where}, at {at}.\n\n"
        "If this should not have happened, tell an administrator of your organisation at once.\n",
    )
