"""How next hops share the connections: none waits for another, none takes all, one that is down is left alone."""

import asyncio
from functools import partial

import pytest
from tests.support.delivery import LATER, OK, Connection, World, play, unreachable

from outgate.contract.commands import QueueAction, QueueCommand
from outgate.contract.policy import SenderRelay
from outgate.delivery import lanes
from outgate.delivery.interface import Transaction
from outgate.delivery.settings import (
    BACKLOG_MAX,
    LEARNED_SECONDS_EACH,
    LEARNED_SECONDS_MAX,
    TRANSACTIONS_MAX,
)
from outgate.mail.message import Message, Status
from outgate.mail.reply import Reply
from outgate.policy.schedule import RetrySchedule


def silent(transaction: Transaction, connection: Connection) -> None:
    """A tar pit: never answers."""


async def flood(world: World, count: int, domain: str = "receiver.example") -> list[Message]:
    messages = [await world.accept(f"bob{number}@{domain}") for number in range(count)]
    await world.settle()
    return messages


def open_to(world: World, name: str) -> int:
    return sum(connection.next_hop.name == name for connection in world.hops.connections)


def test_connections_to_one_next_hop_are_bounded() -> None:
    async def scenario() -> None:
        world = World(destination_connections=4)
        world.hops.answer = silent
        await flood(world, 30)
        assert len(world.hops.connects) == 4
        assert world.hops.most_connections == 4

    play(scenario)


def test_a_next_hop_found_by_dns_gets_more_connections_as_it_takes_mail() -> None:
    async def scenario() -> None:
        world = World(relay=None, destination_connections=8)
        world.hops.answer = silent
        await flood(world, 30)
        assert world.hops.most_connections == 5
        for connection in tuple(world.hops.connections):
            connection.reply(world.hops.sent[-1][1], OK)
        await world.settle()
        assert world.hops.most_connections == 8

    play(scenario)


def test_no_more_connections_than_jobs() -> None:
    async def scenario() -> None:
        world = World()
        await flood(world, 2)
        assert len(world.hops.connects) == 2

    play(scenario)


def test_a_connection_takes_so_many_messages_and_no_more() -> None:
    async def scenario() -> None:
        world = World(destination_connections=1)
        await flood(world, 2 * TRANSACTIONS_MAX + 1)
        assert not world.stored()
        assert len(world.hops.connects) == 3

    play(scenario)


class Impatient:
    """A next hop that ends each connection when it should take one message more than `most`."""

    def __init__(self, world: World, most: int) -> None:
        self.most = most
        self.in_the_way = 0  # messages that were sent to a connection that had enough
        world.hops.answer = self.answer

    def answer(self, transaction: Transaction, connection: Connection) -> Reply | None:
        if connection.transactions <= self.most:
            return OK
        self.in_the_way += 1
        asyncio.get_running_loop().call_soon(partial(connection.lose, is_heard=False))
        return None


@pytest.mark.parametrize("most", [1, 2, 20])
@pytest.mark.parametrize("connections", [1, 4])
def test_a_lane_learns_how_many_messages_a_connection_may_take(connections: int, most: int) -> None:
    async def scenario() -> None:
        world = World(destination_connections=connections)
        hop = Impatient(world, most=most)
        await flood(world, 40)
        assert not world.stored()
        assert {event.attempt for event in world.events} == {1}
        assert 1 <= hop.in_the_way <= connections
        await world.pass_seconds(LEARNED_SECONDS_MAX)
        hop.most = TRANSACTIONS_MAX
        connects = len(world.hops.connects)
        await flood(world, 300)
        assert not world.stored()
        assert len(world.hops.connects) - connects <= 2 * connections

    play(scenario)


def test_a_next_hop_that_was_started_again_is_soon_sent_as_many_as_before() -> None:
    async def scenario() -> None:
        world = World(destination_connections=1)
        hop = Impatient(world, most=2)
        await flood(world, 3)
        hop.most = TRANSACTIONS_MAX
        await world.pass_seconds(2 * LEARNED_SECONDS_EACH)
        await flood(world, 300)
        assert not world.stored()
        assert len(world.hops.connects) <= 4

    play(scenario)


def test_other_idle_connections_that_have_had_as_many_are_closed_before_a_message_is_in_the_way() -> None:
    async def scenario() -> None:
        world = World(destination_connections=2)
        world.hops.answer = silent
        for _ in range(10):
            await flood(world, 2)
            for connection in tuple(world.hops.connections):
                connection.reply(world.hops.sent[-1][1], OK)
            await world.settle()
        hop = Impatient(world, most=10)
        await flood(world, 1)
        assert not world.stored()
        assert hop.in_the_way == 1
        assert [each.transactions for each in world.hops.connections] == [1]

    play(scenario)


def test_jobs_of_one_next_hop_go_in_order() -> None:
    async def scenario() -> None:
        world = World(destination_connections=1)
        await flood(world, 10)
        assert world.hops.recipients() == [f"bob{number}@receiver.example" for number in range(10)]

    play(scenario)


@pytest.mark.parametrize("pits", [8, 100])
def test_tar_pits_never_stop_the_mail_to_others(pits: int) -> None:
    async def scenario() -> None:
        world = World(relay=None, connections=50, destination_connections=20)
        world.hops.answer = lambda transaction, connection: None if connection.next_hop.name.startswith("tar") else OK
        await flood(world, 1, "known.example")
        for connection in tuple(world.hops.connections):
            connection.lose()
        for pit in range(pits):
            await flood(world, 10, f"tar{pit}.example")
        assert len(world.hops.connections) <= 40
        await flood(world, 20, "known.example")
        if pits < 10:
            await flood(world, 20, "new.example")
        sent = [name for name, _, _ in world.hops.sent]
        assert sent.count("known.example") == 21
        assert sent.count("new.example") == (20 if pits < 10 else 0)

    play(scenario)


def test_a_lane_that_found_no_connection_gets_one_when_another_ends() -> None:
    async def scenario() -> None:
        world = World(relay=None, connections=1)
        world.hops.answer = silent
        await flood(world, 1, "one.example")
        await flood(world, 1, "two.example")
        await flood(world, 1, "three.example")
        assert [hop.name for hop in world.hops.connects] == ["one.example"]
        for name in ("one.example", "two.example", "three.example"):
            (connection,) = world.hops.connections
            assert connection.next_hop.name == name
            connection.reply(world.hops.sent[-1][1], OK)
            await world.settle()
        assert not world.stored()

    play(scenario)


def test_an_idle_connection_makes_room_for_another_next_hop() -> None:
    async def scenario() -> None:
        world = World(relay=None, connections=1)
        await flood(world, 1, "one.example")
        assert open_to(world, "one.example") == 1
        await flood(world, 1, "two.example")
        assert not world.stored()
        assert world.manager.statistics()["connections"] == 1

    play(scenario)


def test_a_next_hop_that_is_down_is_left_alone_for_growing_times() -> None:
    async def scenario() -> None:
        world = World()
        world.hops.refuse = lambda next_hop: unreachable()
        await flood(world, 1)
        for seconds in (1, 2, 4):
            tries = len(world.hops.connects)
            await world.pass_seconds(seconds - 0.1)
            await flood(world, 3)
            assert len(world.hops.connects) == tries
            await world.pass_seconds(0.1)
            await flood(world, 1)
            assert len(world.hops.connects) == tries + 1
        assert {event.reason for event in world.events} == {"next-hop-unreachable"}
        assert {event.next_hop for event in world.events} == {"relay.example"}
        world.hops.refuse = lambda next_hop: None
        await world.pass_seconds(8)
        await flood(world, 1)
        assert world.hops.sent

    play(scenario)


def test_a_person_who_says_now_is_not_told_to_wait() -> None:
    async def scenario() -> None:
        world = World()
        world.hops.refuse = lambda next_hop: unreachable()
        (message,) = await flood(world, 1)
        world.hops.refuse = lambda next_hop: None
        world.manager.command(QueueCommand(QueueAction.RETRY, (message.queue_id,)))
        await world.pass_seconds(0)
        assert len(world.hops.sent) == 1
        assert not world.stored()

    play(scenario)


def test_a_next_hop_that_only_wants_no_more_connections_keeps_its_mail() -> None:
    async def scenario() -> None:
        world = World(destination_connections=10)
        world.hops.refuse = lambda next_hop: unreachable(421, "next-hop-deferred") if full() else None

        def full() -> bool:
            return len(world.hops.connections) >= 2

        world.hops.answer = silent
        await flood(world, 8)
        assert len(world.hops.connections) == 2
        assert not world.events
        while world.hops.connections and world.stored():
            for connection in tuple(world.hops.connections):
                connection.reply(world.hops.sent[-1][1], OK)
            await world.settle()
        assert {event.reason for event in world.events} == {"relayed"}
        assert len(world.events) == 8

    play(scenario)


@pytest.mark.parametrize("order", [(451, 554), (554, 451)])
def test_of_connections_that_fail_together_a_transient_one_outweighs(order: tuple[int, int]) -> None:
    """One host of several that refuses for good says nothing for all of them."""

    async def scenario() -> None:
        world = World(recipients_per_transaction=1)
        codes = list(order)
        world.hops.refuse = lambda next_hop: unreachable(codes.pop(0))
        await world.accept("bob@receiver.example", "carol@receiver.example")
        await world.settle()
        assert not codes
        assert {outcome for _, outcome, _ in world.outcomes()} == {"deferred"}

    play(scenario)


def test_a_next_hop_that_refuses_for_good_returns_the_mail() -> None:
    async def scenario() -> None:
        world = World()
        world.hops.refuse = lambda next_hop: unreachable(554) if next_hop.from_operator else None
        await flood(world, 3)
        failed = [path for path, outcome, _ in world.outcomes() if outcome == "failed"]
        assert failed == [f"bob{number}@receiver.example" for number in range(3)]
        assert not world.stored()

    play(scenario)


@pytest.mark.pure
def test_jobs_of_a_lane_that_is_down_end_some_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "FAILED_AT_ONCE", 10)

    async def scenario() -> None:
        world = World(recipients_per_transaction=1, destination_connections=1)
        world.hops.refuse = lambda next_hop: unreachable()
        await world.accept(*(f"bob{number}@receiver.example" for number in range(25)))
        counts = [0]
        while counts[-1] < 25:
            await asyncio.sleep(0)
            if counts[-1] != len(world.events):
                counts.append(len(world.events))
        assert counts == [0, 10, 20, 25]

    play(scenario)


@pytest.mark.pure
def test_lanes_that_nobody_uses_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "LANES_KEPT", 5)

    async def scenario() -> None:
        world = World(relay=None)
        for number in range(40):
            await flood(world, 1, f"domain{number}.example")
            for connection in tuple(world.hops.connections):
                connection.lose()
        assert len(world.manager._rounds.lanes) <= 11

    play(scenario)


def test_a_relay_with_other_tls_is_another_next_hop() -> None:
    from outgate.contract.policy import RelayTls

    async def scenario() -> None:
        world = World()
        await flood(world, 1)
        world.relay = SenderRelay("alpha.example", "relay.example", 2525, RelayTls.VERIFIED)
        await flood(world, 1)
        assert [hop.tls for hop in world.hops.connects] == [RelayTls.OPPORTUNISTIC, RelayTls.VERIFIED]

    play(scenario)


def test_an_idle_connection_that_ends_is_not_used() -> None:
    async def scenario() -> None:
        world = World()
        await flood(world, 1)
        (connection,) = world.hops.connections
        connection.lose()
        await world.settle()
        assert world.manager.statistics()["connections"] == 0
        await flood(world, 1)
        assert len(world.hops.connects) == 2
        assert not world.stored()

    play(scenario)


def test_a_fault_of_ours_while_connecting_loses_no_message() -> None:
    async def scenario() -> None:
        world = World()

        def broken(next_hop: object) -> None:
            raise ZeroDivisionError

        told: list[dict[str, object]] = []
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: told.append(context))
        world.hops.refuse = broken
        (message,) = await flood(world, 1)
        assert world.stored()[message.queue_id].recipients[0].status is Status.PENDING
        assert world.outcomes() == [("bob0@receiver.example", "deferred", "next-hop-unreachable")]
        assert world.manager.statistics()["connections"] == 0
        world.hops.refuse = lambda next_hop: None
        await world.pass_seconds(60)
        assert not world.stored()
        assert told

    play(scenario)


def test_deferred_by_the_next_hop_is_no_reason_to_leave_it_alone() -> None:
    async def scenario() -> None:
        world = World()
        world.hops.answer = lambda transaction, connection: (
            LATER if transaction.forward_paths[0].local_part == "bob0" else OK
        )
        await flood(world, 3)
        assert len(world.stored()) == 1

    play(scenario)


# Fresh mail and backlog


async def backlog(world: World, count: int) -> None:
    """So many messages are deferred, and due again a moment later."""
    world.hops.answer = lambda transaction, connection: LATER
    await flood(world, count)
    await world.settle()
    world.hops.sent.clear()


def test_fresh_mail_and_backlog_take_turns() -> None:
    async def scenario() -> None:
        world = World(schedule=RetrySchedule((60.0,), jitter=0.0), destination_connections=1)
        await backlog(world, 20)
        waiting: list[tuple[Connection, Transaction]] = []
        world.hops.answer = lambda transaction, connection: waiting.append((connection, transaction))
        await world.pass_seconds(60)
        for number in range(10):
            await world.accept(f"fresh{number}@receiver.example")
        while waiting:
            connection, transaction = waiting.pop()
            connection.reply(transaction, OK)
            await world.settle()
        kinds = "".join("f" if path.startswith("fresh") else "b" for path in world.hops.recipients())
        assert kinds == "b" + "bf" * 10 + "b" * 9 or kinds == "b" + "fb" * 10 + "b" * 9

    play(scenario)


def test_a_lane_holds_little_of_its_backlog_and_gets_all_of_it_in_order() -> None:
    async def scenario() -> None:
        count = 4 * BACKLOG_MAX
        world = World(schedule=RetrySchedule((60.0,), jitter=0.0), destination_connections=2)
        await backlog(world, count)
        most = 0

        def answer(transaction: Transaction, connection: Connection) -> Reply:
            nonlocal most
            most = max(most, world.manager._rounds.active)
            return OK

        world.hops.answer = answer
        await world.pass_seconds(61)
        for _ in range(100):
            await world.settle()
        assert most <= BACKLOG_MAX + 2
        assert world.hops.recipients() == [f"bob{number}@receiver.example" for number in range(count)]
        assert not world.stored()

    play(scenario)


def test_a_full_lane_holds_up_no_other() -> None:
    async def scenario() -> None:
        world = World(schedule=RetrySchedule((60.0,), jitter=0.0), relay=None)
        world.hops.answer = lambda transaction, connection: LATER
        await flood(world, 3 * BACKLOG_MAX, "slow.example")
        await world.settle()
        await world.accept("bob@quick.example")
        await world.settle()
        world.hops.sent.clear()
        world.hops.answer = lambda transaction, connection: None if connection.next_hop.name == "slow.example" else OK
        await world.pass_seconds(61)
        assert "bob@quick.example" in world.hops.recipients()

    play(scenario)


def test_a_next_hop_that_is_down_gets_all_its_backlog_deferred() -> None:
    async def scenario() -> None:
        count = 3 * BACKLOG_MAX
        world = World(schedule=RetrySchedule((60.0, 10_000.0), jitter=0.0))
        await backlog(world, count)
        for connection in tuple(world.hops.connections):
            connection.lose()
        world.hops.connects.clear()
        world.hops.refuse = lambda next_hop: unreachable()
        await world.pass_seconds(120)
        for _ in range(100):
            await world.settle()
        assert {progress.attempts for progress in world.stored().values()} == {2}
        assert world.manager.statistics()["active"] == 0
        assert len(world.hops.connects) < 30, "probed, not tried for each message"

    play(scenario)
