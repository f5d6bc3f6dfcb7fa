"""What the commands on the control plane's database have in common."""
# ruff: noqa: PLC0415 - Django takes half a second to import: only the command that needs it does

import getpass
import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, NoReturn

import typer
from rich.console import Console
from rich.table import Table

from outgate.app.account import leave_to_account
from outgate.app.commands.settings import settings_of
from outgate.portal.environment import BadEnvironment
from outgate.portal.errors import Invalid, NotFound

if TYPE_CHECKING:
    from outgate.portal.accounts.audit import Actor

WIDTH_WITHOUT_TERMINAL: Final = 200  # columns of a table that goes into a file or a pipe


@contextmanager
def control_plane(context: typer.Context) -> Iterator[None]:
    """Django, set up on the operator's settings, with the tables of this version. What goes wrong with the database, or
    with what the person gave, ends the command with a text."""
    configuration = settings_of(context)
    from django.db import Error

    from outgate.portal.start import migrate, start_django

    try:
        start_django(
            state=configuration.state_directory,
            database=configuration.database_address,
            allow_private=configuration.allow_private_sources,
            secret_key_file=configuration.portal.secret_key_file,
        )
        migrate()
        leave_to_account(configuration)
    except BadEnvironment as error:
        fail(str(error), code=2)
    except (Error, OSError) as error:
        fail(f"the database cannot be used: {str(error).strip()}. Look at `database` and `state` in the settings")
    try:
        yield
    except (NotFound, Invalid) as error:
        fail(error.public_message)
    except Error as error:
        fail(f"the database failed: {str(error).strip()}. Nothing was changed")
    finally:
        with suppress(OSError):
            leave_to_account(configuration)  # once more: the secret key is made by who needs it first


def actor() -> "Actor":
    """Who works at this command line, for the audit log: the account, and the one that it was before sudo."""
    from outgate.portal.accounts.audit import Actor

    name = os.environ.get("SUDO_USER") or getpass.getuser()
    return Actor(f"{name} at the command line")


def print_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    table = Table(box=None, pad_edge=False)
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*row)
    Console(width=None if sys.stdout.isatty() else WIDTH_WITHOUT_TERMINAL, highlight=False).print(table)


def print_json(value: Any) -> None:
    print(json.dumps(value, indent=2))


def confirm(question: str, *, yes: bool) -> None:
    """Ask, unless `yes`. Where nobody can be asked, or the answer is no, the command ends."""
    if yes:
        return
    if not is_terminal():
        fail(f"{question} Nobody is there to ask: give --yes")
    if not typer.confirm(question):
        fail("nothing was changed")


def is_terminal() -> bool:
    """Is there somebody who can be asked?"""
    return sys.stdin.isatty()


def fail(text: str, code: int = 1) -> NoReturn:
    """code: 1 is "not done", 2 is "what was given is wrong"."""
    print(f"outgate: {text}", file=sys.stderr)
    raise typer.Exit(code)
