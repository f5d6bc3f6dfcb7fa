"""What holds for every request and every answer."""

from typing import Any

import pytest
from django.conf import settings as live
from django.db import OperationalError
from django.test import Client
from tests.portal.web.conftest import PASSWORD, People, SignedIn

from outgate.portal.environment import OpenIdProvider, Site
from outgate.portal.web import readiness
from outgate.portal.web.headers import content_security_policy
from outgate.portal.web.views import customers

pytestmark = pytest.mark.django_db(databases="__all__")


def test_policy_lets_a_page_run_nothing_of_its_own(people: People, signed_in: SignedIn) -> None:
    for path in ("/customers/", "/account/login/", "/r/source-unknown", "/never-was", "/api/v1/customers"):
        answer = signed_in(people.operator).get(path)
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self';" in policy
        assert "style-src 'self';" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cache-Control"].startswith(("no-store", "max-age=0"))


def test_forms_may_lead_to_the_providers_that_people_sign_in_with() -> None:
    site = Site(openid=(OpenIdProvider("Example", "https://login.example/tenant/v2.0", "id", "secret"),))

    assert "form-action 'self' https://login.example;" in content_security_policy(site)


def test_form_without_its_token_changes_nothing(people: People) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(people.admin)

    answer = client.post("/customers/alpha/outbound/sources/", {"network": "9.9.9.9"})
    assert answer.status_code == 403
    assert "This form has expired" in answer.content.decode()
    assert not people.alpha.sources.exists()
    login = client.post("/account/login/", {"login": people.admin.email, "password": PASSWORD})
    assert login.status_code == 403


def test_cookies_are_kept_from_scripts_and_from_other_sites(people: People, client: Client) -> None:
    client.post("/account/login/", {"login": people.admin.email, "password": PASSWORD})

    session, token = client.cookies["outgate"], client.cookies["outgate-csrf"]
    assert session["httponly"]
    assert token["httponly"]
    assert (session["samesite"], token["samesite"]) == ("Lax", "Strict")


@pytest.mark.parametrize("path", ["/customers/", "/account/login/"])
def test_database_away_is_said_plainly(
    path: str, people: People, signed_in: SignedIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise OperationalError("connection refused: password=secret")

    client = signed_in(people.operator)
    client.raise_request_exception = False
    monkeypatch.setattr(customers, "customers_of", away)
    monkeypatch.setattr("django.contrib.sessions.backends.db.SessionStore.load", away)
    answer = client.get(path)
    assert answer.status_code == 503
    assert "Mail is relayed all the while" in answer.content.decode()
    assert "secret" not in answer.content.decode()


def test_until_the_tables_are_there_nothing_is_tried(monkeypatch: pytest.MonkeyPatch, client: Client) -> None:
    monkeypatch.setattr("outgate.portal.web.middleware.readiness", readiness.Readiness())

    assert client.get("/account/login/").status_code == 503
    assert client.get("/alive").status_code == 503


def test_alive_needs_no_host_and_no_session(client: Client) -> None:
    answer = client.get("/alive", headers={"host": "10.0.0.1:1"})

    assert (answer.status_code, answer.content) == (200, b"good\n")


def test_strange_host_is_refused(client: Client) -> None:
    client.raise_request_exception = False
    assert client.get("/account/login/", headers={"host": "evil.example"}).status_code == 400


def test_word_of_a_stranger_on_addresses_is_not_taken(people: People, client: Client) -> None:
    from outgate.portal.accounts.models import FailedSignIn

    form = {"login": people.admin.email, "password": "wrong-horse-battery"}
    client.post("/account/login/", form, headers={"x-forwarded-for": "198.51.100.99"}, REMOTE_ADDR="203.0.113.9")
    assert FailedSignIn.objects.get().address == "203.0.113.9"


def test_error_shows_nothing_of_our_insides(people: People, monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    def broken(*_: object) -> None:
        raise ValueError("secret detail")

    monkeypatch.setattr(customers, "customers_of", broken)
    client = Client(raise_request_exception=False)
    client.force_login(people.operator)
    answer = client.get("/customers/")
    assert answer.status_code == 500
    assert "secret detail" not in answer.content.decode()
    assert "This went wrong on our side" in answer.content.decode()


def test_settings_follow_the_public_address() -> None:
    assert live.SESSION_COOKIE_NAME == "outgate"  # without TLS; with it the browser holds it to this host
    assert [live.SITE.url] == live.CSRF_TRUSTED_ORIGINS


def test_nul_is_refused_wherever_it_stands(people: People, signed_in: SignedIn) -> None:
    client = signed_in(people.admin)
    page = "/customers/alpha/outbound/sources/"

    assert client.get("/audit/?q=%00").status_code == 400
    assert client.post(page, {"network": "9.9.9.9", "label": "a\0b"}).status_code == 400
    encoded = "application/x-www-form-urlencoded"
    assert client.post(page, "network=9.9.9.9&label=a%00b", content_type=encoded).status_code == 400
    answer = client.put("/api/v1/customers/alpha/outbound/status", '{"on": "\\u0000"}', content_type="application/json")
    assert (answer.status_code, answer.headers["Content-Type"]) == (400, "application/problem+json")
    assert not people.alpha.sources.exists()


def test_more_than_a_form_can_hold_is_refused(people: People, signed_in: SignedIn, settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1_000
    encoded = "application/x-www-form-urlencoded"

    answer = signed_in(people.admin).post(
        "/customers/alpha/outbound/sources/", "label=" + "x" * 2_000, content_type=encoded
    )
    assert answer.status_code == 400
