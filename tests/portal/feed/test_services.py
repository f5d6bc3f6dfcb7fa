"""What workers report and people order."""

from datetime import timedelta

import pytest
from django.utils import timezone
from tests.support.portal import ACTOR, NOW, actions, beat, newest

from outgate.contract.commands import CommandResult, QueueAction, QueueCommand, SendNotice
from outgate.contract.policy import CustomerDocument, Outbound
from outgate.portal.accounts.models import AuditEntry
from outgate.portal.feed import selectors, services
from outgate.portal.feed.changes import changes
from outgate.portal.feed.codec import decode_command
from outgate.portal.feed.models import CommandReport, OrderedCommand, WorkerState

pytestmark = pytest.mark.django_db(databases="__all__")

RETRY = QueueCommand(QueueAction.RETRY, ("A", "B"))


def report(number: int, worker: str, done: tuple[str, ...] = (), absent: tuple[str, ...] = ()) -> None:
    services.record_report(number=number, worker=worker, result=CommandResult(done, absent), now=NOW)


def is_done(number: int) -> bool:
    return OrderedCommand.objects.get(pk=number).done_at is not None


def test_heartbeat_replaces_the_one_before() -> None:
    beat("mx1/1", 3, seconds_ago=9)
    services.record_heartbeat(worker="mx1/1", revision=5, queued=7, now=NOW)

    (state,) = WorkerState.objects.all()
    assert (state.worker, state.revision, state.queued, state.seen_at) == ("mx1/1", 5, 7, NOW)


def test_command_ordered_twice_is_one_until_it_is_done() -> None:
    first = services.order_command(actor=ACTOR, command=RETRY, worker="mx1/1")

    assert services.order_command(actor=ACTOR, command=RETRY, worker="mx1/1") == first
    assert services.order_command(actor=ACTOR, command=RETRY, worker="mx1/2") != first
    report(first, "mx1/1", done=("A", "B"))
    assert services.order_command(actor=ACTOR, command=RETRY, worker="mx1/1") > first
    assert actions() == ["queue.retry"] * 3


def test_command_for_one_worker_is_done_when_that_one_has_answered() -> None:
    number = services.order_command(actor=ACTOR, command=RETRY, worker="mx1/1")

    report(number, "mx1/2", done=("A",))
    assert not is_done(number)
    report(number, "mx1/1", absent=("A", "B"))
    assert is_done(number)


def test_letter_is_not_kept_once_it_was_sent() -> None:
    """It may hold a link that opens an account."""
    letter = SendNotice(("a@example.com",), "Hello", "https://portal.example.com/secret", is_private=True)
    number = services.order_notice(letter, worker="mx1/1")
    assert b"secret" in bytes(OrderedCommand.objects.get(pk=number).body)

    report(number, "mx1/2")
    assert b"secret" in bytes(OrderedCommand.objects.get(pk=number).body)
    report(number, "mx1/1")
    row = OrderedCommand.objects.get(pk=number)
    assert decode_command(row.body) == SendNotice(("a@example.com",), "Hello", "", is_private=True)
    report(number, "mx1/1")
    assert decode_command(OrderedCommand.objects.get(pk=number).body) == decode_command(row.body)


def test_what_stays_sealed_is_an_alarm_once() -> None:
    number = services.order_command(actor=ACTOR, command=QueueCommand(QueueAction.RELEASE, ("A", "B")))
    result = CommandResult(done=("A",), sealed=("B",))

    for _ in range(2):
        services.record_report(number=number, worker="mx1/1", result=result, now=NOW)

    entry = AuditEntry.objects.get(action="queue.still-sealed")
    assert (entry.object, entry.detail, entry.customer) == ("B", {"number": number, "worker": "mx1/1"}, "")


def test_command_for_all_is_done_when_every_message_was_found() -> None:
    beat("mx1/1", 1)
    beat("mx1/2", 1)
    beat("mx1/3", 1)
    number = services.order_command(actor=ACTOR, command=RETRY)

    report(number, "mx1/1", done=("A",), absent=("B",))
    assert not is_done(number)
    assert [row.number for row in selectors.commands_for("mx1/1", timezone.now())] == []
    assert [row.number for row in selectors.commands_for("mx1/2", timezone.now())] == [number]
    report(number, "mx1/2", done=("B",), absent=("A",))
    assert is_done(number)


def test_command_for_all_is_done_when_every_live_worker_has_answered() -> None:
    beat("mx1/1", 1)
    beat("mx1/2", 1)
    beat("mx1/3", 1, seconds_ago=selectors.WORKER_LIVE_SECONDS + 1)
    number = services.order_command(actor=ACTOR, command=RETRY)

    report(number, "mx1/1", absent=("A", "B"))
    assert not is_done(number)
    report(number, "mx1/2", absent=("A", "B"))
    assert is_done(number)


def test_report_that_comes_twice_or_on_nothing_changes_nothing() -> None:
    number = services.order_command(actor=ACTOR, command=RETRY, worker="mx1/1")

    report(number, "mx1/1", done=("A",), absent=("B",))
    report(number, "mx1/1", absent=("A", "B"))
    report(number + 1000, "mx1/1")

    (row,) = CommandReport.objects.all()
    assert (row.done, row.absent) == (["A"], ["B"])


def test_database_from_a_backup_gives_no_revision_twice() -> None:
    with changes() as changed:
        changed.write("customer:a", lambda: CustomerDocument("a", "a", Outbound.OFF))
    beat("mx1/1", 1)

    services.begin_anew(seen_revision=500)

    head = selectors.head()
    assert head.revision == head.complete_below > 500
    assert WorkerState.objects.get().revision == 0  # what it acknowledged was of the other history
    with changes() as changed:
        changed.write("customer:b", lambda: CustomerDocument("b", "b", Outbound.OFF))
    assert newest() == head.revision + 1


def test_feed_that_is_beyond_the_worker_goes_on() -> None:
    with changes() as changed:
        changed.write("customer:a", lambda: CustomerDocument("a", "a", Outbound.OFF))

    services.begin_anew(seen_revision=1)

    assert selectors.head() == selectors.Head(1, 0)


def test_what_is_long_over_is_forgotten() -> None:
    beat("gone/1", 1, seconds_ago=86_400 * services.WORKER_FORGOTTEN_DAYS + 1)
    beat("mx1/1", 1)
    done = services.order_command(actor=ACTOR, command=RETRY, worker="mx1/1")
    undone = services.order_command(actor=ACTOR, command=RETRY, worker="mx1/2")
    report(done, "mx1/1")
    OrderedCommand.objects.filter(pk=undone).update(created_at=NOW)

    services.forget_old(now=NOW + timedelta(days=selectors.COMMAND_DAYS) - timedelta(seconds=1))
    assert OrderedCommand.objects.count() == 2
    services.forget_old(now=NOW + timedelta(days=selectors.COMMAND_DAYS) + timedelta(seconds=1))

    assert OrderedCommand.objects.count() == 0
    assert list(WorkerState.objects.values_list("worker", flat=True)) == []


def test_worker_is_shown_for_days_after_its_last_word() -> None:
    beat("gone/1", 1, seconds_ago=86_400 * services.WORKER_FORGOTTEN_DAYS + 1)
    beat("mx1/1", 1, seconds_ago=86_400)

    services.forget_old(now=NOW)

    assert list(WorkerState.objects.values_list("worker", flat=True)) == ["mx1/1"]
