"""`outgate queue release` of sealed messages: the command line opens what no worker can."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError
from django.utils.functional import lazy
from tests.support.portal import ACTOR, customer, living_document
from tests.support.queue_worker import QueueWorker, queue_worker
from typer.testing import Result

from outgate.app.cli import app
from outgate.app.commands import queue
from outgate.contract.commands import QueueAction
from outgate.portal import start
from outgate.portal.accounts import alarms
from outgate.portal.accounts.models import AuditEntry
from outgate.portal.customers.models import Customer
from outgate.portal.customers.services import delete_customer
from outgate.portal.secret_key import installation_secret
from outgate.sealing.keys import new_content_key, seal_key

pytestmark = pytest.mark.django_db(databases="__all__")


@pytest.fixture(autouse=True)
def no_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command line's own settings have none; the tests' are the portal's."""
    monkeypatch.setattr(alarms.LOG, "disabled", True)


@pytest.fixture
def outgate(run: Any) -> Callable[..., Result]:
    command: Callable[..., Result] = run(app)
    return lambda *arguments: command("queue", *arguments)


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[QueueWorker]:
    with queue_worker(tmp_path / "run" / "worker-1.sock") as made:
        yield made


@pytest.fixture
def alpha(settings: Any) -> Customer:
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "s" * 40, []
    return customer("Alpha")


def put_sealed(worker: QueueWorker, name: str, owner: Customer) -> bytes:
    content_key = new_content_key()
    worker.put(name, owner.slug, seal_key(content_key, living_document(owner).held_key), content_key)
    return content_key


def test_sealed_messages_are_released_with_their_keys(
    outgate: Any, worker: QueueWorker, alpha: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "COMMAND_IDS", 2)
    beta = customer("Beta")
    keys = {name: put_sealed(worker, name, owner) for name, owner in (("S1", alpha), ("S2", beta), ("S3", alpha))}
    worker.put("P1", "alpha")

    result = outgate("release", "--all")

    assert (result.exit_code, result.stdout, result.stderr) == (0, "4 messages released\n", "")
    told = [(command.queue_ids, command.keys) for command in worker.commands]
    assert told[:2] == [(("S1", "S2"), {}), (("S3", "P1"), {})]
    assert {name: key for _, each in told[2:] for name, key in each.items()} == keys
    assert all(len(names) <= 2 and set(names) == set(each) for names, each in told[2:])
    entries = AuditEntry.objects.filter(action="message.released").order_by("object")
    assert [(each.object, each.actor, each.detail) for each in entries] == [
        (name, "ann at the command line", {}) for name in ("alpha/S1", "alpha/S3", "beta/S2")
    ]


def test_what_is_not_sealed_needs_no_database(
    outgate: Any, worker: QueueWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(start, "migrate", lambda: pytest.fail("the database was asked"))
    worker.put("P1", "alpha")

    assert outgate("release", "P1").stdout == "1 message released\n"
    assert json.loads(outgate("release", "P1", "P2", "--json").stdout) == {
        "done": ["P1"],
        "absent": ["P2"],
        "sealed": [],
    }
    assert {command.action for command in worker.commands} == {QueueAction.RELEASE}


def test_what_cannot_be_opened_says_why_and_the_rest_is_released(
    outgate: Any, worker: QueueWorker, alpha: Customer
) -> None:
    beta = customer("Beta")
    put_sealed(worker, "GONE", beta)
    delete_customer(actor=ACTOR, customer=beta)
    worker.put("LOST", "alpha", bytes(80), bytes(32))
    put_sealed(worker, "GOOD", alpha)
    put_sealed(worker, "ODD", alpha)
    worker.content_keys["ODD"] = bytes(32)

    result = outgate("release", "GOOD", "LOST", "GONE", "ODD", "NONE")

    assert (result.exit_code, result.stdout) == (1, "1 message released\n")
    assert result.stderr.splitlines() == [
        "NONE: not in the queue",
        "GONE: sealed; its customer is deleted, and the key with it: it can never be opened; delete it",
        "LOST: sealed; its key cannot be opened; docs/operations.md says what to do, under *The secret key*",
        "ODD: sealed; the key that was found for it does not open it",
    ]
    as_json = json.loads(outgate("release", "GOOD", "LOST", "--json").stdout)
    assert as_json == {"done": ["GOOD"], "absent": [], "sealed": ["LOST"]}


def test_database_that_is_away_is_told_with_what_is_done(
    outgate: Any, worker: QueueWorker, alpha: Customer, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_sealed(worker, "S1", alpha)
    worker.put("P1", "alpha")

    def migrate() -> None:
        raise OperationalError("no route to host")

    monkeypatch.setattr(start, "migrate", migrate)

    result = outgate("release", "S1", "P1")

    assert (result.exit_code, result.stdout) == (1, "")
    assert "the database cannot be used: no route to host" in result.stderr
    assert "released: 1; sealed, and not released: 1" in result.stderr


def test_secret_key_that_cannot_be_read_is_told(
    outgate: Any, worker: QueueWorker, alpha: Customer, settings: Any, tmp_path: Path
) -> None:
    put_sealed(worker, "S1", alpha)
    settings.SECRET_KEY = lazy(installation_secret, str)(tmp_path, str(tmp_path / "none"))

    result = outgate("release", "S1")

    assert result.exit_code == 1
    assert "the secret key cannot be read: [Errno 2] No such file or directory" in result.stderr
    assert "Look at `portal.secret_key_file`" in result.stderr


def test_show_says_that_a_message_is_sealed(outgate: Any, worker: QueueWorker, alpha: Customer) -> None:
    put_sealed(worker, "S1", alpha)
    worker.put("P1", "alpha")

    assert "content:      sealed until it is released\n" in outgate("show", "S1").stdout
    assert "content:      -\n" in outgate("show", "P1").stdout
