"""The installation's secret."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from outgate.portal.environment import BadEnvironment
from outgate.portal.secret_key import (
    former_secret_key,
    former_secret_keys,
    given_secret_key,
    installation_secret,
    secret_key,
)


def test_secret_is_made_once_and_readable_by_nobody_else(tmp_path: Path) -> None:
    directory = tmp_path / "state"

    secret = secret_key(directory)

    assert len(secret) >= 64
    assert secret_key(directory) == secret
    assert stat.S_IMODE((directory / "secret-key").stat().st_mode) == 0o600
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert [path.name for path in directory.iterdir()] == ["secret-key"]


def test_operators_own_is_taken_as_it_is_or_refused(tmp_path: Path) -> None:
    path = tmp_path / "shared"
    path.write_text("x" * 32 + "\n")
    assert given_secret_key(path) == "x" * 32

    path.write_text("x" * 31)
    with pytest.raises(BadEnvironment, match="holds 31 characters"):
        given_secret_key(path)
    with pytest.raises(FileNotFoundError):
        given_secret_key(tmp_path / "none")
    assert former_secret_key(tmp_path / "none") == ""
    assert former_secret_key(tmp_path) != secret_key(tmp_path) == former_secret_key(tmp_path)


def test_operators_own_comes_before_that_of_the_state_directory(tmp_path: Path) -> None:
    given = tmp_path / "given"
    given.write_text("x" * 32)
    assert installation_secret(tmp_path, str(given)) == "x" * 32
    assert former_secret_keys(tmp_path, str(given)) == []

    made = installation_secret(tmp_path, "")

    assert installation_secret(tmp_path, str(given)) == "x" * 32
    assert former_secret_keys(tmp_path, str(given)) == [made] == [secret_key(tmp_path)]
    assert former_secret_keys(tmp_path, "") == []


def test_two_installations_have_two_secrets(tmp_path: Path) -> None:
    assert secret_key(tmp_path / "a") != secret_key(tmp_path / "b")


def test_draft_of_a_killed_process_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / f"secret-key.{os.getpid()}").write_text("half")

    assert len(secret_key(tmp_path)) >= 64


def test_settings_alone_write_nothing(tmp_path: Path) -> None:
    state = tmp_path / "state"

    subprocess.run(
        [sys.executable, "-c", "import outgate.portal.settings"],
        env={**os.environ, "OUTGATE_STATE": str(state)},
        check=True,
    )

    assert not state.exists()


def test_signing_works_with_the_secret(tmp_path: Path) -> None:
    from django.core import signing
    from django.test import override_settings
    from django.utils.functional import lazy

    with override_settings(SECRET_KEY=lazy(secret_key, str)(tmp_path)):
        assert signing.loads(signing.dumps({"a": 1})) == {"a": 1}
    assert (tmp_path / "secret-key").exists()
