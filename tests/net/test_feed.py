import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from outgate.contract.commands import Command, CommandResult, QueueAction, QueueCommand
from outgate.contract.wire import (
    Acknowledge,
    CommandDone,
    Count,
    CountsTold,
    CountsUsed,
    Current,
    Documents,
    Follow,
    FrameReader,
    FromClerk,
    FromWorker,
    Ordered,
    frame,
)
from outgate.net.currency import CURRENT_SECONDS, Currency
from outgate.net.feed import FeedFollower


@dataclass
class Clerk:
    """A clerk that says what the test tells it to and notes what the worker says."""

    path: Path
    heard: list[FromWorker] = field(default_factory=list)
    writer: asyncio.StreamWriter | None = None
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def start(self) -> asyncio.AbstractServer:
        return await asyncio.start_unix_server(self.converse, str(self.path))

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        frames: FrameReader[FromWorker] = FrameReader(FromWorker)
        self.writer = writer
        while octets := await reader.read(10_000):
            async with self.changed:
                self.heard.extend(frames.receive(octets))
                self.changed.notify_all()
        writer.close()

    def say(self, message: FromClerk) -> None:
        assert self.writer is not None
        self.writer.write(frame(message))

    async def wait_for(self, wanted: Callable[[list[FromWorker]], bool]) -> None:
        async with self.changed:
            await asyncio.wait_for(self.changed.wait_for(lambda: wanted(self.heard)), 10)


@dataclass
class Worker:
    revision: int = 0
    commands: list[Command] = field(default_factory=list)
    now: float = 1000.0
    uses: list[CountsUsed] = field(default_factory=list)
    told: list[CountsTold] = field(default_factory=list)
    currency: Currency = field(init=False)
    lost: int = 0

    def __post_init__(self) -> None:
        self.currency = Currency(lambda: self.now)

    def apply(self, documents: Documents) -> None:
        self.revision = documents.up_to

    def carry_out(self, command: Command) -> CommandResult:
        assert isinstance(command, QueueCommand)
        self.commands.append(command)
        return CommandResult(done=command.queue_ids)

    def follower(self, path: Path) -> FeedFollower:
        return FeedFollower(
            path=path,
            worker="test/1",
            revision=lambda: self.revision,
            apply=self.apply,
            carry_out=self.carry_out,
            queued=lambda: 3,
            currency=self.currency,
            used=lambda: self.uses.pop() if self.uses else None,
            told=self.told.append,
            lost=self.lose,
        )

    def lose(self) -> None:
        self.lost += 1


def play(path: Path, scene: Callable[[Clerk, Worker, FeedFollower], "asyncio.Future[None] | object"]) -> None:
    async def run() -> None:
        clerk, worker = Clerk(path), Worker()
        server = await clerk.start()
        follower = worker.follower(path)
        task = asyncio.create_task(follower.run())
        await clerk.wait_for(bool)
        await scene(clerk, worker, follower)  # type: ignore[misc]
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        if clerk.writer is not None:
            clerk.writer.close()
        server.close()

    asyncio.run(run())


def test_documents_are_applied_and_acknowledged_at_once(tmp_path: Path) -> None:
    async def scene(clerk: Clerk, worker: Worker, follower: FeedFollower) -> None:
        assert clerk.heard[0] == Follow("test/1", 1, 0)
        clerk.say(Documents((), 7))
        await clerk.wait_for(lambda heard: Acknowledge(7, 3) in heard)
        assert worker.revision == 7

    play(tmp_path / "clerk", scene)


def test_the_feed_is_current_only_after_a_confirmation_and_not_for_ever(tmp_path: Path) -> None:
    async def scene(clerk: Clerk, worker: Worker, follower: FeedFollower) -> None:
        assert not worker.currency.holds()
        clerk.say(Current(5))  # we are at 0: something newer exists
        clerk.say(Documents((), 5))
        await clerk.wait_for(lambda heard: Acknowledge(5, 3) in heard)
        seen = [worker.currency.holds()]
        clerk.say(Current(5))
        clerk.say(Documents((), 5))
        await clerk.wait_for(lambda heard: heard.count(Acknowledge(5, 3)) >= 2)
        seen.append(worker.currency.holds())
        worker.now += CURRENT_SECONDS
        seen.append(worker.currency.holds())
        assert seen == [False, True, False]

    play(tmp_path / "clerk", scene)


def test_a_worker_that_begins_anew_refuses_nobody_until_all_is_there(tmp_path: Path) -> None:
    async def scene(clerk: Clerk, worker: Worker, follower: FeedFollower) -> None:
        clerk.say(Current(0))
        clerk.say(Documents((), 0))
        await clerk.wait_for(lambda heard: Acknowledge(0, 3) in heard)
        seen = [worker.currency.holds()]
        clerk.say(Documents((), 4, is_complete=True))
        await clerk.wait_for(lambda heard: Acknowledge(4, 3) in heard)
        seen.append(worker.currency.holds())
        assert seen == [True, False]

    play(tmp_path / "clerk", scene)


def test_commands_are_carried_out_and_answered(tmp_path: Path) -> None:
    async def scene(clerk: Clerk, worker: Worker, follower: FeedFollower) -> None:
        command = QueueCommand(QueueAction.HOLD, ("A", "B"))
        clerk.say(Ordered(4, command))
        await clerk.wait_for(lambda heard: CommandDone(4, CommandResult(("A", "B"))) in heard)
        assert worker.commands == [command]

    play(tmp_path / "clerk", scene)


def test_a_clerk_that_comes_back_is_followed_again_from_where_we_are(tmp_path: Path) -> None:
    async def scene(clerk: Clerk, worker: Worker, follower: FeedFollower) -> None:
        clerk.say(Documents((), 9))
        await clerk.wait_for(lambda heard: Acknowledge(9, 3) in heard)
        assert clerk.writer is not None
        clerk.writer.close()
        await clerk.wait_for(lambda heard: Follow("test/1", 1, 9) in heard)

    play(tmp_path / "clerk", scene)


def test_what_was_used_is_told_and_the_answer_taken(tmp_path: Path) -> None:
    async def scene(clerk: Clerk, worker: Worker, follower: FeedFollower) -> None:
        used = CountsUsed(1, (Count("alpha", "mailbox", "a@alpha.example", "recipients", 300, {7: 2}),))
        worker.uses.append(used)
        await clerk.wait_for(lambda heard: used in heard)
        clerk.say(CountsTold(1, 2, used.counts))
        clerk.say(Documents((), 3))
        await clerk.wait_for(lambda heard: Acknowledge(3, 3) in heard)
        assert worker.told == [CountsTold(1, 2, used.counts)]
        assert worker.lost == 0
        assert clerk.writer is not None
        clerk.writer.close()
        await clerk.wait_for(lambda heard: Follow("test/1", 1, 3) in heard)
        assert worker.lost == 1

    play(tmp_path / "clerk", scene)
