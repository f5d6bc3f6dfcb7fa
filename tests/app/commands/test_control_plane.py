"""What the commands on the control plane have in common."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from django.db import OperationalError

from outgate.app.commands.control_plane import control_plane
from outgate.portal import start


def failing_app(error: Exception) -> typer.Typer:
    app = typer.Typer()

    @app.command()
    def fail(context: typer.Context) -> None:
        with control_plane(context):
            raise error

    return app


@pytest.mark.django_db(databases="__all__")
def test_database_that_fails_ends_the_command_with_a_text(run: Any) -> None:
    result = run(failing_app(OperationalError("disk I/O error\n")))()

    assert result.exit_code == 1
    assert result.stderr == "outgate: the database failed: disk I/O error. Nothing was changed\n"


@pytest.mark.django_db(databases="__all__")
@pytest.mark.parametrize(
    "error", [OperationalError("unable to open database file"), PermissionError("Permission denied")]
)
def test_database_that_cannot_be_used_is_told_with_the_settings_to_look_at(
    run: Any, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def migrate() -> None:
        raise error

    monkeypatch.setattr(start, "migrate", migrate)

    result = run(failing_app(ZeroDivisionError()))()

    assert result.exit_code == 1
    assert (
        result.stderr
        == f"outgate: the database cannot be used: {error}. Look at `database` and `state` in the settings\n"
    )


@pytest.mark.django_db(databases="__all__")
def test_bug_is_not_hidden(run: Any) -> None:
    assert isinstance(run(failing_app(ZeroDivisionError()))().exception, ZeroDivisionError)


@pytest.mark.django_db(databases="__all__")
@pytest.mark.parametrize(("user", "is_given"), [("nobody", True), ("", False), ("no-such-account", False)])
def test_what_root_makes_belongs_to_the_account_that_outgate_runs_as(
    run: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, user: str, is_given: bool
) -> None:
    given: list[Path] = []
    own = os.stat

    def stat_as_root(path: Path, **options: Any) -> os.stat_result:
        values = list(own(path, **options))
        values[4] = 0
        return os.stat_result(values)

    (tmp_path / "outgate.toml").write_text(f'state = "{tmp_path}"\nuser = "{user}"\n')
    (tmp_path / "workers").mkdir()
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(os, "stat", stat_as_root)
    monkeypatch.setattr(os, "chown", lambda path, uid, gid: given.append(path))
    app = typer.Typer()

    @app.command()
    def look(context: typer.Context) -> None:
        with control_plane(context):
            (tmp_path / "secret-key").touch()
            print("done")

    assert run(app)().stdout == "done\n"
    names = ("", "outgate.toml", "migrate.lock", "secret-key")
    assert set(given) == ({tmp_path / name for name in names} if is_given else set())


def test_commands_that_need_no_database_do_not_load_django() -> None:
    modules = ", ".join(f"outgate.app.commands.{name}" for name in ("customer", "queue", "user"))
    program = f"import sys, {modules}; print('django' in sys.modules)"

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout == "False\n"


def test_database_address_that_is_none_is_told_as_such(tmp_path: Path) -> None:
    settings = tmp_path / "outgate.toml"
    settings.write_text(f'state = "{tmp_path}"\ndatabase = "mysql://localhost/x"\n')

    done = subprocess.run(
        [sys.executable, "-c", "from outgate.app.commands.customer import app; app(['list'])"],
        capture_output=True,
        text=True,
        env={**os.environ, "OUTGATE_CONFIG": str(settings)},
    )

    assert done.returncode == 2
    assert "mysql://localhost/x" in done.stderr
    assert "Traceback" not in done.stderr
