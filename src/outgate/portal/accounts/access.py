"""Who may come near: logging in as a customer, the customer's switch for it, and the addresses that people may use."""

from collections.abc import Iterable
from dataclasses import replace
from ipaddress import ip_address, ip_network
from typing import Final

from django.db import transaction
from django.db.models import Q

from outgate.portal.accounts import audit
from outgate.portal.accounts.audit import Actor
from outgate.portal.accounts.caller import Caller
from outgate.portal.accounts.models import AllowedNetwork, ApiKey, CustomerAccess, Right, Role, User
from outgate.portal.accounts.scope import customers_of
from outgate.portal.customers.models import Customer, Partner
from outgate.portal.errors import Invalid

NETWORKS_MAX: Final = 200  # of one tenant
CLOSED: Final = "This customer has switched partner management off. Ask its administrator to switch it on."


def is_partner_managed(customer: Customer) -> bool:
    """May partner staff act as the customer?"""
    return not CustomerAccess.objects.filter(customer=customer, partner_management=False).exists()


def may_act_for(caller: Caller, customer: Customer) -> bool:
    """Asked when staff logs in as a customer, and again at each request after. `caller`: as itself, not acting."""
    if not caller.has(Right.LOGIN_AS) or not customers_of(caller).filter(pk=customer.pk).exists():
        return False
    return caller.role is Role.OPERATOR or is_partner_managed(customer)


def may_manage(caller: Caller, customer: Customer) -> bool:
    """May name, plan, region and existence of the customer be changed by this member of staff, as itself or logged in
    as the customer? Not while the customer has closed its door to partners; the operator always may."""
    if caller.role not in (Role.OPERATOR, Role.PARTNER) or caller.scopes is not None:
        return False
    staff = replace(caller, acting_for=None)
    if not staff.has(Right.MANAGE_CUSTOMERS) or not customers_of(staff).filter(pk=customer.pk).exists():
        return False
    return caller.role is Role.OPERATOR or is_partner_managed(customer)


def begin_acting(*, caller: Caller, customer: Customer) -> None:
    """Staff logs in as a customer; both logs say so. Raises: Invalid."""
    if not caller.is_staff:
        raise Invalid("customer", "You are logged in as a customer already. Return first.")
    if not may_act_for(caller, customer):
        raise Invalid("customer", CLOSED if caller.has(Right.LOGIN_AS) else "You may not log in as a customer.")
    audit.record_for(customer, caller.actor, "customer.login-as", customer.slug)


def end_acting(*, caller: Caller) -> None:
    if caller.acting_for is not None:
        audit.record_for(caller.acting_for, caller.actor, "customer.returned", caller.acting_for.slug)


def note_end_of_acting(*, user: User, address: str, customer: Customer) -> None:
    """Acting ended by itself: with a right, the customer's consent, or the session."""
    audit.record_for(customer, Actor(user.email, address, customer.slug), "customer.returned", customer.slug)


@transaction.atomic
def set_partner_management(*, caller: Caller, customer: Customer, on: bool) -> None:
    """Idempotent. Only the customer's own admin decides. Raises: Invalid."""
    if caller.acting_for is not None or caller.role is not Role.CUSTOMER_ADMIN:
        raise Invalid("partner_management", "Only the customer's own administrator can change this.")
    access, _ = CustomerAccess.objects.get_or_create(customer=customer)
    if access.partner_management != on:
        access.partner_management = on
        access.save(update_fields=["partner_management"])
        action = "customer.partner-management-on" if on else "customer.partner-management-off"
        audit.record_for(customer, caller.actor, action, customer.slug)


def is_address_allowed(user: User, address: str) -> bool:
    """May this user use the portal from here? Operators may from anywhere: they set the proxy and the firewall."""
    if user.role == Role.OPERATOR:
        return True
    listed = AllowedNetwork.objects.filter(
        Q(partner_id=user.partner_id, partner__isnull=False) | Q(customer_id=user.customer_id, customer__isnull=False)
    ).values_list("network", flat=True)
    return _is_among(address, listed)


def is_key_address_allowed(key: ApiKey, address: str) -> bool:
    """The same for a key to the API."""
    if key.role == Role.OPERATOR:
        return True
    listed = AllowedNetwork.objects.filter(
        Q(partner_id=key.partner_id, partner__isnull=False) | Q(customer_id=key.customer_id, customer__isnull=False)
    ).values_list("network", flat=True)
    return _is_among(address, listed)


def _is_among(address: str, listed: Iterable[str]) -> bool:
    networks = [ip_network(network) for network in listed]
    return not networks or any(ip_address(address) in network for network in networks)


def allowed_networks(caller: Caller) -> list[AllowedNetwork]:
    """Those of the caller's own tenant."""
    return list(AllowedNetwork.objects.filter(**_tenant(caller)).order_by("network")) if _tenant(caller) else []


@transaction.atomic
def set_allowed_networks(*, caller: Caller, networks: list[str]) -> None:
    """The whole list; empty is anywhere. Raises: Invalid, also if the caller would lock itself out."""
    tenant = _tenant(caller)
    if not tenant or not (caller.role is Role.CUSTOMER_ADMIN or caller.acting_for or caller.has(Right.TEAM)):
        raise Invalid("networks", "You may not change this. Ask an administrator of your organisation.")
    parsed = sorted({_network(text) for text in networks})
    if len(parsed) > NETWORKS_MAX:
        raise Invalid("networks", f"These are {len(parsed)}. Enter at most {NETWORKS_MAX}.")
    is_own = caller.acting_for is None  # staff that acts for a customer comes from elsewhere
    if parsed and is_own and not any(ip_address(caller.address) in ip_network(each) for each in parsed):
        raise Invalid(
            "networks", f"Your own address {caller.address} is not among these. Add it, or you lock yourself out."
        )
    AllowedNetwork.objects.filter(**tenant).exclude(network__in=parsed).delete()
    present = set(AllowedNetwork.objects.filter(**tenant).values_list("network", flat=True))
    AllowedNetwork.objects.bulk_create(AllowedNetwork(**tenant, network=each) for each in parsed if each not in present)
    customer = caller.acting_for or Customer.objects.filter(pk=caller.customer_id).first()
    whose = customer or Partner.objects.get(pk=caller.partner_id)
    object_ = customer.slug if customer else str(whose)
    audit.record_for(whose, caller.actor, "address.list-set", object_, networks=" ".join(parsed))


def _network(text: str) -> str:
    try:
        return str(ip_network(text.strip()))
    except ValueError as error:
        raise Invalid(
            "networks", f"{text!r} is not an address or network. Enter one such as 198.51.100.0/24."
        ) from error


def _tenant(caller: Caller) -> dict[str, int]:
    if caller.acting_for is not None:
        return {"customer_id": caller.acting_for.pk}
    if caller.customer_id:
        return {"customer_id": caller.customer_id}
    return {"partner_id": caller.partner_id} if caller.partner_id else {}
