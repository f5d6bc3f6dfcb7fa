"""`outgate backup` and `outgate restore`. What they do stands in `app.backup` and `app.restore`."""
# ruff: noqa: PLC0415 - TLS and more, which the other commands do not need

from pathlib import Path
from typing import Annotated

import typer

from outgate.app.commands.control_plane import fail
from outgate.app.commands.settings import settings_of
from outgate.app.configuration import ConfigurationError, settings_path


def backup(
    context: typer.Context,
    to: Annotated[Path, typer.Argument(help="A file, or a directory for a file with the time in its name.")],
) -> None:
    """Write databases, policy, keys and settings to one file, while Outgate runs. The queue is not in it."""
    from outgate.app.account import leave_to_account
    from outgate.app.backup import BackupError, make_backup

    configuration = settings_of(context)
    try:
        path = make_backup(configuration, settings_path(context.find_root().params.get("config")), to)
        leave_to_account(configuration)
    except (BackupError, ConfigurationError) as error:
        fail(str(error))
    print(f"{path}: {path.stat().st_size:,} octets. It holds secrets: keep it where nobody else can read it.")
    if configuration.database.startswith("postgres"):
        print("The database is not in it: save that with pg_dump, see docs/operations.md.")
    if key_file := configuration.portal.secret_key_file:
        print(f"{key_file} is not in it: keep a copy elsewhere, for without it nobody can open what is held.")
    if configuration.tls.certificate:
        print(f"{configuration.tls.certificate} and {configuration.tls.key} are not in it.")


def restore(
    context: typer.Context,
    archive: Annotated[Path, typer.Argument(help="What `outgate backup` has written.")],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")] = False,
) -> None:
    """Put databases, policy and keys of a backup in place. Outgate must not run. The queue stays as it is."""
    from outgate.app.account import become_account, give_state
    from outgate.app.restore import RestoreError
    from outgate.app.restore import restore as put_in_place

    configuration = settings_of(context)
    try:
        with archive.open("rb") as file:  # before it becomes somebody who may not read it
            give_state(configuration)
            become_account(configuration)
            restored = put_in_place(configuration, file, overwrite=overwrite)
    except OSError as error:
        fail(f"{archive} cannot be read: {error.strerror}")
    except (RestoreError, ConfigurationError) as error:
        fail(str(error))
    for path in restored.put:
        print(f"restored {path}")
    for path in restored.removed:
        print(f"removed {path}: a policy copy that may be newer")
    print("The settings file was not touched; the one of the backup is in it as settings/outgate.toml.")
