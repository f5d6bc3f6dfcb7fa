"""The clerk at work, with workers that follow it."""

import asyncio
import stat
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError
from tests.support.clerk import Running, Worker, running_clerk, worker_of, write_events
from tests.support.portal import ACTOR, customer, newest, sending_customer

from outgate.app import clerk_service
from outgate.app.clerk_feed import CURRENT_SECONDS
from outgate.contract.commands import CommandResult, QueueAction, QueueCommand
from outgate.contract.events import MessageAccepted, encode_event
from outgate.contract.policy import CustomerDocument, Deleted, Outbound
from outgate.contract.wire import Acknowledge, CommandDone, Current, Documents, Ordered
from outgate.mail.queue_ids import queue_id
from outgate.portal.customers.models import Customer
from outgate.portal.customers.services import delete_customer
from outgate.portal.feed import services
from outgate.portal.feed.changes import HEAD_ID
from outgate.portal.feed.codec import encode
from outgate.portal.feed.models import FeedHead, OrderedCommand, PolicyDocument, WorkerState
from outgate.portal.outbound.services import add_source, switch_outbound
from outgate.portal.tracker.models import TrackedMessage
from outgate.portal.tracker.recording import record_events

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)


@pytest.fixture(autouse=True)
def state(settings: Any, tmp_path: Path) -> None:
    settings.STATE_DIRECTORY = tmp_path


def test_worker_that_comes_is_given_all_documents_and_told_that_these_are_all(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running_clerk(tmp_path) as running:
            made = await running.ask(sending_customer, "Example", "example.com")
            async with worker_of(running.socket) as worker:
                items, revision = await worker.load()
                assert set(items) == {"customer:example", "region:default"}
                assert revision == await running.ask(newest)
                await running.ask(delete_customer, actor=ACTOR, customer=made)
                assert (await worker.hear_a(Documents)).items[0].document == Deleted()

    asyncio.run(scenario())


def test_customer_that_is_switched_on_is_active_as_soon_as_all_workers_know_it(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with (
            running_clerk(tmp_path) as running,
            worker_of(running.socket, "mx1/1") as first,
            worker_of(running.socket, "mx1/2") as second,
        ):
            await first.load()
            await second.load()
            await running.until(lambda: WorkerState.objects.count() == 2)
            await running.ask(sending_customer, "Example", "example.com")

            for worker in (first, second):
                revision = await _hear_that_it_is(Outbound.ACTIVATING, worker)
            first.say(Acknowledge(revision))
            await running.until(lambda: WorkerState.objects.get(worker="mx1/1").revision == revision)
            assert (await running.ask(Customer.objects.get)).outbound == "activating"
            second.say(Acknowledge(revision))

            for worker in (first, second):
                assert await _hear_that_it_is(Outbound.ACTIVE, worker) == revision + 1

    asyncio.run(scenario())


def test_nobody_is_active_without_a_worker(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running_clerk(tmp_path) as running:
            await running.ask(sending_customer, "Example", "example.com")
            async with worker_of(running.socket) as worker:
                await _hear_that_it_is(Outbound.ACTIVATING, worker)
                await worker.hear_a(Current)  # the clerk has looked since
            assert (await running.ask(Customer.objects.get)).outbound == "activating"

    asyncio.run(scenario())


def test_worker_that_holds_most_is_given_the_rest(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running_clerk(tmp_path) as running:
            await running.ask(customer, "First")
            known = await running.ask(newest)
            await running.ask(customer, "Second")
            async with worker_of(running.socket, revision=known) as worker:
                documents = await worker.hear_a(Documents)
                assert [item.key for item in documents.items] == ["customer:second"]
                assert not documents.is_complete

    asyncio.run(scenario())


def test_many_documents_come_in_frames_in_order(tmp_path: Path) -> None:
    count = 2500

    def write() -> None:
        PolicyDocument.objects.bulk_create(
            PolicyDocument(
                key=f"customer:{number}", revision=number, body=encode(CustomerDocument(f"{number}", "x", Outbound.OFF))
            )
            for number in range(1, count + 1)
        )
        FeedHead.objects.create(pk=HEAD_ID, revision=count)

    async def scenario() -> None:
        async with running_clerk(tmp_path) as running:
            await running.ask(write)
            async with worker_of(running.socket) as worker:
                frames: list[list[int]] = []
                while not frames or frames[-1][-1] < count:
                    frames.append([item.revision for item in (await worker.hear_a(Documents)).items])
                assert [len(revisions) for revisions in frames] == [1000, 1000, 500]
                assert [revision for revisions in frames for revision in revisions] == list(range(1, count + 1))

    asyncio.run(scenario())


def test_worker_ahead_of_a_restored_database_begins_anew(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running_clerk(tmp_path) as running:
            await running.ask(sending_customer, "Example", "example.com")
            restored = await running.ask(newest)
            async with worker_of(running.socket, "mx1/1", revision=restored + 50) as ahead:
                documents = await ahead.hear_a(Documents)
                assert documents.is_complete
                assert documents.up_to > restored + 50
                assert {item.key for item in documents.items} == {"customer:example", "region:default"}
                ahead.say(Acknowledge(restored + 50))  # of the history that is no more: it must make nobody active
                assert (await ahead.hear_a(Current)).revision == documents.up_to
                assert (await running.ask(Customer.objects.get)).outbound == "activating"
                async with worker_of(running.socket, "mx1/2", revision=restored + 7) as other:
                    assert (await other.hear_a(Documents)).is_complete  # it followed the same history
                    other.say(Acknowledge(documents.up_to))
                    ahead.say(Acknowledge(documents.up_to))
                    await _hear_that_it_is(Outbound.ACTIVE, ahead)
            async with worker_of(running.socket, "mx1/1", revision=await running.ask(newest)) as again:
                assert isinstance(await again.hear(), Current)  # once is enough

    asyncio.run(scenario())


def test_command_is_sent_until_it_was_carried_out(tmp_path: Path) -> None:
    command = QueueCommand(QueueAction.RETRY, ("A",))

    async def scenario() -> None:
        async with running_clerk(tmp_path) as running:
            async with worker_of(running.socket) as worker:
                await worker.load()
                number = await running.ask(services.order_command, actor=ACTOR, command=command)
                assert await worker.hear_a(Ordered) == Ordered(number, command)
            async with worker_of(running.socket, revision=await running.ask(newest)) as worker:
                assert await worker.hear_a(Ordered) == Ordered(number, command)
                worker.say(CommandDone(number, CommandResult(done=("A",))))
                await running.until(lambda: OrderedCommand.objects.filter(done_at__isnull=False).exists())
            async with worker_of(running.socket, revision=await running.ask(newest)) as worker:
                assert isinstance(await worker.hear(), Current)
                another = await running.ask(services.order_command, actor=ACTOR, command=command)
                assert (await worker.hear_a(Ordered)).number == another > number

    asyncio.run(scenario())


def test_database_that_is_away_makes_the_clerk_silent_and_loses_no_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_away = False
    looks_failed = asyncio.Event()
    look = clerk_service._look_into_database

    def failing_look() -> Any:
        if is_away:
            looks_failed.set()
            raise OperationalError("gone")
        return look()

    monkeypatch.setattr(clerk_service, "_look_into_database", failing_look)
    monkeypatch.setattr(clerk_service, "RETRY_MAX_SECONDS", 0.05)

    async def scenario() -> None:
        nonlocal is_away
        async with running_clerk(tmp_path) as running, worker_of(running.socket) as worker:
            await worker.load()
            is_away = True
            async with asyncio.timeout(10):
                await looks_failed.wait()
            await running.ask(customer, "Example")
            silent_from = asyncio.get_running_loop().time()
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(1.5 * CURRENT_SECONDS):
                    await _hear_after(worker, silent_from + CURRENT_SECONDS)
            assert running.clerk.statistics()["outgate_clerk_database_up"] == 0.0
            is_away = False
            items, _ = await worker.load()
            assert set(items) == {"customer:example", "region:default"}
            assert running.clerk.statistics()["outgate_clerk_database_up"] == 1.0
            assert running.log.events().count("database-away") == 1
            assert running.log.events().count("database-up") == 2

    asyncio.run(scenario())


async def _hear_after(worker: Worker, time: float) -> None:
    """Whatever comes after `time`; the last confirmation before it may still be on its way."""
    while True:
        await worker.hear()
        if asyncio.get_running_loop().time() > time:
            return


def test_workers_are_told_again_and_again_that_they_are_current(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running_clerk(tmp_path) as running, worker_of(running.socket) as worker:
            _, revision = await worker.load()
            for _ in range(2):
                assert await worker.hear_a(Current) == Current(revision)

    asyncio.run(scenario())


def test_events_are_shipped_also_those_that_come_last(tmp_path: Path) -> None:
    log = tmp_path / "events"

    def event(number: int) -> bytes:
        return encode_event(
            MessageAccepted(
                queue_id(1_795_000_000_000, 1, number), "mx1/1", 1_795_000_000.0, "c", "s", "h", "", "a", ("b",), 1, "r"
            )
        )

    async def scenario() -> Running:
        async with running_clerk(tmp_path, lambda: [("mx1/1", log)]) as running:
            write_events(log, event(1))
            await running.until(lambda: TrackedMessage.objects.count() == 1)
            write_events(log, *map(event, range(2, 4000)))
            running.stop.set()
        return running

    running = asyncio.run(scenario())

    assert TrackedMessage.objects.count() == 3999
    assert running.clerk.statistics()["outgate_clerk_events"] == 3999
    assert running.log.events()[-1] == "clerk-stopped"


def test_old_messages_are_pruned_at_the_start(tmp_path: Path) -> None:
    record_events([MessageAccepted(queue_id(1_000, 1, 1), "mx1/1", 1.0, "c", "s", "h", "", "a", ("b",), 1, "r")])

    async def scenario() -> None:
        async with running_clerk(tmp_path) as running:
            await running.until(lambda: TrackedMessage.objects.count() == 0)

    asyncio.run(scenario())


def test_socket_is_for_our_account_alone_and_goes_with_the_clerk(tmp_path: Path) -> None:
    async def scenario() -> Path:
        async with running_clerk(tmp_path) as running:
            assert stat.S_IMODE(running.socket.stat().st_mode) == 0o600
        async with running_clerk(tmp_path) as running:  # what a killed one left is no obstacle
            return running.socket

    path = asyncio.run(scenario())

    assert not path.exists()


def test_statistics_say_how_far_the_workers_are(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with running_clerk(tmp_path) as running, worker_of(running.socket) as worker:
            await worker.load()
            made = await running.ask(customer, "Example")
            documents = await worker.hear_a(Documents)
            measured = running.clerk.statistics()
            assert measured["outgate_clerk_followers"] == measured["outgate_clerk_followers_behind"] == 1.0
            assert measured["outgate_clerk_revision"] == documents.up_to
            worker.say(Acknowledge(documents.up_to, queued=7))
            await running.until(lambda: WorkerState.objects.get().revision == documents.up_to)
            assert (await running.ask(WorkerState.objects.get)).queued == 7
            await running.ask(add_source, actor=ACTOR, customer=made, network="9.9.9.9")
            await running.ask(switch_outbound, actor=ACTOR, customer=made, on=False)
            assert (await worker.hear_a(Documents)).up_to > documents.up_to

    asyncio.run(scenario())


def test_hints_wake_the_clerk_where_the_database_gives_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With PostgreSQL the news comes long before the next look."""
    from outgate.portal.feed.listening import can_listen

    if not can_listen():
        pytest.skip("this database gives no hints")
    monkeypatch.setattr(clerk_service, "LISTENING_LOOK_SECONDS", 3600.0)

    async def scenario() -> None:
        async with running_clerk(tmp_path) as running, worker_of(running.socket) as worker:
            await worker.load()
            await running.until(lambda: running.clerk._has_hints)
            worker.say(Acknowledge(0, queued=1))
            await running.ask(customer, "Example")
            assert (await worker.hear_a(Documents)).items

    asyncio.run(scenario())


async def _hear_that_it_is(wanted: Outbound, worker: Worker) -> int:
    """Wait for the customer's document that says so; its revision."""
    while True:
        for item in (await worker.hear_a(Documents)).items:
            if isinstance(item.document, CustomerDocument) and item.document.outbound is wanted:
                return item.revision
