"""Links by which people set a password: for who was invited, and for who has forgotten it.

The link is as good as the password, so that it goes by mail to the person alone, works once, and not for long. It is
made with the address that the operator has named for the portal, never with what a request says of its host.
"""

import hashlib
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from django.db import transaction

from outgate.portal.accounts import audit, letters, services, sign_in_rows
from outgate.portal.accounts.audit import Actor
from outgate.portal.accounts.models import EMAIL_MAX, LinkRequest, PasswordLink, User
from outgate.portal.errors import Invalid

PATH: Final = "/account/password/link/"
SECRET_OCTETS: Final = 32  # of randomness
RESET_MINUTES: Final = 60
INVITATION_DAYS: Final = 7
REQUESTS_PER_ACCOUNT: Final = 3  # within REQUEST_MINUTES; those of administrators count by themselves
REQUESTS_PER_ADDRESS: Final = 20  # within REQUEST_MINUTES, for whomever
REQUEST_MINUTES: Final = 60
NO_WORKER: Final = "No letter can be sent at the moment, since no worker of Outgate runs. Try again later."


class LinkGone(Exception):
    """The link was used, is too old, or never was one."""


@transaction.atomic
def send_link(*, actor: Actor, user: User, site_url: str, now: datetime) -> PasswordLink:
    """An invitation for who has no password yet, else a link to set a new one. Those sent before end.

    Raises: Invalid.
    """
    account = user.email
    _check_room(account, now)
    LinkRequest.objects.create(at=now, account=account)
    return _send(actor, user, site_url, now)


@transaction.atomic
def request_reset(*, email: str, address: str, site_url: str, now: datetime) -> bool:
    """Somebody who is not signed in has forgotten a password. Whether there is such an account shows in nothing.

    Returns False if too many were asked for from this address.
    """
    account = email.strip().lower()[:EMAIL_MAX]
    since = now - timedelta(minutes=REQUEST_MINUTES)
    LinkRequest.objects.filter(at__lt=since).delete()
    asked = LinkRequest.objects.exclude(address=None)
    if asked.filter(address=address).count() >= REQUESTS_PER_ADDRESS:
        return False
    has_room = asked.filter(account=account).count() < REQUESTS_PER_ACCOUNT
    LinkRequest.objects.create(at=now, account=account, address=address)
    user = User.objects.select_related("partner", "customer").filter(email=account, is_active=True).first()
    if user is not None and has_room and letters.can_send():
        _send(Actor("sign-in", address), user, site_url, now)
    return True


def open_until(user_ids: Sequence[int], now: datetime) -> dict[int, datetime]:
    """When the links of these users end, of those that have one."""
    rows = PasswordLink.objects.filter(user__in=user_ids, expires_at__gt=now)
    return dict(rows.values_list("user", "expires_at"))


def user_of(secret: str, now: datetime) -> User | None:
    """Whose link this is, while it is good."""
    link = _link(secret, now)
    return link.user if link else None


def set_password(*, secret: str, password: str, address: str, now: datetime) -> User:
    """Use the link up. Sessions that the user has anywhere end. Raises: LinkGone, Invalid (the link stays good)."""
    with transaction.atomic():
        link = _link(secret, now)
        if link is None:
            raise LinkGone
        user = link.user
        services.check_password(user, password)
        # Of two who follow it at the same time, one finds it gone.
        if not PasswordLink.objects.filter(pk=link.pk).delete()[0]:
            raise LinkGone
        services.set_password(actor=Actor(user.email, address), user=user, password=password)
        sign_in_rows.end_sessions(user.pk)
        return user


def _link(secret: str, now: datetime) -> PasswordLink | None:
    rows = PasswordLink.objects.select_related("user", "user__partner", "user__customer")
    return rows.filter(digest=_digest(secret), expires_at__gt=now, user__is_active=True).first()


def _check_room(account: str, now: datetime) -> None:
    since = now - timedelta(minutes=REQUEST_MINUTES)
    if LinkRequest.objects.filter(account=account, address=None, at__gte=since).count() >= REQUESTS_PER_ACCOUNT:
        raise Invalid(
            "link", f"{account} was sent {REQUESTS_PER_ACCOUNT} links within the hour. Wait, or make a password."
        )
    if not letters.can_send():
        raise Invalid("link", NO_WORKER)


def _send(actor: Actor, user: User, site_url: str, now: datetime) -> PasswordLink:
    secret = secrets.token_urlsafe(SECRET_OCTETS)
    is_invitation = not user.has_usable_password()
    lasts = timedelta(days=INVITATION_DAYS) if is_invitation else timedelta(minutes=RESET_MINUTES)
    user.password_links.all().delete()
    link = PasswordLink.objects.create(
        user=user, digest=_digest(secret), is_invitation=is_invitation, expires_at=now + lasts
    )
    until = link.expires_at.strftime("%Y-%m-%d %H:%M UTC")
    if is_invitation:
        whose = user.customer or user.partner
        subject = "Your account at Outgate"
        opening = (
            f"{actor.name} has made an account for you at Outgate{f', for {whose}' if whose else ''}.\n"
            f"You sign in as {user.email}. Choose a password:"
        )
        closing = "If you expected no such letter, do nothing: without a password nobody can use the account."
    else:
        subject = "A new password for Outgate"
        opening = f"Somebody has asked for a new password for {user.email} at Outgate. Choose one:"
        closing = "If it was not you, do nothing: the password stays as it is."
    letters.send(
        to=user.email,
        subject=subject,
        text=f"{opening}\n\n    {site_url}{PATH}{secret}/\n\nThe link works once, until {until}.\n\n{closing}\n",
    )
    action = "user.invited" if is_invitation else "user.password-link-sent"
    audit.record_for(user.customer or user.partner, actor, action, user.email)
    return link


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
