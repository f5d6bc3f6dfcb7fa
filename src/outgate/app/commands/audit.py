"""`outgate audit`: is the audit log as it was written?"""
# ruff: noqa: PLC0415 - Django takes half a second to import: only the command that needs it does

from typing import Annotated

import typer

from outgate.app.commands.control_plane import control_plane, fail, print_json

app = typer.Typer(help="The audit log.", no_args_is_help=True)


@app.callback()
def audit() -> None:
    """The audit log."""


@app.command()
def verify(
    context: typer.Context,
    digest: Annotated[
        str, typer.Option(help="A last digest of before, which has to be in the log still.", show_default=False)
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False,
) -> None:
    """Look at every line. Keep the last digest somewhere else: it also shows whether lines were cut off later."""
    with control_plane(context):
        from outgate.portal.accounts.audit import verify as verify_log
        from outgate.portal.accounts.models import AuditEntry

        verified = verify_log()
        fault = verified.fault
        if not fault and digest and not AuditEntry.objects.filter(digest=digest).exists():
            fault = "the digest that was given is not in the log: lines were cut off or written anew"
    if as_json:
        print_json({"good": not fault, "lines": verified.lines, "digest": verified.digest, "fault": fault})
    elif not fault:
        print(f"The audit log is good: {verified.lines} lines.")
        print(f"Last digest: {verified.digest or 'none'}")
    if fault:
        fail(f"the audit log was tampered with: {fault}. Good up to line {verified.lines}")
