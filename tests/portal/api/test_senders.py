"""Limits and locked senders by the API."""

from typing import Any

import pytest
from tests.portal.api.conftest import Api, api_of
from tests.portal.web.conftest import People
from tests.support.portal import ACTOR, living_document

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


def test_limits_are_read_set_and_read_again(alpha: Api, people: People) -> None:
    before = alpha.get("/customers/alpha/limits").json()
    assert before["rules"][0] == {"scope": "mailbox", "counted": "recipients", "seconds": 300, "maximum": 50}
    rule = {"scope": "customer", "counted": "messages", "seconds": 600, "maximum": 7}
    answer = alpha.send("PUT", "/customers/alpha/limits", {"rules": [rule], "exempt": ["@alpha.example"]})
    assert answer.status_code == 200, answer.content
    assert (answer.json()["rules"], answer.json()["exempt"]) == ([rule], ["@alpha.example"])
    assert living_document(people.alpha).limits.limits[0].maximum == 7
    assert alpha.get("/customers/alpha/limits").json() == answer.json()
    assert alpha.send("PUT", "/customers/alpha/limits", {}).json() == before


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"rules": [{"scope": "planet", "counted": "messages", "seconds": 600, "maximum": 7}]}, "scope"),
        ({"exempt": ["nobody"]}, "exempt[0]"),
        ({"lock_factor": 0.5}, "lock_factor"),
        ({"invalid_percent": 101}, "invalid_percent"),
    ],
    ids=["scope", "exempt", "factor", "percent"],
)
def test_mistake_in_limits_names_its_field(alpha: Api, body: dict[str, Any], field: str) -> None:
    answer = alpha.send("PUT", "/customers/alpha/limits", body)
    assert answer.status_code == 422
    assert any(field in each["field"] for each in answer.json()["errors"]), answer.content


def test_sender_is_locked_and_unlocked(alpha: Api) -> None:
    answer = alpha.send("POST", "/customers/alpha/locked-senders", {"mailbox": "Eve@alpha.example", "seconds": 60})
    assert (answer.status_code, answer.json()["mailbox"]) == (200, "eve@alpha.example")
    assert len(alpha.get("/customers/alpha/locked-senders").json()["items"]) == 1
    wanted = {"mailbox": "eve@alpha.example"}
    assert alpha.send("POST", "/customers/alpha/locked-senders/unlock", wanted).status_code == 204
    assert alpha.send("POST", "/customers/alpha/locked-senders", {"mailbox": "nobody"}).status_code == 422
