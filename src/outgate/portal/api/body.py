"""Reads bodies: JSON that means one thing only, with what the database can keep."""

import json
from typing import Any, Final

from django.http import HttpRequest
from django.utils.datastructures import MultiValueDict
from ninja.parser import Parser

from outgate.portal.api.problems import FieldProblem, Problem

JSON: Final = "application/json"
JSON_OCTETS_MAX: Final = 262_144  # of a body; texts of customers may be larger
DEPTH_MAX: Final = 20


class StrictParser(Parser):
    """Refuses another content type, a name that comes twice, and characters that are none."""

    def parse_body(self, request: HttpRequest) -> Any:
        """Raises: Problem, inside of which ninja wraps it."""
        check_type(request, JSON)
        if len(request.body) > JSON_OCTETS_MAX:
            raise Problem(
                413, "body-too-large", f"The body may have {JSON_OCTETS_MAX} octets at most. Send less at once."
            )
        try:
            value = json.loads(request.body.decode(), object_pairs_hook=_object, parse_constant=_constant)
        except RecursionError as error:
            raise _too_deep() from error
        except ValueError as error:
            raise Problem(
                400, "json-malformed", "The body is not JSON in UTF-8. Look at it with a JSON tool."
            ) from error
        _check_value(value, 0)
        return value

    def parse_querydict(self, data: MultiValueDict[str, Any], list_fields: list[str], request: HttpRequest) -> Any:
        """A parameter that comes twice could mean either."""
        for name in data:
            if name not in list_fields and len(data.getlist(name)) > 1:
                detail = "This stands in the address twice. Give it once."
                raise Problem(422, "value-refused", detail, [FieldProblem(name, detail)])
        return super().parse_querydict(data, list_fields, request)


def check_type(request: HttpRequest, *wanted: str) -> None:
    """Raises: Problem, if the body is of another type. Parameters such as the charset are not looked at."""
    given = (request.content_type or "").lower()
    if given not in wanted:
        detail = f"The body is {given or 'of no type'}. Send it with Content-Type: {wanted[0]}."
        raise Problem(415, "content-type-refused", detail)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            detail = "This stands in the body twice. Give it once."
            raise Problem(422, "value-refused", detail, [FieldProblem(name[:100], detail)])
        found[name] = value
    return found


def _constant(name: str) -> Any:
    raise ValueError(name)


def _check_value(value: Any, depth: int) -> None:
    if depth > DEPTH_MAX:
        raise _too_deep()
    match value:
        case str():
            _check_text(value)
        case dict():
            for name, each in value.items():
                _check_text(name)
                _check_value(each, depth + 1)
        case list():
            for each in value:
                _check_value(each, depth + 1)


def _too_deep() -> Problem:
    return Problem(400, "json-malformed", f"The body is nested deeper than {DEPTH_MAX}. No route takes such a one.")


def _check_text(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:  # half of a surrogate pair, as an escape
        raise Problem(400, "json-malformed", "The body has half a character in it. Send whole ones.") from error
