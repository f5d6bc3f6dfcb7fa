"""What is wrong, as a program reads it: RFC 9457.

`detail` is for people and says what to do; `code` is for programs and never changes. What only we may know goes to the
log, found by the path and the time.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec
from django.http import HttpResponse

CONTENT_TYPE: Final = "application/problem+json"
TITLES: Final = {
    400: "This request cannot be understood",
    401: "A key is needed",
    403: "The key may not do this",
    404: "Not found",
    405: "Not with this method",
    409: "This does not fit what is there",
    411: "The length is missing",
    412: "It is not as you have read it",
    413: "This is too large",
    415: "Not in this format",
    422: "A value cannot be taken",
    429: "Too many requests",
    500: "This went wrong on our side",
    503: "Not now",
}
NOTHING_HERE: Final = (
    "There is nothing here, or nothing of yours. Look whether the address and the ids in it are right; no address ends "
    "with a slash."
)


class FieldProblem(msgspec.Struct, frozen=True):
    """field: as the caller named it; empty is the whole."""

    field: str
    detail: str


class Problem(Exception):
    """An answer that is no success. status: one of `TITLES`."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        fields: Sequence[FieldProblem] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.fields = tuple(fields)
        self.headers = dict(headers or {})

    def response(self) -> HttpResponse:
        body = {
            "type": "about:blank",
            "title": TITLES[self.status],
            "status": self.status,
            "code": self.code,
            "detail": self.detail,
            "errors": msgspec.to_builtins(self.fields),
        }
        headers = {"WWW-Authenticate": "Bearer"} if self.status == 401 else {}
        return HttpResponse(
            msgspec.json.encode(body), CONTENT_TYPE, status=self.status, headers={**headers, **self.headers}
        )
