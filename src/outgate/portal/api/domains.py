"""Routes of a customer's domains: claimed, proven, vouched for, removed."""

from typing import Annotated

from django.conf import settings
from django.http import HttpRequest
from ninja import Path, Router, Status

from outgate.portal.accounts.keys import Scope
from outgate.portal.accounts.models import Role
from outgate.portal.accounts.scope import ABSENT, customer_of, part_of
from outgate.portal.api import schemas
from outgate.portal.api.authentication import Key, caller_of, changed_customer
from outgate.portal.api.guard import asks_others
from outgate.portal.api.pages import LIMIT_DEFAULT, Cursor, Limit, page_of
from outgate.portal.api.problems import Problem
from outgate.portal.customers.models import Customer
from outgate.portal.errors import NotFound
from outgate.portal.outbound import services
from outgate.portal.outbound.models import SendingDomain
from outgate.portal.web.ownership import DomainQuestion, NoAnswer, txt_records

router = Router(tags=["domains"])
READ, WRITE = Key(Scope.CUSTOMERS_READ), Key(Scope.CUSTOMERS_WRITE)
DomainName = Annotated[str, Path(description="As it is listed", examples=["example.com"])]


@router.get("/{slug:customer_id}/domains", auth=READ, response=schemas.DomainPage, summary="List domains")
def index(
    request: HttpRequest, customer_id: str, cursor: Cursor = "", limit: Limit = LIMIT_DEFAULT
) -> schemas.DomainPage:
    """By name, in pages."""
    customer = customer_of(caller_of(request), customer_id)
    found, following = page_of(customer.domains.all(), "name", cursor, limit)
    return schemas.DomainPage(items=[domain_out(each) for each in found], next=following)


@router.post("/{slug:customer_id}/domains", auth=WRITE, response={201: schemas.DomainOut}, summary="Add a domain")
def add(request: HttpRequest, customer_id: str, wanted: schemas.DomainIn) -> Status[schemas.DomainOut]:
    """A claim, which counts for nothing until it is proven: publish `challenge` as a TXT record, then verify. The same
    name again sets `include_subdomains`, if it is given."""
    caller, customer = changed_customer(request, customer_id)
    domain = services.add_domain(
        actor=caller.actor, customer=customer, name=wanted.name, include_subdomains=wanted.include_subdomains
    )
    return Status(201, domain_out(domain))


@router.post(
    "/{slug:customer_id}/domains/{name}/verify", auth=WRITE, response=schemas.DomainOut, summary="Verify a domain"
)
@asks_others
def verify(request: HttpRequest, customer_id: str, name: DomainName) -> schemas.DomainOut:
    """Asks the domain's own name servers for the challenge, which may take some seconds. 409 while it is not found."""
    caller, customer = changed_customer(request, customer_id)
    domain = _domain(customer, name)
    question = DomainQuestion(resolvers=settings.SITE.nameservers, allow_private=settings.ALLOW_PRIVATE_ADDRESSES)
    try:
        records = frozenset() if domain.is_verified else txt_records(domain.name, question)
        if not domain.is_verified:
            services.verify_domain(actor=caller.actor, domain=domain, txt_records=records)
    except (services.DomainNotProven, NoAnswer) as error:
        raise Problem(409, "domain-not-proven", error.public_message) from error
    return domain_out(domain)


@router.post(
    "/{slug:customer_id}/domains/{name}/vouch", auth=WRITE, response=schemas.DomainOut, summary="Vouch for a domain"
)
def vouch(request: HttpRequest, customer_id: str, name: DomainName) -> schemas.DomainOut:
    """The operator's word in place of a record. Not there (404) for anybody else."""
    caller, customer = changed_customer(request, customer_id)
    if caller.role is not Role.OPERATOR:
        raise NotFound(ABSENT)
    domain = _domain(customer, name)
    services.vouch_for_domain(actor=caller.actor, domain=domain)
    return domain_out(domain)


@router.delete("/{slug:customer_id}/domains/{name}", auth=WRITE, response={204: None}, summary="Remove a domain")
def remove(request: HttpRequest, customer_id: str, name: DomainName) -> Status[None]:
    """Mail from it is refused as soon as the workers know. Its sender relay is removed with it."""
    caller, customer = changed_customer(request, customer_id)
    services.remove_domain(actor=caller.actor, domain=_domain(customer, name))
    return Status(204, None)


def _domain(customer: Customer, name: str) -> SendingDomain:
    """Raises: NotFound."""
    return part_of(customer, SendingDomain.objects.all(), name=name.lower())


def domain_out(domain: SendingDomain) -> schemas.DomainOut:
    return schemas.DomainOut(
        name=domain.name,
        include_subdomains=domain.include_subdomains,
        verified=domain.is_verified,
        challenge=domain.challenge,
    )
