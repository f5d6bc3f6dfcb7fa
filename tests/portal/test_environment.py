"""Where state and database are, by environment."""

from pathlib import Path

import pytest

from outgate.portal.environment import BadEnvironment, Environment


def test_sqlite_in_the_state_directory_is_the_default() -> None:
    environment = Environment.read({"OUTGATE_STATE": "/srv/outgate"}, 7)

    assert environment.state == Path("/srv/outgate")
    assert environment.databases["default"]["NAME"] == "/srv/outgate/outgate.sqlite3"
    assert not environment.allow_private_addresses


def test_state_is_var_below_where_one_stands_by_default() -> None:
    assert Environment.read({}, 7).state == Path("var").absolute()


@pytest.mark.parametrize(
    "url", ["sqlite:///srv/a b.sqlite3", "sqlite:////srv/a b.sqlite3", "sqlite:///srv/a%20b.sqlite3"]
)
def test_tracker_has_a_file_beside_the_database_on_sqlite(url: str) -> None:
    environment = Environment.read({"OUTGATE_DATABASE": url}, 7)

    assert environment.databases["default"]["NAME"] == "/srv/a b.sqlite3"
    assert environment.databases["tracker"]["NAME"] == "/srv/a b-tracker.sqlite3"
    assert environment.tracker_alias == "tracker"


def test_everything_is_in_one_database_on_postgresql() -> None:
    url = "postgresql://us%65r:p%40ss@db.example:5433/mail?sslmode=verify-full"

    environment = Environment.read(
        {"OUTGATE_DATABASE": url, "OUTGATE_ALLOW_PRIVATE": "1", "OUTGATE_SECRET_KEY_FILE": "/etc/key"}, 7
    )

    assert environment.secret_key_file == "/etc/key"
    assert list(environment.databases) == ["default"]
    assert environment.tracker_alias == "default"
    database = environment.databases["default"]
    named = [database[key] for key in ("NAME", "USER", "PASSWORD", "HOST", "PORT")]
    assert named == ["mail", "user", "p@ss", "db.example", "5433"]
    assert database["OPTIONS"]["sslmode"] == "verify-full"
    assert environment.allow_private_addresses


def test_postgresql_by_unix_socket_is_named_in_the_query() -> None:
    database = Environment.read({"OUTGATE_DATABASE": "postgresql://outgate@/mail?host=/run/pg"}, 7).databases["default"]

    assert (database["HOST"], database["NAME"]) == ("/run/pg", "mail")


@pytest.mark.parametrize(
    "url", ["mysql://localhost/x", "sqlite:///", "sqlite://x/y", "postgresql://localhost/", "outgate.sqlite3"]
)
def test_another_address_is_refused_with_the_remedy(url: str) -> None:
    with pytest.raises(BadEnvironment, match=r"OUTGATE_DATABASE is .* Write sqlite:///path"):
        Environment.read({"OUTGATE_DATABASE": url}, 7)
