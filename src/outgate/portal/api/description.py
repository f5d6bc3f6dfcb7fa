"""The description of the API (OpenAPI), made complete: the errors of each route, what its key needs, examples."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from ninja import NinjaAPI
from ninja.openapi.schema import OpenAPISchema
from ninja.operation import Operation

from outgate.portal.api.authentication import Key
from outgate.portal.api.idempotency import HEADER, KEPT_HOURS, METHODS
from outgate.portal.api.models import NAME_MAX
from outgate.portal.api.problems import CONTENT_TYPE, TITLES
from outgate.portal.api.schemas import ProblemOut

SECURITY: Final = "key"
_NAME: Final = f"^[!-~]{{1,{NAME_MAX}}}$"  # an Idempotency-Key
_WHEN: Final = {"date-time": "2026-11-26T10:00:00Z"}
# The problems of a route by what it has. All can have the first ones.
_ALWAYS: Final = (400, 405, 422, 500, 503)
_OF_KEYS: Final = (401, 403, 429)
_OF_WRITING: Final = (409, 411, 413)
_ERROR_HEADERS: Final = {
    429: "Retry-After",
    503: "Retry-After",
    409: "Retry-After",
    405: "Allow",
    401: "WWW-Authenticate",
}


def text_response(media_type: str) -> dict[str, Any]:
    """Of a route that answers a text, and takes `If-None-Match`."""
    header = {"ETag": {"description": "For If-Match and If-None-Match", "schema": {"type": "string"}}}
    content = {media_type: {"schema": {"type": "string"}, "example": 'name = "Example Ltd"\nid = "example-ltd"\n'}}
    return {
        "parameters": [_header("If-None-Match", "Answer 304 if the text has this ETag", "never-was")],
        "responses": {
            200: {"description": "The text", "content": content, "headers": header},
            304: {"description": "It is as it was", "headers": header},
        },
    }


def text_body(media_type: str, *, if_match: bool = False) -> dict[str, Any]:
    """Of a route whose body is a text."""
    content = {media_type: {"schema": {"type": "string"}, "example": 'name = "Example Ltd"\nid = "example-ltd"\n'}}
    extra: dict[str, Any] = {"requestBody": {"required": True, "content": content}}
    if if_match:
        extra["parameters"] = [_header("If-Match", "Refuse (412) if the text has another ETag by now", "*")]
        extra["responses"] = {412: {"$ref": "#/components/responses/Problem412"}}
    return extra


def _header(name: str, description: str, example: str, **schema: Any) -> dict[str, Any]:
    kind = {"type": "string", **schema}
    return {"name": name, "in": "header", "description": description, "schema": kind, "example": example}


class DescribedApi(NinjaAPI):
    """An API whose description says all that a caller meets."""

    def get_openapi_schema(self, **more: Any) -> OpenAPISchema:
        schema = super().get_openapi_schema(**more)
        operations = dict(self.operations())
        for methods in schema["paths"].values():
            for method, described in methods.items():
                _complete(method.upper(), described, operations[described["operationId"]])
        schema["components"]["securitySchemes"] = {
            SECURITY: {"type": "http", "scheme": "bearer", "description": "A key, made in the portal under API keys"}
        }
        problem = ProblemOut.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas = schema["components"]["schemas"]
        schemas.update(problem.pop("$defs"))
        schemas["ProblemOut"] = problem
        schema["components"]["responses"] = {f"Problem{status}": _problem(status) for status in TITLES}
        for methods in schema["paths"].values():
            for described in methods.values():
                _add_examples(described, schemas)
        return schema

    def operations(self) -> Iterator[tuple[str, Operation]]:
        """Every route by its id in the description."""
        for bound in self._get_bound_routers():
            for view in bound.path_operations.values():
                for operation in view.operations:
                    yield operation.operation_id or self.get_openapi_operation_id(operation), operation

    def get_openapi_operation_id(self, operation: Operation) -> str:
        """Module and function, without what all have in common."""
        return super().get_openapi_operation_id(operation).removeprefix("outgate_portal_api_")


def scope_of(operation: Operation) -> str | None:
    """What the route says that its key needs; None if it needs no key, empty if it does not say."""
    keys = [each for each in operation.auth_callbacks if isinstance(each, Key)]
    if not keys:
        return None
    return keys[0].scope.value if keys[0].scope is not None else ""


def _complete(method: str, described: dict[str, Any], operation: Operation) -> None:
    scope = scope_of(operation)
    described.pop("security", None)
    statuses = [*_ALWAYS]
    if scope is None:
        described["security"] = []
    else:
        described["security"] = [{SECURITY: [scope] if scope else []}]
        statuses += _OF_KEYS
        if scope:
            described["description"] = f"{described.get('description', '')}\n\nScope: `{scope}`.".strip()
    if any(parameter["in"] == "path" for parameter in described["parameters"]):
        statuses.append(404)
    if method in METHODS:
        statuses += _OF_WRITING
        about = f"Sent again with the same value within {KEPT_HOURS} hours, it is done once"
        described["parameters"].append(_header(HEADER, about, "5f9b1c52-2f0e-4c3a-9d59-0d5d7b1d8a11", pattern=_NAME))
    if "requestBody" in described:
        statuses.append(415)
    if scope is not None and method in METHODS and 404 not in statuses:
        statuses.append(404)
    for status in sorted(statuses):
        described["responses"].setdefault(status, {"$ref": f"#/components/responses/Problem{status}"})
    described["responses"] = {str(status): each for status, each in sorted(described["responses"].items())}


def _problem(status: int) -> dict[str, Any]:
    example = {
        "type": "about:blank",
        "title": TITLES[status],
        "status": status,
        "code": "value-refused" if status == 422 else "request-refused",
        "detail": "What is wrong, and what to do.",
        "errors": [],
    }
    response: dict[str, Any] = {
        "description": TITLES[status],
        "content": {CONTENT_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemOut"}, "example": example}},
    }
    if header := _ERROR_HEADERS.get(status):
        response["headers"] = {header: {"schema": {"type": "string"}}}
    return response


def _add_examples(described: dict[str, Any], schemas: Mapping[str, Any]) -> None:
    bodies = [described["requestBody"]] if "requestBody" in described else []
    bodies += [each for each in described["responses"].values() if "content" in each]
    for body in bodies:
        for content in body["content"].values():
            if "example" not in content:
                content["example"] = example_of(content["schema"], schemas)
    for parameter in described["parameters"]:
        if "example" not in parameter:
            schema = parameter["schema"]
            given = parameter.pop("examples", None)
            parameter["example"] = given[0] if given else example_of(schema, schemas)


def example_of(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> Any:
    """A value that fits the schema: from its examples, or the plainest of its type."""
    if "$ref" in schema:
        return example_of(schemas[schema["$ref"].rpartition("/")[2]], schemas)
    for name in ("examples", "enum"):
        if schema.get(name):
            return schema[name][0]
    if "default" in schema:
        return schema["default"]
    for name in ("anyOf", "allOf", "oneOf"):
        if schema.get(name):
            return example_of(schema[name][0], schemas)
    match schema.get("type"):
        case "object":
            return {name: example_of(each, schemas) for name, each in schema.get("properties", {}).items()}
        case "array":
            return [example_of(schema["items"], schemas)] if "items" in schema else []
        case "boolean":
            return True
        case "integer" | "number":
            return schema.get("minimum", 1)
        case "string":
            return _WHEN.get(schema.get("format", ""), "example")
    return None
