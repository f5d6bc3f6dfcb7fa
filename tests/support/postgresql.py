"""A PostgreSQL of the tests' own, from the system's packages: made in memory where there is room, else in a temporary
directory, reached by a Unix socket, thrown away in the end. Nothing listens on the network: no port can be taken."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ACCOUNTS = ("postgres", "nobody")  # who runs it when the tests run as root, which PostgreSQL refuses
MEMORY = Path("/dev/shm")  # tables are emptied after most tests, each a file or several
MEMORY_OCTETS = 1024 * 1024 * 1024  # that must be free there
SETTINGS = (
    "listen_addresses=''",
    "unix_socket_permissions=0777",
    "fsync=off",  # the data need not outlive the tests
    "full_page_writes=off",
    "autovacuum=off",
    "max_connections=20",
    "shared_buffers=32MB",
)


def programs() -> Path | None:
    """The directory of initdb and pg_ctl; None if PostgreSQL is not installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    return Path(on_path).parent if on_path else None


@contextmanager
def cluster() -> Iterator[str]:
    """A running PostgreSQL; yields the value of OUTGATE_DATABASE for it."""
    has_memory = MEMORY.is_dir() and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free >= MEMORY_OCTETS
    directory = Path(tempfile.mkdtemp(prefix="outgate-pg-", dir=MEMORY if has_memory else None))
    binaries = programs()
    assert binaries is not None
    data = directory / "data"
    try:
        prefix = _other_account(directory)
        _run(*prefix, f"{binaries}/initdb", "--auth=trust", "--username=outgate", "--encoding=UTF8", "-D", f"{data}")
        options = " ".join(f"-c {setting}" for setting in (*SETTINGS, f"unix_socket_directories='{directory}'"))
        start = [f"{binaries}/pg_ctl", "start", "--wait", "-D", f"{data}", "-l", f"{directory}/log", "-o", options]
        _run(*prefix, *start)
        try:
            yield f"postgresql://outgate@/postgres?host={directory}"
        finally:
            _run(*prefix, f"{binaries}/pg_ctl", "stop", "--wait", "--mode=immediate", "-D", f"{data}")
    finally:
        shutil.rmtree(directory)


def _other_account(directory: Path) -> tuple[str, ...]:
    """What stands in front of a command that PostgreSQL would not let root run; `directory` becomes that account's."""
    if os.geteuid() != 0:
        return ()
    for name in ACCOUNTS:
        try:
            account = pwd.getpwnam(name)
        except KeyError:
            continue
        os.chown(directory, account.pw_uid, account.pw_gid)
        directory.chmod(0o755)
        return ("setpriv", f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups")
    raise AssertionError(f"none of the accounts {ACCOUNTS} exists")


def _run(*command: str) -> None:
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd="/",
        env={**os.environ, "LC_ALL": "C.UTF-8"},
    )
    assert done.returncode == 0, f"{' '.join(command)}: {done.stdout}"
