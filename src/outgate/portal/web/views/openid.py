"""The way to a provider of OpenID Connect and back, with our checks: see `openid_checks`."""

from allauth.socialaccount.helpers import render_authentication_error
from allauth.socialaccount.models import SocialApp
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.oauth2.views import OAuth2CallbackView, OAuth2LoginView
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_GET, require_POST

from outgate.portal.web.openid_checks import Adapter
from outgate.portal.web.views import errors


@login_not_required
@require_POST
def begin(request: HttpRequest, provider_id: str) -> HttpResponse:
    return _view(OAuth2LoginView, request, provider_id)


@login_not_required
@require_GET
def come_back(request: HttpRequest, provider_id: str) -> HttpResponse:
    return _view(OAuth2CallbackView, request, provider_id)


@login_not_required
def cancelled(request: HttpRequest) -> HttpResponse:  # noqa: ARG001 - Django passes it
    """The person has said no at the provider."""
    return redirect("account_login")


def _view(
    kind: type[OAuth2LoginView] | type[OAuth2CallbackView], request: HttpRequest, provider_id: str
) -> HttpResponse:
    try:
        adapter = Adapter(request, provider_id)
        adapter.get_provider()
    except SocialApp.DoesNotExist:
        return errors.not_found(request)
    try:
        answer: HttpResponse = kind.adapter_view(adapter)(request)
    except OAuth2Error as error:  # before the library looks for one
        answer = render_authentication_error(request, adapter.get_provider(), exception=error)
    return answer
