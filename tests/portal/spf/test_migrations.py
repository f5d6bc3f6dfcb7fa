"""What an upgrade does to what was written before."""

import importlib

import pytest
from django.apps import apps
from tests.support.portal import ACTOR, NOW, customer, sending_customer

from outgate.portal.outbound.services import add_domain
from outgate.portal.spf.models import SpfState
from outgate.portal.spf.services import claim_due

pytestmark = pytest.mark.django_db(databases="__all__")

migration = importlib.import_module("outgate.portal.spf.migrations.0002_wanted")


def test_domains_that_nobody_has_asked_about_are_due_and_others_are_left_alone() -> None:
    sending_customer("New", "new.example")
    add_domain(actor=ACTOR, customer=customer("Claims"), name="claimed.example")
    sending_customer("Old", "old.example", "9.9.9.8")
    SpfState.objects.exclude(domain__name="old.example").delete()
    SpfState.objects.update(wanted_at=None, retry_at=NOW)

    for _ in range(2):  # again, there is nothing to do
        migration.add_rows(apps, None)

    assert SpfState.objects.filter(wanted_at=None).count() == 3
    assert SpfState.objects.get(domain__name="old.example").retry_at == NOW
    assert [each.name for each in claim_due(now=SpfState.objects.latest("retry_at").retry_at, limit=10)] == [
        "old.example",
        "new.example",
    ]
