"""The account that Outgate runs as: becoming it, and leaving to it what root has made."""

import grp
import os
import pwd
import sys
from pathlib import Path

from outgate.app.configuration import Configuration, ConfigurationError


def become_account(configuration: Configuration) -> None:
    """If this is root and `user` is set, become that account for good. Raises: ConfigurationError."""
    account = _account(configuration)
    if account is None:
        return
    os.setgroups([group.gr_gid for group in grp.getgrall() if configuration.user in group.gr_mem])
    os.setgid(account.pw_gid)
    os.setuid(account.pw_uid)
    for needed in (Path(sys.executable).resolve(), Path(os.__file__), Path(__file__)):
        if not os.access(needed, os.R_OK):
            raise ConfigurationError(
                f"user: {configuration.user} may not read {needed}; install Python and Outgate where that account can"
            )


def give_state(configuration: Configuration) -> None:
    """If this is root and `user` is set, make the state directory, and let that account own it.

    Raises: ConfigurationError.
    """
    account = _account(configuration)
    if account is None:
        return
    state = configuration.state_directory
    try:
        state.mkdir(parents=True, exist_ok=True, mode=0o750)
        if state.stat().st_uid != account.pw_uid:
            os.chown(state, account.pw_uid, account.pw_gid)
    except OSError as error:
        raise ConfigurationError(f"state: {state} cannot be made: {error.strerror}; name another directory") from error


def leave_to_account(configuration: Configuration) -> None:
    """Files in the state directory that root has made in passing belong to the account, which could not write them
    else. Raises: OSError."""
    try:
        account = _account(configuration)
    except ConfigurationError:
        return  # `outgate up` says what to do
    if account is None:
        return
    directory = configuration.state_directory
    for path in (directory, *directory.iterdir()):
        if path.stat().st_uid == 0 and (path == directory or path.is_file()):
            os.chown(path, account.pw_uid, account.pw_gid)


def account_name() -> str:
    """Whose rights this process has."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def _account(configuration: Configuration) -> pwd.struct_passwd | None:
    """None: there is nothing to become. Raises: ConfigurationError."""
    if not configuration.user or os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam(configuration.user)
    except KeyError as error:
        raise ConfigurationError(
            f"user: there is no account {configuration.user!r}; make it with `useradd --system --user-group "
            f"--home-dir {configuration.state} --shell /usr/sbin/nologin {configuration.user}`"
        ) from error
