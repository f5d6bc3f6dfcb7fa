"""Requests to the API as its own description shows them, for tests that walk every route."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from outgate.portal.api.site import api

PREFIX = "/api/v1"


@dataclass(frozen=True)
class Route:
    """One method of one path. path: below `/api/v1`, with names in braces. described: its part of the description."""

    method: str
    path: str
    described: dict[str, Any]

    @property
    def needs_key(self) -> bool:
        return bool(self.described["security"])

    @property
    def scope(self) -> str:
        needed = [scope for each in self.described["security"] for scope in each["key"]]
        return needed[0] if needed else ""

    def address(self, **names: str) -> str:
        """With its parameters from the examples, save for those in `names`."""
        query = {}
        path = self.path
        for parameter in self.described["parameters"]:
            name, value = parameter["name"], names.get(parameter["name"], parameter["example"])
            if parameter["in"] == "path":
                path = path.replace(f"{{{name}}}", quote(str(value), safe=""))
            elif parameter["in"] == "query" and parameter["required"]:
                query[name] = value
        return path + (f"?{urlencode(query)}" if query else "")

    def body(self) -> Any:
        """The example; a text as it is, JSON as a value. None: the route takes none."""
        content = self.described.get("requestBody", {}).get("content", {})
        return next((each["example"] for each in content.values()), None)

    @property
    def content_type(self) -> str:
        return next(iter(self.described.get("requestBody", {}).get("content", {})), "")


def routes() -> Iterator[Route]:
    """Every one."""
    described = json.loads(json.dumps(api.get_openapi_schema(), default=str))
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            yield Route(method.upper(), path.removeprefix(PREFIX), operation)
