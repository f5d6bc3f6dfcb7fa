"""The queue as people see it and change it."""

import asyncio
import itertools
from typing import Any

import pytest
from tests.support.delivery import CONTENT, LATER, OK, START, World, play, unreachable

from outgate.contract.commands import QueueAction, QueueCommand
from outgate.contract.wire import QueueList
from outgate.mail.message import Lane, Message
from outgate.spool.memory import MemoryDisk

TWO_DOMAINS = ("bob@one.example", "carol@two.example")


def order(world: World, action: QueueAction, *messages: Message, **fields: Any) -> tuple[tuple[str, ...], ...]:
    ids = tuple(message.queue_id for message in messages)
    result = world.manager.command(QueueCommand(action, ids, "operator", **fields))
    return result.done, result.absent


def state(world: World, message: Message) -> str:
    found = world.manager.show(message.queue_id).messages
    return found[0].state if found else ""


async def deferred(world: World, **fields: Any) -> Message:
    world.hops.answer = lambda transaction, connection: LATER
    message = await world.accept(**fields)
    await world.settle()
    world.hops.answer = lambda transaction, connection: OK
    assert state(world, message) == "deferred"
    return message


# Looking


def test_show_tells_everything_about_a_message() -> None:
    async def scenario() -> None:
        world = World()
        message = await deferred(world, subject="hello", source="198.51.100.7")
        (shown,) = world.manager.show(message.queue_id).messages
        assert shown.queue_id == message.queue_id
        assert shown.customer_id == "alpha"
        assert shown.state == "deferred"
        assert shown.received_at == START
        assert shown.next_attempt_at == START + 60
        assert shown.expires_at == START + 172_800
        assert shown.attempts == 1
        assert shown.size_octets == len(CONTENT)
        assert shown.reverse_path == "alice@alpha.example"
        assert shown.subject == "hello"
        assert shown.source == "198.51.100.7"
        (recipient,) = shown.recipients
        assert recipient.forward_path == "bob@receiver.example"
        assert (recipient.status, recipient.reply) == ("pending", "451 4.3.0 later")
        assert recipient.next_hop == "relay.example [192.0.2.1]"

    play(scenario)


def test_show_of_an_unknown_message_is_empty() -> None:
    async def scenario() -> None:
        assert World().manager.show("0000000000000").messages == ()

    play(scenario)


def test_list_is_in_order_of_the_next_attempt() -> None:
    async def scenario() -> None:
        world = World()
        first = await deferred(world)
        await world.pass_seconds(10)
        second = await deferred(world)
        listed = await world.manager.list(QueueList())
        assert [message.queue_id for message in listed.messages] == [first.queue_id, second.queue_id]
        assert listed.total == 2

    play(scenario)


# Retry


def test_retry_does_not_wait_for_the_schedule() -> None:
    async def scenario() -> None:
        world = World()
        message = await deferred(world)
        assert order(world, QueueAction.RETRY, message) == ((message.queue_id,), ())
        await world.pass_seconds(0)
        assert not world.stored()

    play(scenario)


def test_retry_leaves_what_is_held_or_under_way_alone() -> None:
    async def scenario() -> None:
        world = World()
        held = await deferred(world)
        order(world, QueueAction.HOLD, held)
        world.hops.answer = lambda transaction, connection: None
        active = await world.accept()
        await world.settle()
        sent = len(world.hops.sent)
        assert order(world, QueueAction.RETRY, held, active)[0] == (held.queue_id, active.queue_id)
        await world.pass_seconds(1)
        assert len(world.hops.sent) == sent
        assert (state(world, held), state(world, active)) == ("held", "active")

    play(scenario)


# Hold and release


def test_a_message_that_was_accepted_as_held_waits_for_its_release() -> None:
    async def scenario() -> None:
        disk = MemoryDisk()
        world = World(disk=disk)
        message = await world.accept(lane=int(Lane.HELD), lane_reason="pool-relay")
        await world.pass_seconds(1)
        assert state(world, message) == "held"
        again = World(disk=disk)
        assert state(again, message) == "held"
        assert order(again, QueueAction.RELEASE, message)[0]
        await again.pass_seconds(0)
        assert not again.stored()

    play(scenario)


def test_a_held_message_waits_for_its_release_whatever_the_time() -> None:
    async def scenario() -> None:
        disk = MemoryDisk()
        world = World(disk=disk)
        message = await deferred(world)
        assert order(world, QueueAction.HOLD, message)[0]
        assert world.stored()[message.queue_id].held
        await world.pass_seconds(400_000)
        assert state(world, message) == "held"
        again = World(disk=disk)  # what people decided outlives the process
        assert state(again, message) == "held"
        assert order(again, QueueAction.RELEASE, message)[0]
        await again.pass_seconds(0)
        assert not again.stored()

    play(scenario)


def test_release_is_durable() -> None:
    async def scenario() -> None:
        disk = MemoryDisk()
        world = World(disk=disk)
        message = await deferred(world)
        order(world, QueueAction.HOLD, message)
        order(world, QueueAction.RELEASE, message)
        assert not World(disk=disk, is_started=False).stored()[message.queue_id].held

    play(scenario)


@pytest.mark.parametrize("times", [1, 2])
def test_commands_may_come_twice(times: int) -> None:
    async def scenario() -> None:
        world = World()
        message = await deferred(world)
        for action in (QueueAction.HOLD, QueueAction.RELEASE, QueueAction.HOLD):
            for _ in range(times):
                assert order(world, action, message)[0] == (message.queue_id,)
        assert state(world, message) == "held"

    play(scenario)


def test_a_hold_on_what_is_under_way_takes_effect_behind_it() -> None:
    async def scenario() -> None:
        world = World()
        world.hops.answer = lambda transaction, connection: None
        message = await world.accept()
        await world.settle()
        order(world, QueueAction.HOLD, message)
        assert state(world, message) == "active"
        (connection,) = world.hops.connections
        connection.reply(world.hops.sent[-1][1], LATER)
        await world.settle()
        assert state(world, message) == "held"
        assert world.stored()[message.queue_id].held

    play(scenario)


def test_a_hold_that_comes_too_late_changes_nothing() -> None:
    async def scenario() -> None:
        world = World()
        world.hops.answer = lambda transaction, connection: None
        message = await world.accept()
        await world.settle()
        order(world, QueueAction.HOLD, message)
        (connection,) = world.hops.connections
        connection.reply(world.hops.sent[-1][1], OK)
        await world.settle()
        assert not world.stored()

    play(scenario)


def test_a_hold_on_what_is_under_way_can_be_taken_back() -> None:
    async def scenario() -> None:
        world = World()
        world.hops.answer = lambda transaction, connection: None
        message = await world.accept()
        await world.settle()
        order(world, QueueAction.HOLD, message)
        order(world, QueueAction.RELEASE, message)
        (connection,) = world.hops.connections
        connection.reply(world.hops.sent[-1][1], LATER)
        await world.settle()
        assert state(world, message) == "deferred"

    play(scenario)


@pytest.mark.parametrize("action", [QueueAction.HOLD, QueueAction.DELETE])
def test_what_only_waits_for_a_connection_is_called_off_at_once(action: QueueAction) -> None:
    async def scenario() -> None:
        world = World(destination_connections=1)
        world.hops.answer = lambda transaction, connection: None
        await world.accept("first@receiver.example")
        message = await world.accept()
        last = await world.accept("last@receiver.example")
        await world.settle()
        order(world, action, message)
        assert state(world, message) == ("held" if action is QueueAction.HOLD else "")
        world.hops.answer = lambda transaction, connection: OK
        (connection,) = world.hops.connections
        connection.reply(world.hops.sent[-1][1], OK)
        await world.settle()
        assert world.hops.recipients() == ["first@receiver.example", "last@receiver.example"]
        assert last.queue_id not in world.stored()
        assert world.manager.statistics()["active"] == 0
        if action is QueueAction.HOLD:
            order(world, QueueAction.RELEASE, message)
            await world.pass_seconds(0)
            assert world.hops.recipients()[-1] == "bob@receiver.example"

    play(scenario)


@pytest.mark.parametrize("action", [QueueAction.HOLD, QueueAction.DELETE])
@pytest.mark.parametrize("is_sending", [True, False])
def test_a_message_half_of_which_waits(action: QueueAction, is_sending: bool) -> None:
    """One next hop has it in hand, or has taken it; the other part is called off, and nothing is forgotten."""

    async def scenario() -> None:
        world = World(relay=None)
        world.hops.hang = lambda next_hop: next_hop.name == "two.example"
        world.hops.answer = lambda transaction, connection: None if is_sending else OK
        message = await world.accept(*TWO_DOMAINS)
        await world.settle()
        order(world, action, message)
        if is_sending:
            assert state(world, message) == "active"
            (connection,) = world.hops.connections
            connection.reply(world.hops.sent[-1][1], OK)
            await world.settle()
        outcomes = [(path, outcome) for path, outcome, _ in world.outcomes()]
        if action is QueueAction.HOLD:
            progress = world.stored()[message.queue_id]
            assert progress.held
            assert [int(one.status) for one in progress.recipients] == [1, 0]
            assert outcomes == [("bob@one.example", "relayed")]
        else:
            assert not world.stored()
            assert outcomes == [("bob@one.example", "relayed"), ("carol@two.example", "failed")]
            assert world.events[-1].is_final

    play(scenario)


# Delete


def test_delete_tells_the_record_by_whom_and_sends_no_notice() -> None:
    async def scenario() -> None:
        world = World()
        message = await deferred(world)
        assert order(world, QueueAction.DELETE, message)[0]
        await world.settle()
        assert not world.stored()
        event = world.events[-1]
        assert (event.reason, event.is_final) == ("deleted", True)
        assert event.outcomes[0].outcome == "failed"
        assert event.outcomes[0].reply == "deleted by operator"
        assert len(world.hops.sent) == 1
        assert len({event.event_id for event in world.events}) == len(world.events)

    play(scenario)


def test_delete_of_what_is_under_way_takes_effect_behind_it() -> None:
    async def scenario() -> None:
        world = World()
        world.hops.answer = lambda transaction, connection: None
        message = await world.accept()
        await world.settle()
        order(world, QueueAction.DELETE, message)
        assert message.queue_id in world.stored()
        (connection,) = world.hops.connections
        connection.reply(world.hops.sent[-1][1], LATER)
        await world.settle()
        assert not world.stored()
        assert [reason for _, _, reason in world.outcomes()] == ["next-hop-deferred", "deleted"]
        assert world.events[-1].outcomes[0].reply == "deleted by operator"

    play(scenario)


def test_delete_while_a_notice_is_being_made_durable() -> None:
    from tests.support.delivery import NO

    async def scenario() -> None:
        world = World()
        world.hops.answer = lambda transaction, connection: [
            NO if path.local_part == "bob" else LATER for path in transaction.forward_paths
        ]
        message = await world.accept("bob@receiver.example", "carol@receiver.example")
        await asyncio.sleep(0)
        world.spool.hold_answers()
        await world.settle()
        assert state(world, message) == "active"
        order(world, QueueAction.DELETE, message)
        world.spool.give_answers()
        await world.settle()
        assert state(world, message) == ""
        assert message.queue_id not in world.stored()

    play(scenario)


# Whose


def test_other_customers_messages_are_as_good_as_absent() -> None:
    async def scenario() -> None:
        world = World()
        message = await deferred(world)
        for action in QueueAction:
            assert order(world, action, message, customer_id="beta") == ((), (message.queue_id,))
        assert order(world, QueueAction.HOLD, message, customer_id="alpha")[0]

    play(scenario)


def test_a_message_that_has_gone_is_absent() -> None:
    async def scenario() -> None:
        world = World()
        message = await world.accept()
        await world.settle()
        assert order(world, QueueAction.HOLD, message) == ((), (message.queue_id,))

    play(scenario)


# Figures


def test_statistics() -> None:
    async def scenario() -> None:
        world = World()
        await deferred(world)
        world.hops.answer = lambda transaction, connection: None
        await world.accept()
        await world.settle()
        assert world.manager.queued == 2
        assert world.manager.statistics() == {
            "queued": 2.0,
            "active": 1.0,
            "lanes": 1.0,
            "connections": 1.0,
            "connects": 1.0,
            "connects_failed": 0.0,
            "hot_octets": float(len(CONTENT)),
            "notices": 0.0,
            "set_aside": 0.0,
            "adopted": 0.0,
        }
        other = World()
        other.hops.refuse = lambda next_hop: unreachable()
        await other.accept()
        await other.settle()
        assert other.manager.statistics()["connects_failed"] == 1.0

    play(scenario)


# Sealed mail


SEALED: dict[str, Any] = {"lane": int(Lane.HELD), "lane_reason": "spam", "sealed_key": b"sealed"}
KEY = bytes(range(32))


def test_sealed_mail_is_released_by_its_key_alone() -> None:
    async def scenario() -> None:
        disk = MemoryDisk()
        world = World(disk=disk, is_started=False)
        sealed = await world.accept(**SEALED)
        plain = await world.accept(lane=int(Lane.HELD))
        ids = (sealed.queue_id, plain.queue_id)
        assert world.manager.show(sealed.queue_id).messages[0].sealed_key == b"sealed"

        result = world.manager.command(QueueCommand(QueueAction.RELEASE, ids))
        assert (result.done, result.sealed, result.absent) == ((plain.queue_id,), (sealed.queue_id,), ())
        for no_key in (b"", b"short", KEY + b"x"):
            command = QueueCommand(QueueAction.RELEASE, ids, keys={sealed.queue_id: no_key})
            assert world.manager.command(command).sealed == (sealed.queue_id,)
        assert state(world, sealed) == "held"

        command = QueueCommand(QueueAction.RELEASE, ids, keys={sealed.queue_id: KEY})
        assert world.manager.command(command).done == ids
        assert state(world, sealed) == "deferred"
        ((_, progress),) = [each for each in world.spool.recover() if each[0] == sealed]
        assert (progress.held, progress.content_key) == (False, KEY)

    play(scenario)


def test_key_is_kept_through_deferrals_and_a_second_hold() -> None:
    async def scenario() -> None:
        world = World()
        world.hops.answer = lambda transaction, connection: LATER
        sealed = await world.accept(is_hot=False, **SEALED)
        world.manager.command(QueueCommand(QueueAction.RELEASE, (sealed.queue_id,), keys={sealed.queue_id: KEY}))
        await world.pass_seconds(1)
        assert state(world, sealed) == "deferred"
        ((_, progress),) = world.spool.recover()
        assert (progress.attempts, progress.content_key) == (1, KEY)
        assert order(world, QueueAction.HOLD, sealed) == ((sealed.queue_id,), ())
        assert order(world, QueueAction.RELEASE, sealed) == ((sealed.queue_id,), ())

    play(scenario)


def test_sealed_mail_is_held_and_deleted_without_a_key() -> None:
    async def scenario() -> None:
        world = World()
        sealed = await world.accept(is_hot=False, **SEALED)
        assert order(world, QueueAction.DELETE, sealed) == ((sealed.queue_id,), ())
        assert state(world, sealed) == ""

    play(scenario)


def test_mail_of_the_store_of_held_mail_is_shown_counted_and_commanded_as_any_other() -> None:
    async def scenario() -> None:
        world, store = World(), World()
        world.manager.held = store.manager
        own = await world.accept(is_hot=False, lane=int(Lane.HELD))
        store.ids = itertools.count(100)
        held = await store.accept(is_hot=False, **SEALED)

        assert world.manager.queued == 2
        assert {each.queue_id for each in (await world.manager.list(QueueList())).messages} == {
            own.queue_id,
            held.queue_id,
        }
        assert state(world, held) == "held"
        ids = (own.queue_id, held.queue_id, "absent")
        result = world.manager.command(QueueCommand(QueueAction.RELEASE, ids))
        assert (result.done, result.absent, result.sealed) == ((own.queue_id,), ("absent",), (held.queue_id,))
        command = QueueCommand(QueueAction.RELEASE, ids, keys={held.queue_id: KEY})
        result = world.manager.command(command)
        assert (held.queue_id in result.done, result.sealed) == (True, ())
        assert world.manager.statistics()["adopted"] == 0.0

    play(scenario)
