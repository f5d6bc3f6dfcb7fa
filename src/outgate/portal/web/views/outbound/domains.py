"""Domains: claimed, proven, vouched for, removed."""

from django.conf import settings
from django.http import HttpResponse
from django.views.decorators.http import require_POST

from outgate.portal.accounts.models import Role
from outgate.portal.accounts.scope import ABSENT, part_of
from outgate.portal.customers.models import Customer
from outgate.portal.errors import NotFound
from outgate.portal.feed.changes import changes
from outgate.portal.outbound import services
from outgate.portal.outbound.models import SendingDomain
from outgate.portal.web.forms import Form
from outgate.portal.web.ownership import DomainQuestion, NoAnswer, txt_records
from outgate.portal.web.request import CallerRequest, of_customer
from outgate.portal.web.views.outbound.page import count_added, done, form_view, newest, page


def _add_domain(request: CallerRequest, customer: Customer, form: Form) -> tuple[str, str]:
    before, include_subdomains = newest(customer.domains), form.is_checked("include_subdomains") or None
    with changes():  # all or nothing
        domains = [
            services.add_domain(
                actor=request.caller.actor, customer=customer, name=name, include_subdomains=include_subdomains
            )
            for name in form.entries("name")
        ]
    if len(domains) > 1:
        return "domains", count_added("domain", domains, before)
    (domain,) = domains
    if domain.pk > before:
        return "domains", f"{domain.name} was added. Publish its TXT record to prove that it is yours."
    which = "with all its subdomains" if domain.include_subdomains else "without its subdomains"
    return "domains", f"{domain.name} was there already. It is listed {which}."


add_domain = form_view("domain", _add_domain)


@require_POST
@of_customer
def verify_domain(request: CallerRequest, customer: Customer, pk: int) -> HttpResponse:
    """Ask the domain's own name servers for the challenge. No transaction is open while they are asked."""
    domain = part_of(customer, SendingDomain.objects.all(), pk=pk)
    form = Form.of(request, f"domain-{pk}")
    question = DomainQuestion(resolvers=settings.SITE.nameservers, allow_private=settings.ALLOW_PRIVATE_ADDRESSES)
    try:
        with form.catching():
            services.verify_domain(
                actor=request.caller.actor, domain=domain, txt_records=txt_records(domain.name, question)
            )
            return done(request, customer, "domains", f"{domain.name} is proven to be yours.")
    except (services.DomainNotProven, NoAnswer) as error:
        form.errors["name"] = error.public_message
    return page(request, customer, form)


@require_POST
@of_customer
def vouch(request: CallerRequest, customer: Customer, pk: int) -> HttpResponse:
    """The operator's word instead of a record."""
    if request.caller.role is not Role.OPERATOR:
        raise NotFound(ABSENT)
    domain = part_of(customer, SendingDomain.objects.all(), pk=pk)
    form = Form.of(request, f"domain-{pk}")
    with form.catching():
        services.vouch_for_domain(actor=request.caller.actor, domain=domain)
        return done(request, customer, "domains", f"{domain.name} counts as proven, by your word.")
    return page(request, customer, form)


@require_POST
@of_customer
def set_subdomains(request: CallerRequest, customer: Customer, pk: int) -> HttpResponse:
    """With all its subdomains, or without."""
    domain = part_of(customer, SendingDomain.objects.all(), pk=pk)
    wanted, relays = Form.of(request).is_checked("include_subdomains"), customer.sender_relays.count()
    services.add_domain(actor=request.caller.actor, customer=customer, name=domain.name, include_subdomains=wanted)
    gone = relays - customer.sender_relays.count()
    also = f" {gone} sender relay{'' if gone == 1 else 's'} of these went with them." if gone else ""
    which = "with all its" if wanted else "without its"
    return done(request, customer, "domains", f"{domain.name} is listed {which} subdomains now.{also}")


@require_POST
@of_customer
def remove_domain(request: CallerRequest, customer: Customer, pk: int) -> HttpResponse:
    domain = part_of(customer, SendingDomain.objects.all(), pk=pk)
    relays = services.remove_domain(actor=request.caller.actor, domain=domain)
    also = f" So was the sender relay of {', '.join(relays)}: it would serve no mail any more." if relays else ""
    return done(request, customer, "domains", f"{domain.name} was removed.{also}")
