"""`outgate backup`: one file of all that makes this installation what it is, taken while it runs.

Not in it is the queue. It lives: a copy of it is out of date before it is written, and to restore it would send every
message again that has been delivered since. It stands in the spools, and moves with the state directory
(docs/operations.md). Nor are certificates that the operator keeps elsewhere, or a database in PostgreSQL.
"""

import os
import sqlite3
import tarfile
import tempfile
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from outgate import __version__
from outgate.app.archive import (
    DATABASES,
    FILE_MODE,
    FORMAT,
    MANIFEST,
    SETTINGS,
    STATE_PREFIX,
    TRACKER,
    ArchiveWriter,
    Manifest,
)
from outgate.app.configuration import Configuration
from outgate.app.preflight import database_files

STATE_FILES: Final = ("secret-key", "tls/self-signed.pem", "tls/self-signed.key")  # and the workers' policy copies
BUSY_SECONDS: Final = 20.0  # that a database may be locked by a writer


class BackupError(Exception):
    """No backup was made. The text says why."""


def make_backup(configuration: Configuration, settings: Path | None, to: Path, now: datetime | None = None) -> Path:
    """Write a backup to the file `to`, or into the directory `to`; the file's path.

    settings: the file that `configuration` was read from, if there is one. Raises: BackupError, leaving nothing.
    """
    now = now or datetime.now(UTC)
    if to.is_dir():
        to = to / f"outgate-{configuration.node}-{now:%Y%m%dT%H%M%SZ}.tar"
    if to.exists():
        raise BackupError(f"{to} is there already; name another file")
    part = to.with_name(f"{to.name}.part")
    try:
        with tempfile.TemporaryDirectory(prefix=f".{to.name}-", dir=to.parent) as aside:
            descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, FILE_MODE)
            with os.fdopen(descriptor, "wb") as file:
                with tarfile.open(fileobj=file, mode="w:", format=tarfile.PAX_FORMAT) as tar:
                    _fill(ArchiveWriter(tar, int(now.timestamp())), configuration, settings, Path(aside), now)
                file.flush()
                os.fsync(file.fileno())
        part.rename(to)
    except (OSError, sqlite3.Error) as error:
        raise BackupError(f"{to} could not be made: {error}") from error
    finally:
        part.unlink(missing_ok=True)
    return to


def _fill(
    archive: ArchiveWriter, configuration: Configuration, settings: Path | None, aside: Path, now: datetime
) -> None:
    databases = database_files(configuration)
    kind = "sqlite" if databases else "postgresql"
    manifest = Manifest(FORMAT, __version__, now.isoformat(timespec="seconds"), configuration.node, kind)
    archive.add(MANIFEST, msgspec.json.encode(manifest))
    if settings is not None:
        archive.add(SETTINGS, settings.read_bytes())
    state = configuration.state_directory
    # The copies of the policy before the policy itself: a worker that starts from one must never be ahead of it.
    for path in (*(state / name for name in STATE_FILES), *sorted(state.glob("workers/*/policy"))):
        if path.exists():
            archive.add(STATE_PREFIX + path.relative_to(state).as_posix(), path.read_bytes())
    for name, database in zip(DATABASES, databases, strict=False):
        if not database.exists():
            raise BackupError(f"there is no database {database}: has Outgate ever run with these settings?")
        copy = aside / database.name
        copy_database(database, copy)
        if name == TRACKER:
            _forget_cursors(copy)
        archive.add_file(name, copy)
        copy.unlink()
    archive.seal()


def _forget_cursors(copy: Path) -> None:
    """How far the event logs have been recorded. It says nothing about the spools that a restore finds: were it
    believed, events of other ones would be skipped. Read from the beginning, an event that is known changes nothing."""
    with closing(sqlite3.connect(copy)) as connection:
        connection.execute("DELETE FROM tracker_shippingcursor")
        connection.commit()


def copy_database(database: Path, copy: Path) -> None:
    """As it is at one moment, whoever writes to it meanwhile. Raises: sqlite3.Error, BackupError, OSError."""
    with (
        closing(sqlite3.connect(database, timeout=BUSY_SECONDS)) as source,
        closing(sqlite3.connect(copy, timeout=BUSY_SECONDS)) as target,
    ):
        copy.chmod(FILE_MODE)
        source.backup(target)
        (verdict,) = target.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise BackupError(f"the database {database} is damaged: {verdict}. Restore the last good backup")
