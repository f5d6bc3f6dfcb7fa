"""Signing in with a running provider of OpenID Connect: what is believed, and what is not."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest
import requests
from allauth.socialaccount.models import SocialAccount
from cryptography.hazmat.primitives.asymmetric import rsa
from django.conf import settings as django_settings
from django.test import Client
from tests.portal.web.conftest import PASSWORD, People
from tests.support.browser import code_of
from tests.support.oidc_provider import CLIENT_ID, CLIENT_SECRET, Provider, running_provider

from outgate.portal.accounts.models import User
from outgate.portal.accounts.services import set_active
from outgate.portal.environment import OpenIdProvider
from outgate.portal.web.openid import openid_settings
from outgate.portal.web.sealing import unseal

pytestmark = pytest.mark.django_db(databases="__all__")
BEGIN = "/account/openid/openid-1/login/"


@pytest.fixture(scope="module")
def _running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Provider, Path]]:
    with running_provider(tmp_path_factory.mktemp("provider")) as running:
        yield running


@pytest.fixture
def provider(
    _running: tuple[Provider, Path], people: People, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> Provider:
    """It knows the admin of Alpha."""
    running, authority = _running
    fresh = Provider(url=running.url, key=running.key, email=people.admin.email)
    running.__dict__.update(fresh.__dict__)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority))
    trust(settings, running, trusts=False)
    return running


def trust(settings: Any, provider: Provider, *, trusts: bool) -> None:
    named = OpenIdProvider("Example", provider.url, CLIENT_ID, CLIENT_SECRET, trusts)
    settings.SITE = msgspec.structs.replace(django_settings.SITE, url="http://testserver", openid=(named,))
    settings.SOCIALACCOUNT_PROVIDERS = {"openid_connect": openid_settings(settings.SITE)}


def come_back(client: Client, **more: Any) -> Any:
    """The whole way: to the provider, its approval, and back to us."""
    away = client.post(BEGIN, more)
    assert away.status_code == 302, away.content
    return client.get(back(away.headers["Location"]))


def back(location: str) -> str:
    """What the provider makes of it: our path with its answer."""
    parts = urlsplit(requests.get(location, allow_redirects=False, timeout=5).headers["Location"])
    assert f"{parts.scheme}://{parts.netloc}" == "http://testserver"
    return f"{parts.path}?{parts.query}"


def signed_in(client: Client) -> bool:
    return "_auth_user_id" in client.session


def test_known_person_with_a_verified_address_is_let_in(people: People, provider: Provider, client: Client) -> None:
    answer = come_back(client)

    assert answer.headers["Location"] == "/"
    assert client.get("/customers/alpha/").status_code == 200
    assert not provider.faults
    asked = provider.asked[0]
    assert set(asked["scope"].split()) == {"openid", "profile", "email"}
    assert len(asked["nonce"]) == 64
    assert asked["redirect_uri"] == "http://testserver/account/openid/openid-1/login/callback/"


def test_password_stays_as_it_is(people: People, provider: Provider, client: Client) -> None:
    """The library takes it away where it does not know the address for verified."""
    come_back(client)

    assert User.objects.get(pk=people.admin.pk).check_password(PASSWORD)
    assert not SocialAccount.objects.exists()


def test_staff_still_needs_its_second_factor(people: People, provider: Provider, client: Client) -> None:
    from allauth.mfa.models import Authenticator

    provider.email = people.operator.email
    answer = come_back(client)
    assert answer.headers["Location"].startswith("/account/security/authenticate/")
    assert client.get("/customers/").status_code == 302
    sealed = Authenticator.objects.get(user=people.operator, type="totp").data["secret"]
    code = code_of(unseal(sealed, [str(django_settings.SECRET_KEY)]))
    assert client.post("/account/security/authenticate/", {"code": code}).status_code == 302
    assert client.get("/customers/").status_code == 200


def test_staff_without_a_factor_can_only_set_one_up(people: People, provider: Provider, client: Client) -> None:
    from allauth.mfa.models import Authenticator

    Authenticator.objects.filter(user=people.staff).delete()
    provider.email = people.staff.email
    come_back(client)

    assert client.get("/customers/").headers["Location"] == "/account/security/"


def test_unknown_address_is_told_plainly_and_gets_no_account(
    people: People, provider: Provider, client: Client
) -> None:
    provider.email = "stranger@elsewhere.example"
    answer = come_back(client)

    assert answer.status_code == 403
    assert "There is no account for stranger@elsewhere.example" in answer.content.decode()
    assert not signed_in(client)
    assert not User.objects.filter(email=provider.email).exists()


@pytest.mark.parametrize("said", [False, None, "false", "no", "True ", 1.5, [True]])
def test_address_that_is_not_called_verified_is_refused(
    said: Any, people: People, provider: Provider, client: Client
) -> None:
    provider.is_verified = said
    answer = come_back(client)

    assert answer.status_code == 403
    assert "not that it is verified" in answer.content.decode()
    assert not signed_in(client)


def test_trusted_provider_need_not_call_it_verified(
    people: People, provider: Provider, client: Client, settings: Any
) -> None:
    trust(settings, provider, trusts=True)
    provider.is_verified = None
    come_back(client)

    assert signed_in(client)


def test_disabled_person_stays_out(people: People, provider: Provider, client: Client) -> None:
    from tests.support.portal import ACTOR

    set_active(actor=ACTOR, user=people.admin, is_active=False)
    come_back(client)

    assert not signed_in(client)


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://evil.example"},
        {"aud": "another"},
        {"aud": [CLIENT_ID, "another"]},
        {"nonce": "another"},
        {"nonce": None},
        {"exp": 1},
        {"exp": None},
        {"iat": None},
        {"sub": None},
        {"nbf": 32_503_680_000},
    ],
    ids=json.dumps,
)
def test_id_token_with_a_wrong_claim_is_refused(
    claims: dict[str, Any], people: People, provider: Provider, client: Client
) -> None:
    provider.claims = claims

    refused(client)


def refused(client: Client) -> None:
    answer = come_back(client)
    assert answer.status_code == 401
    assert "You are not signed in" in answer.content.decode()
    assert not signed_in(client)


def test_id_token_for_several_is_taken_if_it_was_given_to_us(
    people: People, provider: Provider, client: Client
) -> None:
    provider.claims = {"aud": [CLIENT_ID, "another"], "azp": CLIENT_ID}
    come_back(client)

    assert signed_in(client)


def test_id_token_signed_by_another_is_refused(people: People, provider: Provider, client: Client) -> None:
    provider.signs_with = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)

    refused(client)


@pytest.mark.parametrize("algorithm", ["none", "HS256"])
def test_id_token_that_anybody_can_sign_is_refused(
    algorithm: str, people: People, provider: Provider, client: Client
) -> None:
    """Without a signature, and with our own secret, which a provider's other clients do not know but its logs may."""
    provider.algorithm = algorithm
    provider.signs_with = "" if algorithm == "none" else CLIENT_SECRET.ljust(32, "-")

    refused(client)


def test_provider_that_names_another_issuer_is_refused(people: People, provider: Provider, client: Client) -> None:
    provider.issuer = "https://evil.example"
    answer = client.post(BEGIN)

    assert answer.status_code == 401


def test_userinfo_of_another_person_is_refused(people: People, provider: Provider, client: Client) -> None:
    provider.userinfo = {"sub": "person-2"}

    refused(client)


def test_answer_counts_in_the_session_that_asked_and_once(people: People, provider: Provider, client: Client) -> None:
    path = back(client.post(BEGIN).headers["Location"])
    other = Client()
    assert other.get(path).status_code == 401
    assert client.get(path).status_code == 302
    assert client.post("/account/logout/").status_code == 302
    assert client.get(path).status_code == 401


def test_code_of_another_sign_in_is_refused(people: People, provider: Provider, client: Client) -> None:
    """Somebody puts the own code in another's answer: the PKCE verifier is another, and so is the nonce."""
    foreign = parse_qs(urlsplit(back(Client().post(BEGIN).headers["Location"])).query)["code"][0]
    mine = back(client.post(BEGIN).headers["Location"])
    own_state = parse_qs(urlsplit(mine).query)["state"][0]

    answer = client.get(urlsplit(mine).path, {"code": foreign, "state": own_state})
    assert answer.status_code == 401
    assert "token: code_verifier" in provider.faults


def test_provider_that_is_down_is_said_and_logged(
    people: People, provider: Provider, client: Client, caplog: pytest.LogCaptureFixture, monkeypatch: Any
) -> None:
    monkeypatch.setattr(logging.getLogger("outgate"), "propagate", True)
    provider.is_down = True

    assert client.post(BEGIN).status_code == 401
    assert "answered 500" in caplog.text
    provider.is_down = False
    provider.claims = {"nonce": "another"}
    refused(client)
    assert "another nonce" in caplog.text
    assert people.admin.email not in caplog.text


def test_who_says_no_there_is_back_at_the_sign_in(people: People, provider: Provider, client: Client) -> None:
    provider.refuses = True
    answer = client.get(back(client.post(BEGIN).headers["Location"]), follow=True)

    assert answer.redirect_chain[-1][0] == "/account/login/"


def test_request_adds_nothing_to_what_we_say(people: People, provider: Provider, client: Client) -> None:
    query = "?scope=admin&auth_params=nonce%3Dx%26redirect_uri%3Dhttps%3A%2F%2Fevil.example"
    location = client.post(BEGIN + query, HTTP_X_FORWARDED_HOST="evil.example").headers["Location"]

    asked = parse_qs(urlsplit(location).query)
    assert set(asked["scope"][0].split()) == {"openid", "profile", "email"}
    assert asked["nonce"] != ["x"]
    assert "evil" not in location


def test_nobody_ties_a_providers_account_to_the_own_one(people: People, provider: Provider, client: Client) -> None:
    client.force_login(people.viewer)
    for process in ("connect", "redirect"):
        away = client.post(f"{BEGIN}?process={process}")
        assert away.status_code == 302
        assert client.get(back(away.headers["Location"])).status_code == 404
    assert not SocialAccount.objects.exists()
    assert client.get("/account/social/").status_code == 404


def test_next_leads_to_no_other_host(people: People, provider: Provider, client: Client) -> None:
    away = client.post(f"{BEGIN}?next=https://evil.example/")

    assert "evil" not in client.get(back(away.headers["Location"])).headers["Location"]


def test_unknown_provider_is_absent_and_a_link_starts_nothing(provider: Provider, client: Client) -> None:
    assert client.post("/account/openid/openid-9/login/").status_code == 404
    assert client.get(BEGIN).status_code == 405
