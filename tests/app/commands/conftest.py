"""The command line, run in the test's own process on the test's own database."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

Run = Callable[..., Result]


@pytest.fixture(autouse=True)
def quiet_state(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A state directory and settings file of the test's own."""
    settings.STATE_DIRECTORY = tmp_path
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    configuration = tmp_path / "outgate.toml"
    configuration.write_text(f'state = "{tmp_path}"\nhost_name = "mx1.example"\n')
    monkeypatch.setenv("OUTGATE_CONFIG", str(configuration))
    monkeypatch.setenv("SUDO_USER", "ann")


@pytest.fixture
def run() -> Callable[[typer.Typer], Run]:
    """`run(app)("list", "--json")`; what it is given to read is `input`."""

    def of(app: typer.Typer) -> Run:
        def command(*arguments: str, input: str | None = None) -> Result:  # noqa: A002
            return CliRunner().invoke(app, arguments, input=input)

        return command

    return of
