"""Settings > Policies > Templates: a partner's policies for its customers to take."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from outgate.portal.accounts.scope import ABSENT
from outgate.portal.customers.models import Customer
from outgate.portal.errors import NotFound
from outgate.portal.policies.selectors import scan_policy, template_for
from outgate.portal.policies.templates import give_template, keep_template, remove_template
from outgate.portal.web.forms import Form
from outgate.portal.web.request import CallerRequest, of_customer
from outgate.portal.web.views import policies


@require_POST
@of_customer
def give(request: CallerRequest, customer: Customer) -> HttpResponse:
    """The template in the place of the customer's policy, or tried on past mail."""
    form = Form.of(request, "template")
    template = template_for(customer, form.text("name"))
    with form.catching():
        if policies.is_try(form):
            return policies.page(request, customer, form, policies.replay_template(customer, template))
        give_template(actor=request.caller.actor, customer=customer, template=template)
        messages.success(request, f"The policy is now that of the template {template.name}.")
        return redirect("policies", customer.slug)
    return policies.page(request, customer, form)


@require_POST
@of_customer
def keep(request: CallerRequest, customer: Customer) -> HttpResponse:
    """The customer's policy as a template of its partner."""
    _only_staff(request)
    form = Form.of(request, "template")
    with form.catching():
        name = form.text("template")
        template = keep_template(
            actor=request.caller.actor, partner=customer.partner, name=name, policy=scan_policy(customer)
        )
        messages.success(request, f"The template {template.name} was saved for all customers of {customer.partner}.")
        return redirect("policies", customer.slug)
    return policies.page(request, customer, form)


@require_POST
@of_customer
def remove(request: CallerRequest, customer: Customer) -> HttpResponse:
    _only_staff(request)
    template = template_for(customer, Form.of(request).text("name"))
    remove_template(actor=request.caller.actor, template=template)
    messages.success(request, f"The template {template.name} was removed. Customers keep what they have of it.")
    return redirect("policies", customer.slug)


def _only_staff(request: CallerRequest) -> None:
    """Templates are the partner's, not the customer's. Raises: NotFound."""
    if not request.caller.may_keep_templates:
        raise NotFound(ABSENT)
