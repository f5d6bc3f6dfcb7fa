"""Signing in, step by step, and what stops who guesses."""

from typing import Any

import pytest
from django.conf import settings
from django.core.cache import cache
from django.test import Client
from tests.portal.web.conftest import PASSWORD, People, SignedIn
from tests.support.browser import code_of
from tests.support.portal import actions

from outgate.portal.accounts.lockout import FAILURES_PER_ACCOUNT_AND_ADDRESS
from outgate.portal.accounts.models import AllowedNetwork, AuditEntry, User
from outgate.portal.accounts.services import reset_second_factors, set_active
from outgate.portal.web.sealing import unseal

pytestmark = pytest.mark.django_db(databases="__all__")
LOGIN, CODE = "/account/login/", "/account/security/authenticate/"


def enter(client: Client, email: str, password: str = PASSWORD, **more: Any) -> Any:
    return client.post(LOGIN, {"login": email, "password": password}, **more)


def test_customer_signs_in_with_a_password(people: People, client: Client) -> None:
    answer = enter(client, "Admin@Alpha.example", follow=True)

    assert answer.redirect_chain[-1][0] == "/customers/alpha/"
    entry = AuditEntry.objects.latest("number")
    assert (entry.action, entry.actor, entry.customer) == ("user.signed-in", "admin@alpha.example", "alpha")


def test_staff_needs_its_second_factor(people: People, client: Client) -> None:
    secret = _secret(people.operator)
    assert enter(client, people.operator.email).headers["Location"].startswith(CODE)
    assert client.get("/customers/").status_code == 302
    assert "user.signed-in" not in actions()

    assert client.post(CODE, {"code": code_of(secret)}, follow=True).redirect_chain[-1][0] == "/customers/"


def _secret(user: User) -> str:
    from allauth.mfa.models import Authenticator

    return unseal(Authenticator.objects.get(user=user, type="totp").data["secret"], [str(settings.SECRET_KEY)])


def test_staff_without_a_factor_can_only_set_one_up(people: People, client: Client) -> None:
    reset_second_factors(actor=_actor(), user=people.staff)
    answer = enter(client, people.staff.email, follow=True)

    assert answer.redirect_chain[-1][0] == "/account/security/"
    assert "Set up a second factor to go on" in answer.content.decode()
    for path in ("/customers/", "/team/", "/audit/", "/keys/", "/customers/alpha/"):
        assert client.get(path).headers["Location"] == "/account/security/"
    assert client.post("/customers/alpha/login-as/").headers["Location"] == "/account/security/"
    page = client.get("/account/security/totp/activate/")
    assert page.status_code == 200  # without being asked for the password again: it was given just now
    secret = page.context["form"].secret
    done = client.post("/account/security/totp/activate/", {"code": code_of(secret)}, follow=True)
    assert "ecovery" in done.content.decode()
    assert client.get("/customers/").status_code == 200


def _actor() -> Any:
    from tests.support.portal import ACTOR

    return ACTOR


def test_wrong_passwords_lock_and_the_right_one_does_not_help_then(people: People, client: Client) -> None:
    for _ in range(FAILURES_PER_ACCOUNT_AND_ADDRESS):
        assert enter(client, people.admin.email, "wrong-horse-battery").status_code == 200

    page = enter(client, people.admin.email).content.decode()
    assert "Too many failed attempts. Try again in 15 minutes." in page
    assert actions().count("user.sign-in-locked") == 1
    assert enter(client, people.viewer.email).status_code == 302  # another account is not harmed


def test_lock_is_of_the_address(people: People, client: Client) -> None:
    for _ in range(FAILURES_PER_ACCOUNT_AND_ADDRESS):
        enter(client, people.admin.email, "wrong-horse-battery", REMOTE_ADDR="203.0.113.9")

    assert enter(client, people.admin.email, REMOTE_ADDR="198.51.100.7").status_code == 302


def test_codes_cannot_be_guessed(people: People, client: Client) -> None:
    secret = _secret(people.operator)
    enter(client, people.operator.email)
    for number in range(FAILURES_PER_ACCOUNT_AND_ADDRESS):
        assert client.post(CODE, {"code": f"{number:06}"}).status_code == 200

    page = client.post(CODE, {"code": code_of(secret)}).content.decode()
    assert "Too many failed attempts" in page
    assert client.get("/customers/").status_code == 302
    assert "Too many failed attempts" in enter(Client(), people.operator.email).content.decode()


def test_code_counts_once(people: People, client: Client) -> None:
    secret = _secret(people.operator)
    code = code_of(secret)
    enter(client, people.operator.email)
    assert client.post(CODE, {"code": code}).status_code == 302

    other = Client()
    enter(other, people.operator.email)
    assert other.post(CODE, {"code": code}).status_code == 200


def test_used_code_is_refused_in_another_process_and_so_is_an_older_one(people: People) -> None:
    """What the library remembers is in its own process, and forgotten after 30 seconds."""
    secret = _secret(people.operator)
    first, second = Client(), Client()
    for client in (first, second):
        enter(client, people.operator.email)
    newer, current = code_of(secret, steps_ahead=1), code_of(secret)
    assert first.post(CODE, {"code": newer}).status_code == 302

    cache.clear()
    for code in (newer, current):
        answer = second.post(CODE, {"code": code})
        assert "This code was used" in answer.content.decode()
    assert second.get("/customers/").status_code == 302


def test_recovery_code_opens_once(people: People) -> None:
    from allauth.mfa.models import Authenticator

    codes = Authenticator.objects.get(user=people.operator, type="recovery_codes").wrap().get_unused_codes()
    for status in (302, 200):
        client = Client()
        enter(client, people.operator.email)
        assert client.post(CODE, {"code": codes[0]}).status_code == status


def test_unknown_account_and_wrong_password_look_alike(people: People, client: Client) -> None:
    texts = []
    for email in (people.admin.email, "nobody@alpha.example"):
        page = enter(client, email, "wrong-horse-battery").content.decode()
        texts.append(page.partition('role="alert">')[2].partition("<")[0])
    assert texts[0] == texts[1] != ""


def test_disabled_user_is_out_at_once(people: People, signed_in: SignedIn) -> None:
    client = signed_in(people.admin)
    set_active(actor=_actor(), user=people.admin, is_active=False)

    assert client.get("/customers/alpha/").status_code == 302
    assert enter(Client(), people.admin.email).status_code in (200, 302)
    assert "user.signed-in" not in actions()[-1:]


def test_session_is_another_after_signing_in(people: People, client: Client) -> None:
    client.get(LOGIN)
    session = client.session
    session["planted"] = "yes"
    session.save()
    client.cookies["outgate"] = str(session.session_key)

    enter(client, people.admin.email)
    assert client.session.session_key != session.session_key


def test_sign_in_leads_to_no_other_host(people: People, client: Client) -> None:
    answer = client.post(
        f"{LOGIN}?next=https://evil.example/",
        {"login": people.admin.email, "password": PASSWORD, "next": "//evil.example"},
    )
    assert "evil" not in answer.headers["Location"]


def test_nobody_signs_up(people: People, client: Client) -> None:
    for path in ("/account/signup/", "/account/password/reset/", "/account/social/signup/"):
        client.post(path, {"email": "new@example.com", "password1": PASSWORD, "password2": PASSWORD})
    assert not User.objects.filter(email="new@example.com").exists()
    assert client.get("/account/signup/").status_code == 404


def test_who_comes_from_elsewhere_than_the_list_says_sees_nothing(people: People, signed_in: SignedIn) -> None:
    AllowedNetwork.objects.create(customer=people.alpha, network="198.51.100.0/24")
    client = signed_in(people.admin)

    answer = client.get("/customers/alpha/", REMOTE_ADDR="203.0.113.9")
    assert answer.status_code == 403
    assert "203.0.113.9 is not among them" in answer.content.decode()
    assert client.get("/customers/alpha/", REMOTE_ADDR="198.51.100.9").status_code == 200


def test_sessions_are_listed_and_ended(people: People) -> None:
    here, there = Client(), Client()
    for each in (here, there):
        enter(each, people.admin.email)
    page = here.get("/account/sessions/")
    assert len(page.context["sessions"]) == 2
    assert here.post("/account/sessions/", {"session": "others"}).status_code == 302

    assert there.get("/customers/alpha/").status_code == 302
    assert here.get("/customers/alpha/").status_code == 200
    (mine,) = here.get("/account/sessions/").context["sessions"]
    assert here.post("/account/sessions/", {"session": str(mine.pk)}).headers["Location"] == LOGIN
    assert here.get("/customers/alpha/").status_code == 302


def test_session_of_another_cannot_be_ended(people: People) -> None:
    from allauth.usersessions.models import UserSession

    here, there = Client(), Client()
    enter(here, people.admin.email)
    enter(there, people.foreign_admin.email)
    foreign = UserSession.objects.get(user=people.foreign_admin)

    here.post("/account/sessions/", {"session": str(foreign.pk)})
    assert there.get("/customers/beta/").status_code == 200


def test_new_password_by_the_team_ends_all_sessions(people: People, signed_in: SignedIn) -> None:
    victim = Client()
    enter(victim, people.viewer.email)

    page = signed_in(people.admin).post(f"/team/{people.viewer.pk}/", {"do": "password"})
    new = page.context["password"]
    assert victim.get("/customers/alpha/").status_code == 302
    assert enter(Client(), people.viewer.email, new).status_code == 302
    assert new not in str(list(AuditEntry.objects.values()))
