"""What a policy would have made of past mail: the stored reports, decided once more by the code that decides mail.

Content is not kept, so what was not looked for then is not found now: own words and patterns that are new, and
conditions on header fields, of which the record has none. `Replay.blind` says which of these a draft has.
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from outgate.contract.scanning import ContentAction, Field, ScanPolicy
from outgate.mail.findings import AttachmentFact, Category, Finding, ScanReport
from outgate.mail.queue_ids import queue_id
from outgate.policy.content_rule import MessageFacts, as_one, decide_content
from outgate.portal.customers.models import Customer
from outgate.portal.tracker.models import TrackedMessage, TrackedRecipient

DAYS: Final = 30  # that are looked back
MESSAGES_MAX: Final = 5_000  # the last ones of a customer
SECONDS: Final = 2.0  # after which no further stretch of messages is begun
STRETCH: Final = 500  # messages that one statement reads
EXAMPLES_MAX: Final = 20  # messages that are shown by name
SENDERS_MAX: Final = 5  # that are shown by name

_DEFER: Final = "defer"
_CATEGORIES: Final = frozenset(each.value for each in Category)


@dataclass(frozen=True, slots=True)
class Example:
    """A message that would have fared otherwise. before, after: "deliver", "hold", "reject" or "defer"; reason: why."""

    queue_id: str
    at: datetime
    sender: str
    subject: str
    before: str
    after: str
    reason: str


@dataclass(slots=True)
class Replay:
    """looked_at: messages with a report; unscanned: those without one, of which nothing can be said. outcomes: what the
    draft makes of those looked at, by action; changed: of those that fare otherwise. senders: of changed messages, the
    busiest first. since: the oldest message's time. is_cut: there is older mail within `DAYS` that was not looked at.
    blind: what of the draft cannot be tried on past mail, for people."""

    looked_at: int = 0
    unscanned: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    changed: Counter[str] = field(default_factory=Counter)
    senders: Counter[str] = field(default_factory=Counter)
    examples: list[Example] = field(default_factory=list)
    since: datetime | None = None
    is_cut: bool = False
    blind: tuple[str, ...] = ()

    @property
    def changes(self) -> int:
        return sum(self.changed.values())

    @property
    def changed_to(self) -> list[tuple[str, int]]:
        """For templates, which would ask a counter for its key "items"."""
        return self.changed.most_common()

    @property
    def busiest(self) -> list[tuple[str, int]]:
        return self.senders.most_common(SENDERS_MAX)


def replay(
    customer: Customer,
    draft: ScanPolicy,
    before: ScanPolicy,
    *,
    now: datetime,
    clock: Callable[[], float] = time.monotonic,
) -> Replay:
    """What `draft` would have made of the last messages, refused ones too. Bounded in messages and time.

    before: the policy in force, against which it is told what of the draft is new.
    """
    found = Replay(blind=_blind(draft, before))
    lowest = queue_id(max(0, int((now - timedelta(days=DAYS)).timestamp() * 1000)), 0, 0)
    end = ""
    stop_at = clock() + SECONDS
    while True:
        rows = TrackedMessage.objects.filter(customer_id=customer.slug, queue_id__gte=lowest).order_by("-queue_id")
        stretch = list((rows.filter(queue_id__lt=end) if end else rows)[:STRETCH])
        _add(found, stretch, draft)
        if len(stretch) < STRETCH:
            return found
        end = stretch[-1].queue_id
        if found.looked_at + found.unscanned >= MESSAGES_MAX or clock() >= stop_at:
            found.is_cut = True
            return found


def _add(found: Replay, stretch: list[TrackedMessage], draft: ScanPolicy) -> None:
    paths: dict[str, list[str]] = {}
    if any(condition.field is Field.RECIPIENT for rule in draft.rules for part in rule.sections for condition in part):
        ids = [message.queue_id for message in stretch]
        for key, path in TrackedRecipient.objects.filter(queue_id__in=ids).values_list("queue_id", "forward_path"):
            paths.setdefault(key, []).append(path)
    for message in stretch:
        found.since = message.at
        if not message.report:
            found.unscanned += 1
            continue
        found.looked_at += 1
        _decide(found, message, tuple(paths.get(message.queue_id, ())), draft)


def _decide(found: Replay, message: TrackedMessage, recipients: tuple[str, ...], draft: ScanPolicy) -> None:
    report = report_of(message.report)
    facts = MessageFacts(
        message.reverse_path,
        recipients,
        message.source,
        message.subject,
        message.size_octets,
        message.at.timestamp(),
    )
    decision = as_one(decide_content(draft, report, facts))
    after = _DEFER if decision.defer else decision.action.value
    found.outcomes[after] += 1
    before = report.action or ContentAction.DELIVER.value
    if after == before:
        return
    found.changed[after] += 1
    sender = message.reverse_path or "<>"
    found.senders[sender] += 1
    if len(found.examples) < EXAMPLES_MAX:
        reason = decision.reason.value if decision.reason is not None else ""
        found.examples.append(Example(message.queue_id, message.at, sender, message.subject, before, after, reason))


def report_of(stored: Mapping[str, Any]) -> ScanReport:
    """A report as the tracker keeps it, without what is empty; unknown kinds of findings are left out."""
    findings = [
        Finding(
            Category(each["category"]),
            each.get("scanner", ""),
            each.get("name", ""),
            each.get("weight", 0),
            each.get("detail", ""),
            each.get("place", ""),
        )
        for each in stored.get("findings", ())
        if each.get("category") in _CATEGORIES
    ]
    attachments = [
        AttachmentFact(
            each.get("place", ""),
            each.get("name", ""),
            each.get("kind", ""),
            tuple(each.get("groups", ())),
            each.get("size_octets", 0),
            each.get("sha256", ""),
        )
        for each in stored.get("attachments", ())
    ]
    return ScanReport(
        findings=tuple(findings),
        attachments=tuple(attachments),
        failed=tuple(stored.get("failed", ())),
        action=stored.get("action", ""),
        reason=stored.get("reason", ""),
    )


def _blind(draft: ScanPolicy, before: ScanPolicy) -> tuple[str, ...]:
    blind = []
    if not (set(draft.words) <= set(before.words) and set(draft.patterns) <= set(before.patterns)):
        blind.append("own words and patterns that are new")
    if any(condition.field is Field.HEADER for rule in draft.rules for part in rule.sections for condition in part):
        blind.append("conditions on header fields")
    if not set(draft.people) <= set(before.people):
        blind.append("people that are new")
    return tuple(blind)
