"""Changes the feeds: what workers report, and what people order."""

from datetime import datetime, timedelta
from typing import Final

from django.db import transaction
from django.db.models import Q
from msgspec import structs

from outgate.contract.commands import CommandResult, QueueCommand, SendNotice
from outgate.portal.accounts import audit
from outgate.portal.accounts.alarms import raise_alarm
from outgate.portal.accounts.audit import Actor
from outgate.portal.feed import selectors
from outgate.portal.feed.changes import locked_head, notify
from outgate.portal.feed.codec import decode_command, encode
from outgate.portal.feed.models import CommandReport, OrderedCommand, PolicyDocument, WorkerState

WORKER_FORGOTTEN_DAYS: Final = 7  # a worker that was not heard for so long is shown no more
REVISION_GAP: Final = 1_000_000  # more changes than a backup is ever behind


def record_heartbeat(*, worker: str, revision: int, queued: int, now: datetime) -> None:
    """Write down how far `worker` has come, and what all live workers have with that."""
    WorkerState.objects.update_or_create(
        worker=worker, defaults={"revision": revision, "queued": queued, "seen_at": now}
    )
    everywhere = min(state.revision for state in selectors.live_workers(now)) if revision else 0
    waiting = PolicyDocument.objects.filter(revision__lte=everywhere, applied_at=None, saved_at__isnull=False)
    if everywhere and waiting.exists():  # seldom, and asking takes no lock
        waiting.update(applied_at=now)


@transaction.atomic
def begin_anew(*, seen_revision: int) -> None:
    """Some worker follows from `seen_revision`, which this database has never given: it was restored from a backup.

    Revisions go on above all that the lost history can have given, and whoever follows from that history is sent
    everything anew. Does nothing when the feed is beyond that revision (any more).
    """
    head = locked_head()
    if seen_revision <= head.revision:
        return
    head.revision = head.complete_below = seen_revision + REVISION_GAP
    head.save()
    WorkerState.objects.update(revision=0)  # what they acknowledged was of the other history
    notify()


def order_command(*, actor: Actor, command: QueueCommand, worker: str = "") -> int:
    """Have `command` carried out by `worker`, or by every one. Returns its number.

    Its keys stand in its row until it is done, and nowhere else. Ordered again while it is not done, it is the same
    command.
    """
    body = encode(command)
    with transaction.atomic():
        locked_head()  # of two who order the same, the second finds the first
        same = OrderedCommand.objects.filter(worker=worker, done_at=None, body=body).first()
        if same is not None:
            return same.pk
        row = OrderedCommand.objects.create(worker=worker, body=body)
        audit.record(
            actor, f"queue.{command.action.value}", ",".join(command.queue_ids), number=row.pk, worker=worker or "all"
        )
        notify()
        return row.pk


def order_notice(notice: SendNotice, *, worker: str) -> int:
    """Have `worker` send a letter of Outgate's own, in the transaction under way. Returns the command's number."""
    row = OrderedCommand.objects.create(worker=worker, body=encode(notice))
    notify()
    return row.pk


def record_report(*, number: int, worker: str, result: CommandResult, now: datetime) -> None:
    """Write down what `worker` answered to command `number`. Idempotent; unknown numbers are ignored. What could not be
    released for want of the right key is an alarm: the control plane sends the keys of all that it knows to be sealed.

    The command is done when the worker that it was for has answered, or, if it was for all, when every message was
    found or every live worker has answered.
    """
    with transaction.atomic():
        row = OrderedCommand.objects.select_for_update().filter(pk=number).first()
        if row is None:
            return
        _, is_new = CommandReport.objects.get_or_create(
            command=row, worker=worker, defaults={"done": list(result.done), "absent": list(result.absent)}
        )
        if is_new and result.sealed:
            raise_alarm(audit.CLERK, "queue.still-sealed", ",".join(result.sealed), number=number, worker=worker)
        if row.done_at is None and (row.worker == worker or (not row.worker and _is_answered(row, now))):
            row.done_at = now
            row.body = _without_secrets(row.body)
            row.save(update_fields=["done_at", "body"])


def _without_secrets(body: bytes | memoryview) -> bytes:
    """What was carried out is kept without what it would be a pity to keep: the text of a letter, which may hold a link
    that opens an account; the keys of what was released."""
    match decode_command(body):
        case SendNotice() as notice:
            return encode(structs.replace(notice, text=""))
        case QueueCommand() as command:
            return encode(structs.replace(command, keys={}))


def _is_answered(row: OrderedCommand, now: datetime) -> bool:
    reports = list(row.reports.all())
    found = {queue_id for report in reports for queue_id in report.done}
    command = decode_command(row.body)
    if isinstance(command, QueueCommand) and found.issuperset(command.queue_ids):
        return True
    answered = {report.worker for report in reports}
    return all(state.worker in answered for state in selectors.live_workers(now))


def forget_old(*, now: datetime) -> None:
    """Drop what nobody needs any more: workers long gone, commands long done or too old to be carried out."""
    WorkerState.objects.filter(seen_at__lt=now - timedelta(days=WORKER_FORGOTTEN_DAYS)).delete()
    old = now - timedelta(days=selectors.COMMAND_DAYS)
    OrderedCommand.objects.filter(Q(done_at__lt=old) | Q(done_at=None, created_at__lt=old)).delete()
