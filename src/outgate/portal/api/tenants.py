"""Routes of the tenant lock: what mail has shown, what is proposed, what is confirmed; pools and signatures."""

from datetime import datetime, timedelta
from typing import Annotated

from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone
from ninja import Field, Path, Router, Schema, Status
from pydantic import Strict

from outgate.contract.policy import PoolAction, SignatureRule
from outgate.portal.accounts.keys import Scope
from outgate.portal.accounts.scope import customer_of, part_of
from outgate.portal.api.authentication import Key, caller_of, changed_customer
from outgate.portal.api.guard import asks_others
from outgate.portal.api.problems import Problem
from outgate.portal.api.schemas import In
from outgate.portal.customers.models import Customer
from outgate.portal.errors import Invalid
from outgate.portal.feed.changes import changes
from outgate.portal.outbound import cloud_services
from outgate.portal.outbound.models import TENANT_ID_MAX, SendingDomain
from outgate.portal.outbound.proposals import SEEN_DAYS, tenant_standings
from outgate.portal.outbound.selectors import google_settings, microsoft_settings
from outgate.portal.outbound.validation import parse_domain
from outgate.portal.tracker.selectors import sightings_of
from outgate.portal.web.tenant_lookup import NotFoundOut, tenant_of

router = Router(tags=["tenants"])
READ, WRITE = Key(Scope.CUSTOMERS_READ), Key(Scope.CUSTOMERS_WRITE)
GUID = "1b2c3d4e-0000-4000-8000-1234567890ab"
TenantId = Annotated[str, Path(description="A GUID", max_length=TENANT_ID_MAX, examples=[GUID])]

MicrosoftName = Annotated[str, Path(description="Of a tenant", max_length=253, examples=["example.onmicrosoft.com"])]


class SeenTenantOut(Schema):
    """A tenant that the customer's mail has shown alone in the last 30 days."""

    tenant_id: str = Field(examples=[GUID])
    names: list[str] = Field(examples=[["example.onmicrosoft.com"]])
    messages: int = Field(examples=[12])
    confirmed: bool
    proposed: bool = Field(description="Does all evidence support that it is the customer's?")
    problem: str = Field(description="Why it is not proposed; empty if it is", examples=[""])


class SightingOut(Schema):
    """A combination that the customer's mail from Microsoft 365 or Google has shown in the last 30 days."""

    source_class: str = Field(description="`microsoft` or `google`", examples=["microsoft"])
    tenant_ids: list[str] = Field(examples=[[GUID]])
    originator_orgs: list[str] = Field(description="Of X-OriginatorOrg", examples=[["example.com"]])
    auth_as: list[str] = Field(description="`internal`: the sender signed in to the tenant", examples=[["internal"]])
    signatures: list[str] = Field(
        description="Domains of the signatures that passed, the topmost first", examples=[["example.com"]]
    )
    messages: int = Field(description="About how many", examples=[12])
    first_at: datetime
    last_at: datetime
    last_queue_id: str = Field(examples=["T4226ZR000G00"])
    last_reason: str = Field(description="A reason code; empty if it was accepted", examples=["tenant-unconfirmed"])


class TenantsOut(Schema):
    """The tenant lock. While no tenant is confirmed, mail from Microsoft 365 waits (451)."""

    tenant_ids: list[str] = Field(examples=[[GUID]])
    names: list[str] = Field(examples=[["example.onmicrosoft.com"]])
    seen: list[SeenTenantOut]
    sightings: list[SightingOut]
    relayed_mail: bool = Field(description="May mail pass that came into the tenant without signing in there?")
    high_risk_pool: PoolAction
    relay_pool: PoolAction
    relay_pool_forwards: bool = Field(description="Let its forwards pass to the auto forward destinations")
    google_signature: SignatureRule


class TenantIn(In):
    tenant_id: str = Field(max_length=TENANT_ID_MAX, examples=[GUID])
    names: list[str] = Field(
        default=[], max_length=50, description="Names that it began with", examples=[["example.onmicrosoft.com"]]
    )


class LookUpIn(In):
    domain: str = Field(max_length=253, description="A proven domain of the customer's", examples=["example.com"])


class LookUpOut(Schema):
    domain: str = Field(examples=["example.com"])
    tenant_id: str = Field(description="Not confirmed by this", examples=[GUID])


class CloudRulesIn(In):
    relayed_mail: bool = True
    high_risk_pool: Annotated[PoolAction, Strict(False)] = PoolAction.REJECT
    relay_pool: Annotated[PoolAction, Strict(False)] = PoolAction.REJECT
    relay_pool_forwards: bool = False
    google_signature: Annotated[SignatureRule, Strict(False)] = SignatureRule.PREFER


@router.get("/{slug:customer_id}/tenants", auth=READ, response=TenantsOut, summary="Show the tenant lock")
def show(request: HttpRequest, customer_id: str) -> TenantsOut:
    """What is confirmed, what mail has shown, and what of that is proposed."""
    return _tenants(customer_of(caller_of(request), customer_id))


@router.post("/{slug:customer_id}/tenants", auth=WRITE, response={201: TenantsOut}, summary="Confirm a tenant")
def confirm(request: HttpRequest, customer_id: str, wanted: TenantIn) -> Status[TenantsOut]:
    """That it is the customer's: its mail passes from now on. Confirmed again, nothing changes."""
    caller, customer = changed_customer(request, customer_id)
    with changes():  # all or nothing
        cloud_services.confirm_tenant(actor=caller.actor, customer=customer, tenant_id=wanted.tenant_id)
        for name in wanted.names:
            cloud_services.add_microsoft_name(actor=caller.actor, customer=customer, name=name)
    return Status(201, _tenants(customer))


@router.post(
    "/{slug:customer_id}/tenants/look-up", auth=WRITE, response=LookUpOut, summary="Look a tenant up by a domain"
)
@asks_others
def look_up(request: HttpRequest, customer_id: str, wanted: LookUpIn) -> LookUpOut:
    """Asks Microsoft which tenant has the domain, and changes nothing; takes up to 8 seconds. 409 if none is found
    now."""
    _, customer = changed_customer(request, customer_id)
    domain = part_of(customer, SendingDomain.objects.all(), name=parse_domain("domain", wanted.domain))
    if not domain.is_verified:
        raise Invalid("domain", f"{domain.name} is not proven. Verify it first.")
    try:
        tenant_id = tenant_of(domain.name, settings.SITE.openid_url, settings.SITE.provider_ca_file)
    except NotFoundOut as error:
        raise Problem(409, "tenant-not-found", error.public_message) from error
    return LookUpOut(domain=domain.name, tenant_id=tenant_id)


@router.put("/{slug:customer_id}/tenants/names/{name}", auth=WRITE, response=TenantsOut, summary="Add a name")
def add_name(request: HttpRequest, customer_id: str, name: MicrosoftName) -> TenantsOut:
    """Of a tenant, under onmicrosoft.com: mail that uses it may be the customer's. Idempotent."""
    caller, customer = changed_customer(request, customer_id)
    cloud_services.add_microsoft_name(actor=caller.actor, customer=customer, name=name)
    return _tenants(customer)


@router.delete("/{slug:customer_id}/tenants/names/{name}", auth=WRITE, response={204: None}, summary="Remove a name")
def remove_name(request: HttpRequest, customer_id: str, name: MicrosoftName) -> Status[None]:
    """Of a tenant, under onmicrosoft.com: mail that uses it is refused from now on."""
    caller, customer = changed_customer(request, customer_id)
    cloud_services.remove_microsoft_name(actor=caller.actor, customer=customer, name=name)
    return Status(204, None)


@router.delete("/{slug:customer_id}/tenants/{tenant_id}", auth=WRITE, response={204: None}, summary="Remove a tenant")
def remove(request: HttpRequest, customer_id: str, tenant_id: TenantId) -> Status[None]:
    """Its mail is refused from now on. 404 if it is not confirmed."""
    caller, customer = changed_customer(request, customer_id)
    cloud_services.remove_tenant(actor=caller.actor, customer=customer, tenant_id=tenant_id)
    return Status(204, None)


@router.put(
    "/{slug:customer_id}/cloud-rules", auth=WRITE, response=TenantsOut, summary="Set what becomes of mail from clouds"
)
def rules(request: HttpRequest, customer_id: str, wanted: CloudRulesIn) -> TenantsOut:
    """Microsoft's pools, mail that came into the tenant from elsewhere, and Google's signature, all at once."""
    caller, customer = changed_customer(request, customer_id)
    with changes():
        cloud_services.set_microsoft(
            actor=caller.actor,
            customer=customer,
            relayed_mail=wanted.relayed_mail,
            high_risk_pool=wanted.high_risk_pool,
            relay_pool=wanted.relay_pool,
            relay_pool_forwards=wanted.relay_pool_forwards,
        )
        cloud_services.set_google(actor=caller.actor, customer=customer, signature=wanted.google_signature)
    return _tenants(customer)


def _tenants(customer: Customer) -> TenantsOut:
    wanted, now = microsoft_settings(customer), timezone.now()
    return TenantsOut(
        tenant_ids=list(wanted.tenant_ids),
        names=list(wanted.names),
        seen=[
            SeenTenantOut(
                tenant_id=each.tenant_id,
                names=list(each.names),
                messages=each.messages,
                confirmed=each.is_confirmed,
                proposed=each.is_proposed,
                problem=each.problem,
            )
            for each in tenant_standings(customer, now)
        ],
        sightings=[
            SightingOut(
                source_class=each.source_class,
                tenant_ids=each.tenant_ids,
                originator_orgs=each.originator_orgs,
                auth_as=each.auth_as,
                signatures=each.signatures,
                messages=each.count,
                first_at=each.first_at,
                last_at=each.last_at,
                last_queue_id=each.last_queue_id,
                last_reason=each.last_reason,
            )
            for each in sightings_of(customer.slug, since=now - timedelta(days=SEEN_DAYS))
        ],
        relayed_mail=wanted.relayed_mail,
        high_risk_pool=wanted.high_risk_pool,
        relay_pool=wanted.relay_pool,
        relay_pool_forwards=wanted.relay_pool_forwards,
        google_signature=google_settings(customer).signature,
    )
