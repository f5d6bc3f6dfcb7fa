"""What a batch of events comes to: one row for each key of the tracker's tables.

Most messages are accepted and relayed within one batch, so what its events say of the same recipient or message is
brought together here, before the database is asked anything. Events may come twice and in any order: of two that speak
of the same, the one with the higher rank says the last word, and of equals the first.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from enum import IntEnum
from functools import lru_cache
from math import floor
from typing import Any, Final

import msgspec

from outgate.contract.events import DeliveryAttempted, MessageAccepted, MessageEvent, MessageRefused
from outgate.mail.evidence import NO_EVIDENCE, Evidence
from outgate.mail.findings import NOT_SCANNED, ScanReport
from outgate.portal.tracker.sightings import CLOUDS, Sightings

TEXT_MAX: Final = 1_000  # characters kept of any one text; a subject may be of any length
EVIDENCE_KEPT: Final = 128  # texts of evidence: most messages of a sender show the same
SECONDS_KEPT: Final = 64  # texts of times: the events of a batch are mostly of the same second
_INTEGER_MAX: Final = 2**31 - 1
_BIGINT_MAX: Final = 2**63 - 1
_FACTS_OF_ACCEPTANCE: Final = _INTEGER_MAX  # more than any refusal's ordinal: nobody knows more
_FACTS_OF_ATTEMPT: Final = -1
DELETED: Final = "deleted"  # reason of a decision by which a person deletes; for its recipients their outcome too
_NO_FACTS: Final = ("", "", "", "", 0, "", "", "", "", "", "", "{}", "{}", None, None)
_QUEUED: Final = "queued"
_WAITING_LANES: Final = frozenset({"held", "slow"})
_to_json: Final = msgspec.json.Encoder().encode

Row = tuple[Any, ...]

MESSAGE_COLUMNS: Final = (
    "queue_id",
    "customer_id",
    "worker",
    "at",
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
RECIPIENT_COLUMNS: Final = ("queue_id", "forward_path", "outcome", "reply", "next_hop", "rank", "attempt", "at")
ATTEMPT_COLUMNS: Final = (
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
)
REFUSAL_COLUMNS: Final = ("queue_id", "ordinal", "at", "stage", "reason", "reply", "forward_paths")
_OUTCOME: Final = RECIPIENT_COLUMNS.index("outcome")
_RANK: Final = RECIPIENT_COLUMNS.index("rank")
_LANE: Final = MESSAGE_COLUMNS.index("lane")


class Rank(IntEnum):
    """Which event says the last word on a recipient, if they came in whatever order."""

    REFUSED = 0
    PENDING = 1
    DEFERRED = 2
    FINAL = 3


# The plain numbers: an enum's `value` costs more than the rest of a row's field.
_REFUSED: Final = Rank.REFUSED.value
_PENDING: Final = Rank.PENDING.value
_DEFERRED: Final = Rank.DEFERRED.value
_FINAL: Final = Rank.FINAL.value


def status_of(recipients: Iterable[tuple[int, str]], lane: str) -> str:
    """A message's status from the rank and outcome of each recipient, of whom there is at least one; refused ones do
    not spoil the others."""
    ranks: set[int] = set()
    outcomes: set[str] = set()
    for rank, outcome in recipients:
        ranks.add(rank)
        outcomes.add(outcome)
    if ranks == {_REFUSED}:
        return "postponed" if "postponed" in outcomes else "refused"
    if _DEFERRED in ranks:
        return "deferred"
    if _PENDING in ranks:
        return lane if lane in _WAITING_LANES and _FINAL not in ranks else _QUEUED
    if "failed" not in outcomes and DELETED not in outcomes:
        return "relayed"
    if "relayed" in outcomes:
        return "partly-relayed"
    return DELETED if DELETED in outcomes else "failed"


class Batch:
    """Rows for one transaction, by the tables' keys. time: how the database wants a time.

    messages: columns as in `MESSAGE_COLUMNS`; their status is to follow from all their recipients, see `status`.
    """

    def __init__(self, time: Callable[[float], object]) -> None:
        self._time = time
        self.messages: dict[str, Row] = {}
        self.recipients: dict[str, dict[str, Row]] = {}  # by queue id, then by forward-path
        self.attempts: list[Row] = []
        self.refusals: list[Row] = []
        self.sightings = Sightings()
        self.left_out = 0

    def take(self, event: MessageEvent) -> None:
        try:
            at = self._time(event.at)
            if isinstance(event, MessageAccepted):
                self._accepted(event, at)
            elif isinstance(event, DeliveryAttempted):
                self._attempted(event, at)
            else:
                self._refused(event, at)
        except (ValueError, OverflowError, OSError):  # a time that is not one
            self.left_out += 1

    def status(self, queue_id: str) -> str:
        """Of a message of which nothing is known but what is in this batch."""
        recipients = self.recipients.get(queue_id)
        if not recipients:
            return _QUEUED
        return status_of([(row[_RANK], row[_OUTCOME]) for row in recipients.values()], self.messages[queue_id][_LANE])

    def recipient_rows(self) -> list[Row]:
        return [row for rows in self.recipients.values() for row in rows.values()]

    def _accepted(self, event: MessageAccepted, at: object) -> None:
        lane, lane_reason = _texts((event.lane, event.lane_reason))
        copies = _to_json(_texts(event.copies)).decode() if event.copies else None
        more = lane, lane_reason, event.sealed_key or None, copies
        queue_id = self._message(event, at, _FACTS_OF_ACCEPTANCE, *more)
        for path in _texts(event.forward_paths):
            self._recipient((queue_id, path, "pending", "", "", _PENDING, 0, at))

    def _refused(self, event: MessageRefused, at: object) -> None:
        outcome = "postponed" if event.reply.startswith("4") else "refused"
        ordinal = _integer(event.ordinal)
        queue_id = self._message(event, at, min(ordinal, _INTEGER_MAX - 1))
        reply, stage, reason = _texts((event.reply, event.stage, event.reason))
        paths = _texts(event.forward_paths)
        for path in paths:
            self._recipient((queue_id, path, outcome, reply, "", _REFUSED, ordinal, at))
        self.refusals.append((queue_id, ordinal, at, stage, reason, reply, _to_json(paths).decode()))

    def _attempted(self, event: DeliveryAttempted, at: object) -> None:
        queue_id, next_hop, customer_id, worker, reason, tls = _texts(
            (event.queue_id, event.next_hop, event.customer_id, event.worker, event.reason, event.tls)
        )
        attempt = _integer(event.attempt)
        next_attempt_at = self._time(event.next_attempt_at) if event.next_attempt_at else None
        if queue_id not in self.messages:
            self.messages[queue_id] = (queue_id, customer_id, worker, at, *_NO_FACTS, _FACTS_OF_ATTEMPT)
        outcomes = []
        for each in event.outcomes:
            path, outcome, reply = _texts((each.forward_path, each.outcome, each.reply))
            if reason == DELETED and outcome == "failed":
                outcome = DELETED  # to a worker what is deleted has failed; people want to tell the two apart
            outcomes.append((each.recipient, path, outcome, reply))
            rank = _DEFERRED if outcome == "deferred" else _FINAL
            self._recipient((queue_id, path, outcome, reply, next_hop, rank, attempt, at))
        self.attempts.append(
            (
                queue_id,
                attempt,
                _integer(outcomes[0][0]) if outcomes else 0,
                next_hop,
                worker,
                at,
                reason,
                tls,
                event.duration_seconds,
                next_attempt_at,
                event.is_final,
                _to_json(outcomes).decode(),
            )
        )

    def _recipient(self, row: Row) -> None:
        recipients = self.recipients.get(row[0])
        if recipients is None:
            self.recipients[row[0]] = {row[1]: row}
            return
        known = recipients.get(row[1])
        if known is None or row[_RANK:] > known[_RANK:]:
            recipients[row[1]] = row

    def _message(
        self,
        event: MessageAccepted | MessageRefused,
        at: object,
        facts_from: int,
        lane: str = "",
        lane_reason: str = "",
        sealed_key: bytes | None = None,
        copies: str | None = None,
    ) -> str:
        """Returns the queue id as it is kept."""
        evidence = event.evidence
        if evidence.source_class in CLOUDS and event.customer_id:
            self.sightings.take(event, at)
        queue_id, customer_id, worker, source, hello_name, tls, reverse_path, reason, *shown = _texts(
            (
                event.queue_id,
                event.customer_id,
                event.worker,
                event.source,
                event.hello_name,
                event.tls,
                event.reverse_path,
                event.reason,
                event.message_id_field,
                event.header_from,
                event.subject,
            )
        )
        known = self.messages.get(queue_id)
        if known is None or facts_from > known[-1]:
            self.messages[queue_id] = (
                queue_id,
                customer_id,
                worker,
                at,
                source,
                hello_name,
                tls,
                reverse_path,
                min(event.size_octets, _BIGINT_MAX),
                reason,
                *shown,
                lane,
                lane_reason,
                "{}" if evidence == NO_EVIDENCE else _evidence_json(evidence),
                "{}" if event.report == NOT_SCANNED else _report_json(event.report),
                sealed_key,
                copies,
                facts_from,
            )
        return queue_id


def _texts(values: Sequence[str]) -> Sequence[str]:
    """What any database takes: PostgreSQL has no NUL in texts, and a peer may put one into its subject."""
    together = "".join(values)
    if len(together) <= TEXT_MAX and "\0" not in together:
        return values
    return [value[:TEXT_MAX].replace("\0", "\ufffd") for value in values]


@lru_cache(maxsize=EVIDENCE_KEPT)
def _evidence_json(evidence: Evidence) -> str:
    """What is not empty, by name; a signature too. No NUL is in it, see `_texts`."""
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


def naive_text(at: float) -> str:
    """A time as Django writes it on SQLite. Raises: ValueError, OverflowError, OSError for one that is none."""
    seconds = floor(at)
    microseconds = round((at - seconds) * 1e6)
    if microseconds == 0:
        return _second_text(seconds)
    if microseconds == 1_000_000:
        return _second_text(seconds + 1)
    return f"{_second_text(seconds)}.{microseconds:06}"


@lru_cache(maxsize=SECONDS_KEPT)
def _second_text(seconds: int) -> str:
    return str(datetime.fromtimestamp(seconds, UTC))[:-6]  # without the zone, "+00:00"


def aware(at: float) -> datetime:
    """A time as PostgreSQL takes it. Raises: as `naive_text`."""
    return datetime.fromtimestamp(at, UTC)
