"""Alarms outlive what was refused, and only the operator sees them."""

import logging

import pytest
from django.db import transaction
from tests.support.portal import ACTOR, actions, customer

from outgate.portal.accounts.alarms import outliving, raise_alarm
from outgate.portal.accounts.caller import Caller
from outgate.portal.accounts.models import AuditEntry, Right, Role
from outgate.portal.accounts.scope import audit_of
from outgate.portal.feed.changes import changes

pytestmark = pytest.mark.django_db(databases="__all__")


class Refused(Exception):
    pass


def test_alarm_stays_when_the_change_is_taken_back_even_one_within_another() -> None:
    made = customer()

    def refuse() -> None:
        made.name = "Changed"
        made.save()
        raise_alarm(ACTOR, "tenant.contested", "example/x", holder="other")
        assert "tenant.contested" not in actions()
        raise Refused

    with pytest.raises(Refused), outliving(), transaction.atomic(), changes(), changes():
        refuse()
    made.refresh_from_db()
    assert made.name == "Example"
    assert actions()[-1] == "tenant.contested"
    assert AuditEntry.objects.latest("number").detail == {"holder": "other"}


def test_alarm_outside_a_change_is_written_at_once(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, "outgate.alarm"):
        raise_alarm(ACTOR, "tenant.contested", "example/x", holder="other")
    assert actions()[-1] == "tenant.contested"
    record = caplog.records[-1]
    assert record.event == "tenant.contested"  # type: ignore[attr-defined]
    assert record.detail == {"actor": ACTOR.name, "object": "example/x", "holder": "other"}  # type: ignore[attr-defined]


def test_nobody_but_the_operator_sees_it() -> None:
    made = customer()
    raise_alarm(ACTOR, "tenant.contested", made.slug, holder="other")

    def sees(caller: Caller) -> bool:
        return audit_of(caller).filter(action="tenant.contested").exists()

    assert sees(Caller("o", Role.OPERATOR))
    assert not sees(Caller("o", Role.OPERATOR, acting_for=made))
    assert not sees(Caller("a", Role.CUSTOMER_ADMIN, customer_id=made.pk))
    assert not sees(Caller("p", Role.PARTNER, partner_id=made.partner_id, rights=frozenset({Right.AUDIT.value})))
