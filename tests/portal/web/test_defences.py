"""What a hostile page, link or proxy tries, on every address of the site."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from tests.portal.web.conftest import PASSWORD, People, SignedIn
from tests.portal.web.test_sign_in import _secret
from tests.support.browser import code_of
from tests.support.portal import ACTOR

from outgate.portal.accounts.models import AuditEntry, Role, User
from outgate.portal.accounts.services import add_user
from outgate.portal.outbound import services as outbound

pytestmark = pytest.mark.django_db(databases="__all__")
LOOKS = ("message.viewed", "message.exported")  # what is written down though nothing was changed
LOGIN, CODE = "/account/login/", "/account/security/authenticate/"
FILLED = {  # what stands for a part of an address; what is not named here leads to a page that is not there
    "slug": "alpha",
    "code": "source-unknown",
    "provider_id": "openid-1",
    "kind": "microsoft-365",
}


def _patterns(resolver: Any = None, prefix: str = "/") -> Iterator[str]:
    for each in (resolver or get_resolver()).url_patterns:
        path = prefix + str(each.pattern).removeprefix("^").removesuffix("$").removesuffix(r"\Z")
        if isinstance(each, URLResolver):
            yield from _patterns(each, path)
        elif isinstance(each, URLPattern):
            yield path


def paths(**pks: int) -> list[str]:
    """All but the API, which takes keys and no cookies; each with what makes it one that exists."""
    found = []
    for path in _patterns():
        if path.startswith("/api/"):
            continue
        kind = next((name for name in pks if f"/{name}/<int:pk>" in path), "")
        path = path.replace("<int:pk>", str(pks.get(kind, 0)))
        found.append(re.sub(r"<(?:\w+:)?(\w+)>", lambda part: FILLED.get(part[1], "abcdef"), path))
    return found


@pytest.fixture
def rows(people: People) -> dict[str, int]:
    alpha = people.alpha
    domain = outbound.add_domain(actor=ACTOR, customer=alpha, name="alpha.example")
    outbound.add_source(actor=ACTOR, customer=alpha, network="9.9.9.9")
    outbound.set_sender_relay(actor=ACTOR, customer=alpha, domain="alpha.example", host="relay.example.com")
    outbound.add_auto_forward(actor=ACTOR, customer=alpha, address="a@archive.example.com")
    return {
        "domains": domain.pk,
        "sources": alpha.sources.get().pk,
        "relays": alpha.sender_relays.get().pk,
        "forwards": alpha.auto_forwards.get().pk,
        "team": people.viewer.pk,
    }


def test_no_form_of_another_site_changes_anything(people: People, rows: dict[str, int]) -> None:
    """POST to every address, signed in as everybody, without the token that only our own pages have."""
    clients = {user.email: Client(enforce_csrf_checks=True) for user in (people.operator, people.staff, people.admin)}
    for email, client in clients.items():
        client.force_login(User.objects.get(email=email))
    lines, users = AuditEntry.objects.count(), list(User.objects.order_by("pk").values())
    for email, client in clients.items():
        for path in paths(**rows):
            answer = client.post(path, {"name": "Alpha", "do": "disable", "networks": "", "outbound": "on"})
            assert answer.status_code in (403, 404, 405), (email, path, answer.status_code)
    assert AuditEntry.objects.count() == lines
    assert list(User.objects.order_by("pk").values()) == users
    assert people.alpha.domains.count() == people.alpha.sources.count() == 1


def test_no_form_of_another_site_signs_anybody_in_or_asks_for_a_link(people: People) -> None:
    client = Client(enforce_csrf_checks=True)
    for path in paths():
        answer = client.post(path, {"login": people.admin.email, "password": PASSWORD, "email": people.admin.email})
        assert answer.status_code in (302, 403, 404, 405), (path, answer.status_code)
        if answer.status_code == 302:
            assert answer.headers["Location"].startswith(LOGIN), path
    assert "_auth_user_id" not in client.session


def test_nothing_changes_by_a_link(people: People, rows: dict[str, int], signed_in: SignedIn) -> None:
    """GET is safe (RFC 9110 §9.2.1): whatever another site makes a browser fetch."""
    for user in (people.operator, people.admin):
        client = signed_in(user)
        changes = AuditEntry.objects.exclude(action__in=LOOKS)
        lines, users = changes.count(), list(User.objects.order_by("pk").values("pk", "password", "email"))
        for path in paths(**rows):
            client.get(path, {"do": "disable", "name": "Alpha", "outbound": "on", "session": "others"})
        assert changes.count() == lines
        assert list(User.objects.order_by("pk").values("pk", "password", "email")) == users
        assert client.session.get("_auth_user_id") == str(user.pk)


def test_every_page_says_that_no_other_may_frame_it(people: People, rows: dict[str, int], signed_in: SignedIn) -> None:
    for client in (signed_in(people.operator), signed_in(people.admin), Client()):
        for path in paths(**rows):
            headers = client.get(path).headers
            assert headers["X-Frame-Options"] == "DENY", path
            assert "frame-ancestors 'none'" in headers["Content-Security-Policy"], path
            assert headers["X-Content-Type-Options"] == "nosniff", path
            assert headers["Referrer-Policy"] == "same-origin", path
            assert "no-store" in headers["Cache-Control"], path


NEXTS = [
    "https://evil.example/",
    "//evil.example/",
    "///evil.example/",
    "/\\evil.example/",
    "\\\\evil.example/",
    "https:evil.example",
    "http:///evil.example/",
    "javascript:alert(1)",
    "https://testserver@evil.example/",
    "\thttps://evil.example/",
    "/%09/evil.example/",
]


@pytest.mark.parametrize("target", NEXTS)
def test_next_leads_to_no_other_site(target: str, people: People) -> None:
    client = Client()
    entered = client.post(LOGIN, {"login": people.admin.email, "password": PASSWORD, "next": target}, follow=False)
    assert is_ours(entered.headers["Location"])
    for path in (LOGIN, "/account/reauthenticate/", "/account/logout/"):
        answer = client.get(path, {"next": target})
        if answer.status_code == 302:
            assert is_ours(answer.headers["Location"]), path
        answer = client.post(path, {"next": target, "password": PASSWORD})
        if answer.status_code == 302:
            assert is_ours(answer.headers["Location"]), path


@pytest.mark.parametrize("target", NEXTS)
def test_next_leads_to_no_other_site_behind_a_second_factor(target: str, people: People) -> None:
    client = Client()
    step = client.post(LOGIN, {"login": people.operator.email, "password": PASSWORD, "next": target})
    assert is_ours(step.headers["Location"])
    answer = client.post(step.headers["Location"], {"code": code_of(_secret(people.operator)), "next": target})
    assert answer.status_code == 302
    assert is_ours(answer.headers["Location"])


def is_ours(location: str) -> bool:
    """A path that a browser takes for one: neither `//host` nor `/\\host`, and no control character before that."""
    return location.startswith("/") and location[1:2] not in ("/", "\\") and "\t" not in location


def test_host_that_is_not_ours_is_refused_everywhere(people: People, rows: dict[str, int], signed_in: SignedIn) -> None:
    client = signed_in(people.operator)
    for path in paths(**rows):
        for header in ("evil.example", "testserver.evil.example", "testserver:80@evil.example", "evil.example:8025"):
            assert client.get(path, HTTP_HOST=header).status_code == 400, (path, header)


def test_forwarded_host_shows_nowhere(people: People, rows: dict[str, int], signed_in: SignedIn) -> None:
    client = signed_in(people.admin)
    for path in paths(**rows):
        answer = client.get(path, HTTP_X_FORWARDED_HOST="evil.example", HTTP_FORWARDED="host=evil.example")
        assert "evil.example" not in answer.headers.get("Location", "")
        octets = b"".join(answer) if answer.streaming else answer.content
        assert b"evil.example" not in octets, path


def test_session_has_another_key_after_each_step(people: People) -> None:
    """Nobody plants a session and waits until somebody has signed in with it."""
    client = Client()
    client.get(LOGIN)
    session = client.session
    session["planted"] = "yes"
    session.save()
    client.cookies["outgate"] = str(session.session_key)
    seen = [str(session.session_key)]

    def step(path: str, form: dict[str, str]) -> None:
        assert client.post(path, form).status_code == 302
        seen.append(str(client.session.session_key))

    step(LOGIN, {"login": people.staff.email, "password": PASSWORD})
    step(CODE, {"code": code_of(_secret(people.staff))})
    step("/customers/alpha/login-as/", {})
    step("/return/", {})
    # The key stays while the password is known and the code is not: nobody is signed in by then.
    assert len(set(seen[1:])) == len(seen) - 1
    assert client.get("/customers/").status_code == 200
    for key in seen[:-1]:
        other = Client()
        other.cookies["outgate"] = key
        assert other.get("/customers/").status_code == 302


def test_password_alone_makes_no_session_that_can_do_anything(people: People) -> None:
    client = Client()
    client.post(LOGIN, {"login": people.operator.email, "password": PASSWORD})

    for path in ("/customers/", "/team/", "/account/security/", "/account/sessions/", "/account/password/", "/keys/"):
        assert client.get(path).headers["Location"].startswith("/account/"), path
        assert client.get(path, follow=True).request["PATH_INFO"] in (LOGIN, CODE), path


def test_password_change_ends_all_other_sessions(people: People) -> None:
    here, there = Client(), Client()
    for client in (here, there):
        client.post(LOGIN, {"login": people.admin.email, "password": PASSWORD})
    before = here.session.session_key
    new = "another-horse-battery"

    form = {"oldpassword": PASSWORD, "password1": new, "password2": new}
    assert here.post("/account/password/", form).status_code == 302
    assert here.get("/customers/alpha/").status_code == 200
    assert here.session.session_key != before
    assert there.get("/customers/alpha/").status_code == 302


def test_second_factor_cannot_be_removed_without_proof_of_late(people: People, settings: Any) -> None:
    """A session that was left open is not enough."""
    from allauth.account.internal.flows.login import AUTHENTICATION_METHODS_SESSION_KEY

    client = Client()
    client.post(LOGIN, {"login": people.staff.email, "password": PASSWORD})
    client.post(CODE, {"code": code_of(_secret(people.staff))})
    session = client.session
    for record in session[AUTHENTICATION_METHODS_SESSION_KEY]:
        record["at"] -= 3_600
    session.save()

    for path in ("totp/deactivate/", "totp/activate/", "webauthn/add/", "recovery-codes/", "recovery-codes/generate/"):
        for answer in (client.get(f"/account/security/{path}"), client.post(f"/account/security/{path}")):
            if answer.status_code == 405:
                continue
            assert answer.status_code == 302, path
            target = answer.headers["Location"]
            assert "reauthenticate" in target or (path == "totp/activate/" and target.endswith("totp/deactivate/")), (
                path
            )


def test_codes_for_reauthentication_cannot_be_guessed_either(people: People) -> None:
    from outgate.portal.accounts.lockout import FAILURES_PER_ACCOUNT_AND_ADDRESS

    client = Client()
    client.force_login(people.operator)
    path = "/account/security/reauthenticate/"
    for number in range(FAILURES_PER_ACCOUNT_AND_ADDRESS):
        assert client.post(path, {"code": f"{number:06}"}).status_code == 200
    answer = client.post(path, {"code": code_of(_secret(people.operator))})
    assert "Too many failed attempts" in answer.content.decode()


def test_passwords_for_reauthentication_cannot_be_guessed_either(people: People) -> None:
    from outgate.portal.accounts.lockout import FAILURES_PER_ACCOUNT_AND_ADDRESS

    client = Client()
    client.force_login(people.admin)
    for number in range(FAILURES_PER_ACCOUNT_AND_ADDRESS):
        answer = client.post("/account/reauthenticate/", {"password": f"wrong-horse-{number}"})
        assert answer.status_code == 200
    answer = client.post("/account/reauthenticate/", {"password": PASSWORD})
    assert answer.status_code == 200
    assert "Too many failed attempts" in answer.content.decode()


def test_recovery_codes_cannot_be_guessed(people: People) -> None:
    from allauth.mfa.models import Authenticator

    from outgate.portal.accounts.lockout import FAILURES_PER_ACCOUNT_AND_ADDRESS

    codes = Authenticator.objects.get(user=people.operator, type="recovery_codes").wrap().get_unused_codes()
    client = Client()
    client.post(LOGIN, {"login": people.operator.email, "password": PASSWORD})
    for number in range(FAILURES_PER_ACCOUNT_AND_ADDRESS):
        client.post(CODE, {"code": f"{number:08}"})
    assert "Too many failed attempts" in client.post(CODE, {"code": codes[0]}).content.decode()
    assert client.get("/customers/").status_code == 302


def test_old_password_is_not_guessed_at_the_form_that_changes_it(people: People) -> None:
    """Whoever finds an open session tries passwords there."""
    from outgate.portal.accounts.lockout import FAILURES_PER_ACCOUNT_AND_ADDRESS

    user = add_user(
        actor=ACTOR, email="b@alpha.example", role=Role.CUSTOMER_ADMIN, password=PASSWORD, customer=people.alpha
    )
    client = Client()
    client.force_login(user)
    new = "another-horse-battery"
    for number in range(FAILURES_PER_ACCOUNT_AND_ADDRESS):
        form = {"oldpassword": f"wrong-horse-{number}", "password1": new, "password2": new}
        assert client.post("/account/password/", form).status_code == 200
    answer = client.post("/account/password/", {"oldpassword": PASSWORD, "password1": new, "password2": new})
    assert answer.status_code == 200
    assert "Too many failed attempts" in answer.content.decode()
    user.refresh_from_db()
    assert user.check_password(PASSWORD)
