"""Customers of Microsoft 365 and Google for a portal that a browser looks at: waiting, confirmed, and with mail."""

import time
from dataclasses import dataclass
from typing import Any, Final

from tests.support import sightings
from tests.support.sightings import evidence, record, refused, tenant

from outgate.mail.evidence import DkimVerdict, SignatureResult
from outgate.portal.accounts.audit import Actor
from outgate.portal.customers.models import Customer, MailPlatform, Partner, Region
from outgate.portal.customers.services import create_customer
from outgate.portal.outbound import cloud_services
from outgate.portal.outbound import services as outbound

ACTOR: Final = Actor("sample")


@dataclass(frozen=True)
class Clouds:
    waiting: Customer  # its mail proposes a tenant, and another's does not fit
    silent: Customer  # nothing came yet
    confirmed: Customer
    google: Customer


def add_clouds(partner: Partner, region: Region) -> Clouds:
    """Customers, their domains, and what came from the clouds in the last minutes."""
    sightings.AT = time.time() - 600

    def made(name: str, platform: MailPlatform) -> Customer:
        one = create_customer(actor=ACTOR, name=name, partner=partner, region=region)
        one.mail_platform = platform
        one.save(update_fields=["mail_platform"])
        domain = outbound.add_domain(actor=ACTOR, customer=one, name=f"{one.slug}.example")
        outbound.vouch_for_domain(actor=ACTOR, domain=domain)
        return one

    clouds = Clouds(
        made("Tenant Waiting", MailPlatform.MICROSOFT_365),
        made("Tenant Silent", MailPlatform.MICROSOFT_365),
        made("Tenant Confirmed", MailPlatform.MICROSOFT_365),
        made("Google Sender", MailPlatform.GOOGLE),
    )
    for number in range(2):
        cloud_services.confirm_tenant(actor=ACTOR, customer=clouds.confirmed, tenant_id=tenant(0xA0 + number))
    cloud_services.add_microsoft_name(actor=ACTOR, customer=clouds.confirmed, name="tenantconfirmed.onmicrosoft.com")
    anothers = shown(clouds.waiting, tenant(0xA0), originator_orgs=("tenant-confirmed.example",))
    forged = shown(clouds.waiting, tenant(0xE), originator_orgs=("elsewhere.example",), signatures=())
    for second in range(3):
        record(
            refused(clouds.waiting, shown(clouds.waiting, tenant(0xB)), second),
            refused(clouds.confirmed, shown(clouds.confirmed, tenant(0xA0), pool="relay"), 10 + second),
            refused(clouds.google, on_google(clouds.google, "none" if second else "pass"), 20 + second),
        )
    record(refused(clouds.waiting, anothers, 4), refused(clouds.waiting, forged, 5))
    return clouds


def shown(one: Customer, tenant_id: str, **more: Any) -> Any:
    name = f"{one.slug}.example"
    initial = f"{one.slug.replace('-', '')}.onmicrosoft.com"
    fields = {
        "tenant_ids": (tenant_id,),
        "originator_orgs": (name,),
        "signatures": (SignatureResult(initial, "selector1", DkimVerdict.PASS),),
    }
    return evidence(**{**fields, **more})


def on_google(one: Customer, dkim: str) -> Any:
    return shown(one, "", source_class="google", tenant_ids=(), originator_orgs=(), auth_as=(), dkim=dkim)
