"""`outgate customer`: customers as texts, and how far their settings have come.

Exit status: 0 is done, or no difference; 1 is not done, or a difference; 2 is a text that cannot be taken.
"""
# ruff: noqa: PLC0415 - Django takes half a second to import: only the command that needs it does

import difflib
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, NoReturn

import typer
from rich.console import Console

from outgate.app.commands.control_plane import actor, confirm, control_plane, fail, print_json, print_table

if TYPE_CHECKING:
    from outgate.portal.customers.models import Customer
    from outgate.portal.customers.text import CustomerText, TextRefused
    from outgate.portal.customers.text_apply import Applied
    from outgate.portal.outbound.activation import Activation

LOOK_SECONDS: Final = 0.02  # between two looks while we wait for the workers

app = typer.Typer(help="Customers as texts, and how far their settings have come.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
Name = Annotated[str, typer.Argument(help="The customer's id or name.", show_default=False)]
File = Annotated[
    Path, typer.Argument(help="A customer's text in TOML; `-` reads it from standard input.", show_default=False)
]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
Create = Annotated[bool, typer.Option("--create", help="Make the partner and the region that the text names.")]
Smarthost = Annotated[str, typer.Option(help="Host name that customers of a region made by --create send to.")]


@app.command("list")
def list_customers(
    context: typer.Context,
    search: Annotated[str, typer.Option(help="Only with this in id or name, or at the start of a domain.")] = "",
    as_json: AsJson = False,
) -> None:
    """List customers."""
    with control_plane(context):
        from outgate.portal.customers.selectors import summaries

        rows = [asdict(summary) for summary in summaries(search)]
    if as_json:
        print_json(rows)
    elif not rows:
        print("No customer matches." if search else "There is no customer yet. `outgate customer apply` makes one.")
    else:
        print_table(list(rows[0]), [[str(value) for value in row.values()] for row in rows])


@app.command()
def export(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="The customer's id or name.", show_default=False)] = "",
    every: Annotated[bool, typer.Option("--all", help="All customers, one file each, into --to.")] = False,
    to: Annotated[
        Path | None, typer.Option(help="Directory for <id>.toml; else standard output.", show_default=False)
    ] = None,
) -> None:
    """Write a customer as a text, which `apply` takes."""
    if every == bool(name):
        fail("give either a customer's id or name, or --all", code=2)
    if every and to is None:
        fail("--all needs --to: one customer is one file", code=2)
    with control_plane(context):
        from outgate.portal.customers.selectors import customer_named, customers
        from outgate.portal.customers.text import write_text
        from outgate.portal.customers.text_apply import text_of

        for customer in customers() if every else [customer_named(name)]:
            text = write_text(text_of(customer))
            if to is None:
                print(text, end="")
                continue
            path = to / f"{customer.slug}.toml"
            try:
                to.mkdir(parents=True, exist_ok=True)
                path.write_text(text, "utf-8")
            except OSError as error:
                fail(f"{path}: cannot be written: {error.strerror}")
            print(path)


@app.command()
def diff(context: typer.Context, file: File, create: Create = False, smarthost: Smarthost = "") -> None:
    """Show what applying a text would change; nothing is changed."""
    with control_plane(context):
        if _show(_preview(file, _read(file), create, smarthost)):
            raise typer.Exit(1)


@app.command()
def apply(
    context: typer.Context,
    file: File,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check the text and show what would change.")] = False,
    yes: Yes = False,
    create: Create = False,
    smarthost: Smarthost = "",
    wait: Annotated[
        float, typer.Option(min=0, help="Wait so many seconds at most until all workers act on it.", show_default=False)
    ] = 0.0,
) -> None:
    """Make a customer what a text says, wholly or not at all."""
    with control_plane(context):
        from outgate.portal.customers.selectors import customer_named
        from outgate.portal.customers.text import TextRefused
        from outgate.portal.customers.text_apply import apply_text

        text = _read(file)
        is_new = _show(_preview(file, text, create, smarthost))
        if dry_run:
            print("Nothing was changed." if is_new else "Nothing would change.")
            return
        if is_new:
            confirm("Apply this?", yes=yes)
        try:
            applied = apply_text(actor=actor(), text=text, create=create, smarthost=smarthost)
        except TextRefused as error:
            _refuse(file, error)
        began = time.monotonic()
        customer = customer_named(applied.slug)
        print(f"{customer.name} ({customer.slug}) is {'saved' if is_new else 'as the text says'}.")
        if wait:
            _wait(customer, began, wait)


@app.command()
def delete(context: typer.Context, name: Name, yes: Yes = False) -> None:
    """Delete a customer, with users and settings. Its queued mail is still delivered; its held mail never can be."""
    with control_plane(context):
        from outgate.portal.customers.selectors import customer_named
        from outgate.portal.customers.services import delete_customer

        customer = customer_named(name)
        confirm(f"Delete {customer.name} ({customer.slug})?", yes=yes)
        delete_customer(actor=actor(), customer=customer)
        print(f"{customer.name} is deleted.")


@app.command()
def status(context: typer.Context, name: Name, as_json: AsJson = False) -> None:
    """Show whether a customer's settings are in force, worker by worker."""
    with control_plane(context):
        from outgate.portal.customers.selectors import customer_named
        from outgate.portal.outbound.activation import activation_of

        customer = customer_named(name)
        now = datetime.now(UTC)
        activation = activation_of(customer, now)
        workers = [
            {
                "worker": worker.worker,
                "revision": worker.revision,
                "applied": worker.revision >= activation.revision,
                "queued": worker.queued,
                "seen_seconds_ago": round((now - worker.seen_at).total_seconds(), 1),
            }
            for worker in activation.workers
        ]
    if as_json:
        summary = {"id": customer.slug, "outbound": activation.outbound.value, "revision": activation.revision}
        missing = [each.code for each in activation.missing]
        print_json({**summary, "everywhere": activation.is_everywhere, "missing": missing, "workers": workers})
        return
    print(f"{customer.name} ({customer.slug}): outbound is {activation.outbound.value}, revision {activation.revision}")
    if activation.missing:
        print(f"{activation.missing[0].meaning} Still to do: {', '.join(each.remedy for each in activation.missing)}.")
    if not workers:
        print("No worker is running; the settings are saved and wait for one.")
        return
    print_table(
        ["worker", "state", "revision", "queued", "seen"],
        [
            [
                str(worker["worker"]),
                "applied" if worker["applied"] else "behind",
                str(worker["revision"]),
                str(worker["queued"]),
                f"{worker['seen_seconds_ago']} s ago",
            ]
            for worker in workers
        ],
    )


def _read(file: Path) -> "CustomerText":
    from outgate.portal.customers.text import TextRefused, read_text

    try:
        octets = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
        return read_text(octets.decode("utf-8"))
    except OSError as error:
        fail(f"{file}: cannot be read: {error.strerror}", code=2)
    except UnicodeDecodeError:
        fail(f"{file}: is not UTF-8", code=2)
    except TextRefused as error:
        _refuse(file, error)


def _preview(file: Path, text: "CustomerText", create: bool, smarthost: str) -> "Applied":
    from outgate.portal.customers.text import TextRefused
    from outgate.portal.customers.text_apply import preview_text

    try:
        return preview_text(actor=actor(), text=text, create=create, smarthost=smarthost)
    except TextRefused as error:
        _refuse(file, error)


def _refuse(file: Path, error: "TextRefused") -> NoReturn:
    for problem in error.problems:
        print(f"{file}: {problem}", file=sys.stderr)
    fail("nothing was changed", code=2)


def _show(applied: "Applied") -> bool:
    """Print the difference; is there one?"""
    lines = list(_difference(applied))
    console = Console(highlight=False, soft_wrap=True)
    for line in lines:
        style = {"+": "green", "-": "red", "@": "cyan"}.get(line[0])
        console.print(line, style=style, markup=False)
    return bool(lines)


def _difference(applied: "Applied") -> Iterator[str]:
    before = "now" if applied.before else "(no such customer)"
    lines = difflib.unified_diff(
        applied.before.splitlines(), applied.after.splitlines(), before, applied.slug, lineterm=""
    )
    return iter(lines)


def _wait(customer: "Customer", began: float, seconds: float) -> None:
    """Until every live worker acts on the customer's settings; says how long it took."""
    from outgate.portal.outbound.activation import activation_of

    while True:
        activation = activation_of(customer, datetime.now(UTC))
        elapsed = time.monotonic() - began
        if activation.is_everywhere:
            workers = len(activation.workers)
            plural = "" if workers == 1 else "s"
            print(
                f"In force on {workers} worker{plural} after {elapsed:.2f} s: outbound is {activation.outbound.value}."
            )
            return
        if elapsed >= seconds:
            fail(f"after {elapsed:.0f} s this is saved, and not in force everywhere: {_why(activation)}")
        time.sleep(LOOK_SECONDS)


def _why(activation: "Activation") -> str:
    if not activation.workers:
        return "no worker is running, or no clerk. `outgate up` starts both"
    behind = [worker.worker for worker in activation.workers if worker.revision < activation.revision]
    if behind:
        return f"worker {', '.join(behind)} has not applied it"
    return "all workers have applied it, and the clerk has yet to make it active"
