"""Routes of reason codes. Public: whoever meets a code in a reply may ask."""

from typing import Annotated

import msgspec
from django.http import HttpRequest
from ninja import Path, Router

from outgate.portal.api import schemas
from outgate.portal.api.pages import LIMIT_DEFAULT, Cursor, Limit, read_cursor, write_cursor
from outgate.portal.errors import NotFound
from outgate.portal.reason_pages import ReasonPage, reason_page, reason_pages

router = Router(tags=["reasons"], auth=None)


@router.get("", response=schemas.ReasonPageOut, summary="List reason codes")
def index(
    request: HttpRequest,  # noqa: ARG001 - the framework's
    cursor: Cursor = "",
    limit: Limit = LIMIT_DEFAULT,
) -> schemas.ReasonPageOut:
    """By code, in pages, in the words of the pages `/r/CODE`. Needs no key."""
    after = read_cursor(cursor) if cursor else ""
    pages = reason_pages()
    codes = [code for code in sorted(pages) if code > after]
    following = write_cursor(codes[limit - 1]) if len(codes) > limit else None
    return schemas.ReasonPageOut(items=[_reason(pages[code]) for code in codes[:limit]], next=following)


@router.get("/{slug:code}", response=schemas.ReasonOut, summary="Explain a reason code")
def show(
    request: HttpRequest,  # noqa: ARG001 - the framework's
    code: Annotated[str, Path(examples=["source-unknown"])],
) -> schemas.ReasonOut:
    """What it says, and who can do what about it. Needs no key."""
    found = reason_page(code)
    if found is None:
        raise NotFound(f"There is no reason code {code}. Ask for the list of all codes.")
    return _reason(found)


def _reason(page: ReasonPage) -> schemas.ReasonOut:
    return schemas.ReasonOut.model_validate(msgspec.structs.asdict(page))
