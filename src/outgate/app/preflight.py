"""What the settings name, tried before anything starts: each obstacle is one line with the setting and the remedy.

To be called with the rights of the account that Outgate runs as: root may read and write anything, which proves
nothing.
"""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from outgate.app.account import account_name
from outgate.app.configuration import Configuration, ConfigurationError
from outgate.app.yara_rules import BadRules, load
from outgate.net.certificate import Certificate, CertificateError
from outgate.portal.environment import DATABASE_VARIABLE, STATE_VARIABLE, BadEnvironment, Environment

RESTORE_MARK: Final = "restore-unfinished"  # stands in the state directory while a restore puts files in place
STATE_PARTS: Final = ("run", "workers", "log", "tls")  # directories in the state directory


def make_state(configuration: Configuration) -> None:
    """The state directory and its parts. Raises: ConfigurationError."""
    for part in STATE_PARTS:
        path = configuration.state_directory / part
        try:
            path.mkdir(parents=True, exist_ok=True, mode=0o750)
        except OSError as error:
            raise ConfigurationError(
                f"state: {path} cannot be made by account {account_name()}: {error.strerror}; "
                "name a directory that this account may write"
            ) from error


def check(configuration: Configuration) -> None:
    """Changes nothing. Raises: ConfigurationError."""
    _check_state(configuration)
    _check_log(configuration)
    _check_certificate(configuration)
    _check_rules(configuration)
    for key, ca_file in (
        ("delivery.ca_file", configuration.delivery.ca_file),
        ("providers.ca_file", configuration.providers.ca_file),
    ):
        if ca_file and not os.access(ca_file, os.R_OK):
            raise _unreadable(key, ca_file)


def database_files(configuration: Configuration) -> tuple[Path, ...]:
    """Of the portal and of the tracker; none where they are in PostgreSQL. Raises: ConfigurationError."""
    variables = {STATE_VARIABLE: str(configuration.state_directory), DATABASE_VARIABLE: configuration.database_address}
    try:
        databases = Environment.read(variables, os.getpid()).databases
    except BadEnvironment as error:
        raise ConfigurationError(f"database: {configuration.database!r} cannot be used; {error}") from error
    return tuple(Path(each["NAME"]) for each in databases.values() if each["ENGINE"].endswith("sqlite3"))


def _check_state(configuration: Configuration) -> None:
    state = configuration.state_directory
    if state.exists() and not state.is_dir():
        raise ConfigurationError(f"state: {state} is no directory; name one")
    if (state / RESTORE_MARK).exists():
        raise ConfigurationError(
            f"state: a restore into {state} did not come to its end; run `outgate restore` with the same file again"
        )
    for path in (*_own(state), *database_files(configuration)):
        if path.exists() and not os.access(path, os.W_OK | (os.X_OK if path.is_dir() else os.R_OK)):
            raise ConfigurationError(
                f"state: {path} is not {account_name()}'s to write (it belongs to {_owner(path)}); give everything "
                f"there to one account: `chown -R {configuration.user or account_name()}: {state}`"
            )


def _own(state: Path) -> Iterator[Path]:
    """What must be writable, as deep as a wrong owner is likely."""
    yield state
    try:
        for directory in (state, *(state / part for part in STATE_PARTS), *state.glob("workers/*")):
            if directory.is_dir():
                yield from (path for path in directory.iterdir() if not path.is_symlink())
        yield from state.glob("workers/*/spool/*")
    except PermissionError:
        pass  # the directory itself has been yielded


def _check_log(configuration: Configuration) -> None:
    path = configuration.log_path
    if path is None or not configuration.log:
        return
    if path.is_dir():
        raise ConfigurationError(f"log: {path} is a directory; name a file in it")
    place = path if path.exists() else _nearest(path.parent)
    if not os.access(place, os.W_OK):
        raise ConfigurationError(
            f"log: {account_name()} may not write {place}; name another file, or none to log into the state directory"
        )


def _check_certificate(configuration: Configuration) -> None:
    tls = configuration.tls
    if not tls.certificate:
        return
    for setting, path in (("tls.certificate", tls.certificate), ("tls.key", tls.key)):
        if not os.access(path, os.R_OK):
            raise _unreadable(setting, path)
    try:
        Certificate(Path(tls.certificate), Path(tls.key))
    except CertificateError as error:
        raise ConfigurationError(f"tls: {error}") from error


def _check_rules(configuration: Configuration) -> None:
    rules = configuration.scanning.yara_rules
    if not rules:
        return
    try:
        load(rules)
    except BadRules as error:
        raise ConfigurationError(f"scanning.yara_rules: {error}") from error


def _unreadable(setting: str, path: str) -> ConfigurationError:
    account = account_name()
    return ConfigurationError(
        f"{setting}: {account} may not read {path}; let it: `chgrp {account} {path} && chmod g+r {path}`, and the "
        "directories above it as well"
    )


def _nearest(path: Path) -> Path:
    return next(each for each in _upwards(path) if each.exists())


def _upwards(path: Path) -> Iterable[Path]:
    return (path, *path.parents)


def _owner(path: Path) -> str:
    try:
        return path.owner()
    except KeyError:
        return str(path.stat().st_uid)
