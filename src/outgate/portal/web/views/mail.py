"""A customer's mail: the list, what is newer than the list that somebody looks at, and the list as a file."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Concatenate, Final, ParamSpec
from urllib.parse import urlencode

from django.http import HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from outgate.portal.customers.models import Customer
from outgate.portal.errors import Invalid
from outgate.portal.tracker import search
from outgate.portal.tracker.export import EXPORT_ROWS_MAX, export
from outgate.portal.tracker.listing import rows_of
from outgate.portal.tracker.models import Status, TrackedMessage
from outgate.portal.tracker.reach import check_may_see_mail, record_export
from outgate.portal.tracker.search import DAYS_DEFAULT, LANES, NAMES, MessageFilter
from outgate.portal.tracker.story import WAITING
from outgate.portal.web.forms import Form
from outgate.portal.web.mail_words import word_of
from outgate.portal.web.request import CallerRequest, View, of_customer

P = ParamSpec("P")
# A message is known when it was recorded, and stands by when it came: one that took long to come, or came by another
# worker, may be recorded after one that stands above it.
LATE: Final = timedelta(minutes=2)
NUMBER_MAX: Final = 6  # digits of a number in an address
ADVANCED: Final = ("message_id", "reason", "source", "lane", "since", "until")
LABELS: Final = {
    "sender": "sender",
    "recipient": "recipient",
    "subject": "subject",
    "message_id": "Message-ID",
    "status": "status",
    "reason": "reason",
    "source": "source",
    "lane": "lane",
    "since": "from",
    "until": "until",
}


def of_mail(view: Callable[Concatenate[CallerRequest, Customer, P], HttpResponse]) -> View:
    """`of_customer`, for who may see mail."""

    def guarded(request: CallerRequest, customer: Customer, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        check_may_see_mail(request.caller)
        return view(request, customer, *args, **kwargs)

    return of_customer(guarded)


@require_safe
@of_mail
def index(request: CallerRequest, customer: Customer) -> HttpResponse:
    """The list; htmx asks for its part of the page alone."""
    if any(not value for value in request.GET.values()):  # what nobody filled in has no place in the address
        query = urlencode([(name, value) for name, value in request.GET.items() if value])
        return redirect(f"{request.path}?{query}" if query else request.path)
    now = timezone.now()
    form, wanted = _asked(request)
    before = search.read_queue_id(request.GET.get("before", ""))
    nothing = search.Found([])  # what was asked for wrongly is not what would be found
    found = search.search(customer.slug, wanted, now=now, before=before) if form.is_good else nothing
    context = {
        "customer": customer,
        "form": form,
        "rows": rows_of(found.messages, recipient=wanted.recipient),
        "found": found,
        "before": before,
        "live": None if before or wanted.until else _live(form, found),
        "query": urlencode(form.values),
        "chosen": _chosen(form),
        "days": DAYS_DEFAULT,
        "beginning": wanted.beginning(now),
        "is_default_time": wanted.since is None,
        "is_advanced": any(name in form.values for name in ADVANCED),
        "statuses": [(status, word_of(status)) for status in Status.values],
        "lanes": LANES,
        "rows_max": EXPORT_ROWS_MAX,
        "has_any": bool(found.messages) or TrackedMessage.objects.filter(customer_id=customer.slug).exists(),
    }
    is_part = request.headers.get("HX-Request") == "true"
    template = "web/mail_list.html" if is_part else "web/mail.html"
    return render(request, template, context, status=200 if form.is_good else 422)


@require_safe
@of_mail
def newer(request: CallerRequest, customer: Customer) -> HttpResponse:
    """Asked every few seconds by an open list: how many messages have come since, and how the shown ones stand that
    were not at their end. `after`, `known`: see `_live`. `told`: what was said last. `watch`: queue ids."""
    now = timezone.now()
    form, wanted = _asked(request)
    after, known, told = request.GET.get("after", ""), _number(request, "known"), _number(request, "told")
    count = search.count_newer(customer.slug, wanted, now=now, after=search.read_queue_id(after)) - known
    count = max(0, count)
    watched = [name for each in request.GET.get("watch", "").split(".") if (name := search.read_queue_id(each))]
    rows = TrackedMessage.objects.filter(customer_id=customer.slug, queue_id__in=watched[: search.PAGE_SIZE])
    standing = dict(rows.values_list("queue_id", "status"))
    done = [(name, status) for name, status in standing.items() if status not in WAITING]
    left = [name for name in watched if standing.get(name) in WAITING]
    live = {"after": after, "known": known, "told": count, "watch": ".".join(left)}
    context = {
        "customer": customer,
        "live": {"query": urlencode({**form.values, **live})},
        "count": count,
        "is_more": known + count > search.NEWER_MAX,
        "is_news": count != told,
        "is_first": request.GET.get("known", "") == "0" and not after,
        "done": done,
        "query": urlencode(form.values),
    }
    return render(request, "web/mail_newer.html", context)


@require_safe
@of_mail
def export_file(request: CallerRequest, customer: Customer) -> HttpResponse:
    """What is filtered, as a file."""
    form, wanted = _asked(request)
    if not form.is_good:
        return redirect(f"{reverse('mail', args=[customer.slug])}?{urlencode(form.values)}")
    now = timezone.now()
    record_export(request.caller, customer, EXPORT_ROWS_MAX)
    name = f"mail-{customer.slug}-{now:%Y%m%d-%H%M}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    lines = export(customer.slug, wanted, now=now)
    return StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8", headers=headers)  # type: ignore[return-value]


def _asked(request: CallerRequest) -> tuple[Form, MessageFilter]:
    """What the address asks for, kept as it was typed, with what is wrong about it."""
    values = {name: request.GET[name].strip() for name in NAMES if request.GET.get(name, "").strip()}
    wanted, faults = search.read_filter(values)
    return Form("filter", values, errors=_by_field(faults)), wanted


def _by_field(faults: list[Invalid]) -> dict[str, str]:
    return {fault.field: fault.public_message for fault in faults}


def _live(form: Form, found: search.Found) -> dict[str, Any]:
    """What an open list asks with. after: a queue id a while below the newest one, and known: how many of the shown
    ones are above it, so that what is recorded late is counted too."""
    shown, after = found.messages, found.next_before
    if shown:
        after = max(after, search.first_id(search.time_of(shown[0].queue_id) - LATE))
    known = sum(message.queue_id > after for message in shown)
    watch = ".".join(message.queue_id for message in shown if message.status in WAITING)
    return {"query": urlencode({**form.values, "after": after, "known": known, "told": 0, "watch": watch})}


def _chosen(form: Form) -> list[tuple[str, str]]:
    """What is filtered by, in words."""
    chosen = []
    for name, value in form.values.items():
        shown = word_of(value) if name == "status" else dict(LANES).get(value, value) if name == "lane" else value
        chosen.append((LABELS[name], shown))
    return [each for each in chosen if each[0] != LABELS["since"]]  # which stands before them


def _number(request: CallerRequest, name: str) -> int:
    text = request.GET.get(name, "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= NUMBER_MAX else 0
