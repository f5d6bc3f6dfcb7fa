"""Routes of a customer's sender relays. A password goes in, and never comes out."""

from typing import Annotated

from django.http import HttpRequest
from ninja import Field, Path, Router, Schema, Status
from pydantic import Strict

from outgate.contract.policy import Login, RelayTls
from outgate.contract.wire import RelayTest
from outgate.portal.accounts import audit
from outgate.portal.accounts.caller import Caller
from outgate.portal.accounts.keys import Scope
from outgate.portal.accounts.scope import customer_of, part_of
from outgate.portal.api.authentication import Key, caller_of, changed_customer
from outgate.portal.api.guard import asks_others
from outgate.portal.api.pages import LIMIT_DEFAULT, Cursor, Limit, page_of
from outgate.portal.api.problems import Problem
from outgate.portal.api.schemas import In
from outgate.portal.customers.models import HOST_MAX, Customer
from outgate.portal.outbound import services
from outgate.portal.outbound.models import LOGIN_MAX, SenderRelay
from outgate.portal.web import relay_tests

router = Router(tags=["sender relays"])
READ, WRITE = Key(Scope.CUSTOMERS_READ), Key(Scope.CUSTOMERS_WRITE)
DomainName = Annotated[str, Path(description="The sending domain", examples=["example.com"])]


class SenderRelayIn(In):
    host: str = Field(max_length=HOST_MAX, examples=["relay.example.net"])
    port: int = Field(default=25, ge=1, le=65535)
    tls: Annotated[RelayTls, Strict(False)] = RelayTls.OPPORTUNISTIC
    login: str = Field(default="", max_length=LOGIN_MAX, description="User name; with one, TLS is required")
    password: str = Field(
        default="", max_length=LOGIN_MAX, description="Empty keeps the one that is stored for this login and host"
    )


class DraftRelayIn(SenderRelayIn):
    domain: str = Field(
        default="", max_length=HOST_MAX, description="Whose stored password is meant, if none is given", examples=[""]
    )


class SenderRelayOut(Schema):
    domain: str = Field(examples=["example.com"])
    host: str = Field(examples=["relay.example.net"])
    port: int = Field(examples=[25])
    tls: RelayTls
    login: str = Field(examples=[""])


class SenderRelayPage(Schema):
    items: list[SenderRelayOut]
    next: str | None = Field(examples=[None])


class DialogueLineOut(Schema):
    direction: str = Field(description="`<` is the relay, `>` Outgate, `*` a note", examples=["<"])
    text: str = Field(examples=["220 relay.example.net ESMTP"])
    seconds: float = Field(examples=[0.042])


class RelayTestOut(Schema):
    works: bool
    verdict: str = Field(examples=["The relay takes connections without TLS. No message was sent."])
    tls: str = Field(examples=["TLSv1.3 TLS_AES_256_GCM_SHA384"])
    certificate: str = Field(examples=["certificate: for relay.example.net, by Example CA, until 2027-01-31"])
    dialogue: list[DialogueLineOut]


@router.get("/{slug:customer_id}/sender-relays", auth=READ, response=SenderRelayPage, summary="List sender relays")
def index(request: HttpRequest, customer_id: str, cursor: Cursor = "", limit: Limit = LIMIT_DEFAULT) -> SenderRelayPage:
    """By domain, in pages."""
    customer = customer_of(caller_of(request), customer_id)
    found, following = page_of(customer.sender_relays.all(), "domain", cursor, limit)
    return SenderRelayPage(items=[_out(each) for each in found], next=following)


@router.put(
    "/{slug:customer_id}/sender-relays/{domain}", auth=WRITE, response=SenderRelayOut, summary="Set a sender relay"
)
def put(request: HttpRequest, customer_id: str, domain: DomainName, wanted: SenderRelayIn) -> SenderRelayOut:
    """Mail of the domain goes there from now on, whatever was set before."""
    caller, customer = changed_customer(request, customer_id)
    relay = services.set_sender_relay(
        actor=caller.actor,
        customer=customer,
        domain=domain,
        host=wanted.host,
        port=wanted.port,
        tls=wanted.tls,
        login=wanted.login,
        password=wanted.password,
    )
    return _out(relay)


@router.post(
    "/{slug:customer_id}/sender-relays/{domain}/test",
    auth=WRITE,
    response=RelayTestOut,
    summary="Test a sender relay",
)
@asks_others
def test(request: HttpRequest, customer_id: str, domain: DomainName) -> RelayTestOut:
    """Connects as delivery would, up to the login, and sends no message; takes up to 15 seconds. 409 if it cannot be
    tested now."""
    caller, customer = changed_customer(request, customer_id)
    relay = part_of(customer, SenderRelay.objects.all(), domain=domain.lower())
    login = Login(relay.login, relay.password) if relay.login else None
    return _test(caller, customer, RelayTest(relay.host, relay.port, RelayTls(relay.tls), login))


@router.post(
    "/{slug:customer_id}/relay-tests", auth=WRITE, response=RelayTestOut, summary="Try a sender relay before it is set"
)
@asks_others
def attempt(request: HttpRequest, customer_id: str, wanted: DraftRelayIn) -> RelayTestOut:
    """As the test of one that is set. Nothing is saved."""
    caller, customer = changed_customer(request, customer_id)
    drafted = relay_tests.draft(
        customer,
        domain=wanted.domain,
        host=wanted.host,
        port=wanted.port,
        tls=wanted.tls,
        login=wanted.login,
        password=wanted.password,
    )
    return _test(caller, customer, drafted)


def _test(caller: Caller, customer: Customer, wanted: RelayTest) -> RelayTestOut:
    """Raises: Problem."""
    login = wanted.login.name if wanted.login else ""
    audit.record(caller.actor, "relay.tested", customer.slug, host=wanted.host, port=wanted.port, login=login)
    try:
        result = relay_tests.test(customer.pk, wanted)
    except relay_tests.NotNow as error:
        raise Problem(409, "not-now", str(error)) from error
    return RelayTestOut(
        works=result.is_good,
        verdict=result.verdict,
        tls=result.tls,
        certificate=result.certificate,
        dialogue=[
            DialogueLineOut(direction=line.direction, text=line.text, seconds=line.seconds) for line in result.lines
        ],
    )


@router.delete(
    "/{slug:customer_id}/sender-relays/{domain}", auth=WRITE, response={204: None}, summary="Remove a sender relay"
)
def remove(request: HttpRequest, customer_id: str, domain: DomainName) -> Status[None]:
    """Mail of the domain goes to its recipients' own hosts from now on."""
    caller, customer = changed_customer(request, customer_id)
    relay = part_of(customer, SenderRelay.objects.all(), domain=domain.lower())
    services.remove_sender_relay(actor=caller.actor, relay=relay)
    return Status(204, None)


def _out(relay: SenderRelay) -> SenderRelayOut:
    return SenderRelayOut(
        domain=relay.domain, host=relay.host, port=relay.port, tls=RelayTls(relay.tls), login=relay.login
    )
