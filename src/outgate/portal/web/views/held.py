"""Mail that is held: the list, and what people decide over it and over other waiting mail."""

from typing import Any, Final
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST, require_safe

from outgate.contract.commands import QueueAction
from outgate.portal.customers.models import Customer
from outgate.portal.errors import Invalid
from outgate.portal.held import services
from outgate.portal.held.selectors import (
    COUNT_MAX,
    PAGE_SIZE,
    HeldPage,
    count_held,
    held_of,
    held_reasons,
    standings_of,
)
from outgate.portal.held.services import NAMED_MAX, Ordered, Taken
from outgate.portal.tracker.models import Status
from outgate.portal.tracker.search import read_queue_id
from outgate.portal.web.forms import Form
from outgate.portal.web.request import CallerRequest
from outgate.portal.web.templatetags.mail import foreign
from outgate.portal.web.views.mail import of_mail

_SAID: Final = {
    QueueAction.RELEASE: "to be released",
    QueueAction.RETRY: "to be tried now",
    QueueAction.DELETE: "to be deleted",
}
_LEFT: Final = (
    "Left as before, since mail that is held as malware or phishing is released by your provider's staff alone"
)
SUBJECT_MAX: Final = 60  # characters of a subject in what is said of an order
POLL_SECONDS: Final = 3  # between two questions of an open list
LATE_SECONDS: Final = 15  # the same, where only what is late is left
FIELDS: Final = ("q", "reason", "standing")


@require_safe
@of_mail
def index(request: CallerRequest, customer: Customer) -> HttpResponse:
    return _page(request, customer, Form("held"))


@require_safe
@of_mail
def orders(request: CallerRequest, customer: Customer) -> HttpResponse:
    """Asked every few seconds by an open list: what became of the orders that it shows. Only what has changed comes
    back, so that ticks and focus stay. `watch`, `late`: queue ids; `gone`: how many have left so far; others: the
    filter of the list."""
    watched, late = _names(request.GET.get("watch", "")), _names(request.GET.get("late", ""))
    rows = standings_of(customer.slug, watched)
    left = [row for row in rows if not row.is_waiting]
    text = request.GET.get("gone", "")
    before = int(text) if text.isascii() and text.isdecimal() and len(text) < 4 else 0
    query = urlencode({name: request.GET[name] for name in FIELDS if request.GET.get(name)})
    waiting = [row for row in rows if row.is_waiting]
    context = {
        "customer": customer,
        "changed": left + [row for row in waiting if row.is_late != (row.queue_id in late)],
        "is_news": bool(left),
        "gone": before + len(left),
        "query": query,
        "live": _live(
            [row.queue_id for row in waiting],
            [row.queue_id for row in waiting if row.is_late],
            gone=before + len(left),
            query=query,
        ),
    }
    return render(request, "web/held_orders.html", context)


@require_POST
@of_mail
def decide(request: CallerRequest, customer: Customer) -> HttpResponse:
    """`chosen`: references; `do`: a value of `QueueAction`; `next`: the page to come back to."""
    form = Form.of(request, "held")
    with form.catching():
        action = _action(form.text("do"))
        ordered = services.order(
            caller=request.caller, customer=customer, references=form.chosen("chosen"), action=action
        )
        _say(request, ordered, action)
        return redirect(_next(request, form, customer))
    return _page(request, customer, form)


def _say(request: CallerRequest, ordered: Ordered, action: QueueAction) -> None:
    """What was ordered, and what was left and why."""
    if count := ordered.count():
        said = f"{count} message{'s are' if count > 1 else ' is'} {_SAID[action]}."
        messages.success(request, f"{said} It takes a few seconds until it is seen here.")
    if (gone := ordered.count(Taken.NOT_WAITING) + ordered.count(Taken.UNKNOWN)) and count:
        messages.info(request, f"{gone} other{'s do' if gone > 1 else ' does'} not wait any more.")
    elif gone:
        messages.info(request, "Nothing was to be done: what you chose does not wait any more.")
    if left := ordered.left:
        named = format_html_join(
            ", ",
            "{} ({})",
            ((foreign(each.subject or "(no subject)", SUBJECT_MAX), each.queue_id) for each in left[:NAMED_MAX]),
        )
        more = f" and {len(left) - NAMED_MAX} more" if len(left) > NAMED_MAX else ""
        messages.warning(request, format_html("{}: {}{}.", _LEFT, named, more))


def _page(request: CallerRequest, customer: Customer, form: Form) -> HttpResponse:
    values = {name: request.GET[name].strip() for name in FIELDS if request.GET.get(name, "").strip()}
    before = read_queue_id(request.GET.get("before", ""))
    reason = values.get("reason", "")
    standing = Status.SLOW if values.get("standing") == Status.SLOW.value else Status.HELD
    text = values.get("q", "")
    found: HeldPage = held_of(customer.slug, standing=standing, text=text, reason=reason, before=before)
    count = count_held(customer.slug, standing)
    caller = request.caller
    context = {
        "customer": customer,
        "form": form,
        "filter": Form("filter", values),
        "found": found,
        "is_slow": standing is Status.SLOW,
        "is_filtered": bool(text or reason),
        "before": before,
        "query": urlencode(values),
        "count": min(count, COUNT_MAX),
        "is_more": count > COUNT_MAX,
        "reasons": [(code, code) for code in held_reasons(customer.slug, standing)],
        "may_work": caller.may_work_on_held,
        "may_release_dangerous": caller.may_release_dangerous,
        "dangerous": services.DANGEROUS,
        "live": _live(
            [row.message.queue_id for row in found.rows if row.order is not None],
            [row.message.queue_id for row in found.rows if row.is_late],
            gone=0,
            query=urlencode(values),
        ),
        "chosen": form.chosen("chosen"),
    }
    return render(request, "web/held.html", context, status=200 if form.is_good else 422)


def _live(watched: list[str], late: list[str], *, gone: int, query: str) -> dict[str, Any]:
    """What an open list asks with, and how often; nothing where nothing is under way."""
    if not watched:
        return {}
    asked = urlencode({"watch": ".".join(watched), "late": ".".join(late), "gone": gone})
    pause = LATE_SECONDS if len(late) == len(watched) else POLL_SECONDS
    return {"query": f"{asked}&{query}" if query else asked, "seconds": pause}


def _names(text: str) -> list[str]:
    return [name for each in text.split(".")[:PAGE_SIZE] if (name := read_queue_id(each))]


def _action(text: str) -> QueueAction:
    """Raises: Invalid."""
    try:
        action = QueueAction(text)
    except ValueError:
        action = QueueAction.HOLD
    if action not in services.ACTIONS:
        raise Invalid("do", "Choose what is to be done: release or delete.")
    return action


def _next(request: CallerRequest, form: Form, customer: Customer) -> str:
    wanted = form.text("next")
    if url_has_allowed_host_and_scheme(wanted, allowed_hosts=None) and wanted.startswith("/"):
        return wanted
    query = urlencode({name: request.GET[name] for name in FIELDS if request.GET.get(name)})
    return f"{reverse('held', args=[customer.slug])}{f'?{query}' if query else ''}"
