"""`outgate tenant`: the tenant lock of customers on Microsoft 365, and what their mail has shown.

Exit status: 0 is done; 1 is not done; 2 is what was given is wrong.
"""
# ruff: noqa: PLC0415 - Django takes half a second to import: only the command that needs it does

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from outgate.app.commands.control_plane import actor, confirm, control_plane, fail, print_json, print_table
from outgate.app.commands.settings import settings_of

if TYPE_CHECKING:
    from outgate.portal.outbound.proposals import Standing
    from outgate.portal.tracker.models import TenantSighting

app = typer.Typer(help="Whose Microsoft 365 tenant is whose, and what mail has shown.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
Name = Annotated[str, typer.Argument(metavar="CUSTOMER", help="The customer's id or name.", show_default=False)]
TenantId = Annotated[str, typer.Argument(help="The tenant's id, a GUID.", show_default=False)]


@app.command()
def show(context: typer.Context, name: Name, as_json: AsJson = False) -> None:
    """Show a customer's tenants, which one its mail proposes, and what its mail from clouds has shown lately."""
    with control_plane(context):
        from outgate.portal.customers.selectors import customer_named
        from outgate.portal.outbound.proposals import SEEN_DAYS, tenant_standings
        from outgate.portal.outbound.selectors import microsoft_settings
        from outgate.portal.tracker.selectors import sightings_of

        customer = customer_named(name)
        now = datetime.now(UTC)
        settings = microsoft_settings(customer)
        standings = tenant_standings(customer, now)
        sightings = sightings_of(customer.slug, since=now - timedelta(days=SEEN_DAYS))
    if as_json:
        print_json(
            {
                "id": customer.slug,
                "tenant_ids": settings.tenant_ids,
                "names": settings.names,
                "seen_tenants": [_standing(each) for each in standings],
                "sightings": [_sighting(each) for each in sightings],
            }
        )
        return
    print(f"{customer.name} ({customer.slug})")
    print(f"Confirmed tenants: {', '.join(settings.tenant_ids) or 'none; mail from Microsoft 365 waits'}")
    print(f"Names: {', '.join(settings.names) or 'none'}")
    for each in standings:
        if each.is_proposed:
            names = "".join(f" --name {each_name}" for each_name in each.names)
            print(f"Its mail proposes: outgate tenant confirm {customer.slug} {each.tenant_id}{names}")
    if standings:
        print()
        print_table(["seen tenant", "messages", "last", "standing"], [_standing_row(each) for each in standings])
    if sightings:
        print()
        print_table(
            ["from", "tenant", "X-OriginatorOrg", "signed by", "auth as", "messages", "last", "reason", "message"],
            [_sighting_row(each) for each in sightings],
        )


@app.command("look-up")
def look_up(
    context: typer.Context,
    domain: Annotated[str, typer.Argument(help="A domain of the customer's.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Ask Microsoft which tenant a domain is of. That is no proof of whose it is: confirm what you know is right."""
    from outgate.app.provider_sources import SourceFailed
    from outgate.app.tenant_lookup import tenant_of
    from outgate.portal.errors import Invalid
    from outgate.portal.outbound.cloud_validation import parse_tenant_id
    from outgate.portal.outbound.validation import parse_domain

    try:
        name = parse_domain("domain", domain)
    except Invalid as error:
        fail(error.public_message, code=2)
    try:
        tenant_id = parse_tenant_id("tenant_id", tenant_of(name, settings_of(context)))
    except SourceFailed as error:
        fail(f"{name}: no tenant was found: {error}")
    except Invalid as error:
        fail(f"{name}: {error.public_message}")
    if as_json:
        print_json({"domain": name, "tenant_id": tenant_id})
    else:
        print(tenant_id)


@app.command("confirm")
def confirm_tenant(
    context: typer.Context,
    name: Name,
    tenant_id: TenantId,
    names: Annotated[
        list[str] | None,
        typer.Option("--name", help="The name that the tenant began with, X.onmicrosoft.com.", show_default=False),
    ] = None,
) -> None:
    """Say that a tenant is the customer's: its mail passes from now on."""
    with control_plane(context):
        from outgate.portal.customers.selectors import customer_named
        from outgate.portal.feed.changes import changes
        from outgate.portal.outbound import cloud_services

        customer = customer_named(name)
        with changes():  # all or nothing
            tenant = cloud_services.confirm_tenant(actor=actor(), customer=customer, tenant_id=tenant_id)
            for each in names or ():
                cloud_services.add_microsoft_name(actor=actor(), customer=customer, name=each)
        print(f"The tenant {tenant.tenant_id} is confirmed for {customer.name} ({customer.slug}).")


@app.command()
def remove(
    context: typer.Context,
    name: Name,
    tenant_id: TenantId,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Take back that a tenant is the customer's: its mail is refused from now on. Names stay, see its text."""
    with control_plane(context):
        from outgate.portal.customers.selectors import customer_named
        from outgate.portal.outbound.cloud_services import remove_tenant

        customer = customer_named(name)
        confirm(f"Refuse the mail of tenant {tenant_id} for {customer.name} ({customer.slug})?", yes=yes)
        remove_tenant(actor=actor(), customer=customer, tenant_id=tenant_id)
        print(f"The tenant {tenant_id.lower()} is no longer {customer.name}'s.")


def _standing(each: "Standing") -> dict[str, Any]:
    return {
        "tenant_id": each.tenant_id,
        "names": each.names,
        "messages": each.messages,
        "last_at": each.last_at.isoformat(),
        "confirmed": each.is_confirmed,
        "proposed": each.is_proposed,
        "problem": each.problem,
    }


def _standing_row(each: "Standing") -> list[str]:
    standing = "confirmed" if each.is_confirmed else each.problem or "proposed"
    return [each.tenant_id, str(each.messages), _time(each.last_at), escape(standing)]


def _sighting(each: "TenantSighting") -> dict[str, Any]:
    return {
        "source_class": each.source_class,
        "tenant_ids": each.tenant_ids,
        "originator_orgs": each.originator_orgs,
        "signatures": each.signatures,
        "auth_as": each.auth_as,
        "messages": each.count,
        "first_at": each.first_at.isoformat(),
        "last_at": each.last_at.isoformat(),
        "last_queue_id": each.last_queue_id,
        "last_reason": each.last_reason,
    }


def _sighting_row(each: "TenantSighting") -> list[str]:
    lists = (each.tenant_ids, each.originator_orgs, each.signatures, each.auth_as)
    shown = [escape(" ".join(values)) or "-" for values in lists]
    return [each.source_class, *shown, str(each.count), _time(each.last_at), each.last_reason, each.last_queue_id]


def _time(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M")
