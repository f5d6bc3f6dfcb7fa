"""Routes of a customer's outbound settings: the switch, the platform, sources and auto forwards."""

from typing import Annotated

from django.http import HttpRequest
from django.utils import timezone
from ninja import Field, Router, Status

from outgate.contract.policy import ForeignFrom, RelayTls
from outgate.portal.accounts.keys import Scope
from outgate.portal.accounts.scope import customer_of, part_of
from outgate.portal.api import schemas
from outgate.portal.api.authentication import Key, caller_of, changed_customer
from outgate.portal.api.customers import customer_out
from outgate.portal.api.domains import domain_out
from outgate.portal.api.pages import LIMIT_DEFAULT, Cursor, Limit, page_of
from outgate.portal.customers.models import Customer, Plan
from outgate.portal.customers.services import change_customer
from outgate.portal.outbound import services
from outgate.portal.outbound.activation import activation_of
from outgate.portal.outbound.models import MAILBOX_MAX, AutoForwardDestination, OutboundSource

router = Router(tags=["outbound"])
READ, WRITE = Key(Scope.CUSTOMERS_READ), Key(Scope.CUSTOMERS_WRITE)


@router.get("/{slug:customer_id}/outbound", auth=READ, response=schemas.OutboundOut, summary="Show outbound settings")
def show(request: HttpRequest, customer_id: str) -> schemas.OutboundOut:
    """All of them at once, and how far they have come. With thousands of domains ask for the lists in pages."""
    return _outbound(customer_of(caller_of(request), customer_id))


@router.put(
    "/{slug:customer_id}/outbound/status", auth=WRITE, response=schemas.OutboundOut, summary="Switch outbound on or off"
)
def switch(request: HttpRequest, customer_id: str, wanted: schemas.SwitchIn) -> schemas.OutboundOut:
    """Idempotent. On is activating until every worker has acknowledged it: ask for the settings until `everywhere`."""
    caller, customer = changed_customer(request, customer_id)
    services.switch_outbound(actor=caller.actor, customer=customer, on=wanted.on)
    return _outbound(customer)


@router.put(
    "/{slug:customer_id}/outbound/platform", auth=WRITE, response=schemas.CustomerOut, summary="Set the mail platform"
)
def platform(request: HttpRequest, customer_id: str, wanted: schemas.PlatformIn) -> schemas.CustomerOut:
    """Where the customer's mail comes from. Of clouds the address ranges are known, and no source is needed."""
    caller, customer = changed_customer(request, customer_id)
    change_customer(
        actor=caller.actor,
        customer=customer,
        name=customer.name,
        partner=customer.partner,
        region=customer.region,
        plan=Plan(customer.plan),
        mail_platform=wanted.mail_platform,
        foreign_from=ForeignFrom(customer.foreign_from),
    )
    return customer_out(customer)


@router.get("/{slug:customer_id}/outbound/sources", auth=READ, response=schemas.SourcePage, summary="List sources")
def sources(
    request: HttpRequest, customer_id: str, cursor: Cursor = "", limit: Limit = LIMIT_DEFAULT
) -> schemas.SourcePage:
    """By network, in pages."""
    customer = customer_of(caller_of(request), customer_id)
    found, following = page_of(customer.sources.all(), "network", cursor, limit)
    return schemas.SourcePage(items=[_source(each) for each in found], next=following)


@router.post(
    "/{slug:customer_id}/outbound/sources", auth=WRITE, response={201: schemas.SourceOut}, summary="Add a source"
)
def add_source(request: HttpRequest, customer_id: str, wanted: schemas.SourceIn) -> Status[schemas.SourceOut]:
    """Idempotent: the same network again gets the new label, if one is given."""
    caller, customer = changed_customer(request, customer_id)
    source = services.add_source(actor=caller.actor, customer=customer, network=wanted.network, label=wanted.label)
    return Status(201, _source(source))


@router.delete("/{slug:customer_id}/outbound/sources", auth=WRITE, response={204: None}, summary="Remove a source")
def remove_source(
    request: HttpRequest,
    customer_id: str,
    network: Annotated[str, Field(max_length=64, description="As it is listed", examples=["203.0.113.7/32"])],
) -> Status[None]:
    """Mail from there is refused as soon as the workers know. 404 if it is not listed."""
    caller, customer = changed_customer(request, customer_id)
    services.remove_source(actor=caller.actor, source=part_of(customer, OutboundSource.objects.all(), network=network))
    return Status(204, None)


@router.get(
    "/{slug:customer_id}/outbound/auto-forwards", auth=READ, response=schemas.ForwardPage, summary="List auto forwards"
)
def forwards(
    request: HttpRequest, customer_id: str, cursor: Cursor = "", limit: Limit = LIMIT_DEFAULT
) -> schemas.ForwardPage:
    """The addresses that mail with a foreign reverse-path may be forwarded to, in pages."""
    customer = customer_of(caller_of(request), customer_id)
    found, following = page_of(customer.auto_forwards.all(), "address", cursor, limit)
    return schemas.ForwardPage(items=[schemas.ForwardOut(address=each.address) for each in found], next=following)


@router.post(
    "/{slug:customer_id}/outbound/auto-forwards",
    auth=WRITE,
    response={201: schemas.ForwardOut},
    summary="Add an auto forward",
)
def add_forward(request: HttpRequest, customer_id: str, wanted: schemas.ForwardIn) -> Status[schemas.ForwardOut]:
    """Idempotent."""
    caller, customer = changed_customer(request, customer_id)
    made = services.add_auto_forward(actor=caller.actor, customer=customer, address=wanted.address)
    return Status(201, schemas.ForwardOut(address=made.address))


@router.delete(
    "/{slug:customer_id}/outbound/auto-forwards", auth=WRITE, response={204: None}, summary="Remove an auto forward"
)
def remove_forward(
    request: HttpRequest,
    customer_id: str,
    address: Annotated[
        str, Field(max_length=MAILBOX_MAX, description="As it is listed", examples=["archive@example.net"])
    ],
) -> Status[None]:
    """404 if it is not listed."""
    caller, customer = changed_customer(request, customer_id)
    destination = part_of(customer, AutoForwardDestination.objects.all(), address=address)
    services.remove_auto_forward(actor=caller.actor, destination=destination)
    return Status(204, None)


def _source(source: OutboundSource) -> schemas.SourceOut:
    return schemas.SourceOut(network=source.network, label=source.label)


def _outbound(customer: Customer) -> schemas.OutboundOut:
    state = activation_of(customer, timezone.now())
    return schemas.OutboundOut(
        status=state.outbound,
        revision=state.revision,
        everywhere=state.is_everywhere,
        applied_seconds=state.applied_seconds,
        workers=[
            schemas.WorkerOut(name=each.worker, applied=each.revision >= state.revision) for each in state.workers
        ],
        missing=[
            schemas.MissingOut(code=each.code, meaning=each.meaning, remedy=each.remedy) for each in state.missing
        ],
        smarthost=customer.region.smarthost,
        domains=[domain_out(each) for each in customer.domains.order_by("name")],
        sources=[_source(each) for each in customer.sources.order_by("network")],
        sender_relays=[
            schemas.RelayOut(domain=each.domain, host=each.host, port=each.port, tls=RelayTls(each.tls))
            for each in customer.sender_relays.order_by("domain")
        ],
        auto_forwards=list(customer.auto_forwards.order_by("address").values_list("address", flat=True)),
    )
