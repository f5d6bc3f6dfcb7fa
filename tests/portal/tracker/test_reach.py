"""Who reaches which message, and the line that staff leaves behind."""

from datetime import timedelta

import pytest
from django.utils import timezone
from tests.portal.web.conftest import People, people, without_right
from tests.support.tracked import accept, refuse

from outgate.portal.accounts.caller import Caller
from outgate.portal.accounts.models import AuditEntry, CustomerAccess, Right
from outgate.portal.errors import NotFound
from outgate.portal.tracker.models import TrackedMessage
from outgate.portal.tracker.reach import check_may_see_mail, found_by_staff, record_look

__all__ = ["people"]
pytestmark = pytest.mark.django_db(databases="__all__")


def test_operator_finds_every_message(people: People) -> None:
    operator = Caller.of_user(people.operator)

    assert found_by_staff(operator, accept(1).lower())[1] == people.alpha
    assert found_by_staff(operator, accept(2, customer="beta"))[1] == people.beta
    assert found_by_staff(operator, refuse(3, customer=""))[1] is None
    assert found_by_staff(operator, accept(4, customer="gone"))[1] is None


def test_partner_finds_its_customers_messages_alone(people: People) -> None:
    staff = Caller.of_user(people.staff)

    assert found_by_staff(staff, accept(1))[1] == people.alpha
    for name in (accept(2, customer="beta"), refuse(3, customer=""), accept(4, customer="gone"), "T000000000000", "x"):
        with pytest.raises(NotFound):
            found_by_staff(staff, name)


def test_partner_finds_nothing_of_a_customer_that_has_closed_its_door(people: People) -> None:
    name = accept(1)
    CustomerAccess.objects.create(customer=people.alpha, partner_management=False)

    with pytest.raises(NotFound):
        found_by_staff(Caller.of_user(people.staff), name)
    assert found_by_staff(Caller.of_user(people.operator), name)[1] == people.alpha


def test_partner_needs_the_right_also_while_it_acts_for_a_customer(people: People) -> None:
    name = accept(1)
    staff = without_right(people.staff, Right.TRACKER)

    for caller in (Caller.of_user(staff), Caller.of_user(staff, acting_for=people.alpha)):
        with pytest.raises(NotFound, match="rights do not include"):
            check_may_see_mail(caller)
    with pytest.raises(NotFound):
        found_by_staff(Caller.of_user(staff), name)
    check_may_see_mail(Caller.of_user(people.viewer))


def test_looks_of_staff_are_recorded_once_an_hour(people: People) -> None:
    first, second = (TrackedMessage.objects.get(pk=accept(number)) for number in (1, 2))
    before = AuditEntry.objects.count()
    acting = Caller.of_user(people.staff, acting_for=people.alpha)

    record_look(acting, people.alpha, first)
    record_look(acting, people.alpha, first)
    record_look(acting, people.alpha, second)
    record_look(Caller.of_user(people.operator), people.alpha, first)
    record_look(Caller.of_user(people.admin), people.alpha, first)
    lines = list(AuditEntry.objects.order_by("number")[before:])
    assert [(line.action, line.actor, line.acting_as, line.object, line.customer) for line in lines] == [
        ("message.viewed", "staff@example.com", "alpha", f"alpha/{first.queue_id}", "alpha"),
        ("message.viewed", "staff@example.com", "alpha", f"alpha/{second.queue_id}", "alpha"),
        ("message.viewed", "operator@example.com", "", f"alpha/{first.queue_id}", "alpha"),
    ]


def test_look_after_an_hour_is_recorded_again(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    message = TrackedMessage.objects.get(pk=accept(1))
    operator, before = Caller.of_user(people.operator), AuditEntry.objects.count()
    record_look(operator, people.alpha, message)
    later = timezone.now() + timedelta(minutes=61)
    monkeypatch.setattr(timezone, "now", lambda: later)

    record_look(operator, people.alpha, message)
    assert AuditEntry.objects.count() == before + 2
