"""The audit log of the caller's tenant."""

from typing import Final

from django.http import HttpResponse
from django.shortcuts import render

from outgate.portal.accounts.models import Right
from outgate.portal.accounts.scope import ABSENT, audit_of, search_audit
from outgate.portal.errors import NotFound
from outgate.portal.web.request import CallerRequest

PAGE_SIZE: Final = 50
SEARCH_MAX: Final = 100  # characters


def index(request: CallerRequest) -> HttpResponse:
    """Newest first; `before` is the number of the last line that was shown."""
    caller = request.caller
    if caller.is_staff and not caller.has(Right.AUDIT):
        raise NotFound(ABSENT)
    search = request.GET.get("q", "").strip()[:SEARCH_MAX]
    rows = search_audit(audit_of(caller), search)
    before = request.GET.get("before", "")
    is_later = before.isascii() and before.isdecimal() and len(before) < 19
    if is_later:
        rows = rows.filter(number__lt=int(before))
    shown = list(rows[: PAGE_SIZE + 1])
    has_more = len(shown) > PAGE_SIZE
    shown = shown[:PAGE_SIZE]
    context = {
        "entries": shown,
        "search": search,
        "is_later": is_later,
        "next_before": shown[-1].number if has_more else None,
    }
    return render(request, "web/audit.html", context)
