"""Sender relays with login, and their test."""

from typing import Any

import pytest
from tests.portal.web.conftest import People, SignedIn
from tests.support.portal import ACTOR, living_document

from outgate.contract.policy import Login, RelayTls
from outgate.contract.wire import DialogueLine, RelayTest, RelayTested
from outgate.portal.accounts.models import AuditEntry
from outgate.portal.outbound import services
from outgate.portal.web import relay_tests
from outgate.portal.web.relay_tests import NotNow

pytestmark = pytest.mark.django_db(databases="__all__")
PAGE = "/customers/alpha/outbound/"
RELAY = {"domain": "alpha.example", "host": "relay.example.net", "port": "587", "tls": "required"}


@pytest.fixture
def alpha(people: People, signed_in: SignedIn) -> Any:
    services.vouch_for_domain(
        actor=ACTOR, domain=services.add_domain(actor=ACTOR, customer=people.alpha, name="alpha.example")
    )
    return signed_in(people.admin)


def test_login_reaches_the_workers_and_no_page(alpha: Any, people: People) -> None:
    answer = alpha.post(f"{PAGE}relays/", {**RELAY, "login": "ann", "password": "s3cret!"}, follow=True)
    page = answer.content.decode()
    assert "ann" in page
    assert "s3cret!" not in page
    [relay] = living_document(people.alpha).sender_relays
    assert relay.login == Login("ann", "s3cret!")
    assert "s3cret!" not in str(AuditEntry.objects.latest("pk").detail)


def test_empty_password_keeps_the_stored_one_for_the_same_host_only(alpha: Any, people: People) -> None:
    alpha.post(f"{PAGE}relays/", {**RELAY, "login": "ann", "password": "s3cret!"})
    alpha.post(f"{PAGE}relays/", {**RELAY, "login": "ann", "password": "", "port": "2525"})
    [relay] = living_document(people.alpha).sender_relays
    assert (relay.port, relay.login) == (2525, Login("ann", "s3cret!"))
    answer = alpha.post(f"{PAGE}relays/", {**RELAY, "host": "evil.example.net", "login": "ann", "password": ""})
    assert answer.status_code == 422
    assert 'id="relay-password-error"' in answer.content.decode()


def test_wrong_form_does_not_show_the_password_again(alpha: Any) -> None:
    answer = alpha.post(f"{PAGE}relays/", {**RELAY, "port": "x", "login": "ann", "password": "s3cret!"})
    assert answer.status_code == 422
    assert "s3cret!" not in answer.content.decode()


class FakeTest:
    def __init__(self) -> None:
        self.asked: list[RelayTest] = []

    def __call__(self, _customer: int, wanted: RelayTest) -> RelayTested:
        self.asked.append(wanted)
        lines = (DialogueLine("<", "220 <script>hi</script>", 0.01), DialogueLine(">", "EHLO outgate.example", 0.02))
        return RelayTested(True, "The relay takes connections.", lines, "TLSv1.3", "certificate: for relay.example.net")


def test_test_shows_the_dialogue_and_changes_nothing(
    alpha: Any, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    tested = FakeTest()
    monkeypatch.setattr(relay_tests, "test", tested)
    page = alpha.post(f"{PAGE}relays/test/", {**RELAY, "login": "ann", "password": "s3cret!"}).content.decode()
    assert "The relay takes connections." in page
    assert "220 &lt;script&gt;hi&lt;/script&gt;" in page
    assert "s3cret!" not in page
    assert living_document(people.alpha).sender_relays == ()
    assert tested.asked == [RelayTest("relay.example.net", 587, RelayTls.REQUIRED, Login("ann", "s3cret!"))]
    assert AuditEntry.objects.filter(action="relay.tested").exists()


def test_stored_password_is_tried_with_its_own_host_only(
    alpha: Any, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    tested = FakeTest()
    monkeypatch.setattr(relay_tests, "test", tested)
    alpha.post(f"{PAGE}relays/", {**RELAY, "login": "ann", "password": "s3cret!"})
    alpha.post(f"{PAGE}relays/test/", {**RELAY, "login": "ann"})
    assert tested.asked[-1].login == Login("ann", "s3cret!")
    answer = alpha.post(f"{PAGE}relays/test/", {**RELAY, "host": "evil.example.net", "login": "ann"})
    assert answer.status_code == 422
    assert len(tested.asked) == 1


def test_what_cannot_be_tested_says_why(alpha: Any, people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    for form in ({**RELAY, "host": "127.0.0.1"}, {**RELAY, "port": "x"}, {**RELAY, "tls": "never"}):
        assert alpha.post(f"{PAGE}relays/test/", form).status_code == 422
    answer = alpha.post(f"{PAGE}relays/test/", RELAY)
    assert "No worker is running on this machine" in answer.content.decode()


def test_tests_are_few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay_tests, "_ask", lambda _: RelayTested(True, ""))
    monkeypatch.setattr(relay_tests, "_last", {})
    wanted = RelayTest("relay.example.net", 25, RelayTls.OPPORTUNISTIC)
    assert relay_tests.test(1, wanted).is_good
    with pytest.raises(NotNow, match="a moment ago"):
        relay_tests.test(1, wanted)
    assert relay_tests.test(2, wanted).is_good
    for _ in range(relay_tests.AT_ONCE):
        relay_tests._room.acquire()
    try:
        with pytest.raises(NotNow, match="Other tests"):
            relay_tests.test(3, wanted)
    finally:
        for _ in range(relay_tests.AT_ONCE):
            relay_tests._room.release()
