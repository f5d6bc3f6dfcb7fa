"""Passwords by link: the pages, and what they tell to whom."""

import re
import time
from typing import Any

import msgspec
import pytest
from django.conf import settings as django_settings
from django.test import Client
from django.utils import timezone
from tests.portal.web.conftest import PASSWORD, People, SignedIn
from tests.support.portal import actions

from outgate.contract.commands import SendNotice
from outgate.portal.accounts import links
from outgate.portal.accounts.models import User
from outgate.portal.customers.models import Customer
from outgate.portal.feed.codec import decode_command
from outgate.portal.feed.models import OrderedCommand, WorkerState
from outgate.portal.feed.services import record_heartbeat
from outgate.portal.web.log import SECRET_PATHS
from outgate.portal.web.views import passwords

pytestmark = pytest.mark.django_db(databases="__all__")
FORGOTTEN = "/account/password/forgotten/"
SITE = "https://portal.example.com"
NEW = "another-horse-battery"


@pytest.fixture
def public(settings: Any) -> None:
    """The operator has named the portal's address, and a worker lives."""
    settings.SITE = msgspec.structs.replace(django_settings.SITE, url=SITE, has_public_url=True)
    record_heartbeat(worker="mx1/1", revision=1, queued=0, now=timezone.now())


@pytest.fixture(autouse=True)
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long the answers would have waited."""
    found: list[float] = []
    monkeypatch.setattr(passwords, "sleep", found.append)
    return found


def newest_letter() -> SendNotice:
    letter = decode_command(OrderedCommand.objects.latest("pk").body)
    assert isinstance(letter, SendNotice)
    return letter


def path_in(letter: SendNotice) -> str:
    found = re.search(rf"{re.escape(SITE)}(/\S+)", letter.text)
    assert found, letter.text
    return found[1]


def test_the_whole_way_back_in(people: People, public: None, client: Client, signed_in: SignedIn) -> None:
    elsewhere = signed_in(people.admin)
    assert FORGOTTEN in client.get("/account/login/").content.decode()
    answer = client.post(FORGOTTEN, {"email": people.admin.email})
    assert "a link is on its way" in answer.content.decode()

    followed = client.get(path_in(newest_letter()))
    assert followed.headers["Location"] == "/account/password/link/"  # without the secret
    assert people.admin.email in client.get(followed.headers["Location"]).content.decode()
    for wrong, field in (({"password": NEW, "again": "x"}, "again"), ({"password": "a", "again": "a"}, "password")):
        refused = client.post("/account/password/link/", wrong)
        assert refused.status_code == 422
        assert f'id="{field}-error"' in refused.content.decode()
        assert 'value="another' not in refused.content.decode()
    done = client.post("/account/password/link/", {"password": NEW, "again": NEW}, follow=True)
    assert "Sign in with it" in done.content.decode()
    assert elsewhere.get("/customers/alpha/").status_code == 302  # signed out
    assert client.get("/customers/alpha/").status_code == 302  # nobody is signed in by a link
    assert client.post("/account/login/", {"login": people.admin.email, "password": PASSWORD}).status_code == 200
    assert client.post("/account/login/", {"login": people.admin.email, "password": NEW}).status_code == 302


def test_link_works_once_and_looking_at_it_uses_nothing_up(people: People, public: None) -> None:
    Client().post(FORGOTTEN, {"email": people.admin.email})
    path = path_in(newest_letter())

    for _ in range(3):
        assert Client().get(path).status_code == 302
    first, second = Client(), Client()
    for client in (first, second):
        client.get(path)
    assert first.post("/account/password/link/", {"password": NEW, "again": NEW}).status_code == 302
    assert second.post("/account/password/link/", {"password": NEW, "again": NEW}).status_code == 404
    gone = Client().get(path)
    assert gone.status_code == 404
    assert "This link works no more" in gone.content.decode()
    assert Client().get("/account/password/link/never-was/").status_code == 404


def test_staff_that_comes_back_by_a_link_still_needs_its_second_factor(people: People, public: None) -> None:
    client = Client()
    client.post(FORGOTTEN, {"email": people.operator.email})
    client.get(path_in(newest_letter()))
    client.post("/account/password/link/", {"password": NEW, "again": NEW})

    answer = client.post("/account/login/", {"login": people.operator.email, "password": NEW})
    assert answer.headers["Location"].startswith("/account/security/authenticate/")
    assert client.get("/customers/").status_code == 302


def test_known_and_unknown_are_answered_alike(people: People, public: None, client: Client) -> None:
    pages = []
    for email in (people.admin.email, "nobod@alpha.example"):  # of the same length
        answer = client.post(FORGOTTEN, {"email": email})
        text = answer.content.decode().replace(email, "EMAIL")
        pages.append((answer.status_code, dict(answer.headers), re.sub(r'value="\w{64}"', "", text)))
    assert pages[0] == pages[1]
    assert OrderedCommand.objects.count() == 1


def test_time_does_not_tell_either(people: People, public: None, client: Client, slept: list[float]) -> None:
    for email in (people.admin.email, "nobody@alpha.example"):
        begin = time.monotonic()
        client.post(FORGOTTEN, {"email": email})
        assert time.monotonic() - begin + slept.pop() >= passwords.ANSWER_SECONDS
    client.post(FORGOTTEN, {"email": ""})
    assert not slept


def test_who_asks_too_often_from_one_address_is_told_so(people: People, public: None, client: Client) -> None:
    for number in range(links.REQUESTS_PER_ADDRESS):
        assert client.post(FORGOTTEN, {"email": f"u{number}@example.com"}).status_code == 200
    for email in (people.admin.email, "nobody@alpha.example"):
        assert client.post(FORGOTTEN, {"email": email}).status_code == 429
    assert not OrderedCommand.objects.exists()


def test_link_is_made_with_the_operators_address_whatever_the_request_says(
    people: People, public: None, client: Client, settings: Any
) -> None:
    settings.ALLOWED_HOSTS = ["*"]
    more = {"HTTP_HOST": "evil.example", "HTTP_X_FORWARDED_HOST": "evil.example"}

    assert client.post(FORGOTTEN, {"email": people.admin.email}, **more).status_code == 200  # type: ignore[arg-type]
    assert "evil" not in newest_letter().text
    assert f"{SITE}/account/password/link/" in newest_letter().text


def test_without_a_public_address_there_is_none_of_it(people: People, client: Client, signed_in: SignedIn) -> None:
    record_heartbeat(worker="mx1/1", revision=1, queued=0, now=timezone.now())

    assert FORGOTTEN not in client.get("/account/login/").content.decode()
    assert client.get(FORGOTTEN).status_code == 404
    assert client.post(FORGOTTEN, {"email": people.admin.email}).status_code == 404
    assert client.get("/account/password/link/abc/").status_code == 404
    assert client.get("/account/password/link/").status_code == 404
    staff = signed_in(people.admin)
    assert 'name="how"' not in staff.get("/team/").content.decode()
    made = staff.post("/team/", {"email": "a@alpha.example", "role": "customer-viewer", "how": "mail"})
    assert made.context["password"]
    staff.post(f"/team/{people.viewer.pk}/", {"do": "link"})
    assert not OrderedCommand.objects.exists()


def test_invited_person_chooses_a_password(people: People, public: None, signed_in: SignedIn) -> None:
    admin = signed_in(people.admin)
    form = {"email": "new@alpha.example", "name": "New", "role": "customer-viewer", "how": "mail"}
    answer = admin.post("/team/", form)
    assert "was invited" in answer.content.decode()
    assert answer.context["password"] == ""
    assert actions()[-2:] == ["user.added", "user.invited"]
    new = User.objects.get(email="new@alpha.example")
    assert not new.has_usable_password()
    assert "Invited" in admin.get("/team/").content.decode()
    assert "Invitation" in admin.get(f"/team/{new.pk}/").content.decode()

    client = Client()
    client.get(path_in(newest_letter()))
    client.post("/account/password/link/", {"password": NEW, "again": NEW})
    assert client.post("/account/login/", {"login": new.email, "password": NEW}).status_code == 302
    assert client.get("/customers/alpha/").status_code == 200
    assert "Invited" not in admin.get("/team/").content.decode()


def test_nobody_is_added_when_the_letter_cannot_be_sent(people: People, public: None, signed_in: SignedIn) -> None:
    WorkerState.objects.all().delete()
    form = {"email": "new@alpha.example", "role": "customer-viewer", "how": "mail"}

    answer = signed_in(people.admin).post("/team/", form)
    assert answer.status_code == 422
    assert "no worker of Outgate runs" in answer.content.decode()
    assert not User.objects.filter(email="new@alpha.example").exists()


def test_first_administrator_of_a_new_customer_is_invited(people: People, public: None, signed_in: SignedIn) -> None:
    form = {
        "name": "Gamma",
        "plan": "gateway",
        "mail_platform": "other",
        "admin_email": "admin@gamma.example",
        "how": "mail",
    }
    answer = signed_in(people.staff).post("/customers/new/", form)
    assert "on its way to admin@gamma.example" in answer.content.decode()
    assert newest_letter().recipients == ("admin@gamma.example",)

    WorkerState.objects.all().delete()
    again = signed_in(people.staff).post("/customers/new/", {**form, "name": "Delta", "admin_email": "a@delta.example"})
    assert again.status_code == 422
    assert not Customer.objects.filter(name="Delta").exists()


def test_administrator_sends_a_link_and_changes_an_address(people: People, public: None, signed_in: SignedIn) -> None:
    admin, viewer = signed_in(people.admin), signed_in(people.viewer)
    path = f"/team/{people.viewer.pk}/"

    page = admin.post(path, {"do": "link"}, follow=True).content.decode()
    assert "A link was sent to viewer@alpha.example" in page
    assert newest_letter().recipients == ("viewer@alpha.example",)
    assert actions()[-1] == "user.password-link-sent"
    assert viewer.get("/customers/alpha/").status_code == 200  # nothing has changed yet

    refused = admin.post(path, {"do": "email", "email": "admin@alpha.example"})
    assert refused.status_code == 422
    assert "already a user" in refused.content.decode()
    assert admin.post(path, {"do": "email", "email": "Look@alpha.example"}).status_code == 302
    assert User.objects.get(pk=people.viewer.pk).email == "look@alpha.example"
    assert newest_letter().recipients == ("look@alpha.example",)


def test_own_changes_are_logged_and_told(people: People, public: None, signed_in: SignedIn) -> None:
    client = Client()
    client.post("/account/login/", {"login": people.admin.email, "password": PASSWORD})
    form = {"oldpassword": PASSWORD, "password1": NEW, "password2": NEW}

    assert client.post("/account/password/", form).status_code == 302
    assert actions()[-1] == "user.password-set"
    letter = newest_letter()
    assert letter.recipients == (people.admin.email,)
    assert "A new password was set." in letter.text
    assert "from 127.0.0.1" in letter.text


def test_paths_with_secrets_are_known_to_the_log() -> None:
    assert links.PATH in SECRET_PATHS
