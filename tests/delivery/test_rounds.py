"""What becomes of a message: every outcome, at every point, and what a crash there would leave."""

import asyncio
from typing import Any

import pytest
from tests.support.delivery import CONTENT, LATER, NO, OK, START, Connection, World, make_message, play, unreachable

from outgate.contract.commands import QueueAction, QueueCommand
from outgate.contract.policy import SenderRelay
from outgate.delivery import notices as notices_module
from outgate.delivery import rounds
from outgate.delivery.interface import Lookup, MailExchangers, Transaction, TransactionResult
from outgate.delivery.routes import RouteUnknown
from outgate.delivery.settings import FAULT_SECONDS
from outgate.dsn.header import header_of
from outgate.mail.findings import ScanReport
from outgate.mail.message import Message, Progress, RecipientProgress, Status
from outgate.mail.reply import Reply
from outgate.policy.schedule import RetrySchedule
from outgate.spool.interface import INLINE_MAX, SpoolError, SpoolFailed, SpoolFull
from outgate.spool.memory import MemoryDisk

DAY = 86_400.0
THREE = ("bob@receiver.example", "carol@receiver.example", "dave@receiver.example")


def by_recipient(**replies: Reply) -> Any:
    """An answer that differs by local part; the others are taken."""

    def answer(transaction: Transaction, connection: Connection) -> list[Reply]:
        return [replies.get(path.local_part, OK) for path in transaction.forward_paths]

    return answer


def in_turn(*replies: Reply) -> Any:
    """One reply for each transaction; then all are taken."""
    left = list(replies)
    return lambda transaction, connection: left.pop(0) if left else OK


# Taken


def test_a_message_that_is_taken_is_finished() -> None:
    async def scenario() -> None:
        world = World()
        message = await world.accept(*THREE)
        await world.settle()
        (hop, transaction, octets), *more = world.hops.sent
        assert not more
        assert hop == "relay.example:2525"
        assert transaction.reverse_path == message.reverse_path
        assert transaction.forward_paths == message.forward_paths
        assert transaction.trace == message.trace
        assert octets == CONTENT
        assert not world.stored()
        assert world.manager.queued == 0
        (event,) = world.events
        assert event.queue_id == message.queue_id
        assert event.customer_id == "alpha"
        assert event.worker == "test/1"
        assert event.attempt == 1
        assert event.next_hop == "relay.example [192.0.2.1]"
        assert event.tls == "TLSv1.3 X"
        assert event.reason == "relayed"
        assert event.is_final
        assert [(one.recipient, one.forward_path, one.outcome, one.reply) for one in event.outcomes] == [
            (place, path, "relayed", "250 2.0.0 taken") for place, path in enumerate(THREE)
        ]

    play(scenario)


def test_the_event_is_told_before_the_spool_forgets() -> None:
    async def scenario() -> None:
        world = World()
        seen: list[int] = []
        world.emit = lambda event: seen.append(len(world.stored()))  # type: ignore[method-assign]
        await world.accept()
        await world.settle()
        assert seen == [1]

    play(scenario)


@pytest.mark.parametrize("is_hot", [True, False])
def test_content_that_is_not_in_memory_comes_from_the_spool(is_hot: bool) -> None:
    async def scenario() -> None:
        world = World(hot_octets_max=1_000 if is_hot else 10)
        await world.accept(is_hot=True)
        await world.accept(is_hot=False)
        await world.settle()
        assert [octets for _, _, octets in world.hops.sent] == [CONTENT] * 2
        assert not world.stored()
        assert world.manager.statistics()["hot_octets"] == 0

    play(scenario)


def test_a_connection_is_used_again() -> None:
    async def scenario() -> None:
        world = World()
        for _ in range(5):
            await world.accept()
            await world.settle()
        assert len(world.hops.connects) == 1
        assert len(world.hops.sent) == 5

    play(scenario)


def test_recipients_beyond_one_transaction_go_in_further_ones() -> None:
    async def scenario() -> None:
        world = World(recipients_per_transaction=2)
        await world.accept(*(f"bob{number}@receiver.example" for number in range(5)))
        await world.settle()
        assert sorted(len(transaction.forward_paths) for _, transaction, _ in world.hops.sent) == [1, 2, 2]
        assert not world.stored()
        assert [event.is_final for event in world.events] == [False, False, True]
        assert len({event.event_id for event in world.events}) == 3

    play(scenario)


def test_without_a_sender_relay_each_domain_goes_to_its_own_mail_hosts() -> None:
    async def scenario() -> None:
        world = World(relay=None)
        await world.accept("bob@one.example", "carol@two.example", "dave@one.example", "erin@[192.0.2.7]")
        await world.settle()
        sent = {name: [path.text for path in what.forward_paths] for name, what, _ in world.hops.sent}
        assert sent == {
            "one.example": ["bob@one.example", "dave@one.example"],
            "two.example": ["carol@two.example"],
            "[192.0.2.7]": ["erin@[192.0.2.7]"],
        }
        hosts = {hop.name: (hop.hosts, hop.port) for hop in world.hops.connects}
        assert hosts["one.example"] == (("mx.one.example",), 25)
        assert hosts["[192.0.2.7]"] == (("192.0.2.7",), 25)
        assert sorted(world.names.asked) == ["one.example", "two.example"]
        assert not world.stored()

    play(scenario)


# Deferred


def test_a_deferred_message_comes_again_by_the_schedule() -> None:
    async def scenario() -> None:
        world = World()
        world.hops.answer = in_turn(LATER, LATER, LATER)
        message = await world.accept()
        await world.settle()
        times = []
        for seconds in (60, 300, 900):
            progress = world.stored()[message.queue_id]
            times.append(round(progress.next_attempt_at - world.clock.now()))
            assert progress.recipients[0].status is Status.PENDING
            assert progress.recipients[0].reply == "451 4.3.0 later"
            assert progress.recipients[0].next_hop == "relay.example [192.0.2.1]"
            await world.pass_seconds(seconds - 1)
            sent = len(world.hops.sent)
            await world.pass_seconds(1)
            assert len(world.hops.sent) == sent + 1
        assert times == [60, 300, 900]
        assert not world.stored()
        assert [(event.attempt, event.reason) for event in world.events] == [
            (1, "next-hop-deferred"),
            (2, "next-hop-deferred"),
            (3, "next-hop-deferred"),
            (4, "relayed"),
        ]
        assert world.events[0].next_attempt_at == START + 60

    play(scenario)


def test_only_pending_recipients_are_tried_again() -> None:
    async def scenario() -> None:
        world = World()
        world.hops.answer = by_recipient(carol=LATER)
        message = await world.accept(*THREE)
        await world.settle()
        statuses = [one.status for one in world.stored()[message.queue_id].recipients]
        assert statuses == [Status.RELAYED, Status.PENDING, Status.RELAYED]
        world.hops.answer = by_recipient()
        await world.pass_seconds(60)
        assert world.hops.recipients() == [*THREE, "carol@receiver.example"]
        assert world.events[-1].outcomes[0].recipient == 1
        assert not world.stored()

    play(scenario)


def test_what_was_relayed_is_kept_while_another_next_hop_is_still_at_it() -> None:
    """A crash then repeats only what has no outcome."""

    async def scenario() -> None:
        disk = MemoryDisk()
        world = World(relay=None, disk=disk)
        world.hops.hang = lambda next_hop: next_hop.name == "slow.example"
        message = await world.accept("bob@one.example", "carol@slow.example")
        await world.settle()
        progress = world.stored()[message.queue_id]
        assert [one.status for one in progress.recipients] == [Status.RELAYED, Status.PENDING]
        again = World(relay=None, disk=disk)
        await again.settle()
        assert again.hops.recipients() == ["carol@slow.example"]
        assert not again.stored()

    play(scenario)


def test_a_message_whose_time_is_over_is_returned_with_the_last_reply() -> None:
    async def scenario() -> None:
        world = World(schedule=RetrySchedule((60.0,), expiry_seconds=100.0, jitter=0.0))
        world.hops.answer = lambda transaction, _: OK if transaction.reverse_path.is_null else LATER
        await world.accept()
        await world.pass_seconds(60)
        await world.pass_seconds(40)
        assert world.outcomes()[:4] == [
            ("bob@receiver.example", "deferred", "next-hop-deferred"),
            ("bob@receiver.example", "deferred", "next-hop-deferred"),
            ("bob@receiver.example", "deferred", "next-hop-deferred"),
            ("bob@receiver.example", "failed", "expired"),
        ]
        assert [event.is_final for event in world.events[:4]] == [False, False, False, True]
        notice = world.hops.sent[-1][2].decode()
        assert "Status: 5.4.7" in notice
        assert "451 4.3.0 later" in notice
        assert not world.stored()

    play(scenario)


def test_while_policy_does_not_know_where_to_the_message_waits() -> None:
    async def scenario() -> None:
        world = World()

        def unknown(message: Message) -> SenderRelay | None:
            raise RouteUnknown

        world.route = unknown  # type: ignore[method-assign]
        await world.accept()
        await world.settle()
        assert world.outcomes() == [("bob@receiver.example", "deferred", "policy-stale")]
        del world.route  # the class's again
        await world.pass_seconds(60)
        assert not world.stored()

    play(scenario)


@pytest.mark.parametrize("is_heard", [True, False])
def test_a_kept_connection_that_was_closed_meanwhile_costs_no_attempt(is_heard: bool) -> None:
    async def scenario() -> None:
        world = World()
        await world.accept()
        await world.settle()
        (connection,) = world.hops.connections
        world.hops.answer = lambda transaction, at: None if at is connection else OK
        message = await world.accept()
        connection.lose(is_heard=is_heard)
        await world.settle()
        if is_heard:
            assert world.stored()[message.queue_id].attempts == 1
            assert world.outcomes()[-1] == ("bob@receiver.example", "deferred", "connection-lost")
        else:
            assert not world.stored()
            assert world.outcomes()[-1] == ("bob@receiver.example", "relayed", "relayed")
            assert world.events[-1].attempt == 1

    play(scenario)


def test_a_next_hop_that_always_hangs_up_is_not_tried_for_ever() -> None:
    async def scenario() -> None:
        world = World()

        def hang_up(transaction: Transaction, connection: Connection) -> None:
            asyncio.get_running_loop().call_soon(lambda: connection.lose(is_heard=False))

        world.hops.answer = hang_up
        message = await world.accept()
        await world.settle()
        assert len(world.hops.sent) == 2
        assert world.stored()[message.queue_id].attempts == 1

    play(scenario)


# Failed


def notices(world: World) -> list[str]:
    """Content of the notices that were sent."""
    return [octets.decode() for _, what, octets in world.hops.sent if what.reverse_path.is_null]


def refusing(**replies: Reply) -> Any:
    """As `by_recipient`, but notices are taken."""
    answer = by_recipient(**replies)
    return lambda transaction, connection: OK if transaction.reverse_path.is_null else answer(transaction, connection)


def test_who_was_refused_is_reported_to_the_sender() -> None:
    async def scenario() -> None:
        world = World()
        world.hops.answer = refusing(carol=NO)
        await world.accept(*THREE)
        await world.settle()
        assert not world.stored()
        assert world.outcomes() == [
            ("bob@receiver.example", "relayed", "next-hop-refused"),
            ("carol@receiver.example", "failed", "next-hop-refused"),
            ("dave@receiver.example", "relayed", "next-hop-refused"),
            ("alice@alpha.example", "relayed", "relayed"),
        ]
        (name, transaction, octets) = world.hops.sent[-1]
        assert name == "alpha.example"
        assert [path.text for path in transaction.forward_paths] == ["alice@alpha.example"]
        notice = octets.decode()
        assert "Final-Recipient: rfc822; carol@receiver.example" in notice
        assert "Diagnostic-Code: smtp; 550 5.1.1 no such user" in notice
        assert "Remote-MTA: dns; relay.example" in notice
        assert "bob@" not in notice
        assert "Subject: hello" in notice
        assert world.manager.statistics()["notices"] == 1

    play(scenario)


def test_a_failure_is_reported_at_once_though_others_are_deferred() -> None:
    async def scenario() -> None:
        world = World()
        world.hops.answer = refusing(bob=NO, carol=LATER)
        message = await world.accept(*THREE)
        await world.settle()
        assert len(notices(world)) == 1
        statuses = [one.status for one in world.stored()[message.queue_id].recipients]
        assert statuses == [Status.FAILED, Status.PENDING, Status.RELAYED]
        world.hops.answer = refusing(carol=NO)
        await world.pass_seconds(60)
        assert len(notices(world)) == 2
        assert "bob@" not in notices(world)[1]
        assert not world.stored()

    play(scenario)


def test_our_own_refusal_is_not_told_as_the_next_hops() -> None:
    async def scenario() -> None:
        world = World()
        reply = Reply(550, "5.6.3", "next-hop-lacks-extension: the content is 8-bit")

        def lacking(transaction: Transaction, connection: Connection) -> TransactionResult | Reply:
            if transaction.reverse_path.is_null:
                return OK
            return TransactionResult((reply,), connection.peer, "", "next-hop-lacks-extension")

        world.hops.answer = lacking
        await world.accept()
        await world.settle()
        assert world.outcomes()[0] == ("bob@receiver.example", "failed", "next-hop-lacks-extension")
        assert "Diagnostic-Code: x-outgate; 550 5.6.3 next-hop-lacks-extension" in notices(world)[0]
        assert "Remote-MTA" not in notices(world)[0]

    play(scenario)


@pytest.mark.parametrize(
    "fields", [{"reverse_path": ""}, {"reason": "auto-forward"}, {"reason": "postmaster"}], ids=str
)
def test_nobody_is_told_where_nobody_may_be(fields: dict[str, Any]) -> None:
    """RFC 5321 §4.5.5; and a foreign reverse-path may be a victim's."""

    async def scenario() -> None:
        world = World()
        world.hops.answer = in_turn(NO)
        await world.accept(**fields)
        await world.settle()
        assert len(world.hops.sent) == 1
        assert not world.stored()
        assert world.outcomes() == [("bob@receiver.example", "failed", "next-hop-refused")]
        assert world.events[0].is_final

    play(scenario)


def test_a_notice_that_fails_is_dropped() -> None:
    async def scenario() -> None:
        world = World()
        world.hops.answer = by_recipient(bob=NO, alice=NO)
        await world.accept()
        await world.settle()
        assert len(world.hops.sent) == 2
        assert not world.stored()
        assert world.outcomes()[-1] == ("alice@alpha.example", "failed", "next-hop-refused")

    play(scenario)


def test_the_notice_is_durable_before_the_message_is_finished() -> None:
    async def scenario() -> None:
        disk = MemoryDisk()
        world = World(disk=disk)
        world.hops.answer = refusing(bob=NO, carol=NO)
        message = await world.accept(*THREE)
        await asyncio.sleep(0)
        world.spool.hold_answers()
        await world.settle()
        stored = world.stored()
        assert len(stored) == 2  # the notice is written, and not yet known to be durable
        assert [one.status for one in stored[message.queue_id].recipients] == [Status.PENDING] * 3
        world.spool.give_answers()
        await world.settle()
        assert not world.stored()

    play(scenario)


def test_a_crash_between_notice_and_finish_reports_twice_and_loses_nothing() -> None:
    async def scenario() -> None:
        disk = MemoryDisk()
        world = World(disk=disk)
        world.hops.answer = refusing(bob=NO)
        await world.accept()
        await asyncio.sleep(0)
        world.spool.hold_answers()
        await world.settle()
        again = World(disk=disk)
        again.ids = iter(range(100, 200))  # type: ignore[assignment]
        again.hops.answer = refusing(bob=NO)
        await again.settle()
        assert len(notices(again)) == 2
        assert not again.stored()

    play(scenario)


REFUSED_FOR_SOME: dict[str, Any] = {
    "lane": 1,
    "lane_reason": "content-spam",
    "report": ScanReport(action="reject", reason="content-spam"),
}


def test_sender_is_told_once_of_what_is_held_instead_of_refused() -> None:
    async def scenario() -> None:
        disk = MemoryDisk()
        world = World(disk=disk)
        message = await world.accept(*THREE, **REFUSED_FOR_SOME)
        await world.settle()
        (notice,) = notices(world)
        assert notice.count("Action: delayed") == 3
        progress = world.stored()[message.queue_id]
        assert (progress.held, progress.told) == (True, True)
        again = World(disk=disk)
        await again.settle()
        assert not notices(again)
        assert again.manager.command(QueueCommand(QueueAction.RELEASE, (message.queue_id,))).done
        await again.pass_seconds(1)
        assert not again.stored()

    play(scenario)


def test_sender_is_told_after_a_crash_or_as_soon_as_there_is_room() -> None:
    async def scenario() -> None:
        disk = MemoryDisk()
        world = World(disk=disk)
        message = await world.accept(**REFUSED_FOR_SOME)
        world.spool.fail_next(SpoolFull("no room"))
        await world.settle()
        assert not notices(world)
        assert not world.stored()[message.queue_id].told
        again = World(disk=disk)
        again.ids = iter(range(100, 200))  # type: ignore[assignment]
        await again.settle()
        assert len(notices(again)) == 1
        assert again.stored()[message.queue_id].told

        world = World()
        message = await world.accept(**REFUSED_FOR_SOME)
        world.spool.fail_next(SpoolFull("no room"))
        await world.settle()
        assert not notices(world)
        await world.pass_seconds(30)
        assert len(notices(world)) == 1
        assert world.stored()[message.queue_id].told

    play(scenario)


def test_word_of_what_was_decided_meanwhile_changes_nothing() -> None:
    async def scenario() -> None:
        world = World()
        world.spool.hold_answers()
        message = make_message("A", **REFUSED_FOR_SOME)
        world.spool.accept(message, CONTENT, lambda error: None)
        world.manager.submit(message, CONTENT)
        await asyncio.sleep(0)
        world.manager.command(QueueCommand(QueueAction.DELETE, ("A",)))
        world.spool.give_answers()
        await world.settle()
        assert "A" not in world.stored()
        assert not world.faults

    play(scenario)


def test_without_room_for_the_notice_the_message_stays_until_there_is() -> None:
    async def scenario() -> None:
        world = World()
        world.hops.answer = refusing(bob=NO)
        message = await world.accept()
        world.spool.fail_next(SpoolFull("no room"))
        await world.settle()
        assert list(world.stored()) == [message.queue_id]
        assert not notices(world)
        await world.pass_seconds(30)
        assert len(notices(world)) == 1
        assert not world.stored()

    play(scenario)


def test_a_notice_about_many_recipients_is_large_content() -> None:
    async def scenario() -> None:
        world = World(recipients_per_transaction=1_000)
        text = "x" * 400

        def refuse(transaction: Transaction, connection: Connection) -> Reply | list[Reply]:
            if transaction.reverse_path.is_null:
                return OK
            return [Reply(550, "5.1.1", f"{path.text} {text}") for path in transaction.forward_paths]

        world.hops.answer = refuse
        await world.accept(*(f"bob{number}@receiver.example" for number in range(600)))
        await world.settle()
        (notice,) = notices(world)
        assert len(notice) > INLINE_MAX
        assert notice.count("Final-Recipient") == 600
        assert not world.stored()

    play(scenario)


# Names


@pytest.mark.parametrize(
    ("found", "outcome", "reason", "status"),
    [
        (MailExchangers(Lookup.NO_SUCH_NAME), "failed", "domain-not-found", "550 5.1.2"),
        (MailExchangers(Lookup.NULL_MX), "failed", "domain-takes-no-mail", "556 5.1.10"),
        (MailExchangers(Lookup.TROUBLE, detail="SERVFAIL"), "deferred", "dns-trouble", "451 4.4.3"),
    ],
)
def test_domains_without_mail_hosts(found: MailExchangers, outcome: str, reason: str, status: str) -> None:
    async def scenario() -> None:
        world = World(relay=None)
        world.names.known["receiver.example"] = found
        await world.accept()
        await world.settle()
        assert world.outcomes()[0] == ("bob@receiver.example", outcome, reason)
        assert world.events[0].outcomes[0].reply.startswith(status)
        assert len(notices(world)) == (outcome == "failed")
        assert len(world.stored()) == (outcome == "deferred")

    play(scenario)


# Content that cannot be read


def test_a_message_that_the_spool_cannot_read_is_held() -> None:
    async def scenario() -> None:
        world = World()

        def damaged(queue_id: str) -> Any:
            raise SpoolError("the checksum differs")

        world.spool.content = damaged  # type: ignore[method-assign]
        message = await world.accept(is_hot=False)
        other = await world.accept()
        await world.settle()
        assert world.outcomes()[0] == ("bob@receiver.example", "deferred", "content-damaged")
        assert world.stored()[message.queue_id].held
        assert other.queue_id not in world.stored()  # the connection served the next one
        await world.pass_seconds(2 * DAY)
        assert world.stored()[message.queue_id].held

    play(scenario)


def test_a_message_that_proves_damaged_while_it_is_sent_is_held() -> None:
    async def scenario() -> None:
        world = World()
        reply = Reply(554, "5.3.0", "content-damaged: no checksum")
        world.hops.answer = lambda _, connection: TransactionResult((reply,), connection.peer, "", "content-damaged")
        message = await world.accept()
        await world.settle()
        assert world.stored()[message.queue_id].held
        assert world.outcomes() == [("bob@receiver.example", "deferred", "content-damaged")]

    play(scenario)


def test_a_spool_that_has_failed_holds_nothing() -> None:
    async def scenario() -> None:
        world = World()

        def failed(queue_id: str) -> Any:
            raise SpoolFailed("EIO")

        world.spool.content = failed  # type: ignore[method-assign]
        message = await world.accept(is_hot=False)
        await world.settle()
        assert not world.stored()[message.queue_id].held

    play(scenario)


# Start, end, limits


def test_nothing_is_tried_before_start() -> None:
    async def scenario() -> None:
        disk = MemoryDisk()
        before = World(disk=disk, is_started=False)
        await before.accept()
        await before.pass_seconds(1)
        assert not before.hops.sent
        world = World(disk=disk, is_started=False)
        await world.pass_seconds(1)
        assert not world.hops.sent
        world.manager.start()
        await world.settle()
        assert len(world.hops.sent) == 1
        assert not world.stored()

    play(scenario)


def test_a_recovered_message_keeps_its_time() -> None:
    async def scenario() -> None:
        disk = MemoryDisk()
        world = World(disk=disk)
        world.hops.answer = in_turn(LATER)
        await world.accept()
        await world.settle()
        again = World(disk=disk)
        await again.pass_seconds(59)
        assert not again.hops.sent
        await again.pass_seconds(1)
        assert len(again.hops.sent) == 1
        assert again.events[0].attempt == 2

    play(scenario)


def test_drain_waits_for_what_is_under_way_and_begins_nothing() -> None:
    async def scenario() -> None:
        world = World(destination_connections=1)
        world.hops.answer = lambda transaction, connection: None
        first = await world.accept()
        second = await world.accept()
        await world.settle()
        draining = asyncio.create_task(world.manager.drain(asyncio.Event()))
        await world.settle()
        assert not draining.done()
        (connection,) = world.hops.connections
        connection.reply(world.hops.sent[-1][1], OK)
        await draining
        assert list(world.stored()) == [second.queue_id]
        assert len(world.hops.sent) == 1
        assert not world.hops.connections
        late = await world.accept()
        await world.settle()
        assert late.queue_id in world.stored()
        assert first.queue_id not in world.stored()
        assert len(world.hops.sent) == 1

    play(scenario)


def test_drain_cuts_what_takes_too_long() -> None:
    async def scenario() -> None:
        world = World()
        world.hops.answer = lambda transaction, connection: None
        message = await world.accept()
        await world.settle()
        time_is_up = asyncio.Event()
        draining = asyncio.create_task(world.manager.drain(time_is_up))
        await world.settle()
        assert not draining.done()
        time_is_up.set()
        await draining
        assert not world.hops.connections
        assert list(world.stored()) == [message.queue_id]

    play(scenario)


def test_drain_waits_for_a_notice() -> None:
    async def scenario() -> None:
        world = World()
        world.hops.answer = refusing(bob=NO)
        message = await world.accept()
        await asyncio.sleep(0)
        world.spool.hold_answers()
        await world.settle()
        draining = asyncio.create_task(world.manager.drain(asyncio.Event()))
        await world.settle()
        assert not draining.done()
        world.spool.give_answers()
        await draining
        assert message.queue_id not in world.stored()
        assert len(world.stored()) == 1  # the notice, for the next process

    play(scenario)


def test_how_many_are_active_at_a_time_is_bounded() -> None:
    async def scenario() -> None:
        world = World(active_max=3)
        world.hops.answer = lambda transaction, connection: None
        for _ in range(10):
            await world.accept()
        await world.settle()
        assert world.manager.statistics()["active"] == 3
        world.hops.answer = in_turn()
        for connection in tuple(world.hops.connections):
            connection.reply(world.hops.sent[-1][1], OK)
        await world.pass_seconds(1)
        assert not world.stored()
        assert len(world.hops.sent) == 10

    play(scenario)


def test_thousands_of_messages_for_one_next_hop_that_is_down() -> None:
    """One probe, and each message deferred without one of its own."""

    async def scenario() -> None:
        world = World()
        world.hops.refuse = lambda next_hop: unreachable()
        for _ in range(1_000):
            await world.accept()
        await world.settle()
        assert len(world.hops.connects) <= 20
        stored = world.stored()
        assert len(stored) == 1_000
        assert {progress.attempts for progress in stored.values()} == {1}
        assert {event.reason for event in world.events} == {"next-hop-unreachable"}
        world.hops.refuse = lambda next_hop: None
        await world.pass_seconds(60)
        assert not world.stored()
        assert world.hops.most_connections <= 20

    play(scenario)


def recipient(status: Status) -> RecipientProgress:
    return RecipientProgress(status, "", "")


def test_a_recovered_message_with_nobody_left_is_finished() -> None:
    async def scenario() -> None:
        disk = MemoryDisk()
        world = World(disk=disk, is_started=False)
        message = await world.accept()
        world.spool.update(message.queue_id, Progress((recipient(Status.RELAYED),), 1))
        again = World(disk=disk)
        await again.settle()
        assert not again.hops.sent
        assert not again.stored()

    play(scenario)


# Faults of our own


def oops(*_: object) -> None:
    raise RuntimeError("oops")


@pytest.mark.pure
@pytest.mark.parametrize("place", ["router", "content", "send", "judge"])
def test_a_fault_over_one_message_defers_it_and_harms_no_other(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        world = World()
        with monkeypatch.context() as patch:
            match place:
                case "router":
                    patch.setattr(world, "route", oops)
                case "content":
                    patch.setattr(world.spool, "content", oops)
                case "send":
                    patch.setattr(Connection, "send", oops)
                case "judge":
                    world.hops.answer = lambda transaction, connection: LATER
                    patch.setattr(rounds, "reason_of", oops)
            message = await world.accept(is_hot=False)
            await world.settle()
        assert world.faults[0][0] == message.queue_id
        assert str(world.faults[0][1]) == "oops"
        assert [reason for _, _, reason in world.outcomes()] == ["internal-error"]
        assert world.stored()[message.queue_id].recipients[0].reply.startswith("451 4.3.0 internal-error: ")
        assert world.manager.statistics()["active"] == 0
        assert not world.tries.noted
        world.hops.answer = lambda transaction, connection: OK
        await world.accept("fresh@receiver.example")
        await world.settle()
        assert world.hops.recipients()[-1] == "fresh@receiver.example"
        await world.pass_seconds(DAY)
        assert not world.stored()

    play(scenario)


def test_a_fault_that_cannot_even_be_told_leaves_the_message_in_the_queue() -> None:
    async def scenario() -> None:
        world = World()
        emit = world.emit
        world.emit = oops  # type: ignore[method-assign,assignment]
        message = await world.accept()
        await world.settle()
        assert world.manager.queued == 1
        assert world.manager.statistics()["active"] == 0
        assert message.queue_id in world.stored()
        world.emit = emit  # type: ignore[method-assign]
        await world.pass_seconds(FAULT_SECONDS)
        assert not world.stored()

    play(scenario)


def test_a_fault_while_a_notice_is_built_builds_it_without_the_header(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        world = World()
        world.hops.answer = refusing(bob=NO)

        def fragile(head: bytes) -> bytes:
            if head:
                raise RuntimeError("oops")
            return header_of(head)

        monkeypatch.setattr(notices_module, "header_of", fragile)
        message = await world.accept("bob@receiver.example")
        await world.settle()
        assert world.faults[0][0] == message.queue_id
        assert notices(world)
        assert not world.stored()

    play(scenario)
