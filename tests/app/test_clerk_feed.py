"""One conversation between clerk and worker, and what the clerk makes of what it hears."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.support.clerk import Lines, Worker, worker_of
from tests.support.portal import ACTOR, customer

from outgate.app import clerk_feed
from outgate.app.clerk_database import DatabaseAway, DatabaseThread
from outgate.app.clerk_feed import CURRENT_SECONDS, Conversation, FeedView
from outgate.contract.commands import CommandResult, QueueAction, QueueCommand
from outgate.contract.policy import FORMAT
from outgate.contract.wire import (
    FRAME_MAX,
    Acknowledge,
    CommandDone,
    Count,
    CountsTold,
    CountsUsed,
    Current,
    Documents,
    Follow,
    Ordered,
)
from outgate.portal.feed import selectors, services
from outgate.portal.feed.models import CommandReport, WorkerState
from outgate.portal.feed.selectors import Head

pytestmark = pytest.mark.django_db(databases="__all__", transaction=True)


class Desk:
    """A clerk's socket without its loops: the test says what the database was found to hold."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.log = Lines()
        self.view = FeedView(DatabaseThread(), self.log)

    async def ask(self, work: Any, *arguments: Any, **keywords: Any) -> Any:
        return await self.view.database.run(work, *arguments, **keywords)

    async def look(self, *, seconds_ago: float = 0.0, newest_command: int = 0) -> None:
        at = asyncio.get_running_loop().time() - seconds_ago
        self.view.looked(await self.ask(selectors.head), newest_command, at)

    async def followed(self) -> None:
        """Wait until somebody has said `Follow`, or has acknowledged something."""
        async with asyncio.timeout(10):
            await self.view.hint.wait()
        self.view.hint.clear()


@asynccontextmanager
async def desk_at(directory: Path) -> AsyncIterator[Desk]:
    desk = Desk(directory / "clerk.sock")

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await Conversation(desk.view, reader, writer).run()

    server = await asyncio.start_unix_server(converse, str(desk.path))
    try:
        yield desk
    finally:
        server.close()
        async with asyncio.timeout(10):
            while desk.view.conversations:  # noqa: ASYNC110 - they end by themselves and tell nobody
                await asyncio.sleep(0.01)
        await desk.view.database.close()


def test_old_look_confirms_nothing(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with desk_at(tmp_path) as desk, worker_of(desk.path) as worker:
            await desk.followed()
            await desk.look(seconds_ago=CURRENT_SECONDS + 0.1)
            await desk.ask(customer, "Example")
            await desk.look()
            assert isinstance(await worker.hear(), Documents)
            assert await worker.hear() == Current(2)

    asyncio.run(scenario())


def test_look_from_before_the_worker_came_confirms_nothing(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with desk_at(tmp_path) as desk:
            began = asyncio.get_running_loop().time()
            async with worker_of(desk.path) as worker:
                await desk.followed()
                desk.view.looked(Head(0, 0), 0, began)
                await desk.ask(customer, "Example")
                await desk.look()
                assert isinstance(await worker.hear(), Documents)

    asyncio.run(scenario())


def test_confirmation_is_not_repeated_within_its_time(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with desk_at(tmp_path) as desk, worker_of(desk.path) as worker:
            await desk.followed()
            for _ in range(5):
                await desk.look()
            assert await worker.hear() == Current(0)
            await desk.ask(customer, "Example")
            await desk.look()
            assert isinstance(await worker.hear(), Documents)

    asyncio.run(scenario())


def test_unchanged_heartbeats_are_written_seldom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[int] = []

    def record(*, revision: int, **_: Any) -> None:
        written.append(revision)

    monkeypatch.setattr(services, "record_heartbeat", record)

    async def scenario() -> None:
        async with desk_at(tmp_path) as desk, worker_of(desk.path) as worker:
            await desk.followed()
            await desk.ask(customer, "Example")
            await desk.look()
            for _ in range(5):
                worker.say(Acknowledge(0))
            worker.say(Acknowledge(2))
            await desk.followed()

    asyncio.run(scenario())

    assert written == [0, 2]


@pytest.mark.parametrize("claimed", [3, 1_000_000])
def test_acknowledgement_of_what_was_never_written_counts_for_nothing(tmp_path: Path, claimed: int) -> None:
    async def scenario() -> None:
        async with desk_at(tmp_path) as desk, worker_of(desk.path) as worker:
            await desk.followed()
            await desk.ask(customer, "Example")
            await desk.look()
            worker.say(Acknowledge(2))
            await desk.followed()
            worker.say(Acknowledge(claimed))
            await desk.followed()
            assert (await desk.ask(WorkerState.objects.get)).revision == 0

    asyncio.run(scenario())


def test_heartbeat_that_could_not_be_written_is_written_with_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = services.record_heartbeat
    failures = [DatabaseAway("gone")]

    def failing_record(**fields: Any) -> None:
        if failures:
            raise failures.pop()
        record(**fields)

    monkeypatch.setattr(services, "record_heartbeat", failing_record)

    async def scenario() -> None:
        async with desk_at(tmp_path) as desk, worker_of(desk.path) as worker:
            worker.say(Acknowledge(0))
            await desk.followed()
            assert await desk.ask(WorkerState.objects.count) == 1

    asyncio.run(scenario())


def test_report_that_could_not_be_recorded_has_the_command_carried_out_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = services.record_report
    failures = [DatabaseAway("gone")]

    def failing_record(**fields: Any) -> None:
        if failures:
            raise failures.pop()
        record(**fields)

    monkeypatch.setattr(services, "record_report", failing_record)
    command = QueueCommand(QueueAction.HOLD, ("A",))

    async def scenario() -> None:
        async with desk_at(tmp_path) as desk, worker_of(desk.path) as worker:
            await desk.followed()
            number = await desk.ask(services.order_command, actor=ACTOR, command=command)
            for _ in range(2):
                await desk.look(newest_command=number)
                assert await worker.hear_a(Ordered) == Ordered(number, command)
                worker.say(CommandDone(number, CommandResult(done=("A",))))
                async with asyncio.timeout(10):
                    while failures:  # noqa: ASYNC110 - the failure itself gives no sign
                        await asyncio.sleep(0.01)
            async with asyncio.timeout(10):
                while not await desk.ask(CommandReport.objects.count):  # noqa: ASYNC110 - nor does the database
                    await asyncio.sleep(0.01)

    asyncio.run(scenario())


def test_commands_come_in_pieces_and_each_once(tmp_path: Path) -> None:
    def order() -> list[int]:
        return [
            services.order_command(actor=ACTOR, command=QueueCommand(QueueAction.HOLD, (f"{number}",)))
            for number in range(130)
        ]

    async def scenario() -> None:
        async with desk_at(tmp_path) as desk, worker_of(desk.path) as worker:
            await desk.followed()
            numbers = await desk.ask(order)
            await desk.look(newest_command=numbers[-1])
            await desk.look(newest_command=numbers[-1])
            assert [(await worker.hear_a(Ordered)).number for _ in numbers] == numbers
            another = await desk.ask(
                services.order_command, actor=ACTOR, command=QueueCommand(QueueAction.HOLD, ("another",))
            )
            await desk.look(newest_command=another)
            assert (await worker.hear_a(Ordered)).number == another

    asyncio.run(scenario())


def test_worker_of_an_older_format_is_sent_away(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with desk_at(tmp_path) as desk, worker_of(desk.path, format=FORMAT - 1) as worker:
            assert await worker.hear() is None
            assert desk.log.events() == ["follower-refused"]

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "octets", [(FRAME_MAX + 1).to_bytes(4, "big"), b"\0\0\0\3abc"], ids=["frame that is too long", "no message"]
)
def test_nonsense_ends_the_conversation(tmp_path: Path, octets: bytes) -> None:
    async def scenario() -> None:
        async with desk_at(tmp_path) as desk, worker_of(desk.path) as worker:
            await desk.followed()
            worker.say_octets(octets)
            assert await worker.hear() is None
        assert desk.log.events() == ["follower-came", "follower-broke", "follower-left"]

    asyncio.run(scenario())


def test_who_follows_twice_is_sent_away(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with desk_at(tmp_path) as desk, worker_of(desk.path) as worker:
            worker.say(Follow("mx1/1", FORMAT, 0))
            assert await worker.hear() is None
            assert "follower-refused" in desk.log.events()

    asyncio.run(scenario())


def test_who_does_not_follow_first_is_sent_away(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with desk_at(tmp_path) as desk:
            worker = Worker(*await asyncio.open_unix_connection(str(desk.path)))
            worker.say(Acknowledge(1))
            assert await worker.hear() is None
            assert await desk.ask(WorkerState.objects.count) == 0
            await worker.close()

    asyncio.run(scenario())


def test_bug_while_telling_ends_the_conversation_so_that_the_worker_comes_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(clerk_feed, "_documents_frame", broken)

    async def scenario() -> None:
        async with desk_at(tmp_path) as desk, worker_of(desk.path) as worker:
            await desk.followed()
            await desk.ask(customer, "Example")
            await desk.look()
            assert await worker.hear() is None
        assert desk.log.lines[-1] == ("follower-left", {"worker": "mx1/1", "error": "ZeroDivisionError()"})

    asyncio.run(scenario())


def test_what_one_worker_uses_is_answered_at_once_and_told_to_the_others(tmp_path: Path) -> None:
    count = Count("alpha", "mailbox", "a@alpha.example", "recipients", 300, {7: 2})

    async def scene() -> None:
        async with (
            desk_at(tmp_path) as desk,
            worker_of(desk.path) as one,
            worker_of(desk.path, "mx1/2") as other,
        ):
            while sum(bool(each.worker) for each in desk.view.conversations) < 2:
                await desk.followed()
            one.say(CountsUsed(5, (count,)))
            answer = await one.hear_a(CountsTold)
            assert answer == CountsTold(5, 2, (count,))
            assert await other.hear_a(CountsTold) == CountsTold(0, 2, (count,))

    asyncio.run(scene())


def test_a_worker_that_comes_is_told_what_was_used_before(tmp_path: Path) -> None:
    count = Count("alpha", "mailbox", "a@alpha.example", "recipients", 300, {7: 2})

    async def scene() -> None:
        async with desk_at(tmp_path) as desk:
            desk.view.book.add([count])
            async with worker_of(desk.path) as worker:
                await desk.followed()
                await desk.look()
                assert (await worker.hear_a(CountsTold)).counts == (count,)

    asyncio.run(scene())
