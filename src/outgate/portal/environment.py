"""What the environment says of this installation's control plane: where its state and its database are.

Pure: turns strings into values. `settings` makes Django's settings of them.
"""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec
from msgspec import Struct

STATE_VARIABLE: Final = "OUTGATE_STATE"
DATABASE_VARIABLE: Final = "OUTGATE_DATABASE"
ALLOW_PRIVATE_VARIABLE: Final = "OUTGATE_ALLOW_PRIVATE"
SECRET_KEY_VARIABLE: Final = "OUTGATE_SECRET_KEY_FILE"  # noqa: S105 - the name of a path
SITE_VARIABLE: Final = "OUTGATE_SITE"
STATE_DEFAULT: Final = "var"

DEFAULT_ALIAS: Final = "default"
TRACKER_ALIAS: Final = "tracker"

SQLITE_WAIT_SECONDS: Final = 20  # for another writer; transactions here are short, so that this is long
POSTGRESQL_CONNECT_SECONDS: Final = 5
POSTGRESQL_SILENCE_MILLISECONDS: Final = 15_000  # after which an unanswered connection counts as lost

# WAL: readers never wait for the writer. FULL: a policy that was confirmed survives a power failure.
SQLITE_PRAGMAS: Final = "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA temp_store=MEMORY"
# The tracker may fall back a few seconds in one: the workers keep their events until what was recorded of them is
# durable, see `tracker.durability`. So the disk is asked to flush only when 16 MiB of changes go into the database.
TRACKER_PRAGMAS: Final = f"{SQLITE_PRAGMAS}; PRAGMA synchronous=NORMAL; PRAGMA wal_autocheckpoint=4000"


class OpenIdProvider(Struct, frozen=True):
    """A provider of OpenID Connect. server: the issuer. trust_addresses: also those that it does not call verified."""

    name: str
    server: str
    client_id: str
    client_secret: str
    trust_addresses: bool = False


class Site(Struct, frozen=True):
    """What the web server's process is told beside where the database is.

    url: what people enter in the browser, without a slash at the end. has_public_url: did the operator name it? Then
    letters may carry links to it. trusted_proxies: networks whose word on the caller's address is taken.
    nameservers: "address" or "address:port"; empty is the system's. log: file; empty is standard output. openid_url,
    provider_ca_file: Microsoft's service that says which tenant a domain is of, and whom to trust for it (empty is the
    system's). spf_recheck: does the clerk look at SPF records by itself?
    """

    url: str = "http://127.0.0.1:8025"
    has_public_url: bool = False
    trusted_proxies: tuple[str, ...] = ()
    hsts_seconds: int = 0
    nameservers: tuple[str, ...] = ()
    openid: tuple[OpenIdProvider, ...] = ()
    log: str = ""
    openid_url: str = "https://login.microsoftonline.com"
    provider_ca_file: str = ""
    spf_recheck: bool = True

    @classmethod
    def read(cls, variables: Mapping[str, str]) -> Self:
        """Raises: BadEnvironment."""
        try:
            return msgspec.json.decode(variables.get(SITE_VARIABLE) or "{}", type=cls)
        except msgspec.MsgspecError as error:
            raise BadEnvironment(f"{SITE_VARIABLE}: {error}") from error


class BadEnvironment(Exception):
    """A variable has a value that nobody can follow. The text names the variable and the remedy."""


@dataclass(frozen=True, slots=True)
class Environment:
    """state: directory of everything that is kept. databases: Django's DATABASES.

    tracker_alias: the database of the tracker's tables: a file of its own on SQLite, so that the flood of events never
    makes the portal wait; the one database on PostgreSQL. secret_key_file: the operator's own secret; empty is the one
    of the state directory.
    """

    state: Path
    databases: dict[str, dict[str, Any]]
    tracker_alias: str
    allow_private_addresses: bool
    secret_key_file: str = ""

    @classmethod
    def read(cls, variables: Mapping[str, str], process_id: int) -> Self:
        """`process_id` keeps the test databases of two runs apart. Raises: BadEnvironment."""
        state = Path(variables.get(STATE_VARIABLE) or STATE_DEFAULT).absolute()
        url = variables.get(DATABASE_VARIABLE) or f"sqlite:///{state / 'outgate.sqlite3'}"
        parts = urlsplit(url)
        allow_private = variables.get(ALLOW_PRIVATE_VARIABLE, "") not in ("", "0")
        key_file = variables.get(SECRET_KEY_VARIABLE, "")
        if parts.scheme == "sqlite" and not parts.netloc and parts.path.strip("/"):
            return cls(state, _sqlite(Path(unquote(parts.path)), process_id), TRACKER_ALIAS, allow_private, key_file)
        if parts.scheme in ("postgresql", "postgres") and parts.path.strip("/"):
            return cls(state, {DEFAULT_ALIAS: _postgresql(url)}, DEFAULT_ALIAS, allow_private, key_file)
        raise BadEnvironment(
            f"{DATABASE_VARIABLE} is {url!r}. Write sqlite:///path/to/outgate.sqlite3 or "
            "postgresql://user:password@host:port/name"
        )


def _sqlite(path: Path, process_id: int) -> dict[str, dict[str, Any]]:
    # urlsplit leaves "//var/x" of "sqlite:////var/x" and "/var/x" of "sqlite:///var/x": both are the absolute path.
    path = Path("/", *path.parts[1:])
    return {
        DEFAULT_ALIAS: _sqlite_file(path, process_id, SQLITE_PRAGMAS),
        TRACKER_ALIAS: _sqlite_file(path.with_stem(f"{path.stem}-tracker"), process_id, TRACKER_PRAGMAS),
    }


def _sqlite_file(path: Path, process_id: int, pragmas: str) -> dict[str, Any]:
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": str(path),
        "OPTIONS": {
            "timeout": SQLITE_WAIT_SECONDS,
            # A transaction that reads first and writes later would fail at once, without waiting, if another had
            # written meanwhile: so every transaction takes the write lock when it begins.
            "transaction_mode": "IMMEDIATE",
            "init_command": pragmas,
        },
        # Tests need a real file too: threads that share a database in memory do not wait for each other's locks.
        "TEST": {"NAME": str(Path(tempfile.gettempdir(), f"outgate-test-{process_id}-{path.name}"))},
    }


def _postgresql(url: str) -> dict[str, Any]:
    parts = urlsplit(url)
    options: dict[str, Any] = {
        "connect_timeout": POSTGRESQL_CONNECT_SECONDS,
        "tcp_user_timeout": POSTGRESQL_SILENCE_MILLISECONDS,
        **dict(parse_qsl(parts.query)),
    }
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": options.pop("host", None) or parts.hostname or "",
        "PORT": str(parts.port or ""),
        "OPTIONS": options,
        "TEST": {},
    }
