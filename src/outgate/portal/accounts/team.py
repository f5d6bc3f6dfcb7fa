"""Who manages whom: the rules of the Team page, which hold for the API too."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.db import transaction
from django.utils import timezone

from outgate.portal.accounts import links, services
from outgate.portal.accounts.audit import Actor
from outgate.portal.accounts.caller import Caller
from outgate.portal.accounts.models import CUSTOMER_ROLES, Right, Role, User
from outgate.portal.accounts.scope import ABSENT, partners_of, user_of
from outgate.portal.customers.models import Customer, Partner
from outgate.portal.errors import Invalid, NotFound


@dataclass(frozen=True, slots=True)
class NewUser:
    """password: shown once to who added the user, and kept nowhere; empty if a link was mailed."""

    user: User
    password: str


def may_manage_team(caller: Caller) -> bool:
    return caller.acting_for is not None or caller.role is Role.CUSTOMER_ADMIN or caller.has(Right.TEAM)


def roles_for(caller: Caller) -> tuple[Role, ...]:
    """What the caller may make somebody."""
    if not caller.is_staff:
        return CUSTOMER_ROLES
    return (Role.PARTNER, Role.OPERATOR) if caller.role is Role.OPERATOR else (Role.PARTNER,)


def is_above(caller: Caller, user: User) -> bool:
    """May do what the caller may not: then the caller changes nothing about this person."""
    if user.role == Role.OPERATOR:
        return caller.role is not Role.OPERATOR
    return user.role == Role.PARTNER and not all(caller.has(Right(right)) for right in user.rights)


def managed_user(caller: Caller, pk: int) -> User:
    """Somebody whom the caller may change. Raises: NotFound."""
    user = user_of(caller, pk)
    if is_above(caller, user):
        raise NotFound(ABSENT)
    return user


@transaction.atomic
def add_member(
    *, caller: Caller, email: str, name: str, role: str, partner: str, rights: Iterable[str], link_url: str = ""
) -> NewUser:
    """Somebody new, with a password of our choice. partner: the id of partner staff's partner, where the caller may
    choose one. rights: of partner staff; what the caller has not itself is left out. link_url: of the site; if given,
    a link to choose a password is mailed instead, and there is none yet. Raises: Invalid."""
    try:
        wanted = Role(role)
    except ValueError as error:
        raise Invalid("role", "Choose one of these.") from error
    if wanted not in roles_for(caller):
        is_customers = caller.is_staff and wanted in CUSTOMER_ROLES
        raise Invalid("role", "Log in as the customer to add its people." if is_customers else "Choose one of these.")
    password = "" if link_url else services.generate_password()
    user = services.add_user(
        actor=caller.actor,
        email=email,
        name=name,
        role=wanted,
        password=password or None,
        partner=_partner(caller, partner) if wanted is Role.PARTNER else None,
        customer=_customer(caller) if wanted in CUSTOMER_ROLES else None,
        rights=given_rights(caller, rights),
    )
    if link_url:
        links.send_link(actor=caller.actor, user=user, site_url=link_url, now=timezone.now())
    return NewUser(user, password)


@transaction.atomic
def add_first_admin(*, actor: Actor, customer: Customer, email: str, name: str, link_url: str = "") -> NewUser:
    """Of a customer that has just been made, by whoever may make customers. link_url: as of `add_member`.

    Raises: Invalid.
    """
    password = "" if link_url else services.generate_password()
    user = services.add_user(
        actor=actor,
        email=email,
        role=Role.CUSTOMER_ADMIN,
        password=password or None,
        name=name,
        customer=customer,
    )
    if link_url:
        links.send_link(actor=actor, user=user, site_url=link_url, now=timezone.now())
    return NewUser(user, password)


def given_rights(caller: Caller, wanted: Iterable[str]) -> list[Right]:
    """Those that are wanted, and that the caller has: nobody gives more than that."""
    chosen = set(wanted)
    return [right for right in Right if right.value in chosen and caller.has(right)]


def _partner(caller: Caller, text: str) -> Partner:
    rows = partners_of(caller)
    if caller.role is Role.OPERATOR:
        rows = rows.filter(pk=int(text)) if text.isascii() and text.isdecimal() and len(text) < 10 else rows.none()
    partner = rows.first()
    if partner is None:
        raise Invalid("partner", "Choose a partner.")
    return partner


def _customer(caller: Caller) -> Customer:
    return caller.acting_for or Customer.objects.get(pk=caller.customer_id)
