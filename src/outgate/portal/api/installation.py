"""Routes of regions and partners, which staff reads and the operator changes, and of what is known of clouds."""

from django.http import HttpRequest
from ninja import Router, Status

from outgate.portal.accounts.caller import Caller
from outgate.portal.accounts.keys import Scope
from outgate.portal.accounts.models import Role
from outgate.portal.accounts.scope import ABSENT, partners_of, regions_of
from outgate.portal.api import schemas
from outgate.portal.api.authentication import Key, caller_of
from outgate.portal.api.pages import LIMIT_DEFAULT, Cursor, Limit, page_of
from outgate.portal.api.problems import Problem
from outgate.portal.customers import services
from outgate.portal.customers.models import Partner, Region
from outgate.portal.errors import NotFound
from outgate.portal.feed.changes import changes
from outgate.portal.providers.selectors import states

regions = Router(tags=["installation"])
partners = Router(tags=["installation"])
providers = Router(tags=["installation"])
READ, WRITE = Key(Scope.CUSTOMERS_READ), Key(Scope.INSTALLATION_WRITE)


@regions.get("", auth=READ, response=schemas.RegionPage, summary="List regions")
def region_index(request: HttpRequest, cursor: Cursor = "", limit: Limit = LIMIT_DEFAULT) -> schemas.RegionPage:
    """By id, in pages. Empty for customers, who find their own smarthost in their outbound settings."""
    found, following = page_of(regions_of(caller_of(request)), "slug", cursor, limit)
    return schemas.RegionPage(items=[_region(each) for each in found], next=following)


@regions.post("", auth=WRITE, response={201: schemas.RegionOut}, summary="Create a region")
def create_region(request: HttpRequest, wanted: schemas.RegionIn) -> Status[schemas.RegionOut]:
    """Of the operator. Its id is made from its name."""
    region = services.create_region(actor=_operator(request).actor, name=wanted.name, smarthost=wanted.smarthost)
    return Status(201, _region(region))


@regions.patch("/{slug:region_id}", auth=WRITE, response=schemas.RegionOut, summary="Change a region")
def change_region(request: HttpRequest, region_id: str, wanted: schemas.RegionChangeIn) -> schemas.RegionOut:
    """Of the operator. What is left out stays as it is."""
    caller = _operator(request)
    given = wanted.model_fields_set
    with changes():
        region = regions_of(caller).filter(slug=region_id).first()
        if region is None:
            raise NotFound(ABSENT)
        services.change_region(
            actor=caller.actor,
            region=region,
            smarthost=wanted.smarthost if "smarthost" in given else region.smarthost,
            spf_include=wanted.spf_include if "spf_include" in given else region.spf_include,
            sending_addresses=wanted.sending_addresses if "sending_addresses" in given else region.sending_addresses,
        )
    return _region(region)


@partners.get("", auth=READ, response=schemas.PartnerPage, summary="List partners")
def partner_index(request: HttpRequest, cursor: Cursor = "", limit: Limit = LIMIT_DEFAULT) -> schemas.PartnerPage:
    """By name, in pages: those for whom the key can make customers. Empty for customers."""
    found, following = page_of(partners_of(caller_of(request)), "name", cursor, limit)
    return schemas.PartnerPage(items=[_partner(each) for each in found], next=following)


@partners.post("", auth=WRITE, response={201: schemas.PartnerOut}, summary="Create a partner")
def create_partner(request: HttpRequest, wanted: schemas.PartnerIn) -> Status[schemas.PartnerOut]:
    """Of the operator."""
    return Status(201, _partner(services.create_partner(actor=_operator(request).actor, name=wanted.name)))


@providers.get("", auth=READ, response=schemas.ProvidersOut, summary="Show how old the clouds' addresses are")
def provider_index(request: HttpRequest) -> schemas.ProvidersOut:  # noqa: ARG001 - the framework's
    """Of Microsoft 365 and Google, whose customers enter no sources. A list that they have not confirmed for five
    weeks is relied on no more."""
    return schemas.ProvidersOut(
        items=[
            schemas.ProviderOut(
                name=each.provider,
                networks=len(each.networks),
                confirmed_at=each.confirmed_at,
                fetched_at=each.fetched_at,
                failing=bool(each.last_error),
            )
            for each in states()
        ]
    )


def _operator(request: HttpRequest) -> Caller:
    """Raises: Problem."""
    caller = caller_of(request)
    if caller.role is not Role.OPERATOR:
        raise Problem(403, "right-missing", "Only the operator changes regions and partners.")
    return caller


def _region(region: Region) -> schemas.RegionOut:
    return schemas.RegionOut(
        id=region.slug,
        name=region.name,
        smarthost=region.smarthost,
        spf_include=region.spf_include,
        sending_addresses=region.sending_addresses,
    )


def _partner(partner: Partner) -> schemas.PartnerOut:
    return schemas.PartnerOut(id=partner.pk, name=partner.name)
