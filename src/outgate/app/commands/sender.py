"""`outgate sender`: who is locked or near a limit, and locking and unlocking by hand."""
# ruff: noqa: PLC0415 - Django takes half a second to import: only the command that needs it does

import sys
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import msgspec
import typer

from outgate.app.commands.control_plane import actor, control_plane, fail, print_json, print_table
from outgate.app.commands.settings import settings_of
from outgate.app.configuration import Configuration
from outgate.contract.wire import SendersAsk, SendersListed, SenderUse
from outgate.net.control import NobodyAnswers, ask

NEAR_PERCENT: Final = 50  # of a limit, from which on a sender is listed
LOCK_SECONDS: Final = 3_600  # a lock by hand, if nothing else is said

app = typer.Typer(help="Senders that are locked or near a limit.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
Mailbox = Annotated[str, typer.Argument(help="The mailbox, such as `alice@example.com`.", show_default=False)]
OfCustomer = Annotated[str, typer.Option("--customer", help="The customer's id or name.", show_default=False)]


@app.command("list")
def list_senders(
    context: typer.Context,
    customer: Annotated[str, typer.Option("--customer", help="Only of this customer (id or name).")] = "",
    percent: Annotated[
        int, typer.Option(min=0, max=100, help="Also senders that have used so much of a limit.")
    ] = NEAR_PERCENT,
    as_json: AsJson = False,
) -> None:
    """List locked mailboxes, and senders with what they have used of their limits."""
    configuration = settings_of(context)
    with control_plane(context):
        from outgate.portal.customers.selectors import customer_named
        from outgate.portal.limits.selectors import locks_in_force

        found = customer_named(customer) if customer else None
        locks = locks_in_force(found)
        customer_id = found.slug if found is not None else ""
    uses = _uses(configuration, SendersAsk(customer_id, percent))
    if as_json:
        locked: list[dict[str, Any]] = [
            {
                "customer": lock.customer,
                "mailbox": lock.mailbox,
                "reason": lock.reason,
                "locked_at": lock.locked_at.timestamp(),
                "until": lock.until.timestamp(),
                "times": lock.times,
            }
            for lock in locks
        ]
        print_json({"locked": locked, "senders": msgspec.to_builtins(uses)})
        return
    if not locks and not uses:
        print(f"Nobody is locked, and nobody has used {percent} % of a limit.")
        return
    rows = [
        [lock.customer, "mailbox", lock.mailbox, f"locked until {_time(lock.until)}", lock.reason] for lock in locks
    ]
    rows += [
        [
            use.customer_id,
            use.scope,
            use.subject or "-",
            f"{use.used} of {use.maximum} {use.counted}",
            _per(use.seconds),
        ]
        for use in uses
    ]
    print_table(["customer", "counted by", "sender", "state", "why / time"], rows)


@app.command()
def unlock(context: typer.Context, mailbox: Mailbox, customer: OfCustomer) -> None:
    """End a mailbox's lock at once."""
    with control_plane(context):
        from outgate.portal.customers.selectors import customer_named
        from outgate.portal.limits.services import unlock_sender

        unlock_sender(actor=actor(), customer=customer_named(customer), mailbox=mailbox)
        print(f"{mailbox} may send again.")


@app.command()
def lock(
    context: typer.Context,
    mailbox: Mailbox,
    customer: OfCustomer,
    seconds: Annotated[int, typer.Option("--for", min=1, help="Seconds after which it ends by itself.")] = LOCK_SECONDS,
) -> None:
    """Lock a mailbox: its mail is refused, and what it has in the slow lane stays there."""
    with control_plane(context):
        from outgate.portal.customers.selectors import customer_named
        from outgate.portal.limits.services import lock_sender

        row = lock_sender(actor=actor(), customer=customer_named(customer), mailbox=mailbox, seconds=seconds)
        print(f"{row.mailbox} is locked until {_time(row.until)}.")


def _uses(configuration: Configuration, question: SendersAsk) -> list[SenderUse]:
    """What the workers say; of one limit the highest, since each knows most of its own. Without workers: nothing."""
    found: dict[tuple[str, str, str, str, int], SenderUse] = {}
    for number in range(1, configuration.workers + 1):
        try:
            answer = ask(configuration.control_socket(number), question)
        except NobodyAnswers:
            print(f"outgate: worker {number} does not answer; what it has counted is not shown", file=sys.stderr)
            continue
        if not isinstance(answer, SendersListed):
            fail(f"worker {number}: {answer}")
        for use in answer.senders:
            key = (use.customer_id, use.scope, use.subject, use.counted, use.seconds)
            if key not in found or use.used > found[key].used:
                found[key] = use
    return sorted(found.values(), key=lambda use: -use.used / max(use.maximum, 1))


def _time(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _per(seconds: int) -> str:
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds % size == 0:
            return f"in {seconds // size} {unit}"
    return f"in {seconds} s"
