"""The page itself, and what the views of its forms share."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from django.contrib import messages
from django.db.models import Manager, Max, Model
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from outgate.portal.customers.models import Customer, Plan
from outgate.portal.outbound.activation import activation_of
from outgate.portal.web import sections
from outgate.portal.web.forms import Form
from outgate.portal.web.request import CallerRequest, of_customer

ModelT = TypeVar("ModelT", bound=Model)
Work = Callable[[CallerRequest, Customer, Form], tuple[str, str]]


@require_GET
@of_customer
def show(request: CallerRequest, customer: Customer) -> HttpResponse:
    return page(request, customer)


@require_GET
@of_customer
def activation(request: CallerRequest, customer: Customer) -> HttpResponse:
    """How far the newest settings have come: asked again and again by the page until they are everywhere."""
    state = activation_of(customer, timezone.now())
    return render(request, "web/activation.html", {"customer": customer, "activation": state})


def page(
    request: CallerRequest, customer: Customer, form: Form | None = None, *, relay_test: object = None
) -> HttpResponse:
    """The whole page. form: what was typed, with what is wrong about it (422). relay_test: how a test went."""
    form = form or Form()
    has_outbound = Plan(customer.plan).has_outbound
    context = {
        "customer": customer,
        "form": form,
        "has_outbound": has_outbound,
        "sections": sections.shown(request, customer) if has_outbound else [],
        "may_change": request.caller.may_change_settings,
        "relay_test": relay_test,
    }
    return render(request, "web/outbound.html", context, status=200 if form.is_good else 422)


def done(request: CallerRequest, customer: Customer, anchor: str, text: str) -> HttpResponse:
    """Back to the section `anchor`, which says `text`."""
    messages.success(request, text)
    return HttpResponseRedirect(f"{reverse('outbound', args=[customer.slug])}#{anchor}")


def newest(rows: Manager[ModelT]) -> int:
    """What has a greater primary key afterwards was made since; what has not was there already."""
    return rows.aggregate(newest=Max("pk"))["newest"] or 0


def count_added(noun: str, rows: Sequence[Model], before: int) -> str:
    """What to say of several that were listed at once. before: `newest` of them until then."""
    made = {row.pk for row in rows}  # two spellings are one row
    added = sum(pk > before for pk in made)
    there = len(made) - added
    plural = "" if added == 1 else "s"
    return f"{added} {noun}{plural} added" + (f"; {there} more there already." if there else ".")


def form_view(name: str, work: Work) -> Callable[..., HttpResponse]:
    """A view that takes one form. work: does it, and returns the anchor to go to and what to say."""

    @require_POST
    @of_customer
    def view(request: CallerRequest, customer: Customer) -> HttpResponse:
        form = Form.of(request, name)
        with form.catching():
            anchor, text = work(request, customer, form)
            return done(request, customer, anchor, text)
        return page(request, customer, form)

    return view
