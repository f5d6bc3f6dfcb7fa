"""One message as a story for people: how it stands and why, and what happened in which order."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from django.db.models import Case, Count, IntegerField, Q, Value, When

from outgate.portal.tracker.deletions import Deletion, deletions_of
from outgate.portal.tracker.models import Status, TrackedAttempt, TrackedMessage, TrackedRecipient, TrackedRefusal

RECIPIENTS_SHOWN: Final = 200
ATTEMPTS_SHOWN: Final = 100  # the last ones
REFUSALS_SHOWN: Final = 100  # the first ones
GROUPS_SHOWN: Final = 10  # of recipients that fared alike in one attempt
PATHS_SHOWN: Final = 5  # of one group
_CUT_SHORT: Final = frozenset({Status.DELETED, Status.PARTLY_RELAYED})  # what a deletion can have led to
WAITING: Final = frozenset({Status.QUEUED, Status.HELD, Status.SLOW, Status.DEFERRED})
SETTLING: Final = timedelta(minutes=1)  # in which more may become known of a message that was refused
_FACTS_OF_ACCEPTANCE: Final = 2**31 - 1  # of `TrackedMessage.facts_from`, see `recording`
_RELAYED: Final = "relayed"


@dataclass(frozen=True, slots=True)
class Group:
    """Recipients that fared alike. paths: the first ones; more: how many are left out."""

    outcome: str
    reply: str
    paths: list[str]
    more: int


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happened. kind: "accepted", "refused", "postponed", "attempt", or "decision" (no hop was tried).

    stage: of a refusal, "rcpt" or "content". more: groups that are left out.
    """

    kind: str
    at: datetime
    reason: str
    number: int = 0
    stage: str = ""
    next_hop: str = ""
    tls: str = ""
    duration_seconds: float = 0.0
    next_attempt_at: datetime | None = None
    groups: list[Group] = field(default_factory=list)
    more: int = 0


@dataclass(frozen=True, slots=True)
class Story:
    """recipients: those that are not relayed first; total of them in recipient_count. causes: reason codes that say why
    it stands as it does, the first one first. steps: in the order of time; earlier_attempts are left out of them.
    next_attempt_at: where it waits for one. deletion: of the message, or of what was left of it. version: another one
    as soon as anything here is another.
    """

    message: TrackedMessage
    is_accepted: bool
    is_final: bool
    recipients: list[TrackedRecipient]
    recipient_count: int
    causes: list[str]
    steps: list[Step]
    earlier_attempts: int
    next_attempt_at: datetime | None
    deletion: Deletion | None
    version: str


def story_of(message: TrackedMessage, *, now: datetime) -> Story:
    """Bounded: of what is more than a person reads, a part with its count."""
    of_message = Q(queue_id=message.queue_id)
    is_relayed = Case(When(outcome=_RELAYED, then=Value(1)), default=Value(0), output_field=IntegerField())
    recipients = TrackedRecipient.objects.filter(of_message)
    tried = TrackedAttempt.objects.filter(of_message)
    attempts = list(tried.order_by("-attempt", "-at", "-first_recipient")[:ATTEMPTS_SHOWN])[::-1]
    refusals = list(TrackedRefusal.objects.filter(of_message).order_by("ordinal")[:REFUSALS_SHOWN])
    attempt_count = (
        tried.aggregate(count=Count("attempt"))["count"] if len(attempts) == ATTEMPTS_SHOWN else len(attempts)
    )
    is_accepted = message.facts_from == _FACTS_OF_ACCEPTANCE or bool(attempts)
    is_waiting = message.status in WAITING
    steps = [_refusal(each) for each in refusals] + [_attempt(each) for each in attempts]
    if message.facts_from == _FACTS_OF_ACCEPTANCE:
        steps.append(Step("accepted", message.at, message.reason))
    steps.sort(key=lambda step: (step.at, step.number))
    return Story(
        message=message,
        is_accepted=is_accepted,
        is_final=not is_waiting and (is_accepted or message.at < now - SETTLING),
        recipients=list(recipients.order_by(is_relayed, "forward_path")[:RECIPIENTS_SHOWN]),
        recipient_count=recipients.aggregate(count=Count("forward_path"))["count"],
        causes=_causes(message, is_accepted, attempts, refusals),
        steps=steps,
        earlier_attempts=attempt_count - len(attempts),
        next_attempt_at=attempts[-1].next_attempt_at if attempts and is_waiting else None,
        deletion=deletions_of([message.queue_id]).get(message.queue_id) if message.status in _CUT_SHORT else None,
        version=f"{message.status}.{message.facts_from}.{attempt_count}.{len(refusals)}",
    )


def _causes(
    message: TrackedMessage, is_accepted: bool, attempts: list[TrackedAttempt], refusals: list[TrackedRefusal]
) -> list[str]:
    if not is_accepted:
        return list(dict.fromkeys(each.reason for each in refusals)) or [message.reason]
    codes = [message.reason]
    if message.lane:
        codes.append(message.lane_reason)
    if message.status != Status.RELAYED:
        codes += [each.reason for each in attempts if each.reason != _RELAYED][-1:]
    return [code for code in dict.fromkeys(codes) if code]


def _refusal(row: TrackedRefusal) -> Step:
    kind = "postponed" if row.reply.startswith("4") else "refused"
    paths = [str(path) for path in row.forward_paths]
    group = Group(kind, row.reply, paths[:PATHS_SHOWN], max(0, len(paths) - PATHS_SHOWN))
    return Step(kind, row.at, row.reason, number=row.ordinal, stage=row.stage, groups=[group])


def _attempt(row: TrackedAttempt) -> Step:
    groups = _groups(row.outcomes)
    return Step(
        kind="attempt" if row.next_hop else "decision",
        at=row.at,
        reason=row.reason,
        number=row.attempt,
        next_hop=row.next_hop,
        tls=row.tls,
        duration_seconds=row.duration_seconds,
        next_attempt_at=None if row.is_final else row.next_attempt_at,
        groups=groups[:GROUPS_SHOWN],
        more=max(0, len(groups) - GROUPS_SHOWN),
    )


def _groups(outcomes: list[Any]) -> list[Group]:
    """outcomes: as `TrackedAttempt` has them."""
    alike: dict[tuple[str, str], list[str]] = {}
    for _, path, outcome, reply in outcomes:
        alike.setdefault((outcome, reply), []).append(path)
    return [
        Group(outcome, reply, paths[:PATHS_SHOWN], max(0, len(paths) - PATHS_SHOWN))
        for (outcome, reply), paths in alike.items()
    ]
