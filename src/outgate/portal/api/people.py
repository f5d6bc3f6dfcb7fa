"""Routes of users, of who may come near, and of the addresses that a tenant allows."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypeVar

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone
from ninja import Path, Router, Status

from outgate.portal.accounts import access, links, services, team
from outgate.portal.accounts.caller import Caller
from outgate.portal.accounts.keys import Scope
from outgate.portal.accounts.models import User
from outgate.portal.accounts.scope import customer_of, user_of, users_of
from outgate.portal.api import schemas
from outgate.portal.api.authentication import Key, caller_of
from outgate.portal.api.idempotency import keep_without
from outgate.portal.api.pages import LIMIT_DEFAULT, Cursor, Limit, page_of
from outgate.portal.api.problems import Problem
from outgate.portal.errors import Invalid

users = Router(tags=["users"])
addresses = Router(tags=["access"])
customers = Router(tags=["access"])
READ, WRITE = Key(Scope.TEAM_READ), Key(Scope.TEAM_WRITE)
T = TypeVar("T")
UserId = Annotated[int, Path(ge=1, le=2**63 - 1, examples=[12])]


@users.get("", auth=READ, response=schemas.UserPage, summary="List users")
def index(request: HttpRequest, cursor: Cursor = "", limit: Limit = LIMIT_DEFAULT) -> schemas.UserPage:
    """Those whom the key's owner manages on the Team page, by address, in pages."""
    found, following = page_of(users_of(_manager(request)), "email", cursor, limit)
    return schemas.UserPage(items=_users(found), next=following)


@users.get("/{int:user_id}", auth=READ, response=schemas.UserOut, summary="Show a user")
def show(request: HttpRequest, user_id: UserId) -> schemas.UserOut:
    """One of those that are listed."""
    return _user(user_of(_manager(request), user_id))


@users.post("", auth=WRITE, response={201: schemas.UserMadeOut}, summary="Add a user")
def add(request: HttpRequest, wanted: schemas.UserIn) -> Status[schemas.UserMadeOut]:
    """Of the key's own organisation; the operator adds staff. The answer has the first password, which is kept nowhere:
    an answer that is repeated for its `Idempotency-Key` comes without it. With `mail_link` there is none: 409 if no
    link can be mailed now."""
    new = mailing(
        team.add_member,
        caller=_manager(request),
        email=wanted.email,
        name=wanted.name,
        role=wanted.role.value,
        partner=str(wanted.partner) if "partner" in wanted.model_fields_set else "",
        rights=[each.value for each in wanted.rights],
        link_url=link_url() if wanted.mail_link else "",
    )
    keep_without(request, "password")
    return Status(201, schemas.UserMadeOut(user=_user(new.user), password=new.password or None))


@users.patch("/{int:user_id}", auth=WRITE, response=schemas.UserOut, summary="Change a user")
def change(request: HttpRequest, user_id: UserId, wanted: schemas.UserChangeIn) -> schemas.UserOut:
    """What is left out stays as it is. A role is for good: add another user for another one."""
    caller, given = _manager(request), wanted.model_fields_set
    with transaction.atomic():
        user = team.managed_user(caller, user_id)
        if "email" in given:
            services.set_email(actor=caller.actor, user=user, email=wanted.email)
        if "rights" in given:
            rights = team.given_rights(caller, [each.value for each in wanted.rights])
            services.set_rights(actor=caller.actor, user=user, rights=rights)
    return _user(user)


@users.post("/{int:user_id}/disable", auth=WRITE, response=schemas.UserOut, summary="Disable a user")
def disable(request: HttpRequest, user_id: UserId) -> schemas.UserOut:
    """The user may not sign in any more, and is signed out everywhere. Idempotent."""
    return _set_active(request, user_id, is_active=False)


@users.post("/{int:user_id}/enable", auth=WRITE, response=schemas.UserOut, summary="Enable a user")
def enable(request: HttpRequest, user_id: UserId) -> schemas.UserOut:
    """The user may sign in again. Idempotent."""
    return _set_active(request, user_id, is_active=True)


@users.post("/{int:user_id}/unlock", auth=WRITE, response=schemas.UserOut, summary="Unlock a user")
def unlock(request: HttpRequest, user_id: UserId) -> schemas.UserOut:
    """Who had to wait after too many failed sign-ins may try again at once."""
    caller, user = _managed(request, user_id)
    services.unlock(actor=caller.actor, user=user)
    return _user(user)


@users.post("/{int:user_id}/reset-second-factors", auth=WRITE, response=schemas.UserOut, summary="Reset second factors")
def reset_second_factors(request: HttpRequest, user_id: UserId) -> schemas.UserOut:
    """For somebody who lost phone or key: authenticator apps, passkeys and recovery codes are taken away, and all
    sessions end. The user is told by mail. Staff has to set up another factor at the next sign-in."""
    caller, user = _managed(request, user_id)
    services.reset_second_factors(actor=caller.actor, user=user)
    return _user(user)


@users.post("/{int:user_id}/end-sessions", auth=WRITE, response=schemas.UserOut, summary="End a user's sessions")
def end_sessions(request: HttpRequest, user_id: UserId) -> schemas.UserOut:
    """Signs the user out everywhere. Who knows the password may sign in again: disable who shall not."""
    caller, user = _managed(request, user_id)
    services.end_sessions(actor=caller.actor, user=user)
    return _user(user)


@users.post("/{int:user_id}/password-link", auth=WRITE, response=schemas.UserOut, summary="Mail a link for a password")
def password_link(request: HttpRequest, user_id: UserId) -> schemas.UserOut:
    """To choose a password by, once. It goes to the user alone, ends those sent before, and changes nothing until it is
    used. 409 if none can be mailed now."""
    caller, user = _managed(request, user_id)
    mailing(links.send_link, actor=caller.actor, user=user, site_url=link_url(), now=timezone.now())
    return _user(user)


@users.post("/{int:user_id}/password", auth=WRITE, response=schemas.UserMadeOut, summary="Give a user another password")
def password(request: HttpRequest, user_id: UserId) -> schemas.UserMadeOut:
    """Of our choice, and in the answer this once. The one before ends, all sessions with it, and the user is told by
    mail. A link is better where one can be mailed: then nobody else ever has the password."""
    caller, user = _managed(request, user_id)
    made = services.generate_password()
    services.set_password(actor=caller.actor, user=user, password=made)
    keep_without(request, "password")
    return schemas.UserMadeOut(user=_user(user), password=made)


@addresses.get("", auth=READ, response=schemas.NetworksOut, summary="Show the allowed addresses")
def networks(request: HttpRequest) -> schemas.NetworksOut:
    """Where people and keys of the key's own organisation may come from; none listed is anywhere."""
    return schemas.NetworksOut(networks=[each.network for each in access.allowed_networks(caller_of(request))])


@addresses.put("", auth=WRITE, response=schemas.NetworksOut, summary="Set the allowed addresses")
def set_networks(request: HttpRequest, wanted: schemas.NetworksIn) -> schemas.NetworksOut:
    """The whole list. The address that the request comes from must be in it, unless it is empty. Not for the operator,
    whose people are not held to a list."""
    caller = caller_of(request)
    access.set_allowed_networks(caller=caller, networks=wanted.networks)
    return schemas.NetworksOut(networks=[each.network for each in access.allowed_networks(caller)])


@customers.get(
    "/{slug:customer_id}/partner-management",
    auth=READ,
    response=schemas.PartnerManagementOut,
    summary="Show whether the partner may act as the customer",
)
def partner_management(request: HttpRequest, customer_id: str) -> schemas.PartnerManagementOut:
    """A partner's keys do not reach customers that have switched it off."""
    customer = customer_of(caller_of(request), customer_id)
    return schemas.PartnerManagementOut(on=access.is_partner_managed(customer))


@customers.put(
    "/{slug:customer_id}/partner-management",
    auth=WRITE,
    response=schemas.PartnerManagementOut,
    summary="Let the partner act as the customer, or not",
)
def set_partner_management(
    request: HttpRequest, customer_id: str, wanted: schemas.PartnerManagementIn
) -> schemas.PartnerManagementOut:
    """Only keys of the customer itself may. Idempotent."""
    caller = caller_of(request)
    customer = customer_of(caller, customer_id)
    try:
        access.set_partner_management(caller=caller, customer=customer, on=wanted.on)
    except Invalid as error:
        raise Problem(403, "right-missing", error.public_message) from error
    return schemas.PartnerManagementOut(on=wanted.on)


def _manager(request: HttpRequest) -> Caller:
    """Raises: Problem."""
    caller = caller_of(request)
    if not team.may_manage_team(caller):
        raise Problem(403, "right-missing", "The key's owner may not manage users.")
    return caller


def _managed(request: HttpRequest, user_id: int) -> tuple[Caller, User]:
    """Raises: Problem, NotFound."""
    caller = _manager(request)
    return caller, team.managed_user(caller, user_id)


def link_url() -> str:
    """The site that links lead to. Raises: Problem."""
    if not settings.SITE.has_public_url:
        detail = "No link can be mailed, since the operator has not named the portal's address. Make a password."
        raise Problem(409, "no-links", detail)
    return str(settings.SITE.url)


def mailing(work: Callable[..., T], **arguments: Any) -> T:
    """What mails a link, if one can be mailed now. Raises: Problem, Invalid."""
    try:
        return work(**arguments)
    except Invalid as error:
        if error.field != "link":
            raise
        raise Problem(409, "not-now", error.public_message) from error


def _set_active(request: HttpRequest, user_id: int, *, is_active: bool) -> schemas.UserOut:
    caller, user = _managed(request, user_id)
    services.set_active(actor=caller.actor, user=user, is_active=is_active)
    return _user(user)


def _user(user: User) -> schemas.UserOut:
    return _users([user])[0]


def _users(users: Sequence[User]) -> list[schemas.UserOut]:
    mailed = links.open_until([user.pk for user in users], timezone.now())
    return [
        schemas.UserOut.model_validate(
            {
                "id": user.pk,
                "email": user.email,
                "name": user.name,
                "role": user.role,
                "partner": user.partner.name if user.partner else "",
                "customer": user.customer.slug if user.customer else "",
                "rights": user.rights,
                "is_active": user.is_active,
                "created_at": user.created_at,
                "link_expires_at": mailed.get(user.pk),
            }
        )
        for user in users
    ]
