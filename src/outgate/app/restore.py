"""`outgate restore`: puts what a backup holds in its place, all of it or nothing.

First the whole archive is checked, then every file is written beside its place, and only then put there. A mark in the
state directory stands while that last step goes on: should it be interrupted, `outgate up` refuses, and the same
command again brings it to its end. The queue stays as it is.
"""

import fcntl
import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from outgate.app.archive import DATABASES, FILE_MODE, STATE_PREFIX, Archive, ArchiveError
from outgate.app.configuration import Configuration
from outgate.app.measuring import measure_clerk
from outgate.app.preflight import RESTORE_MARK, database_files
from outgate.app.state_lock import StateInUse, hold_state

STAGED_SUFFIX: Final = ".restoring"
SQLITE_COMPANIONS: Final = ("-wal", "-shm")  # of the database that is replaced: they would spoil the new one


class RestoreError(Exception):
    """Nothing was changed. The text says why."""


@dataclass(frozen=True, slots=True)
class Restored:
    """put: the files that were put in place. removed: policy copies of workers that the backup does not know."""

    put: tuple[Path, ...]
    removed: tuple[Path, ...]


def restore(configuration: Configuration, file: IO[bytes], *, overwrite: bool) -> Restored:
    """Restore the archive that `file` is, open for reading. Run it as the account that Outgate runs as.

    overwrite: what is there may be replaced. Raises: RestoreError.
    """
    archive = _check(file)
    places = _places(configuration, archive)
    state = configuration.state_directory
    try:
        (state / "run").mkdir(mode=0o750, parents=True, exist_ok=True)
        lock = hold_state(configuration, "outgate restore")
    except StateInUse as error:
        raise RestoreError(f"{error}; stop it first") from error
    except OSError as error:
        raise RestoreError(f"{state} cannot be written: {error.strerror}") from error
    try:
        _refuse_leftovers(configuration)
        _refuse_existing(state, places.values(), overwrite=overwrite)
        _stage(archive, places)
        return _put(state, places)
    except OSError as error:
        raise RestoreError(f"it failed, and has to be done again: {error}") from error
    finally:
        os.close(lock)


def _check(file: IO[bytes]) -> Archive:
    try:
        return Archive.check(file)
    except ArchiveError as error:
        raise RestoreError(f"{file.name} {error}") from error
    except OSError as error:
        raise RestoreError(f"{file.name} cannot be read: {error.strerror}") from error


def _places(configuration: Configuration, archive: Archive) -> dict[str, Path]:
    """Where each member belongs. The settings file is the operator's: it is not put anywhere."""
    databases = dict(zip(DATABASES, database_files(configuration), strict=False))
    if bool(databases) != (archive.manifest.database == "sqlite"):
        ours = "SQLite" if databases else "PostgreSQL"
        raise RestoreError(
            f"the backup is of an installation on {archive.manifest.database}, the settings say {ours}; "
            "set `database` as it was"
        )
    places = {}
    for name in archive.names():
        if name in databases:
            places[name] = databases[name]
        elif name.startswith(STATE_PREFIX):
            places[name] = configuration.state_directory / name.removeprefix(STATE_PREFIX)
    return places


def _refuse_leftovers(configuration: Configuration) -> None:
    """Workers and clerk outlive a supervisor that was killed by some seconds."""
    for path in configuration.state_directory.glob("workers/*/spool/lock"):
        with path.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise RestoreError(f"a worker still runs on {path.parent}; wait for its end") from error
    if measure_clerk(configuration)["outgate_clerk_up"]:
        raise RestoreError("a clerk still runs; wait for its end")


def _refuse_existing(state: Path, places: Iterable[Path], *, overwrite: bool) -> None:
    existing = [str(path) for path in places if path.exists()]
    if existing and not overwrite and not (state / RESTORE_MARK).exists():
        raise RestoreError(f"there is {', '.join(existing)} already; --overwrite replaces it")


def _stage(archive: Archive, places: dict[str, Path]) -> None:
    def take(name: str, source: IO[bytes]) -> None:
        staged = _staged(places[name])
        staged.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        staged.unlink(missing_ok=True)
        with os.fdopen(os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE), "wb") as file:
            shutil.copyfileobj(source, file)
            file.flush()
            os.fsync(file.fileno())

    try:
        archive.copy(frozenset(places), take)
    except ArchiveError as error:
        raise RestoreError(f"{archive.file.name} {error}") from error


def _put(state: Path, places: dict[str, Path]) -> Restored:
    mark = state / RESTORE_MARK
    mark.touch(FILE_MODE)
    _flush_names(state)
    # A copy of a newer policy than the restored one would be believed.
    strange = sorted(set(state.glob("workers/*/policy")) - set(places.values()))
    for path in strange:
        path.unlink()
    for name, path in places.items():
        if name in DATABASES:
            for companion in SQLITE_COMPANIONS:
                path.with_name(path.name + companion).unlink(missing_ok=True)
        _staged(path).replace(path)
    for directory in {path.parent for path in (*places.values(), *strange)}:
        _flush_names(directory)
    mark.unlink()
    _flush_names(state)
    return Restored(tuple(places.values()), tuple(strange))


def _staged(path: Path) -> Path:
    return path.with_name(path.name + STAGED_SUFFIX)


def _flush_names(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
