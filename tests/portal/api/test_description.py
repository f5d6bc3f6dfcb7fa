"""The description says all that a caller meets."""

from typing import Any

import pytest
from django.test import Client
from pydantic import TypeAdapter, create_model
from tests.support.api import Route, routes

from outgate.portal.accounts.keys import Scope
from outgate.portal.api.description import example_of, scope_of
from outgate.portal.api.guard import query_parameters
from outgate.portal.api.site import api

ROUTES = list(routes())
SCHEMAS = api.get_openapi_schema()["components"]["schemas"]
OPERATIONS = dict(api.operations())
IDS = [f"{route.method} {route.path}" for route in ROUTES]


def test_everybody_may_read_it() -> None:
    answer = Client().get("/api/v1/openapi.json")

    assert answer.status_code == 200
    assert answer.json()["paths"].keys() == {f"/api/v1{route.path}" for route in ROUTES}


def test_no_two_routers_have_the_same_address() -> None:
    """Of two the second would never be asked, whatever its methods."""
    found = [f"{bound.prefix}{path}" for bound in api._get_bound_routers() for path in bound.path_operations]
    assert len(found) == len(set(found))


@pytest.mark.parametrize("route", ROUTES, ids=IDS)
def test_route_says_what_it_does_and_what_goes_wrong(route: Route) -> None:
    described = route.described
    assert described["summary"]
    assert described.get("description"), "say in the function's docstring what the summary does not"
    assert route.scope in (Scope.values if route.needs_key else [""]), "give the route auth=Key(Scope...)"
    assert described["tags"]
    answers = described["responses"]
    wanted = {"400", "405", "422", "500", "503"} | ({"401", "403", "429"} if route.needs_key else set())
    wanted |= {"404"} if "{" in route.path else set()
    wanted |= {"409", "413"} if route.method != "GET" else set()
    wanted |= {"415"} if route.body() is not None else set()
    assert wanted <= set(answers)
    names = {parameter["name"] for parameter in described["parameters"]}
    assert ("Idempotency-Key" in names) == (route.method != "GET")
    assert all("example" in parameter and parameter["schema"] for parameter in described["parameters"])


@pytest.mark.parametrize("route", ROUTES, ids=IDS)
def test_examples_are_what_the_code_takes_and_gives(route: Route) -> None:
    operation = OPERATIONS[route.described["operationId"]]
    if isinstance(route.body(), dict):
        (model,) = [each for each in operation.models if each.__ninja_param_source__ == "body"]
        ((name, field),) = model.model_fields.items()
        create_model("Body", **{name: (field.annotation, ...)}).model_validate({name: route.body()})  # type: ignore[call-overload]
    for status, answer in route.described["responses"].items():
        content: dict[str, Any] = answer.get("content", {}).get("application/json", {})
        if content:
            model = operation.response_models[int(status)]
            TypeAdapter(model).validate_python({"response": content["example"]})


@pytest.mark.parametrize("route", ROUTES, ids=IDS)
def test_bodies_take_no_unknown_field(route: Route) -> None:
    content = route.described.get("requestBody", {}).get("content", {}).get("application/json")
    if content is not None:
        schema = SCHEMAS[content["schema"]["$ref"].rpartition("/")[2]]
        assert schema["additionalProperties"] is False, "let the body's schema be an `In`"


def test_lists_come_in_pages() -> None:
    for route in ROUTES:
        if route.described["summary"].startswith("List"):
            assert {"cursor", "limit"} <= query_parameters(OPERATIONS[route.described["operationId"]]), route.path


def test_scope_is_said_where_a_key_is_needed() -> None:
    assert {scope_of(each) for each in OPERATIONS.values()} >= {None, "customers:read", "team:write"}


@pytest.mark.parametrize(
    ("schema", "example"),
    [
        ({"type": "string", "enum": ["a", "b"]}, "a"),
        ({"anyOf": [{"type": "integer", "minimum": 3}, {"type": "null"}]}, 3),
        ({"type": "array", "items": {"$ref": "#/components/schemas/A"}}, [{"b": True}]),
        ({"type": "string", "format": "date-time"}, "2026-11-26T10:00:00Z"),
        ({"type": "string", "default": ""}, ""),
        ({}, None),
    ],
)
def test_example_is_the_plainest_value_that_fits(schema: dict[str, Any], example: object) -> None:
    schemas = {"A": {"type": "object", "properties": {"b": {"type": "boolean"}}}}

    assert example_of(schema, schemas) == example
