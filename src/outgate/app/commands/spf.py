"""`outgate spf CUSTOMER`: what the SPF records of a customer's domains say of our addresses, and what to publish.

Exit status: 0 if our mail passes for each domain as far as is known, 1 if not; 2 is what was given is wrong.
"""
# ruff: noqa: PLC0415 - Django takes half a second to import: only the command that needs it does

from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from outgate.app.commands.control_plane import actor, control_plane, print_json, print_table
from outgate.app.commands.settings import settings_of

if TYPE_CHECKING:
    from outgate.portal.spf.selectors import DomainSpf


def spf(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="CUSTOMER", help="The customer's id or name.", show_default=False)],
    check: Annotated[bool, typer.Option("--check", help="Ask DNS now about each domain, one after the other.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
) -> None:
    """Show what the SPF records of a customer's domains say of our addresses, and what to publish."""
    with control_plane(context):
        import msgspec

        from outgate.portal.customers.selectors import customer_named
        from outgate.portal.spf.checking import check_now
        from outgate.portal.spf.selectors import domains_of, known_of
        from outgate.portal.spf.services import AskedJustNow
        from outgate.portal.spf.texts import label_of

        customer = customer_named(name)
        for domain in domains_of(customer) if check else ():
            try:
                check_now(actor=actor(), domain=domain, name_servers=settings_of(context).delivery.nameservers)
            except AskedJustNow as error:
                print(error.public_message)
        known = known_of(customer, domains_of(customer))
        if as_json:
            print_json([{**_facts(each), "report": msgspec.to_builtins(each.report)} for each in known])
        else:
            print_table(["domain", "state", "lookups", "asked", "to publish"], [_row(each, label_of) for each in known])
    if not all(each.passes for each in known):
        raise typer.Exit(1)


def _facts(known: "DomainSpf") -> dict[str, Any]:
    return {
        "domain": known.domain.name,
        "passes": known.passes,
        "outdated": known.is_outdated,
        "asked_at": known.asked_at.isoformat() if known.asked_at else None,
        "answered_at": known.answered_at.isoformat() if known.answered_at else None,
        "trouble": known.trouble,
    }


def _row(known: "DomainSpf", label_of: Any) -> list[str]:
    report = known.report
    state = label_of(known) + (f" ({known.trouble})" if known.trouble else "")
    asked = known.asked_at.strftime("%Y-%m-%d %H:%M") if known.asked_at else "never"
    lookups = f"{report.lookups} of 10" if report else "-"
    return [known.domain.name, escape(state), lookups, asked, escape(report.to_publish) if report else ""]
