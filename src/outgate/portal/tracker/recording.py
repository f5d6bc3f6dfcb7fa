"""Takes the workers' events into the tracker's tables.

Events may come twice and in any order, the attempt before the acceptance: the statements here leave the same rows
whatever the order and the number of times. They are plain SQL, since each message costs three rows, and building
objects for these would take longer than the worker took over the message.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from django.conf import settings
from django.db import connections, transaction
from django.db.backends.utils import CursorWrapper
from django.db.models import Model

from outgate.contract.events import MessageEvent
from outgate.portal.tracker.models import (
    ShippingCursor,
    TrackedAttempt,
    TrackedMessage,
    TrackedRecipient,
    TrackedRefusal,
)
from outgate.portal.tracker.rows import (
    ATTEMPT_COLUMNS,
    MESSAGE_COLUMNS,
    RECIPIENT_COLUMNS,
    REFUSAL_COLUMNS,
    Batch,
    aware,
    naive_text,
    status_of,
)

LOOKED_UP: Final = 500  # messages asked for by one statement, well below the parameters that a statement may have


def record_events(events: Sequence[MessageEvent], *, log: str = "", cursor: tuple[int, int] | None = None) -> int:
    """Record `events` in one transaction, and with them that `log` was read up to `cursor` (file, offset).

    Returns how many of them make no sense, such as a time that is none, and were left out.
    Raises: django.db.Error; nothing was recorded.
    """
    connection = connections[settings.TRACKER_DATABASE]
    batch = Batch(naive_text if connection.vendor == "sqlite" else aware)
    for event in events:
        batch.take(event)
    sightings = batch.sightings.rows() if batch.sightings else []
    with transaction.atomic(using=connection.alias), connection.cursor() as statement:
        if batch.messages:
            _record(statement, batch)
        if sightings:
            batch.sightings.write(statement, sightings)
        if cursor is not None:
            statement.execute(_CURSOR, (log, *cursor))
    return batch.left_out


def _record(statement: CursorWrapper, batch: Batch) -> None:
    """A message of which nothing was known is written with its status; that of any other follows from all that is in
    the tables then."""
    known = {row[0] for row in _of_messages(statement, _KNOWN, sorted(batch.messages))}
    messages = [(*row, batch.status(queue_id)) for queue_id, row in batch.messages.items()]
    for sql, rows in (
        (_MESSAGES, messages),
        (_RECIPIENTS, batch.recipient_rows()),
        (_ATTEMPTS, batch.attempts),
        (_REFUSALS, batch.refusals),
    ):
        if rows:
            statement.executemany(sql, rows)
    if known:
        _renew_status(statement, sorted(known))


def _renew_status(statement: CursorWrapper, queue_ids: Sequence[str]) -> None:
    """From their recipients as they are in the table. Without any it stays."""
    recipients: dict[tuple[str, str, str], list[tuple[int, str]]] = {}
    for queue_id, status, lane, rank, outcome in _of_messages(statement, _STANDING, queue_ids):
        recipients.setdefault((queue_id, status, lane), []).append((rank, outcome))
    changed = [
        (new, queue_id)
        for (queue_id, status, lane), found in recipients.items()
        if (new := status_of(found, lane)) != status
    ]
    if changed:
        statement.executemany(_STATUS, changed)


def _of_messages(statement: CursorWrapper, sql: str, queue_ids: Sequence[str]) -> Iterable[tuple[Any, ...]]:
    """The rows that `sql` has for these."""
    for start in range(0, len(queue_ids), LOOKED_UP):
        chunk = queue_ids[start : start + LOOKED_UP]
        statement.execute(sql % ",".join(["%s"] * len(chunk)), chunk)
        yield from statement.fetchall()


# The statements. Column names are our own; values are always parameters.


def _insert(model: type[Model], columns: Iterable[str], conflict: str) -> str:
    names = list(columns)
    table = model._meta.db_table
    marks = ", ".join(["%s"] * len(names))
    return f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks}) ON CONFLICT {conflict}"  # noqa: S608


def _set(columns: Iterable[str]) -> str:
    return "DO UPDATE SET " + ", ".join(f"{column} = excluded.{column}" for column in columns)


_MESSAGE_TABLE: Final = TrackedMessage._meta.db_table
_RECIPIENT_TABLE: Final = TrackedRecipient._meta.db_table

# The status of a message that was known is left alone here.
_MESSAGES: Final = _insert(
    TrackedMessage,
    (*MESSAGE_COLUMNS, "status"),
    f"(queue_id) {_set(MESSAGE_COLUMNS[1:])} WHERE excluded.facts_from > {_MESSAGE_TABLE}.facts_from",
)

_RECIPIENTS: Final = _insert(
    TrackedRecipient,
    RECIPIENT_COLUMNS,
    f"(queue_id, forward_path) {_set(RECIPIENT_COLUMNS[2:])} "
    "WHERE (excluded.rank, excluded.attempt, excluded.at) > "
    f"({_RECIPIENT_TABLE}.rank, {_RECIPIENT_TABLE}.attempt, {_RECIPIENT_TABLE}.at)",
)

_ATTEMPTS: Final = _insert(TrackedAttempt, ATTEMPT_COLUMNS, "DO NOTHING")

_REFUSALS: Final = _insert(TrackedRefusal, REFUSAL_COLUMNS, "DO NOTHING")

_KNOWN: Final = f"SELECT queue_id FROM {_MESSAGE_TABLE} WHERE queue_id IN (%s)"  # noqa: S608

_STANDING: Final = (
    f"SELECT m.queue_id, m.status, m.lane, r.rank, r.outcome FROM {_MESSAGE_TABLE} m "  # noqa: S608
    f"JOIN {_RECIPIENT_TABLE} r ON r.queue_id = m.queue_id WHERE m.queue_id IN (%s)"
)

_STATUS: Final = f"UPDATE {_MESSAGE_TABLE} SET status = %s WHERE queue_id = %s"  # noqa: S608

_CURSOR: Final = _insert(
    ShippingCursor, ("log", "file", '"offset"'), f"(log) {_set(('file', chr(34) + 'offset' + chr(34)))}"
)
