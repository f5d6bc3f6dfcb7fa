"""Settings > Policies: what becomes of mail by what is in it."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST
from msgspec import structs

from outgate.contract.scanning import ScanPolicy
from outgate.portal.accounts.scope import ABSENT
from outgate.portal.customers.models import Customer, Plan
from outgate.portal.errors import Invalid, NotFound
from outgate.portal.policies.models import PolicyTemplate
from outgate.portal.policies.replay import DAYS, Replay, replay
from outgate.portal.policies.selectors import scan_policy, templates_for
from outgate.portal.policies.services import set_scan_policy
from outgate.portal.policies.templates import with_template
from outgate.portal.policies.validation import check_policy
from outgate.portal.web.forms import Form
from outgate.portal.web.policy_form import form_field, policy_of, rule_of, shown
from outgate.portal.web.request import CallerRequest, of_customer


@of_customer
def show(request: CallerRequest, customer: Customer) -> HttpResponse:
    """The policy, and its one form."""
    form = Form()
    if request.method == "POST":
        form = Form.of(request, "policy")
        with form.catching():
            if is_try(form):
                return page(request, customer, form, _replay(customer, policy_of(form, scan_policy(customer))))
            _save(request, customer, form)
            return redirect("policies", customer.slug)
    return page(request, customer, form)


def is_try(form: Form) -> bool:
    """Was the button pressed that saves nothing?"""
    return form.text("do") == "try"


def replay_template(customer: Customer, template: PolicyTemplate) -> Replay:
    """What the policy with this template would have made of past mail. Raises: Invalid."""
    return _replay(customer, with_template(scan_policy(customer), template))


def _replay(customer: Customer, draft: ScanPolicy) -> Replay:
    """Of a draft that could be saved. Raises: Invalid, with a field of the form."""
    try:
        check_policy(draft)
    except Invalid as error:
        raise Invalid(form_field(error.field), error.public_message) from error
    return replay(customer, draft, scan_policy(customer), now=timezone.now())


def page(request: CallerRequest, customer: Customer, form: Form, replayed: Replay | None = None) -> HttpResponse:
    context = {
        "templates": templates_for(customer),
        "may_keep_templates": request.caller.may_keep_templates,
        "replay": replayed,
        "replay_days": DAYS,
        "customer": customer,
        "form": form,
        "has_outbound": Plan(customer.plan).has_outbound,
        "may_change": request.caller.may_change_settings,
        **shown(scan_policy(customer)),
    }
    return render(request, "web/policies.html", context, status=200 if form.is_good else 422)


def _save(request: CallerRequest, customer: Customer, form: Form) -> None:
    """Raises: Invalid, with a field of the form."""
    policy = policy_of(form, scan_policy(customer))
    try:
        set_scan_policy(actor=request.caller.actor, customer=customer, policy=policy)
    except Invalid as error:
        raise Invalid(form_field(error.field), error.public_message) from error
    messages.success(request, "The policy was saved." if policy.is_on else "The policy was saved. Scanning is off.")


@require_POST
@of_customer
def add_rule(request: CallerRequest, customer: Customer) -> HttpResponse:
    form = Form.of(request, "rule")
    with form.catching():
        policy = scan_policy(customer)
        rule = rule_of(form)
        try:
            wanted = structs.replace(policy, rules=(*policy.rules, rule))
            if is_try(form):
                return page(request, customer, form, _replay(customer, wanted))
            set_scan_policy(actor=request.caller.actor, customer=customer, policy=wanted)
        except Invalid as error:
            field = "name" if error.field == "rules" else form_field(error.field)
            raise Invalid(field, error.public_message) from error
        messages.success(request, f"The rule {rule.name} was added.")
        return redirect("policies", customer.slug)
    return page(request, customer, form)


@require_POST
@of_customer
def remove_rule(request: CallerRequest, customer: Customer) -> HttpResponse:
    """By its name, which is one rule's only."""
    policy = scan_policy(customer)
    name = Form.of(request).text("name")
    rules = tuple(rule for rule in policy.rules if rule.name != name)
    if len(rules) == len(policy.rules):
        raise NotFound(ABSENT)
    set_scan_policy(actor=request.caller.actor, customer=customer, policy=structs.replace(policy, rules=rules))
    messages.success(request, f"The rule {name} was removed.")
    return redirect("policies", customer.slug)
