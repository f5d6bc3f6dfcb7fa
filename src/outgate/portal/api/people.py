"""Routes of users, of who may come near, and of the addresses that a tenant allows."""

from typing import Annotated

from django.http import HttpRequest
from ninja import Path, Router, Status

from outgate.portal.accounts import access, services, team
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
UserId = Annotated[int, Path(ge=1, le=2**63 - 1, examples=[12])]


@users.get("", auth=READ, response=schemas.UserPage, summary="List users")
def index(request: HttpRequest, cursor: Cursor = "", limit: Limit = LIMIT_DEFAULT) -> schemas.UserPage:
    """Those whom the key's owner manages on the Team page, by address, in pages."""
    found, following = page_of(users_of(_manager(request)), "email", cursor, limit)
    return schemas.UserPage(items=[_user(each) for each in found], next=following)


@users.get("/{int:user_id}", auth=READ, response=schemas.UserOut, summary="Show a user")
def show(request: HttpRequest, user_id: UserId) -> schemas.UserOut:
    """One of those that are listed."""
    return _user(user_of(_manager(request), user_id))


@users.post("", auth=WRITE, response={201: schemas.UserMadeOut}, summary="Add a user")
def add(request: HttpRequest, wanted: schemas.UserIn) -> Status[schemas.UserMadeOut]:
    """Of the key's own organisation; the operator adds staff. The answer has the first password, which is kept nowhere:
    an answer that is repeated for its `Idempotency-Key` comes without it."""
    new = team.add_member(
        caller=_manager(request),
        email=wanted.email,
        name=wanted.name,
        role=wanted.role.value,
        partner=str(wanted.partner) if "partner" in wanted.model_fields_set else "",
        rights=[each.value for each in wanted.rights],
    )
    keep_without(request, "password")
    return Status(201, schemas.UserMadeOut(user=_user(new.user), password=new.password))


@users.post("/{int:user_id}/disable", auth=WRITE, response=schemas.UserOut, summary="Disable a user")
def disable(request: HttpRequest, user_id: UserId) -> schemas.UserOut:
    """The user may not sign in any more, and is signed out everywhere. Idempotent."""
    return _set_active(request, user_id, is_active=False)


@users.post("/{int:user_id}/enable", auth=WRITE, response=schemas.UserOut, summary="Enable a user")
def enable(request: HttpRequest, user_id: UserId) -> schemas.UserOut:
    """The user may sign in again. Idempotent."""
    return _set_active(request, user_id, is_active=True)


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


def _set_active(request: HttpRequest, user_id: int, *, is_active: bool) -> schemas.UserOut:
    caller = _manager(request)
    user = team.managed_user(caller, user_id)
    services.set_active(actor=caller.actor, user=user, is_active=is_active)
    return _user(user)


def _user(user: User) -> schemas.UserOut:
    return schemas.UserOut.model_validate(
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
        }
    )
