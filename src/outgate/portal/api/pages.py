"""Lists in pages: a cursor says where the next one begins. It is opaque to the caller."""

import base64
import binascii
from typing import Annotated, TypeVar

from django.db.models import Model, QuerySet
from ninja import Field

from outgate.portal.api.problems import FieldProblem, Problem

LIMIT_DEFAULT = 50
LIMIT_MAX = 200
CURSOR_MAX = 600  # characters

ModelT = TypeVar("ModelT", bound=Model)
Cursor = Annotated[
    str, Field(max_length=CURSOR_MAX, description="The `next` of the page before; none is the first page")
]
Limit = Annotated[int, Field(ge=1, le=LIMIT_MAX, description="Rows in a page")]


def write_cursor(after: str) -> str:
    return base64.urlsafe_b64encode(after.encode()).decode().rstrip("=")


def read_cursor(cursor: str) -> str:
    """Raises: Problem."""
    try:
        after = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    except (binascii.Error, ValueError):
        after = ""
    if not after or not after.isprintable():
        raise unknown_cursor()
    return after


def unknown_cursor() -> Problem:
    detail = "This is no cursor of this list. Use the one that the page before gave, or none for the first page."
    return Problem(422, "cursor-unknown", detail, [FieldProblem("cursor", detail)])


def page_of(rows: QuerySet[ModelT], by: str, cursor: str, limit: int) -> tuple[list[ModelT], str | None]:
    """A page of `rows` by `by`, a column whose texts all differ, and the cursor of the next. Raises: Problem."""
    if cursor:
        rows = rows.filter(**{f"{by}__gt": read_cursor(cursor)})
    found = list(rows.order_by(by)[: limit + 1])
    return found[:limit], write_cursor(str(getattr(found[limit - 1], by))) if len(found) > limit else None
