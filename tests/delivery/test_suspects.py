"""Messages under which an earlier worker ended. That a real process is killed is tried in e2e/test_poison."""

import asyncio

import pytest
from tests.support.delivery import LATER, OK, Connection, World, play

from outgate.contract.commands import QueueAction, QueueCommand
from outgate.contract.wire import QueueList
from outgate.delivery.interface import Transaction
from outgate.delivery.settings import SPOOL_RETRY_SECONDS, SUSPECT_SECONDS
from outgate.mail.message import Message, Progress, QueueId
from outgate.spool.interface import Done, SpoolFull
from outgate.spool.memory import MemoryDisk, MemorySpool

Noted = dict[int, str]


def silent(transaction: Transaction, connection: Connection) -> None:
    """A next hop that never answers."""


async def killed(count: int, disk: MemoryDisk, noted: Noted) -> list[Message]:
    """A worker ends while it tries so many messages."""
    world = World(disk=disk, noted=noted)
    world.hops.answer = silent
    messages = [await world.accept(f"r{number}@receiver.example") for number in range(count)]
    await world.settle()
    assert sorted(noted.values()) == [message.queue_id for message in messages]
    return messages


def successor(disk: MemoryDisk, noted: Noted, *, is_started: bool = True) -> World:
    world = World(disk=disk, noted=noted, is_started=is_started)
    world.ids = iter(range(1_000, 2_000))  # type: ignore[assignment]
    return world


def test_a_try_is_noted_until_its_end_was_seen() -> None:
    async def scenario() -> None:
        world = World()
        world.hops.answer = silent
        message = await world.accept()
        await world.pass_seconds(0)
        assert list(world.tries.noted.values()) == [message.queue_id]
        ((_, transaction, _),) = world.hops.sent
        (connection,) = world.hops.connections
        connection.reply(transaction, LATER)
        assert not world.tries.noted
        await world.accept()
        await world.pass_seconds(0)
        assert len(world.tries.noted) == 1

    play(scenario)


def test_the_message_for_which_a_connection_is_made_is_noted() -> None:
    """A DNS answer or a greeting may be what ends the worker."""

    async def scenario() -> None:
        world = World()
        world.hops.hang = lambda next_hop: True
        message = await world.accept()
        await world.pass_seconds(0)
        assert list(world.tries.noted.values()) == [message.queue_id]

    play(scenario)


def test_suspects_are_tried_one_by_one_each_behind_its_mark() -> None:
    async def scenario() -> None:
        disk, noted = MemoryDisk(), Noted()
        messages = await killed(3, disk, noted)
        world = successor(disk, noted)
        world.hops.answer = silent
        await world.pass_seconds(0)
        assert [progress.tries_begun for progress in world.stored().values()] == [1, 1, 1]
        for count, message in enumerate(messages, 1):
            assert len(world.hops.sent) == count, "one at a time"
            transaction = world.hops.sent[-1][1]
            assert transaction.forward_paths == message.forward_paths
            assert list(noted.values()) == [message.queue_id]
            (connection,) = world.hops.connections
            connection.reply(transaction, OK)
            await world.pass_seconds(0)
        assert not world.stored()
        assert not noted

    play(scenario)


def test_other_mail_does_not_wait_for_suspects() -> None:
    async def scenario() -> None:
        disk, noted = MemoryDisk(), Noted()
        await killed(2, disk, noted)
        world = successor(disk, noted)
        world.hops.answer = lambda transaction, connection: (
            None if transaction.forward_paths[0].local_part.startswith("r") else OK
        )
        await world.pass_seconds(0)
        await world.accept("fresh@receiver.example")
        await world.pass_seconds(0)
        assert [path for path, outcome, _ in world.outcomes() if outcome == "relayed"] == ["fresh@receiver.example"]

    play(scenario)


def test_a_suspect_whose_next_hop_is_slow_holds_up_no_other_for_long() -> None:
    async def scenario() -> None:
        disk, noted = MemoryDisk(), Noted()
        await killed(2, disk, noted)
        world = successor(disk, noted)
        world.hops.answer = silent
        await world.pass_seconds(SUSPECT_SECONDS - 1)
        assert len(world.hops.sent) == 1
        await world.pass_seconds(1)
        assert len(world.hops.sent) == 2

    play(scenario)


def test_the_second_end_sets_the_message_aside_and_no_other() -> None:
    async def scenario() -> None:
        disk, noted = MemoryDisk(), Noted()
        poison, innocent = await killed(2, disk, noted)
        second = successor(disk, noted)
        second.hops.answer = silent  # and the worker ends: the first of the two is being tried
        await second.pass_seconds(0)
        third = successor(disk, noted)
        await third.pass_seconds(0)
        assert third.hops.recipients() == [innocent.forward_paths[0].text]
        listed = await third.manager.list(QueueList(held=True))
        (held,) = listed.messages
        assert (held.queue_id, held.state) == (poison.queue_id, "held")
        assert held.recipients[0].reply.startswith("451 4.3.0 set-aside: ")
        assert [event.reason for event in third.events if event.queue_id == poison.queue_id] == ["set-aside"]
        assert third.manager.statistics()["set_aside"] == 1
        assert not noted
        assert third.stored()[poison.queue_id].held

    play(scenario)


def test_a_released_message_is_a_suspect_again() -> None:
    async def scenario() -> None:
        disk, noted = MemoryDisk(), Noted()
        (poison,) = await killed(1, disk, noted)
        second = successor(disk, noted)
        second.hops.answer = silent
        await second.pass_seconds(0)
        third = successor(disk, noted)
        third.hops.answer = silent
        await third.pass_seconds(0)
        assert not third.hops.sent
        third.manager.command(QueueCommand(QueueAction.RELEASE, (poison.queue_id,)))
        await third.pass_seconds(0)
        assert third.hops.recipients() == [poison.forward_paths[0].text]
        fourth = successor(disk, noted)
        await fourth.pass_seconds(0)
        assert fourth.stored()[poison.queue_id].held
        fourth.manager.command(QueueCommand(QueueAction.RELEASE, (poison.queue_id,)))
        await fourth.pass_seconds(0)
        assert not fourth.stored(), "innocent after all"

    play(scenario)


def test_a_try_whose_end_was_seen_takes_the_suspicion_away() -> None:
    async def scenario() -> None:
        disk, noted = MemoryDisk(), Noted()
        (message,) = await killed(1, disk, noted)
        world = successor(disk, noted)
        world.hops.answer = lambda transaction, connection: LATER
        await world.pass_seconds(0)
        progress = world.stored()[message.queue_id]
        assert (progress.tries_begun, progress.held) == (0, False)

    play(scenario)


def test_no_try_without_a_durable_mark(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        disk, noted = MemoryDisk(), Noted()
        (message,) = await killed(1, disk, noted)
        update = MemorySpool.update

        def full(_: MemorySpool, _id: QueueId, _progress: Progress, done: Done | None = None) -> None:
            assert done is not None
            done(SpoolFull("no room"))

        monkeypatch.setattr(MemorySpool, "update", full)
        world = successor(disk, noted)
        await world.pass_seconds(SPOOL_RETRY_SECONDS - 1)
        assert not world.hops.sent
        assert list(noted.values()) == [message.queue_id]
        monkeypatch.setattr(MemorySpool, "update", update)
        await world.pass_seconds(1)
        assert world.hops.recipients() == [message.forward_paths[0].text]

    play(scenario)


def test_what_the_table_names_and_the_spool_has_not_is_forgotten() -> None:
    async def scenario() -> None:
        noted: Noted = {7: "GONE"}
        world = World(noted=noted)
        await world.pass_seconds(0)
        assert not noted

    play(scenario)


def test_an_orderly_end_leaves_no_suspects() -> None:
    async def scenario() -> None:
        disk, noted = MemoryDisk(), Noted()
        world = World(disk=disk, noted=noted)
        world.hops.answer = silent
        await world.accept()
        await world.pass_seconds(0)
        time_is_up = asyncio.Event()
        time_is_up.set()
        await world.manager.drain(time_is_up)
        assert not noted
        assert world.stored()

    play(scenario)
