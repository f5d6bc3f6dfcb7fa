"""Locked senders by the API."""

import pytest
from tests.portal.api.conftest import api_of
from tests.portal.web.conftest import People
from tests.support.portal import ACTOR

from outgate.portal.accounts.keys import Scope
from outgate.portal.limits import services

pytestmark = pytest.mark.django_db(databases="__all__")


def lock(people: People) -> None:
    services.lock_sender(actor=ACTOR, customer=people.alpha, mailbox="ann@alpha.example", seconds=3600)


def test_locked_mailbox_is_listed_and_unlocked_once(people: People) -> None:
    lock(people)
    api = api_of(people.admin)

    (listed,) = api.get("/customers/alpha/locked-senders").json()["items"]
    assert listed["mailbox"] == "ann@alpha.example"
    unlocking = {"mailbox": "Ann@alpha.example"}
    assert api.send("POST", "/customers/alpha/locked-senders/unlock", unlocking).status_code == 204
    assert api.get("/customers/alpha/locked-senders").json() == {"items": [], "next": None}
    assert api.send("POST", "/customers/alpha/locked-senders/unlock", unlocking).status_code == 404


def test_unlocking_needs_its_scope_and_the_own_tenant(people: People) -> None:
    lock(people)
    wanted = {"mailbox": "ann@alpha.example"}

    reader = api_of(people.admin, Scope.SENDERS_READ)
    assert reader.send("POST", "/customers/alpha/locked-senders/unlock", wanted).status_code == 403
    foreign = api_of(people.foreign_admin)
    assert foreign.send("POST", "/customers/alpha/locked-senders/unlock", wanted).status_code == 404
    assert foreign.get("/customers/alpha/locked-senders").status_code == 404
    assert len(reader.get("/customers/alpha/locked-senders").json()["items"]) == 1
