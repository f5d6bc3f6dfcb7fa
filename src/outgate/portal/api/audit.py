"""The route of the audit log."""

from typing import Annotated

from django.http import HttpRequest
from ninja import Field, Router

from outgate.portal.accounts.keys import Scope
from outgate.portal.accounts.scope import audit_of, search_audit
from outgate.portal.api import schemas
from outgate.portal.api.authentication import Key, caller_of
from outgate.portal.api.pages import LIMIT_DEFAULT, Cursor, Limit, read_cursor, unknown_cursor, write_cursor

router = Router(tags=["audit"])


@router.get("", auth=Key(Scope.AUDIT_READ), response=schemas.AuditPage, summary="Read the audit log")
def index(
    request: HttpRequest,
    q: Annotated[str, Field(max_length=100, description="Part of the actor, the action or the object")] = "",
    cursor: Cursor = "",
    limit: Limit = LIMIT_DEFAULT,
) -> schemas.AuditPage:
    """What concerns the key's own organisation, newest first, in pages."""
    rows = search_audit(audit_of(caller_of(request)), q)
    if cursor:
        before = read_cursor(cursor)
        if not before.isascii() or not before.isdecimal() or len(before) > 18:
            raise unknown_cursor()
        rows = rows.filter(number__lt=int(before))
    found = list(rows[: limit + 1])
    following = write_cursor(str(found[limit - 1].number)) if len(found) > limit else None
    items = [
        schemas.AuditOut(
            number=entry.number,
            at=entry.at,
            actor=entry.actor,
            acting_as=entry.acting_as,
            address=entry.address,
            action=entry.action,
            object=entry.object,
            detail=entry.detail,
            digest=entry.digest,
        )
        for entry in found[:limit]
    ]
    return schemas.AuditPage(items=items, next=following)
