"""What a customer is: name, plan, region. Staff that manages customers changes it, without logging in or logged in as
the customer; the customer's own people see it."""

from typing import Any, Final

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST

from outgate.contract.policy import ForeignFrom, Outbound
from outgate.portal.accounts.access import may_manage
from outgate.portal.accounts.models import Role
from outgate.portal.accounts.scope import customer_of
from outgate.portal.customers.models import Customer, MailPlatform, Partner, Plan, Region
from outgate.portal.customers.services import change_customer, delete_customer
from outgate.portal.errors import Invalid
from outgate.portal.feed.changes import changes
from outgate.portal.held.selectors import count_held
from outgate.portal.outbound.services import switch_outbound
from outgate.portal.web.forms import Form
from outgate.portal.web.request import ACTING_KEY, CallerRequest
from outgate.portal.web.views import errors

FOREIGN_FROM: Final = (
    (ForeignFrom.REFUSE.value, "Refuse it"),
    (ForeignFrom.ALLOW.value, "Let it pass, if the envelope's sender is the customer's"),
)


def show(request: CallerRequest, slug: str) -> HttpResponse:
    customer = customer_of(request.caller, slug)
    if answer := _refusal(request, customer):
        return answer
    form = Form.of(request)
    if request.method == "POST":
        with form.catching():
            _change(request, customer, form)
            messages.success(request, "The customer was saved.")
            return redirect("general", customer.slug)
    customer.refresh_from_db()
    return _page(request, customer, form)


@require_POST
def delete(request: CallerRequest, slug: str) -> HttpResponse:
    """For good, if the name was typed."""
    customer = customer_of(request.caller, slug)
    if answer := _refusal(request, customer):
        return answer
    form = Form.of(request, "delete")
    with form.catching():
        if form.text("name") != customer.name:
            raise Invalid("name", f"This is not the customer's name. To delete it, enter {customer.name} as it stands.")
        delete_customer(actor=request.caller.actor, customer=customer)
        if request.session.pop(ACTING_KEY, None) is not None:
            request.session.cycle_key()
        messages.success(request, f"{customer.name} was deleted.")
        return redirect("customers")
    return _page(request, customer, form)


def _refusal(request: CallerRequest, customer: Customer) -> HttpResponse | None:
    """What is answered to somebody who may not do this; None if all is well."""
    if may_manage(request.caller, customer):
        return None
    if request.caller.is_staff:
        return errors.log_in_as_first(request, customer)
    return errors.may_only_look(request) if request.method == "POST" else None


def _page(request: CallerRequest, customer: Customer, form: Form) -> HttpResponse:
    manages = may_manage(request.caller, customer)
    context: dict[str, Any] = {
        "layout": "web/customer_edit.html" if request.caller.is_staff else "web/settings.html",
        "customer": customer,
        "form": form,
        "may_manage": manages,
        "foreign_from_text": dict(FOREIGN_FROM)[customer.foreign_from],
    }
    if manages:
        context |= {
            "partners": [(partner.pk, partner.name) for partner in _partners(request)],
            "regions": [(region.pk, region.name) for region in Region.objects.order_by("name")],
            "plans": Plan.choices,
            "foreign_from": FOREIGN_FROM,
            "must_confirm_off": "switch_off" in form.errors,
            "lost": _lost(customer),
        }
    return render(request, "web/general.html", context, status=200 if form.is_good else 422)


def _lost(customer: Customer) -> dict[str, int]:
    """How much of everything goes with the customer."""
    now = timezone.now()
    return {
        "domains": customer.domains.count(),
        "sources": customer.sources.count(),
        "relays": customer.sender_relays.count(),
        "forwards": customer.auto_forwards.count(),
        "people": customer.users.count(),
        "keys": customer.api_keys.filter(revoked_at=None, expires_at__gt=now).count(),
        "held": count_held(customer.slug),
        "locked": customer.locked_mailboxes.filter(until__gt=now).count(),
    }


def _partners(request: CallerRequest) -> list[Partner]:
    """To whom the customer may be given: the operator alone moves one."""
    return list(Partner.objects.order_by("name")) if request.caller.role is Role.OPERATOR else []


def _change(request: CallerRequest, customer: Customer, form: Form) -> None:
    """Raises: Invalid."""
    partner = customer.partner
    if partners := _partners(request):
        partner = _chosen("partner", form, partners)
    try:
        plan, foreign_from = Plan(form.text("plan")), ForeignFrom(form.text("foreign_from"))
    except ValueError as error:
        raise Invalid("plan", "Choose one of these.") from error
    actor = request.caller.actor
    with changes():
        if not plan.has_outbound and customer.outbound != Outbound.OFF:
            if not form.is_checked("switch_off"):
                raise Invalid("switch_off", f"Outbound is on, and the plan {plan.label} has none.")
            switch_outbound(actor=actor, customer=customer, on=False)
        change_customer(
            actor=actor,
            customer=customer,
            name=form.text("name"),
            partner=partner,
            region=_chosen("region", form, list(Region.objects.all())),
            plan=plan,
            mail_platform=MailPlatform(customer.mail_platform),
            foreign_from=foreign_from,
        )


def _chosen(field: str, form: Form, rows: list[Any]) -> Any:
    for row in rows:
        if str(row.pk) == form.text(field):
            return row
    raise Invalid(field, f"Choose a {field}.")
