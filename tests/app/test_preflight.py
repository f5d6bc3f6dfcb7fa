"""Each obstacle to a start, as the operator meets it: one line with the setting, the path, and what to do."""

import os
from pathlib import Path

import pytest
from tests.support.account import NOBODY, as_nobody

from outgate.app.account import account_name
from outgate.app.configuration import Configuration, ConfigurationError, Delivery, Providers, Tls
from outgate.app.preflight import check, database_files, make_state
from outgate.net.certificate import ensure_self_signed


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A directory that everybody may enter: pytest's own are closed to others."""
    for directory in (tmp_path, *tmp_path.parents):
        if directory == Path(directory.anchor) or directory.stat().st_uid != os.getuid():
            break
        directory.chmod(directory.stat().st_mode | 0o111)
    return tmp_path


def obstacle(configuration: Configuration) -> str:
    """What `check` says to an account that may do nothing."""

    def look() -> str:
        try:
            check(configuration)
        except ConfigurationError as error:
            return str(error)
        return ""

    return as_nobody(look)


def given(directory: Path) -> Path:
    """Make it, for the account of `obstacle`."""
    directory.mkdir()
    if os.geteuid() == 0:
        os.chown(directory, NOBODY, NOBODY)
    return directory


def test_a_good_state_is_no_obstacle(place: Path) -> None:
    configuration = Configuration(state=str(given(place / "state")))

    def make() -> str:
        make_state(configuration)
        return "made"

    assert as_nobody(make) == "made"
    assert (place / "state" / "run").is_dir()
    assert obstacle(configuration) == ""


def test_a_state_that_does_not_exist_yet_is_no_obstacle(place: Path) -> None:
    assert obstacle(Configuration(state=str(place / "absent"))) == ""


def test_a_state_directory_of_somebody_else(place: Path) -> None:
    state = place / "state"
    state.mkdir(mode=0o555)
    text = obstacle(Configuration(state=str(state)))
    assert text.startswith(f"state: {state} is not ")
    assert f"`chown -R {as_nobody(account_name)}: {state}`" in text


@pytest.mark.parametrize("name", ["workers/1/spool/lock", "run/supervisor.lock", "outgate.sqlite3"])
def test_one_file_of_somebody_else_is_named(place: Path, name: str) -> None:
    state = given(place / "state")
    path = state / name
    path.parent.mkdir(parents=True, exist_ok=True)
    for directory in path.parents:
        directory.chmod(0o777)
        if directory == state:
            break
    path.touch(0o444)
    text = obstacle(Configuration(state=str(state)))
    assert text.startswith(f"state: {path} is not ")
    assert "\n" not in text


def test_a_state_that_is_a_file(place: Path) -> None:
    (place / "state").write_text("")
    assert obstacle(Configuration(state=str(place / "state"))) == f"state: {place / 'state'} is no directory; name one"


def test_a_state_that_cannot_be_made(place: Path) -> None:
    place.chmod(0o555)
    configuration = Configuration(state=str(place / "state"))

    def make() -> str:
        try:
            make_state(configuration)
        except ConfigurationError as error:
            return str(error)
        return ""

    assert "Permission denied; name a directory that this account may write" in as_nobody(make)


@pytest.mark.parametrize(("name", "setting"), [("self-signed.key", "tls.key"), ("self-signed.pem", "tls.certificate")])
def test_a_certificate_that_may_not_be_read(place: Path, name: str, setting: str) -> None:
    chain, key = ensure_self_signed(place / "tls", "outgate.example")
    (place / "tls").chmod(0o755)
    chain.chmod(0o644)
    key.chmod(0o644)
    (place / "tls" / name).chmod(0o000)
    configuration = Configuration(state=str(place / "absent"), tls=Tls(str(chain), str(key)))
    text = obstacle(configuration)
    assert text.startswith(f"{setting}: {as_nobody(account_name)} may not read {place / 'tls' / name}; let it: ")


def test_a_key_of_another_certificate(place: Path) -> None:
    chain, _ = ensure_self_signed(place / "a", "a.example")
    _, key = ensure_self_signed(place / "b", "b.example")
    with pytest.raises(ConfigurationError, match=f"tls: {chain} and {key} cannot be used for TLS: "):
        check(Configuration(state=str(place / "absent"), tls=Tls(str(chain), str(key))))


def test_authorities_that_may_not_be_read(place: Path) -> None:
    path = place / "ca.pem"
    path.touch(0o000)
    configuration = Configuration(state=str(place / "absent"), delivery=Delivery(ca_file=str(path)))
    assert obstacle(configuration).startswith("delivery.ca_file: ")
    configuration = Configuration(state=str(place / "absent"), providers=Providers(ca_file=str(path)))
    assert obstacle(configuration).startswith("providers.ca_file: ")


@pytest.mark.parametrize("name", ["there/outgate.log", "there/below/outgate.log"])
def test_a_log_that_cannot_be_written(place: Path, name: str) -> None:
    (place / "there").mkdir(mode=0o555)
    text = obstacle(Configuration(state=str(place / "absent"), log=str(place / name)))
    assert f"may not write {place / 'there'}; name another file" in text
    assert text.startswith("log: ")


def test_a_log_that_is_a_directory(place: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"log: .* is a directory; name a file in it"):
        check(Configuration(state=str(place / "absent"), log=str(place)))


def test_a_database_of_no_known_kind(place: Path) -> None:
    with pytest.raises(ConfigurationError, match="database: 'mysql://x/y' cannot be used; "):
        check(Configuration(state=str(place / "absent"), database="mysql://x/y"))


def test_the_files_of_the_database() -> None:
    assert [path.name for path in database_files(Configuration())] == ["outgate.sqlite3", "outgate-tracker.sqlite3"]
    assert database_files(Configuration(database="postgresql://host/name")) == ()
