"""What happens to every request before a view sees it, and to every answer after."""

from collections.abc import Callable
from ipaddress import ip_network
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.core.exceptions import RequestDataTooBig
from django.db import InterfaceError, OperationalError, connection
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from outgate.portal.accounts.access import is_address_allowed, may_act_for, note_end_of_acting
from outgate.portal.accounts.caller import Caller
from outgate.portal.accounts.models import User
from outgate.portal.customers.models import Customer
from outgate.portal.errors import NotFound
from outgate.portal.web.addresses import address_of, client_address, is_proxy
from outgate.portal.web.readiness import readiness
from outgate.portal.web.request import ACTING_KEY
from outgate.portal.web.sealing import Unreadable
from outgate.portal.web.views import errors

Next = Callable[[HttpRequest], HttpResponse]
ALIVE_PATH = "/alive"
# Until staff has a second factor, it can set one up, and leave.
API_PREFIX = "/api/"
SET_UP_PREFIXES = ("/account/", "/static/", "/r/", API_PREFIX)
WITH_BODY = ("POST", "PUT", "PATCH", "DELETE")
NULS = (b"\0", b"%00", b"\\u0000")  # as it is, in a form, and in JSON
FORWARDED = ("HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_PROTO", "HTTP_X_FORWARDED_HOST", "HTTP_X_FORWARDED_PORT")


def survive_database(get_response: Next) -> Next:
    """Say plainly that the database is away, and answer the supervisor. Outermost: needs no host, session or page."""

    def middleware(request: HttpRequest) -> HttpResponse:
        if request.path == ALIVE_PATH:
            return _alive()
        if not readiness.is_ready and not request.path.startswith(settings.STATIC_URL):
            return errors.database_away(request)
        return get_response(request)  # see `errors.server_error` for what fails later

    return middleware


def _alive() -> HttpResponse:
    is_up = readiness.is_ready
    if is_up:
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT 1")
        except (OperationalError, InterfaceError):
            connection.close()
            is_up = False
    return HttpResponse("good\n" if is_up else "database is away\n", "text/plain", status=200 if is_up else 503)


def find_address(get_response: Next) -> Next:
    """Put the caller's own address where everybody looks for it, and drop what an untrusted peer says of itself."""
    proxies = [ip_network(network) for network in settings.SITE.trusted_proxies]

    def middleware(request: HttpRequest) -> HttpResponse:
        peer = request.META.get("REMOTE_ADDR", "").rpartition("%")[0] or request.META.get("REMOTE_ADDR", "")
        forwarded_for = request.META.get("HTTP_X_FORWARDED_FOR", "")
        request.META["REMOTE_ADDR"] = client_address(peer, forwarded_for, proxies)
        if not is_proxy(peer, proxies):
            for name in FORWARDED:
                request.META.pop(name, None)
        return get_response(request)

    return middleware


def refuse_nul(get_response: Next) -> Next:
    """Nobody types a NUL, and PostgreSQL takes none in a text: it would be an error of ours wherever one came."""

    def middleware(request: HttpRequest) -> HttpResponse:
        query = request.META.get("QUERY_STRING", "")
        is_bad = "%00" in query or "\0" in query or "\0" in request.path
        if not is_bad and request.method in WITH_BODY:
            try:
                is_bad = any(each in request.body for each in NULS)
            except RequestDataTooBig:
                is_bad = True
        return errors.nul_refused(request) if is_bad else get_response(request)

    return middleware


def secure_headers(get_response: Next) -> Next:
    """What Django's own middleware does not set."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        response.headers.setdefault("Content-Security-Policy", settings.CONTENT_SECURITY_POLICY)
        response.headers.setdefault("Permissions-Policy", "camera=(), microphone=(), geolocation=(), payment=()")
        if not request.path.startswith(settings.STATIC_URL):
            response.headers.setdefault("Cache-Control", "no-store")  # a page of one tenant stays in no cache
        return response

    return middleware


class SignInRequired(LoginRequiredMiddleware):
    """Every view is for people who are signed in, unless it says otherwise; the API asks for keys instead."""

    def process_view(self, request: HttpRequest, view: Any, arguments: Any, keywords: Any) -> Any:
        if request.path.startswith(API_PREFIX):
            return None
        return super().process_view(request, view, arguments, keywords)


class Callers:
    """Finds out who asks, sends staff without a second factor to set one up, keeps out whom the allow-list does not
    name, and turns `NotFound` into a page."""

    def __init__(self, get_response: Next) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        user = request.user
        if isinstance(user, User):
            address = address_of(request)
            if not is_address_allowed(user, address):
                return errors.address_not_allowed(request, address)
            request.caller = Caller.of_user(user, acting_for=_acting_for(request, user), address=address)  # type: ignore[attr-defined]
            if user.must_use_second_factor and not request.path.startswith(SET_UP_PREFIXES) and not _has_factor(user):
                return HttpResponseRedirect(reverse("mfa_index"))
        return self._get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if isinstance(exception, NotFound) and not request.path.startswith(API_PREFIX):
            return errors.not_found(request, exception)
        if isinstance(exception, Unreadable):
            return errors.factors_unreadable(request)
        return None


def _has_factor(user: User) -> bool:
    from allauth.mfa.utils import is_mfa_enabled  # noqa: PLC0415 - after the models are loaded

    return bool(is_mfa_enabled(user))


def _acting_for(request: HttpRequest, user: User) -> Customer | None:
    """The customer that staff is logged in as, as long as it still may be."""
    pk = request.session.get(ACTING_KEY)
    if pk is None:
        return None
    customer = Customer.objects.select_related("partner", "region").filter(pk=pk).first()
    if customer is not None and may_act_for(Caller.of_user(user), customer):
        return customer
    del request.session[ACTING_KEY]
    if customer is not None:
        note_end_of_acting(user=user, address=address_of(request), customer=customer)
    messages.warning(request, "You are not logged in as that customer any more: your access to it has ended.")
    return None
