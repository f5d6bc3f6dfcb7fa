"""The state directory of an installation that has run, made by hand and in milliseconds."""

import sqlite3
from contextlib import closing
from pathlib import Path

from outgate.app.configuration import Configuration
from outgate.net.certificate import ensure_self_signed

ROWS = 200


def installed(state: Path) -> Configuration:
    """Databases with some rows, a secret, a certificate, a policy copy."""
    state.mkdir(parents=True)
    configuration = Configuration(state=str(state), node="mx1")
    for name, table in (("outgate", "customer"), ("outgate-tracker", "tracker_shippingcursor")):
        with closing(sqlite3.connect(state / f"{name}.sqlite3")) as connection, connection:
            connection.execute(f"CREATE TABLE {table} (name TEXT)")
            connection.executemany(f"INSERT INTO {table} VALUES (?)", ((f"row {number}",) for number in range(ROWS)))
    (state / "secret-key").write_text("secret")
    ensure_self_signed(state / "tls", "mx1.example")
    policy = state / "workers" / "1" / "policy"
    policy.parent.mkdir(parents=True)
    policy.write_bytes(b"policy")
    return configuration


def customers(state: Path) -> int:
    with closing(sqlite3.connect(state / "outgate.sqlite3")) as connection:
        (count,) = connection.execute("SELECT count(*) FROM customer").fetchone()
        assert isinstance(count, int)
        return count
