"""The command line `outgate`. Each command in `commands/`; what only some need is imported where it is needed."""

import asyncio
import contextlib
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from outgate import __version__
from outgate.app.commands import audit, customer, providers, queue, sender, tenant, user
from outgate.app.commands.backup import backup, restore
from outgate.app.commands.send import send
from outgate.app.commands.settings import settings_of
from outgate.app.commands.spf import spf
from outgate.app.commands.trace import trace
from outgate.app.configuration import DEFAULT_PATH, PATH_VARIABLE, Configuration, ConfigurationError

app = typer.Typer(
    help="Outgate, an outbound smarthost: proves the sender, never alters, delivers or says plainly why not.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(queue.app, name="queue")
app.add_typer(customer.app, name="customer")
app.add_typer(tenant.app, name="tenant")
app.add_typer(user.app, name="user")
app.add_typer(providers.app, name="providers")
app.add_typer(sender.app, name="sender")
app.add_typer(audit.app, name="audit")
app.command()(send)
app.command()(trace)
app.command()(spf)
app.command()(backup)
app.command()(restore)


@app.callback()
def settings(
    config: Annotated[
        Path | None,
        typer.Option(help=f"Settings file; else what {PATH_VARIABLE} names, else {DEFAULT_PATH}.", show_default=False),
    ] = None,
) -> None:
    """Read by each command that needs them; see `commands.settings`."""


@app.command()
def up(
    context: typer.Context,
    demo: Annotated[bool, typer.Option("--demo", help="On loopback, with sample customers and a receiver.")] = False,
    state: Annotated[Path, typer.Option(help="Where a demo keeps everything.")] = Path("var"),
) -> None:
    """Start Outgate and run until Ctrl-C or SIGTERM."""
    from outgate.app.up import run  # noqa: PLC0415 - asyncio, TLS and more, which `outgate queue` does not need

    try:
        code = asyncio.run(run(None if demo else settings_of(context), state if demo else None))
    except ConfigurationError as error:
        print(f"outgate: {error}", file=sys.stderr)
        raise typer.Exit(2) from error
    raise typer.Exit(code)


@app.command("check-configuration")
def check_configuration(context: typer.Context) -> None:
    """Read the settings file, try what it names as the account that it names, and say whether it is good."""
    from outgate.app.account import become_account  # noqa: PLC0415 - with TLS, which the other commands do not need
    from outgate.app.preflight import check  # noqa: PLC0415

    configuration: Configuration = settings_of(context)
    try:
        become_account(configuration)
        check(configuration)
    except ConfigurationError as error:
        print(f"outgate: {error}", file=sys.stderr)
        raise typer.Exit(2) from error
    listeners = ", ".join(f"{listener.address}:{listener.port}" for listener in configuration.listeners)
    print(f"The settings are good: {configuration.host_name} listens on {listeners}, state in {configuration.state}")


@app.command()
def version() -> None:
    """Print the version."""
    print(f"outgate {__version__}")


def main() -> None:
    with contextlib.suppress(ValueError):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `outgate queue list | head` ends quietly
    app()


if __name__ == "__main__":
    main()
