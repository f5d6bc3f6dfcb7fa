"""Events about attempts. What they say of each outcome is tried in test_rounds."""

from tests.support.delivery import OK, START, World, play

from outgate.contract.events import DeliveryAttempted
from outgate.delivery.reports import Reports
from outgate.mail.message import RecipientProgress, Status


def test_what_is_settled_without_a_try_is_told_too() -> None:
    async def scenario() -> None:
        world = World()
        world.hops.answer = lambda transaction, connection: None
        message = await world.accept("bob@receiver.example", "carol@receiver.example")
        reports = Reports(world.manager._rounds._means)
        reports.settled(message, 3, (1,), (RecipientProgress(Status.PENDING, "451 4.3.0 why"),), "why")
        (event,) = world.events
        assert isinstance(event, DeliveryAttempted)
        assert (event.queue_id, event.attempt, event.reason, event.at) == (message.queue_id, 3, "why", START)
        (outcome,) = event.outcomes
        assert (outcome.recipient, outcome.forward_path, outcome.outcome) == (1, "carol@receiver.example", "deferred")

    play(scenario)


def test_the_time_of_an_attempt_is_from_its_beginning() -> None:
    async def scenario() -> None:
        world = World()
        world.hops.answer = lambda transaction, connection: None
        await world.accept()
        await world.settle()
        world.clock.seconds += 7
        ((_, transaction, _),) = world.hops.sent
        (connection,) = world.hops.connections
        connection.reply(transaction, OK)
        assert [event.duration_seconds for event in world.events] == [7]

    play(scenario)
