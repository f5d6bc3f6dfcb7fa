"""Where mail may go: sender relays and auto forwards."""

from django.http import HttpResponse
from django.views.decorators.http import require_POST

from outgate.contract.policy import RelayTls
from outgate.portal.accounts import audit
from outgate.portal.accounts.scope import part_of
from outgate.portal.customers.models import Customer
from outgate.portal.errors import Invalid
from outgate.portal.outbound import services
from outgate.portal.outbound.models import AutoForwardDestination, SenderRelay
from outgate.portal.web import relay_tests
from outgate.portal.web.forms import Form
from outgate.portal.web.request import CallerRequest, of_customer
from outgate.portal.web.views.outbound.page import done, form_view, newest, page


def _set_relay(request: CallerRequest, customer: Customer, form: Form) -> tuple[str, str]:
    try:
        tls = RelayTls(form.text("tls"))
    except ValueError as error:
        raise Invalid("tls", "Choose one of these.") from error
    relay = services.set_sender_relay(
        actor=request.caller.actor,
        customer=customer,
        domain=form.text("domain"),
        host=form.text("host"),
        port=form.number("port"),
        tls=tls,
        login=form.text("login"),
        password=form.values.get("password", ""),
    )
    form.values["password"] = ""
    return "relays", f"Mail from {relay.domain} goes to {relay.host} now."


def _add_forward(request: CallerRequest, customer: Customer, form: Form) -> tuple[str, str]:
    before = newest(customer.auto_forwards)
    destination = services.add_auto_forward(actor=request.caller.actor, customer=customer, address=form.text("address"))
    return "forwards", f"{destination.address} was {'added' if destination.pk > before else 'there already'}."


set_relay = form_view("relay", _set_relay)
add_forward = form_view("forward", _add_forward)


@require_POST
@of_customer
def test_relay(request: CallerRequest, customer: Customer) -> HttpResponse:
    """Try what was typed, or a relay that is stored, as delivery would. Nothing is changed, no message is sent."""
    form = Form.of(request, "relay")
    password = form.values.pop("password", "")
    with form.catching():
        try:
            tls = RelayTls(form.text("tls"))
        except ValueError as error:
            raise Invalid("tls", "Choose one of these.") from error
        wanted = relay_tests.draft(
            customer,
            domain=form.text("domain"),
            host=form.text("host"),
            port=form.number("port"),
            tls=tls,
            login=form.text("login"),
            password=password,
        )
        audit.record(
            request.caller.actor,
            "relay.tested",
            customer.slug,
            host=wanted.host,
            port=wanted.port,
            login=wanted.login.name if wanted.login else "",
        )
        try:
            result = relay_tests.test(customer.pk, wanted)
        except relay_tests.NotNow as error:
            raise Invalid("host", str(error)) from error
        return page(request, customer, form, relay_test={"wanted": wanted, "result": result})
    return page(request, customer, form)


@require_POST
@of_customer
def remove_relay(request: CallerRequest, customer: Customer, pk: int) -> HttpResponse:
    relay = part_of(customer, SenderRelay.objects.all(), pk=pk)
    services.remove_sender_relay(actor=request.caller.actor, relay=relay)
    return done(request, customer, "relays", f"Mail from {relay.domain} goes to its recipients' own hosts now.")


@require_POST
@of_customer
def remove_forward(request: CallerRequest, customer: Customer, pk: int) -> HttpResponse:
    destination = part_of(customer, AutoForwardDestination.objects.all(), pk=pk)
    services.remove_auto_forward(actor=request.caller.actor, destination=destination)
    return done(request, customer, "forwards", f"{destination.address} was removed.")
