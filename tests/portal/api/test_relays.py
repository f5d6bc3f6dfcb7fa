"""Sender relays by the API."""

import pytest
from tests.portal.api.conftest import api_of
from tests.portal.web.conftest import People
from tests.support.portal import ACTOR, living_document

from outgate.contract.policy import Login
from outgate.contract.wire import DialogueLine, RelayTested
from outgate.portal.outbound import services
from outgate.portal.web import relay_tests

pytestmark = pytest.mark.django_db(databases="__all__")
PATH = "/customers/alpha/sender-relays"
WANTED = {"host": "relay.example.net", "port": 587, "tls": "verified", "login": "ann", "password": "s3cret!"}


@pytest.fixture(autouse=True)
def domain(people: People) -> None:
    services.add_domain(actor=ACTOR, customer=people.alpha, name="alpha.example")


def test_relay_is_set_listed_and_removed_and_its_password_never_comes_out(people: People) -> None:
    api = api_of(people.admin)
    answer = api.send("PUT", f"{PATH}/alpha.example", WANTED)
    assert answer.status_code == 200
    assert "s3cret!" not in answer.content.decode()
    assert living_document(people.alpha).sender_relays[0].login == Login("ann", "s3cret!")
    listed = api.get(PATH)
    assert [item["login"] for item in listed.json()["items"]] == ["ann"]
    assert "s3cret!" not in listed.content.decode()
    assert api.send("DELETE", f"{PATH}/alpha.example").status_code == 204
    assert api.get(PATH).json()["items"] == []


def test_mistakes_name_their_field(people: People) -> None:
    api = api_of(people.admin)
    answer = api.send("PUT", f"{PATH}/alpha.example", {**WANTED, "password": ""})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "password"
    assert api.send("PUT", f"{PATH}/other.example", WANTED).status_code == 422


def test_relay_is_tested(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    api = api_of(people.admin)
    assert api.send("POST", f"{PATH}/alpha.example/test").status_code == 404
    api.send("PUT", f"{PATH}/alpha.example", WANTED)
    assert api.send("POST", f"{PATH}/alpha.example/test").status_code == 409  # no worker is there
    monkeypatch.setattr(
        relay_tests, "test", lambda *_: RelayTested(True, "It works.", (DialogueLine("<", "220 hi", 0.1),))
    )
    answer = api.send("POST", f"{PATH}/alpha.example/test")
    assert answer.json()["works"]
    assert answer.json()["dialogue"] == [{"direction": "<", "text": "220 hi", "seconds": 0.1}]
