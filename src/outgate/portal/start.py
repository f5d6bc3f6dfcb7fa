"""Starts Django in a process that is no web server: the clerk, or one command of the command line."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import django
from django.apps import apps
from django.conf import settings
from django.core.management import call_command
from django.db import connection, connections

from outgate.portal.environment import (
    ALLOW_PRIVATE_VARIABLE,
    DATABASE_VARIABLE,
    SECRET_KEY_VARIABLE,
    STATE_VARIABLE,
)

SETTINGS_MODULE: Final = "outgate.portal.settings"
MIGRATION_LOCK: Final = 0x6F757467617465  # PostgreSQL's advisory lock, "outgate" in ASCII


def start_django(*, state: Path, database: str = "", allow_private: bool = False, secret_key_file: str = "") -> None:
    """Load settings and models. The arguments take precedence over the environment. Does nothing if it has been done.

    database: see `environment`; empty is SQLite in `state`. secret_key_file: empty is the secret of `state`.
    """
    if apps.ready:
        return
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.environ[STATE_VARIABLE] = str(state)
    os.environ[DATABASE_VARIABLE] = database
    os.environ[ALLOW_PRIVATE_VARIABLE] = "1" if allow_private else "0"
    os.environ[SECRET_KEY_VARIABLE] = secret_key_file
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", SETTINGS_MODULE)
    django.setup()


def migrate() -> None:
    """Bring all databases to this version's tables. Processes and nodes that do it together take turns.

    Raises: django.db.Error, OSError.
    """
    with _one_at_a_time():
        for alias in connections:
            call_command("migrate", database=alias, verbosity=0, interactive=False)


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s)", [MIGRATION_LOCK])
            try:
                yield
            finally:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [MIGRATION_LOCK])
        return
    directory: Path = settings.STATE_DIRECTORY
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (directory / "migrate.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # released when the file is closed, and when the process dies
        yield
