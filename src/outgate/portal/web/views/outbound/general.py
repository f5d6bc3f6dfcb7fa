"""The switch, and where the customer's mail comes from."""

from django.http import HttpResponse
from django.views.decorators.http import require_POST

from outgate.contract.policy import ForeignFrom, Outbound
from outgate.portal.accounts.scope import part_of
from outgate.portal.customers.models import Customer, MailPlatform, Plan
from outgate.portal.customers.services import change_customer
from outgate.portal.errors import Invalid
from outgate.portal.feed.changes import changes
from outgate.portal.outbound import services
from outgate.portal.outbound.models import OutboundSource
from outgate.portal.web.forms import Form
from outgate.portal.web.request import CallerRequest, of_customer
from outgate.portal.web.views.outbound.page import count_added, done, form_view, newest


def _switch(request: CallerRequest, customer: Customer, form: Form) -> tuple[str, str]:
    on, was_on = form.is_checked("outbound"), customer.outbound != Outbound.OFF.value
    services.switch_outbound(actor=request.caller.actor, customer=customer, on=on)
    word = "on" if on else "off"
    return "status", f"Outbound is {word}, as it was." if on == was_on else f"Outbound was switched {word}."


def _platform(request: CallerRequest, customer: Customer, form: Form) -> tuple[str, str]:
    try:
        platform = MailPlatform(form.text("mail_platform"))
    except ValueError as error:
        raise Invalid("mail_platform", "Choose one of these.") from error
    change_customer(
        actor=request.caller.actor,
        customer=customer,
        name=customer.name,
        partner=customer.partner,
        region=customer.region,
        plan=Plan(customer.plan),
        mail_platform=platform,
        foreign_from=ForeignFrom(customer.foreign_from),
    )
    return "platform", "The mail platform was saved."


def _add_source(request: CallerRequest, customer: Customer, form: Form) -> tuple[str, str]:
    before, label = newest(customer.sources), form.text("label")
    with changes():  # all or nothing
        sources = [
            services.add_source(actor=request.caller.actor, customer=customer, network=network, label=label or None)
            for network in form.entries("network")
        ]
    if len(sources) > 1:
        return "sources", count_added("source", sources, before)
    (source,) = sources
    if source.pk > before:
        return "sources", f"{source.network} was added."
    if label:
        return "sources", f"{source.network} was there already. Its label is {source.label} now."
    return "sources", f"{source.network} was there already, and stays as it is."


switch = form_view("switch", _switch)
set_platform = form_view("platform", _platform)
add_source = form_view("source", _add_source)


@require_POST
@of_customer
def remove_source(request: CallerRequest, customer: Customer, pk: int) -> HttpResponse:
    source = part_of(customer, OutboundSource.objects.all(), pk=pk)
    services.remove_source(actor=request.caller.actor, source=source)
    return done(request, customer, "sources", f"{source.network} was removed.")
