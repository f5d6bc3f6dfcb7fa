"""Logging in as a customer, and the addresses that people may come from."""

import pytest
from tests.support.portal import ACTOR, customer, partner

from outgate.portal.accounts import access
from outgate.portal.accounts.caller import Caller
from outgate.portal.accounts.models import AuditEntry, Right, Role, User
from outgate.portal.accounts.services import add_user
from outgate.portal.customers.models import Customer
from outgate.portal.errors import Invalid

pytestmark = pytest.mark.django_db(databases="__all__")
ALL = frozenset(Right.values)


def staff(made: Customer, rights: frozenset[str] = ALL) -> Caller:
    return Caller("staff@example.com", Role.PARTNER, partner_id=made.partner_id, rights=rights, address="198.51.100.7")


def admin(made: Customer) -> Caller:
    return Caller("admin@example.com", Role.CUSTOMER_ADMIN, customer_id=made.pk, address="198.51.100.7")


def test_logging_in_as_a_customer_is_in_both_logs() -> None:
    made = customer()

    access.begin_acting(caller=staff(made), customer=made)

    entry = AuditEntry.objects.latest("number")
    assert (entry.action, entry.actor, entry.address) == ("customer.login-as", "staff@example.com", "198.51.100.7")
    assert (entry.customer, entry.partner_id) == (made.slug, made.partner_id)


def test_staff_of_another_partner_or_without_the_right_may_not() -> None:
    made = customer()
    foreign = Caller("x@example.com", Role.PARTNER, partner_id=partner("other").pk, rights=ALL)

    for caller in (foreign, staff(made, ALL - {Right.LOGIN_AS.value}), admin(made)):
        with pytest.raises(Invalid):
            access.begin_acting(caller=caller, customer=made)


def test_nobody_acts_for_one_customer_out_of_another() -> None:
    made, other = customer("Example"), customer("Other")
    acting = Caller("staff@example.com", Role.OPERATOR, acting_for=made)

    with pytest.raises(Invalid, match="Return first"):
        access.begin_acting(caller=acting, customer=other)


def test_customer_keeps_its_partner_out_and_the_operator_not() -> None:
    made = customer()

    access.set_partner_management(caller=admin(made), customer=made, on=False)

    with pytest.raises(Invalid, match="switched partner management off"):
        access.begin_acting(caller=staff(made), customer=made)
    access.begin_acting(caller=Caller("operator@example.com", Role.OPERATOR), customer=made)
    access.set_partner_management(caller=admin(made), customer=made, on=True)
    access.begin_acting(caller=staff(made), customer=made)


def test_staff_cannot_open_the_switch_for_itself() -> None:
    made = customer()
    acting = Caller("operator@example.com", Role.OPERATOR, acting_for=made)

    for caller in (staff(made), acting, Caller("v@example.com", Role.CUSTOMER_VIEWER, customer_id=made.pk)):
        with pytest.raises(Invalid, match="own administrator"):
            access.set_partner_management(caller=caller, customer=made, on=True)


def user_of(made: Customer) -> User:
    return add_user(
        actor=ACTOR, email="a@example.com", role=Role.CUSTOMER_ADMIN, password="correct-horse-battery", customer=made
    )


def test_without_a_list_people_come_from_anywhere_with_one_from_there() -> None:
    made = customer()
    user = user_of(made)
    assert access.is_address_allowed(user, "203.0.113.1")

    access.set_allowed_networks(caller=admin(made), networks=["198.51.100.0/24", "2001:db8::/32", "198.51.100.0/24"])

    assert access.is_address_allowed(user, "198.51.100.200")
    assert access.is_address_allowed(user, "2001:db8::7")
    assert not access.is_address_allowed(user, "203.0.113.1")
    access.set_allowed_networks(caller=admin(made), networks=[])
    assert access.is_address_allowed(user, "203.0.113.1")


def test_nobody_locks_himself_out() -> None:
    made = customer()

    with pytest.raises(Invalid, match=r"Your own address 198\.51\.100\.7 is not among these"):
        access.set_allowed_networks(caller=admin(made), networks=["203.0.113.0/24"])


def test_what_is_no_network_is_refused() -> None:
    with pytest.raises(Invalid, match="not an address or network"):
        access.set_allowed_networks(caller=admin(customer()), networks=["all"])


def test_list_of_one_tenant_is_not_that_of_another() -> None:
    made, other = customer("Example"), customer("Other")
    user = user_of(other)
    access.set_allowed_networks(caller=admin(made), networks=["198.51.100.0/24"])

    assert access.is_address_allowed(user, "203.0.113.1")
    assert access.allowed_networks(admin(other)) == []
