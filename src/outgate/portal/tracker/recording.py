"""Takes the workers' events into the tracker's tables.

Events may come twice and in any order, the attempt before the acceptance: the statements here leave the same rows
whatever the order and the number of times. They are plain SQL, since each message costs three rows, and building
objects for these would take longer than the worker took over the message.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from enum import IntEnum
from functools import lru_cache
from typing import Any, Final

from django.conf import settings
from django.db import connections, transaction
from django.db.models import Model

from outgate.contract.events import DeliveryAttempted, MessageAccepted, MessageEvent, MessageRefused
from outgate.mail.evidence import NO_EVIDENCE, Evidence
from outgate.mail.findings import NOT_SCANNED, ScanReport
from outgate.portal.tracker.models import (
    ShippingCursor,
    Status,
    TrackedAttempt,
    TrackedMessage,
    TrackedRecipient,
    TrackedRefusal,
)
from outgate.portal.tracker.sightings import CLOUDS, Sightings

TEXT_MAX: Final = 1_000  # characters kept of any one text; a subject may be of any length
EVIDENCE_KEPT: Final = 128  # texts of evidence: most messages of a sender show the same
STATUS_CHUNK: Final = 500  # messages of one UPDATE, well below the parameters that a statement may have
_INTEGER_MAX: Final = 2**31 - 1
_BIGINT_MAX: Final = 2**63 - 1
_FACTS_OF_ACCEPTANCE: Final = _INTEGER_MAX  # more than any refusal's ordinal: nobody knows more
_FACTS_OF_ATTEMPT: Final = -1
DELETED: Final = "deleted"  # reason of a decision by which a person deletes; for its recipients their outcome too
_NO_FACTS: Final = ("", "", "", "", 0, "", "", "", "", "", "", "{}", "{}", None, None)

Row = tuple[Any, ...]


class _Rank(IntEnum):
    """Which event says the last word on a recipient, if they came in whatever order."""

    REFUSED = 0
    PENDING = 1
    DEFERRED = 2
    FINAL = 3


def record_events(events: Sequence[MessageEvent], *, log: str = "", cursor: tuple[int, int] | None = None) -> int:
    """Record `events` in one transaction, and with them that `log` was read up to `cursor` (file, offset).

    Returns how many of them make no sense, such as a time that is none, and were left out.
    Raises: django.db.Error; nothing was recorded.
    """
    connection = connections[settings.TRACKER_DATABASE]
    batch = _Batch(_naive_text if connection.vendor == "sqlite" else _aware)
    for event in events:
        batch.take(event)
    sightings = batch.sightings.rows() if batch.sightings else []
    with transaction.atomic(using=connection.alias), connection.cursor() as statement:
        for sql, rows in (
            (_MESSAGES, batch.messages),
            (_RECIPIENTS, batch.recipients),
            (_ATTEMPTS, batch.attempts),
            (_REFUSALS, batch.refusals),
        ):
            if rows:
                statement.executemany(sql, rows)
        queue_ids = sorted(batch.queue_ids)
        for start in range(0, len(queue_ids), STATUS_CHUNK):
            chunk = queue_ids[start : start + STATUS_CHUNK]
            statement.execute(_STATUS % ",".join(["%s"] * len(chunk)), chunk)
        if sightings:
            batch.sightings.write(statement, sightings)
        if cursor is not None:
            statement.execute(_CURSOR, (log, *cursor))
    return batch.left_out


class _Batch:
    """Rows for one transaction."""

    def __init__(self, time: Callable[[float], object]) -> None:
        self._time = time
        self.queue_ids: set[str] = set()
        self.messages: list[Row] = []
        self.recipients: list[Row] = []
        self.attempts: list[Row] = []
        self.refusals: list[Row] = []
        self.sightings = Sightings()
        self.left_out = 0

    def take(self, event: MessageEvent) -> None:
        try:
            at = self._time(event.at)
            match event:
                case MessageAccepted():
                    self._accepted(event, at)
                case DeliveryAttempted():
                    self._attempted(event, at)
                case MessageRefused():
                    self._refused(event, at)
        except (ValueError, OverflowError, OSError):  # a time that is not one
            self.left_out += 1
            return
        self.queue_ids.add(_text(event.queue_id))

    def _accepted(self, event: MessageAccepted, at: object) -> None:
        lane = _text(event.lane), _text(event.lane_reason)
        copies = json.dumps([_text(each) for each in event.copies]) if event.copies else None
        self._message(event, at, Status.QUEUED, _FACTS_OF_ACCEPTANCE, lane, event.sealed_key or None, copies)
        queue_id = _text(event.queue_id)
        self.recipients.extend(
            (queue_id, _text(path), "pending", "", "", _Rank.PENDING.value, 0, at) for path in event.forward_paths
        )

    def _refused(self, event: MessageRefused, at: object) -> None:
        is_postponed = event.reply.startswith("4")
        outcome = "postponed" if is_postponed else "refused"
        ordinal = _integer(event.ordinal)
        self._message(event, at, Status.POSTPONED if is_postponed else Status.REFUSED, min(ordinal, _INTEGER_MAX - 1))
        queue_id, reply = _text(event.queue_id), _text(event.reply)
        paths = [_text(path) for path in event.forward_paths]
        self.recipients.extend((queue_id, path, outcome, reply, "", _Rank.REFUSED.value, ordinal, at) for path in paths)
        self.refusals.append((queue_id, ordinal, at, _text(event.stage), _text(event.reason), reply, json.dumps(paths)))

    def _attempted(self, event: DeliveryAttempted, at: object) -> None:
        queue_id, next_hop, attempt = _text(event.queue_id), _text(event.next_hop), _integer(event.attempt)
        next_attempt_at = self._time(event.next_attempt_at) if event.next_attempt_at else None
        outcomes = [
            (each.recipient, _text(each.forward_path), _outcome(event.reason, each.outcome), _text(each.reply))
            for each in event.outcomes
        ]
        if queue_id not in self.queue_ids:
            customer_id, worker = _text(event.customer_id), _text(event.worker)
            self.messages.append(
                (queue_id, customer_id, worker, at, Status.QUEUED.value, *_NO_FACTS, _FACTS_OF_ATTEMPT)
            )
        for _, path, outcome, reply in outcomes:
            rank = _Rank.DEFERRED if outcome == "deferred" else _Rank.FINAL
            self.recipients.append((queue_id, path, outcome, reply, next_hop, rank.value, attempt, at))
        self.attempts.append(
            (
                queue_id,
                attempt,
                _integer(outcomes[0][0]) if outcomes else 0,
                next_hop,
                _text(event.worker),
                at,
                _text(event.reason),
                _text(event.tls),
                event.duration_seconds,
                next_attempt_at,
                event.is_final,
                json.dumps(outcomes),
            )
        )

    def _message(
        self,
        event: MessageAccepted | MessageRefused,
        at: object,
        status: Status,
        facts_from: int,
        lane: tuple[str, str] = ("", ""),
        sealed_key: bytes | None = None,
        copies: str | None = None,
    ) -> None:
        evidence = event.evidence
        if evidence.source_class in CLOUDS and event.customer_id:
            self.sightings.take(event, at)
        self.messages.append(
            (
                _text(event.queue_id),
                _text(event.customer_id),
                _text(event.worker),
                at,
                status.value,
                _text(event.source),
                _text(event.hello_name),
                _text(event.tls),
                _text(event.reverse_path),
                min(event.size_octets, _BIGINT_MAX),
                _text(event.reason),
                _text(event.message_id_field),
                _text(event.header_from),
                _text(event.subject),
                *lane,
                "{}" if evidence == NO_EVIDENCE else _evidence_json(evidence),
                "{}" if event.report == NOT_SCANNED else _report_json(event.report),
                sealed_key,
                copies,
                facts_from,
            )
        )


def _outcome(reason: str, outcome: str) -> str:
    """To a worker what is deleted has failed; people want to tell the two apart."""
    return DELETED if reason == DELETED and outcome == "failed" else _text(outcome)


def _text(value: str) -> str:
    """What any database takes: PostgreSQL has no NUL in texts, and a peer may put one into its subject."""
    if len(value) > TEXT_MAX:
        value = value[:TEXT_MAX]
    return value.replace("\0", "\ufffd") if "\0" in value else value


@lru_cache(maxsize=EVIDENCE_KEPT)
def _evidence_json(evidence: Evidence) -> str:
    """What is not empty, by name; a signature too. No NUL is in it, see `_text`."""
    found = {name: value for name in Evidence.__struct_fields__ if (value := getattr(evidence, name))}
    if evidence.signatures:
        found["signatures"] = [
            {name: value for name in each.__struct_fields__ if (value := getattr(each, name))}
            for each in evidence.signatures
        ]
    return json.dumps(found).replace("\\u0000", "\\ufffd")


def _report_json(report: ScanReport) -> str:
    """What is not empty, by name. Texts are cut where they are made, see `mail.findings`; no NUL is in it."""
    found = {name: value for name in ScanReport.__struct_fields__ if (value := getattr(report, name))}
    for name in ("findings", "attachments"):
        if name in found:
            found[name] = [
                {field: value for field in each.__struct_fields__ if (value := getattr(each, field))}
                for each in found[name]
            ]
    return json.dumps(found).replace("\\u0000", "\\ufffd")


def _integer(value: int) -> int:
    return min(value, _INTEGER_MAX)


def _naive_text(at: float) -> str:
    """A time as Django writes it on SQLite."""
    return datetime.fromtimestamp(at, UTC).replace(tzinfo=None).isoformat(" ")


def _aware(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)


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
_FACTS: Final = (
    "source",
    "hello_name",
    "tls",
    "reverse_path",
    "size_octets",
    "reason",
    "message_id_field",
    "header_from",
    "subject",
    "lane",
    "lane_reason",
    "evidence",
    "report",
    "sealed_key",
    "copies",
    "facts_from",
)

# The status is left alone here: it follows from the recipients, below.
_MESSAGES: Final = _insert(
    TrackedMessage,
    ("queue_id", "customer_id", "worker", "at", "status", *_FACTS),
    f"(queue_id) {_set(('customer_id', 'worker', 'at', *_FACTS))} "
    f"WHERE excluded.facts_from > {_MESSAGE_TABLE}.facts_from",
)

_RECIPIENTS: Final = _insert(
    TrackedRecipient,
    ("queue_id", "forward_path", "outcome", "reply", "next_hop", "rank", "attempt", "at"),
    f"(queue_id, forward_path) {_set(('outcome', 'reply', 'next_hop', 'rank', 'attempt', 'at'))} "
    "WHERE (excluded.rank, excluded.attempt, excluded.at) > "
    f"({_RECIPIENT_TABLE}.rank, {_RECIPIENT_TABLE}.attempt, {_RECIPIENT_TABLE}.at)",
)

_ATTEMPTS: Final = _insert(
    TrackedAttempt,
    (
        "queue_id",
        "attempt",
        "first_recipient",
        "next_hop",
        "worker",
        "at",
        "reason",
        "tls",
        "duration_seconds",
        "next_attempt_at",
        "is_final",
        "outcomes",
    ),
    "DO NOTHING",
)

_REFUSALS: Final = _insert(
    TrackedRefusal, ("queue_id", "ordinal", "at", "stage", "reason", "reply", "forward_paths"), "DO NOTHING"
)

_STATUS: Final = f"""
    UPDATE {_MESSAGE_TABLE} SET status = (
        SELECT CASE
            WHEN COUNT(*) = 0 THEN {_MESSAGE_TABLE}.status
            WHEN MAX(rank) = {_Rank.REFUSED.value} THEN
                CASE WHEN COUNT(*) FILTER (WHERE outcome = 'postponed') > 0 THEN 'postponed' ELSE 'refused' END
            WHEN COUNT(*) FILTER (WHERE rank = {_Rank.DEFERRED.value}) > 0 THEN 'deferred'
            WHEN MAX(rank) = {_Rank.PENDING.value} AND {_MESSAGE_TABLE}.lane IN ('held', 'slow')
                THEN {_MESSAGE_TABLE}.lane
            WHEN COUNT(*) FILTER (WHERE rank = {_Rank.PENDING.value}) > 0 THEN 'queued'
            WHEN COUNT(*) FILTER (WHERE outcome IN ('failed', '{DELETED}')) = 0 THEN 'relayed'
            WHEN COUNT(*) FILTER (WHERE outcome = 'relayed') > 0 THEN 'partly-relayed'
            WHEN COUNT(*) FILTER (WHERE outcome = '{DELETED}') > 0 THEN '{DELETED}'
            ELSE 'failed'
        END
        FROM {_RECIPIENT_TABLE} WHERE {_RECIPIENT_TABLE}.queue_id = {_MESSAGE_TABLE}.queue_id
    ) WHERE queue_id IN (%s)"""  # noqa: S608

_CURSOR: Final = _insert(
    ShippingCursor, ("log", "file", '"offset"'), f"(log) {_set(('file', chr(34) + 'offset' + chr(34)))}"
)
