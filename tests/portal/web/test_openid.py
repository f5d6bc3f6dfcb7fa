"""Signing in with OpenID Connect, as far as it is ours: who is believed, and who is let in."""

from typing import Any

import pytest
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.internal.flows.login import complete_login
from django.contrib.messages.storage.fallback import FallbackStorage
from django.contrib.sessions.backends.db import SessionStore
from django.test import Client, RequestFactory
from tests.portal.web.conftest import People

from outgate.portal.accounts.models import User
from outgate.portal.environment import OpenIdProvider, Site
from outgate.portal.web.openid import openid_settings

pytestmark = pytest.mark.django_db(databases="__all__")


def provider(*, trust: bool) -> OpenIdProvider:
    return OpenIdProvider("Example", "https://login.example/tenant/v2.0", "our-id", "our-secret", trust)


@pytest.fixture
def request_with_session(rf: RequestFactory) -> Any:
    from allauth.core import context
    from django.contrib.auth.models import AnonymousUser

    request: Any = rf.get("/account/openid/")
    request.session = SessionStore()
    request.session.create()
    request.user = AnonymousUser()
    request._messages = FallbackStorage(request)
    with context.request_context(request):
        yield request


def come_back(request: Any, settings: Any, claims: dict[str, Any], *, trust: bool) -> Any:
    """The provider has answered with these claims."""
    settings.SOCIALACCOUNT_PROVIDERS = {"openid_connect": openid_settings(Site(openid=(provider(trust=trust),)))}
    found = get_adapter().get_provider(request, "openid-1")
    login = found.sociallogin_from_response(request, {"id_token": claims, "userinfo": claims})
    login.state = {"process": "login"}
    try:
        return complete_login(request, login)
    except ImmediateHttpResponse as error:
        return error.response


def signed_in(request: Any) -> str:
    return str(request.user)


def test_verified_address_signs_in_whom_we_know(people: People, request_with_session: Any, settings: Any) -> None:
    claims = {"sub": "1", "email": people.admin.email, "email_verified": True}

    come_back(request_with_session, settings, claims, trust=False)
    assert signed_in(request_with_session) == people.admin.email


@pytest.mark.parametrize("trust", [False, True])
def test_unverified_address_counts_from_a_trusted_provider_alone(
    trust: bool, people: People, request_with_session: Any, settings: Any
) -> None:
    come_back(request_with_session, settings, {"sub": "1", "email": people.admin.email}, trust=trust)

    assert (signed_in(request_with_session) == people.admin.email) is trust


def test_staff_still_needs_its_second_factor(people: People, request_with_session: Any, settings: Any) -> None:
    claims = {"sub": "1", "email": people.operator.email, "email_verified": True}

    answer = come_back(request_with_session, settings, claims, trust=True)
    assert answer.headers["Location"].startswith("/account/security/authenticate/")
    assert signed_in(request_with_session) == "AnonymousUser"


def test_stranger_gets_no_account(people: People, request_with_session: Any, settings: Any) -> None:
    before = User.objects.count()

    come_back(
        request_with_session, settings, {"sub": "1", "email": "x@example.com", "email_verified": True}, trust=True
    )
    assert User.objects.count() == before
    assert signed_in(request_with_session) == "AnonymousUser"


def test_sign_in_page_has_a_button_for_each(client: Client, settings: Any) -> None:
    settings.SOCIALACCOUNT_PROVIDERS = {"openid_connect": openid_settings(Site(openid=(provider(trust=False),)))}

    assert "Sign in with Example" in client.get("/account/login/").content.decode()
