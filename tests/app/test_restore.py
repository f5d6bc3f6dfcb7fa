"""All of a backup or nothing of it; refusals before anything is touched; an interruption that is brought to its end."""

import fcntl
import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from tests.support.installed import ROWS, customers, installed

from outgate.app.backup import make_backup
from outgate.app.configuration import Configuration, ConfigurationError
from outgate.app.preflight import RESTORE_MARK, check
from outgate.app.restore import Restored, RestoreError, restore
from outgate.app.state_lock import hold_state


@pytest.fixture
def saved(tmp_path: Path) -> tuple[Configuration, Path]:
    """An installation and its backup."""
    configuration = installed(tmp_path / "state")
    return configuration, make_backup(configuration, None, tmp_path / "backup.tar")


def put_back(configuration: Configuration, backup: Path, *, overwrite: bool = False) -> Restored:
    with backup.open("rb") as file:
        return restore(configuration, file, overwrite=overwrite)


def tree(directory: Path) -> dict[str, bytes]:
    return {
        path.relative_to(directory).as_posix(): path.read_bytes() for path in directory.rglob("*") if path.is_file()
    }


def add_customer(state: Path) -> None:
    with closing(sqlite3.connect(state / "outgate.sqlite3")) as connection, connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("INSERT INTO customer VALUES ('later')")


def test_a_lost_state_comes_back(saved: tuple[Configuration, Path]) -> None:
    configuration, backup = saved
    state = configuration.state_directory
    shutil.rmtree(state)
    restored = put_back(configuration, backup)
    assert customers(state) == ROWS
    assert (state / "secret-key").read_text() == "secret"
    assert (state / "workers" / "1" / "policy").read_bytes() == b"policy"
    assert len(restored.put) == 6
    assert all(path.stat().st_mode & 0o077 == 0 for path in restored.put)
    check(configuration)


def test_it_can_be_restored_elsewhere(saved: tuple[Configuration, Path], tmp_path: Path) -> None:
    _, backup = saved
    elsewhere = Configuration(state=str(tmp_path / "new"), database=f"sqlite:///{tmp_path}/database.sqlite3")
    assert tmp_path / "database-tracker.sqlite3" in put_back(elsewhere, backup).put


def test_what_is_there_is_replaced_only_when_told_to(saved: tuple[Configuration, Path]) -> None:
    configuration, backup = saved
    state = configuration.state_directory
    add_customer(state)
    strange = state / "workers" / "2" / "policy"
    strange.parent.mkdir()
    strange.write_bytes(b"newer")
    spool = state / "workers" / "2" / "spool" / "segments" / "1"
    spool.parent.mkdir(parents=True)
    spool.write_bytes(b"mail")
    with pytest.raises(RestoreError, match=r"outgate\.sqlite3.* already; --overwrite replaces it"):
        put_back(configuration, backup)
    assert customers(state) == ROWS + 1
    # What a killed process leaves beside a database belongs to that, and would be applied to the restored one.
    (state / "outgate.sqlite3-wal").write_bytes(b"of the old one")
    restored = put_back(configuration, backup, overwrite=True)
    assert customers(state) == ROWS
    assert restored.removed == (strange,)
    assert not strange.exists()
    assert spool.read_bytes() == b"mail"


def test_a_running_outgate_is_left_alone(saved: tuple[Configuration, Path]) -> None:
    configuration, backup = saved
    (configuration.state_directory / "run").mkdir()
    held = hold_state(configuration, "outgate up")
    with pytest.raises(RestoreError, match=r"is in use by outgate up, process [0-9]+; stop it first"):
        put_back(configuration, backup, overwrite=True)
    os.close(held)
    put_back(configuration, backup, overwrite=True)


def test_a_worker_that_outlives_its_supervisor_is_waited_for(saved: tuple[Configuration, Path]) -> None:
    configuration, backup = saved
    lock = configuration.state_directory / "workers" / "1" / "spool" / "lock"
    lock.parent.mkdir()
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(RestoreError, match="a worker still runs on "):
            put_back(configuration, backup, overwrite=True)
    put_back(configuration, backup, overwrite=True)


@pytest.mark.parametrize("position", [0.1, 0.5, 0.9])
def test_a_damaged_backup_changes_nothing(saved: tuple[Configuration, Path], position: float) -> None:
    configuration, backup = saved
    octets = bytearray(backup.read_bytes().rstrip(b"\0"))
    octets[int(len(octets) * position)] ^= 1
    backup.write_bytes(octets)
    before = tree(configuration.state_directory)
    with pytest.raises(RestoreError, match=f"{backup} is "):
        put_back(configuration, backup, overwrite=True)
    assert tree(configuration.state_directory) == before


def test_another_kind_of_database_is_refused(saved: tuple[Configuration, Path]) -> None:
    configuration, backup = saved
    other = msgspec.structs.replace(configuration, database="postgresql://host/outgate")
    with pytest.raises(RestoreError, match="is of an installation on sqlite, the settings say PostgreSQL"):
        put_back(other, backup, overwrite=True)


def test_an_interrupted_restore_is_no_state_to_start_from_and_can_be_done_again(
    saved: tuple[Configuration, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    configuration, backup = saved
    state = configuration.state_directory
    shutil.rmtree(state)
    replaced = Path.replace

    def fail_at_the_tracker(path: Path, target: Path) -> Path:
        if "tracker" in target.name:
            raise OSError("the power failed")
        return replaced(path, target)

    with monkeypatch.context() as broken:
        broken.setattr(Path, "replace", fail_at_the_tracker)
        with pytest.raises(RestoreError, match="it failed, and has to be done again: the power failed"):
            put_back(configuration, backup)
    assert (state / RESTORE_MARK).exists()
    with pytest.raises(ConfigurationError, match="did not come to its end; run `outgate restore` with the same file"):
        check(configuration)
    put_back(configuration, backup)
    check(configuration)
    assert customers(state) == ROWS
    assert not [path for path in tree(state) if path.endswith(".restoring")]
