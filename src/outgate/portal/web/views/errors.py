"""Pages for what is not as it should be. Each says what to do."""

import sys
from typing import Final

from django.db import InterfaceError, OperationalError, connection
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from outgate.portal.api.problems import NOTHING_HERE, Problem
from outgate.portal.customers.models import Customer
from outgate.portal.errors import NotFound

# Without a template, a session or a static file: there may be none of these.
_AWAY: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark"><title>One moment - Outgate</title></head>
<body><main><h1>The portal's database is away</h1>
<p>Mail is relayed all the while, by the settings that were last saved. This page comes back by itself: reload it in a
minute.</p></main></body></html>
"""
RETRY_AFTER_SECONDS: Final = 10
API_PREFIX: Final = "/api/"
CODES: Final = {400: "request-refused", 404: "not-found"}  # of problems; the others are "error"


def database_away(request: HttpRequest) -> HttpResponse:
    headers = {"Retry-After": str(RETRY_AFTER_SECONDS), "Cache-Control": "no-store"}
    if request.path.startswith(API_PREFIX):
        return Problem(503, "database-away", "The database is away. Try again in a moment.", headers=headers).response()
    return HttpResponse(_AWAY, status=503, headers=headers)


def page(request: HttpRequest, status: int, title: str, text: str) -> HttpResponse:
    if request.path.startswith(API_PREFIX):
        text = NOTHING_HERE if status == 404 else text
        return Problem(status, CODES.get(status, "error"), text).response()
    return render(request, "web/error.html", {"title": title, "text": text}, status=status)


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    text = exception.public_message if isinstance(exception, NotFound) else "There is no such page, or not for you."
    return page(request, 404, "Not found", text)


def server_error(request: HttpRequest) -> HttpResponse:
    """Called while the exception is being handled."""
    if isinstance(sys.exc_info()[1], OperationalError | InterfaceError):
        connection.close()
        return database_away(request)
    return page(
        request,
        500,
        "This went wrong on our side",
        "Nothing was changed. Try again; if it stays so, tell the operator.",
    )


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001 - named by Django
    return page(request, 400, "This request cannot be understood", "Go back, reload the page, and try again.")


def nul_refused(request: HttpRequest) -> HttpResponse:
    if request.path.startswith(API_PREFIX):
        detail = "A NUL character stands in the address or in the body. Leave it out."
        return Problem(400, CODES[400], detail).response()
    return bad_request(request, ValueError())


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:  # noqa: ARG001 - named by Django
    return page(request, 403, "Not allowed", "Ask an administrator of your organisation for the right to do this.")


def csrf_failed(request: HttpRequest, reason: str = "") -> HttpResponse:  # noqa: ARG001 - Django passes it by name
    return page(
        request,
        403,
        "This form has expired",
        "Nothing was changed. Go back, reload the page, and send it again. Cookies of this site have to be allowed.",
    )


def may_only_look(request: HttpRequest) -> HttpResponse:
    return page(request, 403, "You may look, not change", "Ask an administrator of your organisation to do it.")


def address_not_allowed(request: HttpRequest, address: str) -> HttpResponse:
    return page(
        request,
        403,
        "Not from this address",
        f"Your organisation allows the portal from listed addresses only, and {address} is not among them. "
        "Ask an administrator of your organisation to add it.",
    )


def factors_unreadable(request: HttpRequest) -> HttpResponse:
    """The secret key is another than when they were set up."""
    return page(
        request,
        503,
        "Your second factor cannot be read",
        "The secret key of this Outgate is not the one that it was set up with. The operator either brings the former "
        "key back, or takes your second factors away with `outgate user reset-factors`, so that you set up new ones.",
    )


def log_in_as_first(request: HttpRequest, customer: Customer) -> HttpResponse:
    """For staff that follows a link into a customer's pages."""
    return render(request, "web/login_as_first.html", {"customer": customer}, status=403)
