"""The first page after signing in, and a customer's own."""

from datetime import timedelta

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone

from outgate.portal.customers.models import Customer, MailPlatform, Plan
from outgate.portal.outbound.activation import activation_of
from outgate.portal.spf.selectors import all_pass, failing
from outgate.portal.web import figures
from outgate.portal.web.request import CallerRequest, of_customer


def home(request: CallerRequest) -> HttpResponse:
    caller = request.caller
    if caller.is_staff:
        return redirect("customers")
    customer = caller.acting_for or Customer.objects.get(pk=caller.customer_id)
    return redirect("customer", customer.slug)


@of_customer
def customer(request: CallerRequest, customer: Customer) -> HttpResponse:
    """What has to be done next, and how it goes."""
    now = timezone.now()
    domains = list(customer.domains.order_by("name"))
    not_needed = set()
    if figures.has_known_ranges(customer):
        not_needed.add("sources")
    if customer.mail_platform != MailPlatform.MICROSOFT_365:
        not_needed.add("tenant")
    steps = [
        ("Domain added", bool(domains), "domains"),
        ("Domain proven", any(domain.is_verified for domain in domains), "domains"),
        ("Outbound source added", customer.sources.exists(), "sources"),
        ("Tenant confirmed", customer.microsoft_tenants.exists(), "tenant"),
        ("Outbound switched on", customer.outbound != "off", "status"),
        ("SPF record published", all_pass(customer), "spf"),
        ("First message seen", customer.guide_proofs.exists(), "guides"),
    ]
    context = {
        "customer": customer,
        "activation": activation_of(customer, now),
        "domains": domains,
        "has_outbound": Plan(customer.plan).has_outbound,
        "spf_failing": failing(customer) if customer.outbound != "off" else [],
        "steps": [step for step in steps if step[2] not in not_needed],
        "mail": figures.mail_of([customer.slug], now - timedelta(hours=24)).get(customer.slug),
        "recent": figures.recent_messages(customer.slug),
    }
    return render(request, "web/customer.html", context)
