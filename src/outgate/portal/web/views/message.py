"""One message: for the customer whose it is, and for staff that has its reference."""

import re
from typing import Any

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_safe

from outgate.portal.accounts.models import Role
from outgate.portal.customers.models import Customer
from outgate.portal.errors import NotFound
from outgate.portal.held import services
from outgate.portal.held.selectors import late_orders, order_of
from outgate.portal.reason_pages import reason_page
from outgate.portal.tracker import reach
from outgate.portal.tracker.models import TrackedMessage
from outgate.portal.tracker.search import QUEUE_ID_LENGTH, read_queue_id
from outgate.portal.tracker.selectors import message_of
from outgate.portal.tracker.story import story_of
from outgate.portal.web import mail_words
from outgate.portal.web.forms import Form
from outgate.portal.web.request import CallerRequest, staff_only
from outgate.portal.web.views.mail import of_mail

REFERENCE_MAX = 1_000  # characters that may be pasted: a whole reply
_SOURCES = {
    "declared": "An outbound source of the customer",
    "microsoft": "Microsoft 365",
    "google": "Google",
    "unknown": "No source that anybody has declared",
}
_POOLS = {
    "normal": "the ordinary pool",
    "high-risk": "the pool for mail of high risk",
    "relay": "the pool for mail whose sender is not proven",
    "relay-high-risk": "the relay pool for mail of high risk",
    "consumer": "the pool of outlook.com's private users",
    "unknown": "a pool that is not known here",
}
_REFERENCE = re.compile(rf"\bref[: ]+(\w{{{QUEUE_ID_LENGTH}}})\b", re.IGNORECASE)


@require_safe
@of_mail
def show(request: CallerRequest, customer: Customer, queue_id: str) -> HttpResponse:
    return _page(request, customer, message_of(customer.slug, queue_id))


@require_safe
@staff_only
def show_to_staff(request: CallerRequest, queue_id: str) -> HttpResponse:
    """By its reference alone, whosever it is."""
    message, customer = reach.found_by_staff(request.caller, queue_id)
    return _page(request, customer, message)


@require_safe
@staff_only
def find(request: CallerRequest) -> HttpResponse:
    """`ref`: a reference, or a reply or report that has it in it."""
    reach.check_may_see_mail(request.caller)
    typed = request.GET.get("ref", "").strip()[:REFERENCE_MAX]
    form = Form("find", {"ref": typed})
    named = _REFERENCE.search(typed)
    name = read_queue_id(named[1] if named else typed)
    if name:
        try:
            message, _ = reach.found_by_staff(request.caller, name)
            return redirect("staff-message", message.queue_id)
        except NotFound:
            form.errors["ref"] = (
                "No message with this reference is recorded for a customer of yours. It came seconds ago, or so long "
                "ago that it is forgotten."
            )
    elif typed:
        form.errors["ref"] = (
            "This has no reference in it. A reference has 13 letters and digits, such as T4226ZR000G00."
        )
    return render(request, "web/find_message.html", {"form": form}, status=422 if typed else 200)


def _page(request: CallerRequest, customer: Customer | None, message: TrackedMessage) -> HttpResponse:
    """The whole page; htmx asks with the version that it has, and gets 204 while there is no other."""
    now = timezone.now()
    story = story_of(message, now=now)
    is_own = customer is not None and not request.caller.is_staff  # staff that looks a message up decides nothing
    order = order_of(message) if is_own and not story.is_final else None
    is_late = order is not None and bool(late_orders([order], now=now))
    version = f"{story.version}.late" if is_late else story.version
    is_part = request.headers.get("HX-Request") == "true"
    if is_part:
        if request.GET.get("version") == version and not story.is_final:
            return HttpResponse(status=204)
    else:
        reach.record_look(request.caller, customer, message)
    context = {
        "customer": customer,
        "message": message,
        "actions": _actions(request, message) if is_own else [],
        "order": order,
        "is_late": is_late,
        "version": version,
        "story": story,
        "causes": [{"code": code, "page": reason_page(code)} for code in story.causes],
        "evidence": _evidence(message.evidence),
        "is_operator": request.caller.role is Role.OPERATOR,
    }
    return render(request, "web/message_story.html" if is_part else "web/message.html", context)


def _actions(request: CallerRequest, message: TrackedMessage) -> list[tuple[str, str, str]]:
    """What may be ordered for it: the action, its button, what is asked before."""
    possible = [action for action in services.ACTIONS if services.may_do(request.caller, message, action)]
    return [(action.value, *mail_words.ACTIONS[action.value]) for action in possible]


def _evidence(recorded: Any) -> dict[str, Any]:
    """What the message showed of its origin, in words where we have some."""
    shown = dict(recorded) if isinstance(recorded, dict) else {}
    source_class = shown.get("source_class", "")
    shown["source"] = _SOURCES.get(source_class, source_class)
    if "pool" in shown:
        shown["pool"] = _POOLS.get(shown["pool"], shown["pool"])
    return shown
