"""Starting Django in a process of our own, and the tables that it then finds."""

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.core.management import call_command
from django.db import connections

from outgate.portal.customers.models import Customer
from outgate.portal.start import migrate, start_django
from outgate.portal.tracker.models import TrackedMessage

PROGRAM = """
import sys
from pathlib import Path
from outgate.portal.start import migrate, start_django
start_django(state=Path(sys.argv[1]), allow_private=True)
migrate()
from outgate.portal.customers.models import Customer
from outgate.portal.tracker.models import TrackedMessage
from django.conf import settings
print(Customer.objects.count(), TrackedMessage.objects.count(), settings.ALLOW_PRIVATE_ADDRESSES)
"""


def tables(path: Path) -> set[str]:
    connection = sqlite3.connect(path)
    try:
        names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    finally:
        connection.close()
    return {name for name in names if not name.startswith(("sqlite_", "django_"))}


def test_processes_that_start_together_on_nothing_find_their_tables(tmp_path: Path) -> None:
    state = tmp_path / "state"
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("OUTGATE_", "DJANGO_"))}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(state)],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for _ in range(2)
    ]

    said = [process.communicate(timeout=60)[0] for process in processes]

    assert said == ["0 0 True\n"] * 2
    assert state.stat().st_mode & 0o777 == 0o700
    tracker = tables(state / "outgate-tracker.sqlite3")
    portal = tables(state / "outgate.sqlite3")
    assert {name.partition("_")[0] for name in tracker} == {"tracker"}
    assert {name.partition("_")[0] for name in portal} == {
        "accounts",
        "api",
        "customers",
        "feed",
        "guides",
        "held",
        "limits",
        "outbound",
        "policies",
        "spf",
        "providers",
    }


def test_clerk_and_command_line_have_the_operator_s_own_secret_and_the_former_one(tmp_path: Path) -> None:
    given = tmp_path / "given"
    given.write_text("g" * 40)
    (tmp_path / "secret-key").write_text("f" * 40)
    program = """
import sys
from pathlib import Path
from outgate.portal.start import start_django
start_django(state=Path(sys.argv[1]), secret_key_file=sys.argv[2])
from outgate.portal.sealed_secrets import secret_keys
print(*secret_keys())
"""

    said = [
        subprocess.run(
            [sys.executable, "-c", program, str(tmp_path), path],
            env={name: value for name, value in os.environ.items() if not name.startswith(("OUTGATE_", "DJANGO_"))},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        ).stdout
        for path in (str(given), "")
    ]

    assert said == [f"{'g' * 40} {'f' * 40}\n", f"{'f' * 40}\n"]


def test_django_that_is_set_up_is_left_alone(tmp_path: Path) -> None:
    before = dict(os.environ)

    start_django(state=tmp_path / "another", database="postgresql://nowhere/x")

    assert dict(os.environ) == before
    assert not (tmp_path / "another").exists()


@pytest.mark.django_db(databases="__all__")
def test_migrating_again_changes_nothing() -> None:
    migrate()

    assert Customer.objects.count() == 0


@pytest.mark.django_db(databases="__all__")
def test_models_and_migrations_agree() -> None:
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


@pytest.mark.django_db(databases="__all__")
def test_sqlite_keeps_what_it_confirms_and_waits_for_other_writers() -> None:
    for alias in connections:
        connection = connections[alias]
        if connection.vendor != "sqlite":
            pytest.skip("this run is on another database")
        with connection.cursor() as cursor:
            names = ("journal_mode", "synchronous", "busy_timeout")
            answers = [cursor.execute(f"PRAGMA {name}").fetchone()[0] for name in names]
        assert answers == ["wal", 2 if alias == "default" else 1, 20_000], "the tracker: see `tracker.durability`"
        assert connection.settings_dict["OPTIONS"]["transaction_mode"] == "IMMEDIATE"


def test_tracker_is_routed_to_its_database() -> None:
    assert TrackedMessage.objects.db == django_settings.TRACKER_DATABASE
    assert Customer.objects.db == "default"
