"""The clerk gives customers keys of held mail when it starts."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError
from django.utils.functional import lazy
from tests.support.clerk import Running, running_clerk, worker_of
from tests.support.portal import customer, living_document, newest

from outgate.app import clerk_keys
from outgate.contract.policy import CustomerDocument
from outgate.contract.wire import Documents
from outgate.portal.accounts.models import AuditEntry
from outgate.portal.held import upkeep
from outgate.portal.held.models import HeldKey
from outgate.portal.held.upkeep import look_after_keys
from outgate.portal.secret_key import installation_secret

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)


@pytest.fixture(autouse=True)
def state(settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.STATE_DIRECTORY = tmp_path
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "s" * 40, []
    monkeypatch.setattr(clerk_keys, "PAUSE_SECONDS", 0.001)
    monkeypatch.setattr(clerk_keys, "RETRY_SECONDS", 0.01)


async def logged(running: Running, event: str) -> dict[str, Any]:
    async with asyncio.timeout(20):
        while event not in running.log.events():  # noqa: ASYNC110 - the log of a test gives no sign
            await asyncio.sleep(0.01)
    return next(fields for name, fields in running.log.lines if name == event)


def test_customers_of_before_are_given_keys_and_workers_hear_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep, "CHANGED_AT_ONCE", 2)
    made = [customer(f"C{number}") for number in range(5)]
    HeldKey.objects.all().delete()
    before = newest()

    async def scenario() -> list[Any]:
        async with running_clerk(tmp_path) as running:
            assert await logged(running, "held-keys") == {"given": 5, "sealed_anew": 0, "unreadable": 0}
            async with worker_of(running.socket, revision=before) as worker:
                return list((await worker.hear_a(Documents)).items)

    documents = [item.document for item in asyncio.run(scenario())]

    assert [each.held_key for each in documents if isinstance(each, CustomerDocument)] == [
        living_document(each).held_key for each in made
    ]
    assert not AuditEntry.objects.filter(action__startswith="held-keys.").exists()


def test_keys_that_cannot_be_read_are_an_alarm(settings: Any, tmp_path: Path) -> None:
    for name in ("Alpha", "Beta"):
        customer(name)
    settings.SECRET_KEY = "n" * 40

    async def scenario() -> None:
        async with running_clerk(tmp_path) as running:
            await running.until(lambda: AuditEntry.objects.filter(action="held-keys.unreadable").exists())

    asyncio.run(scenario())

    entry = AuditEntry.objects.get(action="held-keys.unreadable")
    assert (entry.actor, entry.detail, entry.customer) == ("clerk", {"customers": 2}, "")


def test_it_waits_for_the_secret_key_and_for_the_database(
    settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    customer("Alpha")
    HeldKey.objects.all().delete()
    file = tmp_path / "key"
    settings.SECRET_KEY = lazy(installation_secret, str)(tmp_path, str(file))
    calls: list[int] = []

    def fails_first(*, after: int) -> Any:
        calls.append(after)
        if len(calls) == 1:
            raise OperationalError("gone")
        return look_after_keys(after=after)

    monkeypatch.setattr(clerk_keys, "look_after_keys", fails_first)

    async def scenario() -> Running:
        async with running_clerk(tmp_path) as running:
            await running.until(lambda: len(calls) > 3)
            file.write_text("k" * 40)
            assert (await logged(running, "held-keys"))["given"] == 1
            return running

    running = asyncio.run(scenario())

    errors = [fields["error"] for name, fields in running.log.lines if name == "held-keys-failed"]
    assert errors[0] == "OperationalError: gone"
    assert "No such file" in errors[1]
    assert AuditEntry.objects.filter(action="held-keys.no-secret").count() == 1


def test_alarm_that_the_database_does_not_take_is_raised_with_the_next_attempt(
    settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.SECRET_KEY = lazy(installation_secret, str)(tmp_path, str(tmp_path / "none"))
    raised: list[str] = []

    def fails_first(_actor: object, action: str, _object: str, **_detail: object) -> None:
        raised.append(action)
        if len(raised) == 1:
            raise OperationalError("gone")

    monkeypatch.setattr(clerk_keys, "raise_alarm", fails_first)

    async def scenario() -> None:
        async with running_clerk(tmp_path) as running:
            await running.until(lambda: running.log.events().count("held-keys-failed") > 4)

    asyncio.run(scenario())

    assert raised == ["held-keys.no-secret"] * 2
