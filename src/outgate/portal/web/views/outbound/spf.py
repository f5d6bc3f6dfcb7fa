"""SPF records: check again, and news of one that DNS is being asked about."""

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from outgate.portal.accounts.scope import part_of
from outgate.portal.customers.models import Customer
from outgate.portal.outbound.models import SendingDomain
from outgate.portal.spf.checking import check_now
from outgate.portal.spf.selectors import spf_state_of
from outgate.portal.spf.services import AskedJustNow
from outgate.portal.spf.texts import STATES
from outgate.portal.web.forms import Form
from outgate.portal.web.request import CallerRequest, of_customer
from outgate.portal.web.sections import spf as sections
from outgate.portal.web.views.outbound.page import done, page
from outgate.spf.report import State


@require_POST
@of_customer
def check(request: CallerRequest, customer: Customer, pk: int) -> HttpResponse:
    """Ask DNS now. No transaction is open meanwhile."""
    domain = part_of(customer, SendingDomain.objects.all(), pk=pk)
    try:
        report = check_now(actor=request.caller.actor, domain=domain, name_servers=settings.SITE.nameservers)
    except AskedJustNow as error:
        form = Form("spf", values={"domain": str(domain.pk)}, errors={"domain": error.public_message})
        return page(request, customer, form)
    if report.state is State.UNKNOWN:
        messages.warning(request, f"{domain.name} could not be asked about: {report.problem}.")
        return HttpResponseRedirect(f"{reverse('outbound', args=[customer.slug])}#spf")
    return done(request, customer, "spf", f"{domain.name} was asked about: {STATES[report.state].lower()}.")


@require_GET
@of_customer
def card(request: CallerRequest, customer: Customer, pk: int) -> HttpResponse:
    """One domain, asked for again and again by the page until DNS has been asked."""
    known = spf_state_of(part_of(customer, SendingDomain.objects.select_related("spf"), pk=pk))
    context = {
        "customer": customer,
        "part": sections.common(customer),
        "card": sections.Card(known, sections.is_awaited(known)),
        "may_change": request.caller.may_change_settings,
    }
    return render(request, "web/outbound/spf_card.html", context)
