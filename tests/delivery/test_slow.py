"""The slow lane: it survives, drains at the allowed rate, small mail first, and nothing starves."""

import itertools
import random
from typing import Any

import pytest
from tests.support.delivery import CONTENT, START, World, make_message, play

from outgate.contract.commands import QueueAction, QueueCommand
from outgate.contract.policy import Counted, CustomerDocument, Limit, LimitScope, Outbound, SenderLimits
from outgate.contract.wire import QueueList
from outgate.delivery.slow import BEHIND_MAX_SECONDS, sender_of
from outgate.mail.message import Lane, Message
from outgate.policy.limits import Limiter
from outgate.policy.sender import Sender
from outgate.spool.memory import MemoryDisk

MAILBOX = Limit(LimitScope.MAILBOX, Counted.RECIPIENTS, 100, 2)
CUSTOMER = Limit(LimitScope.CUSTOMER, Counted.RECIPIENTS, 100, 2)


class Scene(World):
    """A world whose messages are charged as reception does."""

    def __init__(self, *limits: Limit, **more: Any) -> None:
        document = CustomerDocument(
            "alpha", "Alpha", Outbound.ACTIVE, limits=SenderLimits(limits=limits, lock_factor=0)
        )
        self.documents = {"alpha": document}
        self.limiter = Limiter(document=self.documents.get, locked=lambda lock: None)
        super().__init__(limiter=self.limiter, **more)

    async def come(self, *recipients: str, octets: int = len(CONTENT), **fields: Any) -> Message:
        """A message comes in, and is charged."""
        message = make_message("0", *recipients, **fields)
        charge = self.limiter.charge(sender_of(message), len(message.forward_paths), octets, self.clock.now())
        assert charge.refusal is None
        lane: dict[str, Any] = {"lane": int(Lane.SLOW), "lane_reason": "over-limit"} if charge.is_slow else {}
        accepted = await self.accept(
            *recipients,
            content=CONTENT.ljust(octets, b"x"),
            is_hot=False,
            **{"received_at": self.clock.now(), **fields, **lane},
        )
        await self.settle()
        return accepted

    async def states(self) -> list[str]:
        return [message.state for message in (await self.manager.list(QueueList())).messages]

    @property
    def slow(self) -> tuple[int, int]:
        return self.limiter.slow_room.all.messages, self.limiter.slow_room.all.octets


def names(world: World) -> list[str]:
    return [address.partition("@")[0] for address in world.hops.recipients()]


def test_what_is_over_the_limit_waits_and_leaves_when_the_window_has_room() -> None:
    async def scenario() -> None:
        world = Scene(MAILBOX)
        for name in "abcde":
            await world.come(f"{name}@receiver.example")
        assert names(world) == ["a", "b"]
        assert await world.states() == ["slow"] * 3
        assert world.slow == (3, 3 * len(CONTENT))
        await world.pass_seconds(99)
        assert names(world) == ["a", "b"]
        await world.pass_seconds(12)
        assert names(world) == ["a", "b", "c", "d"]
        await world.pass_seconds(111)
        assert names(world) == ["a", "b", "c", "d", "e"]
        assert world.slow == (0, 0)
        assert world.manager.queued == 0
        assert world.stored() == {}

    play(scenario)


def test_it_survives_a_restart_and_is_not_charged_twice() -> None:
    async def scenario() -> None:
        disk = MemoryDisk()
        world = Scene(MAILBOX, disk=disk)
        for name in "abcd":
            await world.come(f"{name}@receiver.example")
        again = Scene(MAILBOX, disk=disk, is_started=False)
        assert again.slow[0] == 2
        again.manager.start()
        await again.pass_seconds(1)
        assert names(again) == ["c", "d"]  # nothing was counted in this process before
        assert again.limiter.counters.drained == 2
        assert again.stored() == {}

    play(scenario)


def test_recovered_slow_mail_waits_for_what_was_counted_before() -> None:
    async def scenario() -> None:
        disk = MemoryDisk()
        world = Scene(MAILBOX, disk=disk)
        for name in "abc":
            await world.come(f"{name}@receiver.example")
        again = Scene(MAILBOX, disk=disk, is_started=False)
        again.limiter.meters.learn(world.limiter.meters.known(world.limiter.meters, START), 1, START)
        again.manager.start()
        await again.pass_seconds(99)
        assert names(again) == []
        await again.pass_seconds(12)
        assert names(again) == ["c"]

    play(scenario)


def test_small_mail_goes_first_but_large_mail_is_overtaken_for_a_bounded_time_only() -> None:
    async def scenario() -> None:
        world = Scene(Limit(LimitScope.MAILBOX, Counted.MESSAGES, 100, 1))
        await world.come("first@receiver.example")
        await world.come("large@receiver.example", octets=250_000)
        await world.come("small@receiver.example")
        await world.pass_seconds(111)
        assert names(world) == ["first", "small"]
        await world.pass_seconds(111)
        assert names(world) == ["first", "small", "large"]

        starving = Scene(Limit(LimitScope.MAILBOX, Counted.MESSAGES, 100, 1))
        await starving.come("first@receiver.example")
        await starving.come("large@receiver.example", *(f"r{number}@receiver.example" for number in range(400)))
        numbers = itertools.count()
        while "large" not in names(starving):
            await starving.come(f"small{next(numbers)}@receiver.example")
            await starving.pass_seconds(55)
            assert starving.clock.seconds < 2 * BEHIND_MAX_SECONDS + 200

    play(scenario)


def test_who_sends_later_does_not_overtake_those_who_wait_for_the_same_limit() -> None:
    async def scenario() -> None:
        world = Scene(CUSTOMER)
        await world.come("a@receiver.example", "b@receiver.example")
        await world.come("c@receiver.example", reverse_path="one@alpha.example")
        await world.pass_seconds(105)
        await world.come("d@receiver.example", reverse_path="two@alpha.example")
        await world.come("e@receiver.example", reverse_path="three@alpha.example")
        await world.pass_seconds(400)
        assert names(world) == ["a", "b", "c", "d", "e"]

    play(scenario)


def test_a_message_above_the_maximum_leaves_in_the_end_and_holds_up_the_next() -> None:
    async def scenario() -> None:
        world = Scene(MAILBOX)
        await world.come(*(f"r{number}@receiver.example" for number in range(4)))
        assert await world.states() == ["slow"]
        await world.pass_seconds(99)
        assert names(world) == []
        await world.pass_seconds(12)
        assert len(names(world)) == 4

    play(scenario)


def test_released_by_a_person_it_goes_at_once() -> None:
    async def scenario() -> None:
        world = Scene(MAILBOX)
        for name in "abc":
            message = await world.come(f"{name}@receiver.example")
        result = world.manager.command(QueueCommand(QueueAction.RELEASE, (message.queue_id,)))
        assert result.done == (message.queue_id,)
        await world.pass_seconds(0)
        assert names(world) == ["a", "b", "c"]
        assert world.slow == (0, 0)
        await world.pass_seconds(300)
        assert names(world) == ["a", "b", "c"]

    play(scenario)


def test_retry_leaves_it_slow_hold_and_delete_take_it_out() -> None:
    async def scenario() -> None:
        world = Scene(MAILBOX)
        ids = [(await world.come(f"{name}@receiver.example")).queue_id for name in "abcde"]
        for action, queue_id in ((QueueAction.RETRY, ids[2]), (QueueAction.HOLD, ids[3]), (QueueAction.DELETE, ids[4])):
            world.manager.command(QueueCommand(action, (queue_id,)))
        await world.settle()
        assert sorted(await world.states()) == ["held", "slow"]
        assert world.slow[0] == 1
        await world.pass_seconds(300)
        assert names(world) == ["a", "b", "c"]
        world.manager.command(QueueCommand(QueueAction.RELEASE, (ids[3],)))
        await world.pass_seconds(0)
        assert names(world) == ["a", "b", "c", "d"]

    play(scenario)


def test_what_was_held_out_of_the_slow_lane_is_held_after_a_restart_and_not_slow_when_released() -> None:
    async def scenario() -> None:
        disk = MemoryDisk()
        world = Scene(MAILBOX, disk=disk)
        ids = [(await world.come(f"{name}@receiver.example")).queue_id for name in "abc"]
        world.manager.command(QueueCommand(QueueAction.HOLD, (ids[2],)))
        await world.settle()
        again = Scene(MAILBOX, disk=disk)
        assert again.slow == (0, 0)
        assert await again.states() == ["held"]

    play(scenario)


def test_it_expires_like_other_mail() -> None:
    async def scenario() -> None:
        world = Scene(Limit(LimitScope.MAILBOX, Counted.RECIPIENTS, 10_000_000, 1))
        await world.come("a@receiver.example")
        await world.come("b@receiver.example")
        await world.pass_seconds(172_801)
        assert names(world)[:1] == ["a"]
        assert ("b@receiver.example", "failed", "expired") in world.outcomes()
        assert world.slow == (0, 0)
        assert world.manager.queued == 0
        assert names(world)[1:] == ["alice"]  # the DSN

    play(scenario)


def test_the_queue_shows_why_it_waits_and_until_when() -> None:
    async def scenario() -> None:
        world = Scene(MAILBOX)
        for name in "abcdef":
            await world.come(f"{name}@receiver.example")
        slow = (await world.manager.list(QueueList(slow=True))).messages
        assert [message.state for message in slow] == ["slow"] * 4
        assert {message.lane_reason for message in slow} == {"over-limit"}
        expected = [message.expected_at - START for message in slow]
        assert 100 <= expected[0] <= 110
        assert expected == sorted(expected)
        assert expected[3] >= expected[0] + 100
        assert (await world.manager.list(QueueList(slow=False))).messages == ()
        assert world.manager.show(slow[0].queue_id).messages[0].expected_at == slow[0].expected_at

    play(scenario)


def test_a_deferred_message_that_was_slow_is_retried_by_the_schedule() -> None:
    async def scenario() -> None:
        from tests.support.delivery import LATER, OK

        disk = MemoryDisk()
        world = Scene(MAILBOX, disk=disk)
        for name in "abc":
            await world.come(f"{name}@receiver.example")
        world.hops.answer = lambda transaction, connection: LATER
        await world.pass_seconds(115)
        assert await world.states() == ["deferred"]
        again = Scene(MAILBOX, disk=disk)
        again.hops.answer = lambda transaction, connection: OK
        assert await again.states() == ["deferred"]
        assert again.slow == (0, 0)

    play(scenario)


@pytest.mark.pure
def test_many_senders_at_one_limit_cost_one_look_each_time_it_has_room() -> None:
    async def scenario() -> None:
        world = Scene(Limit(LimitScope.CUSTOMER, Counted.RECIPIENTS, 100, 10))
        for number in range(10):
            await world.come(f"r{number}@receiver.example", reverse_path=f"s{number}@alpha.example")
        for number in range(10, 300):
            await world.come(f"r{number}@receiver.example", reverse_path=f"s{number}@alpha.example")
        draws = 0
        draw = world.limiter.draw

        def counted(*arguments: Any, **more: Any) -> Any:
            nonlocal draws
            draws += 1
            return draw(*arguments, **more)

        world.limiter.draw = counted  # type: ignore[method-assign]
        await world.pass_seconds(111)
        assert len(names(world)) == 20
        assert draws <= 25
        await world.pass_seconds(29 * 111)
        assert names(world) == [f"r{number}" for number in range(300)]

    play(scenario)


@pytest.mark.pure
def test_unknown_recipients_are_told_to_the_limiter() -> None:
    async def scenario() -> None:
        from outgate.mail.reply import Reply

        world = Scene(Limit(LimitScope.MAILBOX, Counted.RECIPIENTS, 3_600, 1_000))
        told: list[tuple[str, int]] = []
        world.limiter.unknown_recipients = lambda sender, count, now: told.append((sender.mailbox, count))  # type: ignore[method-assign]
        world.hops.answer = lambda transaction, connection: (
            Reply(550, "5.1.1", "no"),
            Reply(550, "5.7.1", "policy"),
            Reply(550, "", "user unknown"),
        )
        await world.come("a@receiver.example", "b@receiver.example", "c@receiver.example")
        assert told == [("alice@alpha.example", 2)]

    play(scenario)


@pytest.mark.pure
def test_a_fault_over_one_sender_stops_no_other_and_loses_nothing() -> None:
    async def scenario() -> None:
        world = Scene(MAILBOX)
        for name in ("one", "two"):
            for number in range(3):
                await world.come(f"{name}{number}@receiver.example", reverse_path=f"{name}@alpha.example")
        draw = world.limiter.draw

        def faulty(sender: Sender, *arguments: Any, **more: Any) -> Any:
            if sender.mailbox == "one@alpha.example":
                raise RuntimeError("oops")
            return draw(sender, *arguments, **more)

        world.limiter.draw = faulty  # type: ignore[method-assign]
        await world.pass_seconds(115)
        assert names(world) == ["one0", "one1", "two0", "two1", "two2"]
        assert len(world.faults) == 1
        world.limiter.draw = draw  # type: ignore[method-assign]
        await world.pass_seconds(400)
        assert names(world)[-1] == "one2"

    play(scenario)


@pytest.mark.parametrize("seed", range(12))
def test_nothing_that_was_accepted_is_lost_whatever_happens(seed: int) -> None:
    """Restarts at any time, people who hold and release: in the end all has left, or was deleted."""
    chance = random.Random(seed)

    async def scenario() -> None:
        disk = MemoryDisk()
        limits = (Limit(LimitScope.MAILBOX, Counted.RECIPIENTS, 100, 3), CUSTOMER)
        world = Scene(*limits, disk=disk)
        ids = itertools.count(1)
        accepted: dict[str, str] = {}
        deleted: set[str] = set()
        arrived: set[str] = set()
        for _ in range(60):
            match chance.choice(["come"] * 6 + ["pass"] * 3 + ["restart", "hold", "release", "delete"]):
                case "come":
                    name = f"r{next(ids)}"
                    paths = [f"{name}-{number}@receiver.example" for number in range(chance.choice((1, 1, 2, 5)))]
                    sender = f"s{chance.randrange(4)}@alpha.example"
                    accepted[name] = (await world.come(*paths, reverse_path=sender)).queue_id
                case "pass":
                    await world.pass_seconds(chance.uniform(0, 80))
                case "restart":
                    arrived |= set(names(world))
                    again = Scene(*limits, disk=disk, is_started=False)
                    again.ids = world.ids
                    again.clock.seconds = world.clock.seconds
                    again.manager.start()
                    world = again
                    await world.pass_seconds(0)
                case action if accepted:
                    name, queue_id = chance.choice(list(accepted.items()))
                    result = world.manager.command(QueueCommand(QueueAction(action), (queue_id,)))
                    if action == "delete" and result.done:
                        deleted.add(name)
        world.manager.command(QueueCommand(QueueAction.RELEASE, tuple(accepted.values())))
        await world.pass_seconds(20_000)
        arrived |= set(names(world))
        left = {name for name in accepted if name not in deleted}
        assert left <= {address.rpartition("-")[0] for address in arrived}
        assert world.slow == (0, 0)
        assert world.manager.queued == 0
        assert not world.limiter.meters or all(meter.waiting == 0 for meter in world.limiter.meters)

    play(scenario)
