"""`/r/<code>`: for whoever meets a code in a reply, customer or not. Public."""

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from outgate.portal.errors import NotFound
from outgate.portal.reason_pages import reason_page, reason_pages


@login_not_required
@require_safe
def index(request: HttpRequest) -> HttpResponse:
    return render(request, "web/reasons.html", {"reasons": list(reason_pages().values())})


@login_not_required
@require_safe
def show(request: HttpRequest, code: str) -> HttpResponse:
    reason = reason_page(code)
    if reason is None:
        raise NotFound(f"There is no reason code {code}. The list of all codes may help.")
    return render(request, "web/reason.html", {"reason": reason})
