"""What holds for every request to the API before a route sees it, and for every answer after.

Each has an id. What is too large, what has a key in its address and what no route takes is told so as a problem; HEAD
is GET without the body, OPTIONS says what a path takes.
"""

import re
import uuid
from collections.abc import Callable, Iterable
from typing import Final
from urllib.parse import unquote, unquote_to_bytes

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from outgate.portal.accounts.keys import MARK
from outgate.portal.api.problems import CONTENT_TYPE, Problem

PREFIX: Final = "/api/"
REQUEST_ID: Final = "X-Request-ID"
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_KEY: Final = re.compile(rf"{MARK}_[0-9a-f]{{6,32}}_[A-Za-z0-9_-]{{8,}}")
_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

Next = Callable[[HttpRequest], HttpResponse]


def frame(get_response: Next) -> Next:
    """A middleware; it leaves alone what is not the API's."""

    def middleware(request: HttpRequest) -> HttpResponse:
        if not request.path.startswith(PREFIX):
            return get_response(request)
        given = request.headers.get(REQUEST_ID, "")
        request.request_id = given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex  # type: ignore[attr-defined]
        try:
            _check(request)
            response = _answer(request, get_response)
        except Problem as problem:
            response = problem.response()
        response.headers[REQUEST_ID] = request.request_id  # type: ignore[attr-defined]
        return response

    return middleware


def _check(request: HttpRequest) -> None:
    """Raises: Problem."""
    if _KEY.search(unquote(request.META.get("QUERY_STRING", ""))) or _KEY.search(request.path):
        detail = "A key stands in the address, which logs keep. Revoke it, and send keys as Authorization: Bearer only."
        raise Problem(400, "key-in-address", detail)
    try:
        unquote_to_bytes(request.META.get("QUERY_STRING", "")).decode()
    except UnicodeDecodeError as error:
        detail = "What stands behind the ? is not UTF-8. Write it in UTF-8, then with % where it is needed."
        raise Problem(400, "address-malformed", detail) from error
    if "HTTP_TRANSFER_ENCODING" in request.META:
        detail = "The body came in chunks, which are not read here. Send it whole, with Content-Length."
        raise Problem(411, "length-missing", detail)
    maximum: int = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    length = request.META.get("CONTENT_LENGTH") or "0"
    if not length.isdecimal() or int(length) > maximum:
        raise Problem(413, "body-too-large", f"The body may have {maximum} octets at most. Send less at once.")
    if request.method not in _METHODS:
        raise Problem(
            405, "method-refused", f"{request.method} is not known here.", headers={"Allow": _allow(_METHODS)}
        )


def _answer(request: HttpRequest, get_response: Next) -> HttpResponse:
    method = request.method
    if method == "HEAD":
        request.method = "GET"
    response = get_response(request)
    request.method = method
    if response.status_code == 405:
        allowed = set(response.headers.get("Allow", "").split(", ")) - {""}
        allowed |= {"OPTIONS"} | ({"HEAD"} if "GET" in allowed else set())
        headers = {"Allow": _allow(allowed)}
        if method == "OPTIONS":
            return HttpResponse(status=204, headers=headers)
        detail = f"{method} is not possible here. Allowed are {headers['Allow']}."
        response = Problem(405, "method-refused", detail, headers=headers).response()
    if response.status_code >= 400 and response.headers.get("Content-Type") != CONTENT_TYPE:
        response = Problem(
            500, "error", "This went wrong on our side. Try again; if it stays so, tell the operator."
        ).response()
    if method == "HEAD":
        response.headers["Content-Length"] = str(len(response.content))
        response.content = b""
    return response


def _allow(methods: Iterable[str]) -> str:
    return ", ".join(sorted(methods))
