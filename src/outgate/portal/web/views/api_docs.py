"""`/api/v1/docs`: the API for people, from its description. Public, as the description is."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import msgspec
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from outgate.portal.api.site import api


@dataclass(frozen=True, slots=True)
class Field:
    """Of a body, or a parameter. kind: its type in words."""

    name: str
    kind: str
    is_required: bool
    text: str


@dataclass(frozen=True, slots=True)
class Route:
    """One method of one path, ready to be shown. body, answer: examples; empty where there is none."""

    anchor: str
    method: str
    path: str
    summary: str
    text: str
    scope: str
    parameters: list[Field]
    fields: list[Field]
    body: str
    status: str
    answer: str
    errors: list[str]


@login_not_required
@require_safe
def show(request: HttpRequest) -> HttpResponse:
    return render(request, "web/api_docs.html", {"groups": groups()})


@lru_cache(maxsize=1)
def groups() -> list[tuple[str, list[Route]]]:
    """By tag, in the order of the description."""
    described = api.get_openapi_schema()
    found: dict[str, list[Route]] = {}
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            route = _route(method.upper(), path, operation, described["components"]["schemas"])
            found.setdefault(operation["tags"][0], []).append(route)
    return list(found.items())


def _route(method: str, path: str, operation: dict[str, Any], schemas: dict[str, Any]) -> Route:
    body: dict[str, Any] = next(iter(operation.get("requestBody", {}).get("content", {}).values()), {})
    status, answer = next(each for each in operation["responses"].items() if each[0] < "3")
    shown: dict[str, Any] = next(iter(answer.get("content", {}).values()), {})
    text, _, scope = operation["description"].partition("\n\nScope: ")
    return Route(
        anchor=operation["operationId"],
        method=method,
        path=path,
        summary=operation["summary"],
        text=" ".join(text.split()),
        scope=scope.strip("`."),
        parameters=[
            Field(each["name"], each["in"], each.get("required", False), each.get("description", ""))
            for each in operation["parameters"]
        ],
        fields=list(_fields(body.get("schema", {}), schemas)),
        body=_example(body),
        status=status,
        answer=_example(shown),
        errors=[status for status in operation["responses"] if status >= "4"],
    )


def _example(content: dict[str, Any]) -> str:
    example = content.get("example")
    if example is None or isinstance(example, str):
        return example or ""
    return msgspec.json.format(msgspec.json.encode(example), indent=2).decode()


def _fields(schema: dict[str, Any], schemas: dict[str, Any]) -> Iterator[Field]:
    if "$ref" in schema:
        schema = schemas[schema["$ref"].rpartition("/")[2]]
    for name, each in schema.get("properties", {}).items():
        yield Field(name, _kind(each, schemas), name in schema.get("required", ()), each.get("description", ""))


def _kind(schema: dict[str, Any], schemas: dict[str, Any]) -> str:
    if "$ref" in schema:
        return _kind(schemas[schema["$ref"].rpartition("/")[2]], schemas)
    if "enum" in schema:
        return ", ".join(map(str, schema["enum"]))
    if schema.get("type") == "array":
        return f"list of {_kind(schema['items'], schemas)}"
    return str(schema.get("type", "any"))
