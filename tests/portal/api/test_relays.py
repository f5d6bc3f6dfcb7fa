"""Sender relays by the API."""

import pytest
from tests.portal.api.conftest import api_of
from tests.portal.web.conftest import People
from tests.support.portal import ACTOR, living_document

from outgate.contract.policy import Login
from outgate.contract.wire import DialogueLine, RelayTest, RelayTested
from outgate.portal.outbound import services
from outgate.portal.web import relay_tests

pytestmark = pytest.mark.django_db(databases="__all__")
PATH = "/customers/alpha/sender-relays"
TRY = "/customers/alpha/relay-tests"
WANTED = {"host": "relay.example.net", "port": 587, "tls": "verified", "login": "ann", "password": "s3cret!"}


@pytest.fixture(autouse=True)
def domain(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests follow each other faster than people's."""
    monkeypatch.setattr(relay_tests, "_last", {})
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


def test_relay_is_tried_before_it_is_set(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    api, tried = api_of(people.admin), list[RelayTest]()

    def test(_: int, wanted: RelayTest) -> RelayTested:
        tried.append(wanted)
        return RelayTested(True, "It works.")

    monkeypatch.setattr(relay_tests, "test", test)
    stored = {**WANTED, "password": "stored-one"}
    for body in (WANTED, {"host": "relay.example.net"}):
        assert api.send("POST", TRY, body).json()["works"]
    assert api.get(PATH).json()["items"] == []
    api.send("PUT", f"{PATH}/alpha.example", stored)
    api.send("POST", TRY, {**WANTED, "password": "", "domain": "Alpha.example"})

    logins = [each.login and each.login.password for each in tried]
    assert logins == ["s3cret!", None, "stored-one"]
    assert [(each.host, each.port) for each in tried] == [("relay.example.net", port) for port in (587, 25, 587)]


def test_stored_password_is_tried_at_no_other_host(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    api = api_of(people.admin)
    monkeypatch.setattr(relay_tests, "test", lambda *_: pytest.fail("it was tried"))
    api.send("PUT", f"{PATH}/alpha.example", WANTED)

    elsewhere = {"host": "evil.example.net"}, {"login": "bob"}, {"domain": ""}, {"domain": "beta.example"}
    for more in elsewhere:
        answer = api.send("POST", TRY, {**WANTED, "domain": "alpha.example", "password": "", **more})
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "password")
    answer = api.send("POST", TRY, {**WANTED, "domain": "no domain"})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "domain")
    for host in ("127.0.0.1", "localhost", ""):
        answer = api.send("POST", TRY, {**WANTED, "host": host})
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "host")
