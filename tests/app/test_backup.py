import sqlite3
import tarfile
import threading
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.support.installed import installed

from outgate.app.archive import Archive
from outgate.app.backup import BackupError, copy_database, make_backup
from outgate.app.configuration import Configuration

NOW = datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)


def test_all_that_makes_the_installation_is_in_it(tmp_path: Path) -> None:
    configuration = installed(tmp_path / "state")
    settings = tmp_path / "outgate.toml"
    settings.write_text("node = 'mx1'\n")
    path = make_backup(configuration, settings, tmp_path, NOW)
    assert path == tmp_path / "outgate-mx1-20260203T040506Z.tar"
    assert path.stat().st_mode & 0o777 == 0o600
    with path.open("rb") as file:
        archive = Archive.check(file)
    assert archive.names() == [
        "manifest.json", "settings/outgate.toml", "state/secret-key", "state/tls/self-signed.pem",
        "state/tls/self-signed.key", "state/workers/1/policy", "database/portal.sqlite3", "database/tracker.sqlite3",
    ]  # fmt: skip
    assert archive.manifest.database == "sqlite"
    assert {each.name for each in tmp_path.iterdir()} == {"state", "outgate.toml", path.name}


def test_how_far_event_logs_were_read_is_not_in_it(tmp_path: Path) -> None:
    configuration = installed(tmp_path / "state")
    path = make_backup(configuration, None, tmp_path / "backup.tar")
    with tarfile.open(path) as tar:
        tar.extract("database/tracker.sqlite3", tmp_path, filter="data")
    with closing(sqlite3.connect(tmp_path / "database" / "tracker.sqlite3")) as connection:
        assert connection.execute("SELECT count(*) FROM tracker_shippingcursor").fetchone() == (0,)


def test_a_copy_is_of_one_moment_whoever_writes(tmp_path: Path) -> None:
    """The writer keeps two tables equal, in one transaction each time."""
    database = tmp_path / "busy.sqlite3"
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.executescript("CREATE TABLE a (n INTEGER); CREATE TABLE b (n INTEGER)")
    is_over = threading.Event()
    has_begun = threading.Event()

    def write() -> None:
        with closing(sqlite3.connect(database, timeout=20)) as writing:
            for number in range(1_000_000):
                if is_over.is_set():
                    return
                with writing:
                    writing.execute("INSERT INTO a VALUES (?)", (number,))
                    writing.execute("INSERT INTO b VALUES (?)", (number,))
                has_begun.set()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert has_begun.wait(30)
        counts = []
        for copy_number in range(5):
            copy = tmp_path / f"{copy_number}.sqlite3"
            copy_database(database, copy)
            with closing(sqlite3.connect(copy)) as connection:
                counts.append(
                    connection.execute("SELECT (SELECT count(*) FROM a), (SELECT count(*) FROM b)").fetchone()
                )
    finally:
        is_over.set()
        writer.join()
    assert all(of_a == of_b and of_a for of_a, of_b in counts)


def test_a_database_in_postgresql_is_not_in_it(tmp_path: Path) -> None:
    configuration = Configuration(state=str(tmp_path / "state"), node="mx1", database="postgresql://host/outgate")
    path = make_backup(configuration, None, tmp_path / "backup.tar")
    with path.open("rb") as file:
        archive = Archive.check(file)
    assert archive.manifest.database == "postgresql"
    assert archive.names() == ["manifest.json"]


def test_without_a_database_there_is_nothing_to_save(tmp_path: Path) -> None:
    configuration = Configuration(state=str(tmp_path / "state"))
    with pytest.raises(BackupError, match="has Outgate ever run with these settings"):
        make_backup(configuration, None, tmp_path / "backup.tar")
    assert not list(tmp_path.iterdir())


def test_a_damaged_database_is_told_and_not_saved(tmp_path: Path) -> None:
    configuration = installed(tmp_path / "state")
    path = tmp_path / "state" / "outgate.sqlite3"
    octets = bytearray(path.read_bytes())
    octets[4096:] = b"\xff" * (len(octets) - 4096)
    path.write_bytes(octets)
    with pytest.raises(BackupError, match=r"damaged|malformed"):
        make_backup(configuration, None, tmp_path / "backup.tar")
    assert [each.name for each in tmp_path.iterdir()] == ["state"]


def test_a_place_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BackupError, match=r"could not be made: .*No such file"):
        make_backup(installed(tmp_path / "state"), None, tmp_path / "absent" / "backup.tar")
