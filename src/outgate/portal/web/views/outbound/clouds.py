"""The tenant lock, Microsoft's pools, Google's signature."""

from typing import TypeVar

from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET, require_POST

from outgate.contract.policy import PoolAction, SignatureRule
from outgate.portal.customers.models import Customer
from outgate.portal.errors import Invalid
from outgate.portal.feed.changes import changes
from outgate.portal.outbound import cloud_services
from outgate.portal.outbound.selectors import microsoft_settings
from outgate.portal.web.forms import Form
from outgate.portal.web.request import CallerRequest, of_customer
from outgate.portal.web.sections import clouds as sections
from outgate.portal.web.tenant_lookup import NotFoundOut, tenant_of
from outgate.portal.web.views.outbound.page import form_view, newest, page

ChoiceT = TypeVar("ChoiceT", PoolAction, SignatureRule)


def _confirm(request: CallerRequest, customer: Customer, form: Form) -> tuple[str, str]:
    actor = request.caller.actor
    with changes():  # all or nothing
        tenant = cloud_services.confirm_tenant(actor=actor, customer=customer, tenant_id=form.text("tenant_id"))
        for name in form.chosen("name"):
            cloud_services.add_microsoft_name(actor=actor, customer=customer, name=name)
    return "tenant", f"The tenant {tenant.tenant_id} is confirmed. Its mail in your name counts as yours now."


def _remove(request: CallerRequest, customer: Customer, form: Form) -> tuple[str, str]:
    tenant_id = form.text("tenant_id")
    cloud_services.remove_tenant(actor=request.caller.actor, customer=customer, tenant_id=tenant_id)
    return "tenant", f"The tenant {tenant_id} was removed. Its mail is not accepted any more."


def _add_name(request: CallerRequest, customer: Customer, form: Form) -> tuple[str, str]:
    before = newest(customer.microsoft_names)
    row = cloud_services.add_microsoft_name(actor=request.caller.actor, customer=customer, name=form.text("name"))
    return "tenant", f"{row.name} was {'added' if row.pk > before else 'there already'}."


def _remove_name(request: CallerRequest, customer: Customer, form: Form) -> tuple[str, str]:
    name = form.text("name")
    cloud_services.remove_microsoft_name(actor=request.caller.actor, customer=customer, name=name)
    return "tenant", f"{name} was removed."


def _relayed(request: CallerRequest, customer: Customer, form: Form) -> tuple[str, str]:
    on = form.is_checked("relayed_mail")
    now = microsoft_settings(customer)
    cloud_services.set_microsoft(
        actor=request.caller.actor,
        customer=customer,
        relayed_mail=on,
        high_risk_pool=now.high_risk_pool,
        relay_pool=now.relay_pool,
        relay_pool_forwards=now.relay_pool_forwards,
    )
    return "tenant", "Mail that came into the tenant from elsewhere " + ("passes." if on else "is refused.")


def _pools(request: CallerRequest, customer: Customer, form: Form) -> tuple[str, str]:
    cloud_services.set_microsoft(
        actor=request.caller.actor,
        customer=customer,
        relayed_mail=microsoft_settings(customer).relayed_mail,
        high_risk_pool=_choice(form, "high_risk_pool", PoolAction),
        relay_pool=_choice(form, "relay_pool", PoolAction),
        relay_pool_forwards=form.is_checked("relay_pool_forwards"),
    )
    return "pools", "What becomes of mail from Microsoft's pools was saved."


def _google(request: CallerRequest, customer: Customer, form: Form) -> tuple[str, str]:
    signature = _choice(form, "signature", SignatureRule)
    cloud_services.set_google(actor=request.caller.actor, customer=customer, signature=signature)
    return "google", "The rule for signatures was saved."


def _choice(form: Form, name: str, kind: type[ChoiceT]) -> ChoiceT:
    """Raises: Invalid."""
    try:
        return kind(form.text(name))
    except ValueError as error:
        raise Invalid(name, "Choose one of these.") from error


confirm_tenant = form_view("tenant", _confirm)
remove_tenant = form_view("tenant-remove", _remove)
add_name = form_view("tenant-name", _add_name)
remove_name = form_view("tenant-name-remove", _remove_name)
set_relayed = form_view("relayed", _relayed)
set_pools = form_view("pools", _pools)
set_google = form_view("google", _google)


@require_POST
@of_customer
def look_up_tenant(request: CallerRequest, customer: Customer) -> HttpResponse:
    """Ask Microsoft which tenant a proven domain of the customer's is of, and fill the form in. No transaction is open
    meanwhile, and nothing is changed."""
    form = Form("tenant")
    wanted = Form.of(request).text("domain")
    domain = customer.domains.filter(verified_at__isnull=False, name=wanted).first()
    if domain is None:
        form.errors["tenant_id"] = "The tenant is looked up by a proven domain. Prove one first, then choose it."
        return page(request, customer, form)
    try:
        form.values["tenant_id"] = tenant_of(domain.name, settings.SITE.openid_url, settings.SITE.provider_ca_file)
    except NotFoundOut as error:
        form.errors["tenant_id"] = error.public_message
        return page(request, customer, form)
    form.values["looked_up_by"] = domain.name
    return page(request, customer, form)


@require_GET
@of_customer
def seen_tenants(request: CallerRequest, customer: Customer) -> HttpResponse:
    """What came, asked again and again by the page until something has come."""
    context = {
        "customer": customer,
        "part": sections.tenant(request, customer),
        "may_change": request.caller.may_change_settings,
    }
    return render(request, "web/outbound/tenant_seen.html", context)
