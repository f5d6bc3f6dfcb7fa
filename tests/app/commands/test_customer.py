"""`outgate customer`."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.db import connections
from tests.support.portal import ACTOR, actions, customer, document, newest, sending_customer
from typer.testing import Result

from outgate.app.commands import control_plane
from outgate.app.commands.customer import app
from outgate.contract.policy import Deleted, Outbound
from outgate.portal.accounts.models import AuditEntry
from outgate.portal.customers.models import Customer
from outgate.portal.feed import services
from outgate.portal.feed.selectors import documents_since
from outgate.portal.outbound.activation import finish_activations
from outgate.portal.outbound.missing import Missing
from outgate.portal.outbound.services import remove_source

pytestmark = pytest.mark.django_db(databases="__all__")

TEXT = """
name = "Example Ltd"
outbound = "on"
[[domains]]
name = "example.com"
[[sources]]
network = "9.9.9.9"
"""


@pytest.fixture
def outgate(run: Any) -> Callable[..., Result]:
    command: Callable[..., Result] = run(app)
    return command


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "example.toml"
    path.write_text(TEXT)
    return path


def test_text_is_applied_and_recorded_under_the_person_behind_sudo(outgate: Callable[..., Result], file: Path) -> None:
    result = outgate("apply", str(file), "--yes")

    assert result.exit_code == 0, result.output
    assert "+outbound = " in result.stdout
    assert "Example Ltd (example-ltd) is saved." in result.stdout
    assert {entry.actor for entry in AuditEntry.objects.all()} == {"ann at the command line"}
    assert Customer.objects.get().outbound == Outbound.ACTIVATING


def test_nothing_happens_without_a_yes_where_nobody_can_be_asked(outgate: Callable[..., Result], file: Path) -> None:
    result = outgate("apply", str(file))

    assert result.exit_code == 1
    assert "Nobody is there to ask: give --yes" in result.stderr
    assert Customer.objects.count() == 0


@pytest.mark.parametrize(("answer", "customers"), [("y\n", 1), ("n\n", 0)])
def test_person_at_a_terminal_is_asked(
    outgate: Callable[..., Result], file: Path, monkeypatch: pytest.MonkeyPatch, answer: str, customers: int
) -> None:
    monkeypatch.setattr(control_plane, "is_terminal", lambda: True)

    result = outgate("apply", str(file), input=answer)

    assert "Apply this?" in result.output
    assert result.exit_code == 1 - customers
    assert Customer.objects.count() == customers


def test_dry_run_shows_and_changes_nothing(outgate: Callable[..., Result], file: Path) -> None:
    before = newest()

    result = outgate("apply", str(file), "--dry-run")

    assert result.exit_code == 0
    assert '+network = "9.9.9.9/32"' in result.stdout
    assert "Nothing was changed." in result.stdout
    assert (newest(), Customer.objects.count()) == (before, 0)


def test_text_that_is_so_already_needs_no_yes(outgate: Callable[..., Result], file: Path) -> None:
    outgate("apply", str(file), "--yes")

    result = outgate("apply", str(file))

    assert (result.exit_code, result.stdout) == (0, "Example Ltd (example-ltd) is as the text says.\n")


def test_diff_tells_by_its_status_whether_there_is_one(outgate: Callable[..., Result], file: Path) -> None:
    outgate("apply", str(file), "--yes")
    assert (outgate("diff", str(file)).exit_code, outgate("diff", str(file)).stdout) == (0, "")
    file.write_text(TEXT.replace("9.9.9.9", "9.9.9.10"))

    result = outgate("diff", str(file))

    assert result.exit_code == 1
    changed = [line for line in result.stdout.splitlines() if line[0] in "+-" and line[1] not in "+-"]
    assert changed == ['-network = "9.9.9.9/32"', '+network = "9.9.9.10/32"']


def test_every_mistake_is_told_with_file_path_and_remedy(outgate: Callable[..., Result], file: Path) -> None:
    file.write_text(TEXT.replace("9.9.9.9", "10.1.2.3").replace("example.com", "com"))

    result = outgate("apply", str(file), "--yes")

    private = "10.1.2.3 is a private address. Enter the public address that your mail leaves from."
    assert result.exit_code == 2
    assert result.stderr.splitlines() == [
        f"{file}: domains[0].name: 'com' is not a mail domain. Enter a full name such as example.com.",
        f"{file}: sources[0].network: {private}",
        "outgate: nothing was changed",
    ]
    assert Customer.objects.count() == 0


@pytest.mark.parametrize(
    ("octets", "said"), [(None, "cannot be read: No such file"), (b"\xff", "is not UTF-8"), (b"=", "This is not TOML")]
)
def test_file_that_is_no_text_is_refused(
    outgate: Callable[..., Result], tmp_path: Path, octets: bytes | None, said: str
) -> None:
    path = tmp_path / "x.toml"
    if octets is not None:
        path.write_bytes(octets)

    result = outgate("apply", str(path), "--yes")

    assert result.exit_code == 2
    assert f"{path}: {said}" in result.stderr


def test_text_is_read_from_standard_input(outgate: Callable[..., Result]) -> None:
    result = outgate("apply", "-", "--yes", input=TEXT)

    assert result.exit_code == 0, result.output
    assert Customer.objects.get().name == "Example Ltd"


def test_exported_text_can_be_applied_again(outgate: Callable[..., Result], file: Path) -> None:
    outgate("apply", str(file), "--yes")
    text = outgate("export", "Example Ltd").stdout
    before = newest(), actions()

    file.write_text(text)
    assert outgate("apply", str(file), "--yes").exit_code == 0

    assert (newest(), actions()) == before


def test_all_customers_are_exported_into_files(outgate: Callable[..., Result], tmp_path: Path) -> None:
    for name in ("First", "Second"):
        customer(name)

    result = outgate("export", "--all", "--to", str(tmp_path / "texts"))

    assert result.stdout.split() == [str(tmp_path / "texts" / f"{name}.toml") for name in ("first", "second")]
    assert 'name = "Second"' in (tmp_path / "texts" / "second.toml").read_text()


@pytest.mark.parametrize("arguments", [(), ("x", "--all"), ("--all",)])
def test_export_says_what_it_needs(outgate: Callable[..., Result], arguments: tuple[str, ...]) -> None:
    result = outgate("export", *arguments)

    assert result.exit_code == 2
    assert result.stderr.startswith("outgate: ")


def test_list_is_for_people_and_for_machines(outgate: Callable[..., Result]) -> None:
    assert "There is no customer yet" in outgate("list").stdout
    sending_customer("Example", "example.com")

    assert outgate("list").stdout.split()[-7:] == [
        "example",
        "Example",
        "default",
        "default",
        "gateway",
        "activating",
        "1",
    ]
    (row,) = json.loads(outgate("list", "--json").stdout)
    assert (row["id"], row["outbound"], row["domains"]) == ("example", "activating", 1)
    assert json.loads(outgate("list", "--search", "nothing", "--json").stdout) == []
    assert outgate("list", "--search", "nothing").stdout == "No customer matches.\n"


def test_deleted_customer_is_gone_for_the_workers_too(outgate: Callable[..., Result]) -> None:
    made = customer("Example")
    assert outgate("delete", "example").exit_code == 1

    assert outgate("delete", "example", "--yes").stdout == "Example is deleted.\n"

    assert document(made) == Deleted()
    assert Customer.objects.count() == 0


@pytest.mark.parametrize("command", ["export", "delete", "status"])
def test_unknown_customer_is_said_to_be_unknown(outgate: Callable[..., Result], command: str) -> None:
    result = outgate(command, "nobody")

    assert result.exit_code == 1
    assert "There is no customer 'nobody'" in result.stderr


def test_status_shows_each_worker(outgate: Callable[..., Result]) -> None:
    sending_customer("Example", "example.com")
    assert "No worker is running" in outgate("status", "example").stdout
    now = datetime.now(UTC)
    services.record_heartbeat(worker="mx1/1", revision=newest(), queued=3, now=now)
    services.record_heartbeat(worker="mx1/2", revision=1, queued=0, now=now)

    lines = outgate("status", "example").stdout.splitlines()
    assert lines[0] == f"Example (example): outbound is activating, revision {newest()}"
    assert [line.split()[:4] for line in lines[2:]] == [
        ["mx1/1", "applied", str(newest()), "3"],
        ["mx1/2", "behind", "1", "0"],
    ]
    told = json.loads(outgate("status", "example", "--json").stdout)
    assert (told["outbound"], told["everywhere"]) == ("activating", False)
    assert [worker["applied"] for worker in told["workers"]] == [True, False]
    assert told["missing"] == []


def test_status_says_what_is_missing(outgate: Callable[..., Result]) -> None:
    made = sending_customer("Example", "example.com")
    remove_source(actor=ACTOR, source=made.sources.get())

    assert outgate("status", "example").stdout.splitlines()[1] == (
        f"{Missing.SOURCE.meaning} Still to do: {Missing.SOURCE.remedy}."
    )
    assert json.loads(outgate("status", "example", "--json").stdout)["missing"] == ["source"]


@contextmanager
def worker_and_clerk() -> Iterator[None]:
    """A worker that applies everything at once, and a clerk that makes active who can be."""
    ended = threading.Event()

    def work() -> None:
        try:
            while not ended.is_set():
                now = datetime.now(UTC)
                services.record_heartbeat(worker="mx1/1", revision=documents_since(0).up_to, queued=0, now=now)
                finish_activations(now=now)
                time.sleep(0.02)
        finally:
            connections.close_all()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@pytest.mark.django_db(databases="__all__", transaction=True)
def test_waiting_ends_when_the_workers_act_on_it_and_says_how_long_it_took(
    outgate: Callable[..., Result], file: Path
) -> None:
    with worker_and_clerk():
        on = outgate("apply", str(file), "--yes", "--wait", "20")
        file.write_text(TEXT.replace('"on"', '"off"'))
        off = outgate("apply", str(file), "--yes", "--wait", "20")

    assert on.exit_code == off.exit_code == 0, on.output + off.output
    assert on.stdout.splitlines()[-1].startswith("In force on 1 worker after ")
    assert on.stdout.endswith(" s: outbound is active.\n")
    assert off.stdout.endswith(" s: outbound is off.\n")


def test_waiting_for_nobody_ends_with_the_reason(outgate: Callable[..., Result], file: Path) -> None:
    result = outgate("apply", str(file), "--yes", "--wait", "0.01")

    assert result.exit_code == 1
    assert "no worker is running, or no clerk" in result.stderr
    assert Customer.objects.count() == 1


def test_waiting_for_one_that_lags_names_it(outgate: Callable[..., Result], file: Path) -> None:
    services.record_heartbeat(worker="mx1/2", revision=0, queued=0, now=datetime.now(UTC))

    result = outgate("apply", str(file), "--yes", "--wait", "0.01")

    assert "worker mx1/2 has not applied it" in result.stderr
