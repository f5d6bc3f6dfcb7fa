"""What is outside the caller's tenant is not there."""

from collections.abc import Callable

import pytest
from tests.support.portal import ACTOR, customer, partner

from outgate.portal.accounts import audit, scope
from outgate.portal.accounts.audit import Actor
from outgate.portal.accounts.caller import Caller
from outgate.portal.accounts.models import CustomerAccess, Right, Role
from outgate.portal.accounts.services import add_user
from outgate.portal.errors import NotFound

pytestmark = pytest.mark.django_db(databases="__all__")
ALL = frozenset(Right.values)


def test_customers_by_caller() -> None:
    alpha, beta = customer("Alpha"), customer("Beta")
    beta.partner = partner("other")
    beta.save()

    def seen(caller: Caller) -> set[str]:
        return set(scope.customers_of(caller).values_list("slug", flat=True))

    assert seen(Caller("o", Role.OPERATOR)) == {"alpha", "beta"}
    assert seen(Caller("p", Role.PARTNER, partner_id=alpha.partner_id)) == {"alpha"}
    assert seen(Caller("a", Role.CUSTOMER_ADMIN, customer_id=beta.pk)) == {"beta"}
    assert seen(Caller("o", Role.OPERATOR, acting_for=alpha)) == {"alpha"}
    assert seen(Caller("nobody", Role.PARTNER)) == set()
    assert seen(Caller("nobody", Role.CUSTOMER_VIEWER)) == set()


def test_absent_and_foreign_rows_are_refused_alike() -> None:
    alpha, beta = customer("Alpha"), customer("Beta")
    caller = Caller("a", Role.CUSTOMER_ADMIN, customer_id=alpha.pk)
    texts = []
    for slug in (beta.slug, "never-was"):
        with pytest.raises(NotFound) as caught:
            scope.customer_of(caller, slug)
        texts.append(caught.value.public_message)
    assert texts[0] == texts[1]


@pytest.mark.parametrize("rows", [scope.users_of, scope.keys_of, scope.partners_of, scope.regions_of])
def test_viewer_manages_nothing(rows: Callable[[Caller], object]) -> None:
    made = customer()
    assert list(rows(Caller("v", Role.CUSTOMER_VIEWER, customer_id=made.pk))) == []  # type: ignore[call-overload]


def test_partner_staff_without_the_right_sees_no_audit_log() -> None:
    made = customer()
    some = Caller("p", Role.PARTNER, partner_id=made.partner_id, rights=ALL - {Right.AUDIT.value})

    assert not scope.audit_of(some)
    assert scope.audit_of(Caller("p", Role.PARTNER, partner_id=made.partner_id, rights=ALL))


def test_closed_door_holds_for_keys_and_for_the_partners_audit_log() -> None:
    made = customer()
    person = Caller("p", Role.PARTNER, partner_id=made.partner_id, rights=ALL)
    key = Caller("k", Role.PARTNER, partner_id=made.partner_id, rights=ALL, scopes=frozenset({"customers:write"}))
    audit.record(Actor("admin@example.com"), "source.added", f"{made.slug}/before")
    assert scope.customers_of(key).exists()

    CustomerAccess.objects.create(customer=made, partner_management=False)
    audit.record(Actor("staff@example.com", "", made.slug), "source.removed", f"{made.slug}/staff")

    assert not scope.customers_of(key).exists()
    assert scope.customers_of(person).exists()  # in the list, as closed
    seen = set(scope.audit_of(person).values_list("action", flat=True))
    assert "source.removed" in seen
    assert "source.added" not in seen


def test_people_of_a_customer_are_not_their_partners_to_manage() -> None:
    made = customer()
    add_user(
        actor=ACTOR, email="a@example.com", role=Role.CUSTOMER_ADMIN, password="correct-horse-battery", customer=made
    )

    assert not scope.users_of(Caller("p", Role.PARTNER, partner_id=made.partner_id, rights=ALL))
    assert scope.users_of(Caller("p", Role.PARTNER, partner_id=made.partner_id, rights=ALL, acting_for=made))
