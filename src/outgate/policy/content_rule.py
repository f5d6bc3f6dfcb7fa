"""What becomes of a message by what scanning found in it and by what its customer wants. Pure.

The customer's own rules are asked first; then the strictest of what the findings ask for that are sure enough
(`Finding.is_sure`). Nothing but an own rule that
says so lets malware pass.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from outgate.contract.scanning import (
    Comparison,
    Condition,
    ContentAction,
    CustomRule,
    Degraded,
    Field,
    ScanPolicy,
)
from outgate.mail.findings import Category, Finding, ScanReport
from outgate.policy.reasons import Reason

_STRICTNESS: Final = {ContentAction.DELIVER: 0, ContentAction.HOLD: 1, ContentAction.REJECT: 2}  # the mildest first
_REASONS: Final = {
    Category.MALWARE: Reason.CONTENT_MALWARE,
    Category.PHISHING: Reason.CONTENT_PHISHING,
    Category.UNSCANNABLE: Reason.CONTENT_UNSCANNABLE,
    Category.ATTACHMENT: Reason.CONTENT_ATTACHMENT,
    Category.DATA_LOSS: Reason.CONTENT_DATA_LOSS,
    Category.IMPERSONATION: Reason.CONTENT_IMPERSONATION,
    Category.SPAM: Reason.CONTENT_SPAM,
}  # the more telling of two that ask for the same comes first
WORDS: Final = "words"  # name of the findings of a customer's own words and patterns


@dataclass(frozen=True, slots=True)
class MessageFacts:
    """What own rules look at beside the findings. fields: header fields, names in lower case. at: seconds since the
    epoch."""

    sender: str
    recipients: tuple[str, ...]
    source: str
    subject: str
    size_octets: int
    at: float
    fields: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class ContentDecision:
    """reason: None where the mail is delivered without more. context: what it is about, for the reply, such as the name
    of the attachment. defer: the sender is asked to come again (451), whatever `action` says."""

    action: ContentAction
    reason: Reason | None = None
    context: str = ""
    defer: bool = False


@dataclass(frozen=True, slots=True)
class Share:
    """What becomes of the message for some of its recipients. places: theirs, ascending."""

    decision: ContentDecision
    places: tuple[int, ...]


_DELIVERED: Final = ContentDecision(ContentAction.DELIVER)


def decide_content(policy: ScanPolicy, report: ScanReport, facts: MessageFacts) -> tuple[Share, ...]:
    """What becomes of the message: one share for each action, the mildest first, together all recipients. Total; never
    raises.

    Where rules name recipients, each has a decision of its own. One reply stands for all of them: a message can be
    refused only if that is its only share, and if it has to come again for one it does for all.
    """
    if not policy.is_on:
        return (Share(_DELIVERED, tuple(range(len(facts.recipients)))),)
    groups = [(_decide(policy, report, each), places) for each, places in _by_recipients(policy.rules, facts)]
    deferred = next((decision for decision, _ in groups if decision.defer), None)
    if deferred is not None:
        return (Share(deferred, tuple(range(len(facts.recipients)))),)
    shares: list[Share] = []
    for action in _STRICTNESS:
        alike = [group for group in groups if group[0].action is action]
        if alike:
            shares.append(Share(alike[0][0], tuple(sorted(place for _, places in alike for place in places))))
    return tuple(shares)


def as_one(shares: Sequence[Share]) -> ContentDecision:
    """The decision for a message that has to stay one: the strictest, so that nobody gets what is not for them, but
    what is not refused for all is held."""
    decision = shares[-1].decision
    if decision.action is ContentAction.REJECT and len(shares) > 1:
        return replace(decision, action=ContentAction.HOLD)
    return decision


def _by_recipients(rules: Iterable[CustomRule], facts: MessageFacts) -> Iterable[tuple[MessageFacts, Sequence[int]]]:
    """The message as it is for those recipients of whom the same holds, and their places, for each such group."""
    conditions = {
        condition
        for rule in rules
        if rule.is_on
        for section in rule.sections
        for condition in section
        if condition.field is Field.RECIPIENT
    }
    if not conditions or len(facts.recipients) < 2:
        return ((facts, range(len(facts.recipients))),)
    wanted = [(condition.comparison, condition.value.casefold()) for condition in conditions]
    groups: dict[tuple[bool, ...], list[int]] = {}
    for place, recipient in enumerate(facts.recipients):
        folded = recipient.casefold()
        answers = tuple([_matches(comparison, folded, value) for comparison, value in wanted])
        groups.setdefault(answers, []).append(place)
    return [(replace(facts, recipients=(facts.recipients[places[0]],)), places) for places in groups.values()]


def _decide(policy: ScanPolicy, report: ScanReport, facts: MessageFacts) -> ContentDecision:
    by_findings = strictest(policy, report.findings)
    rule = _own_rule(policy.rules, report, facts)
    if rule is not None:
        is_blocked = (
            rule.action is ContentAction.DELIVER and not rule.may_pass_malware and _has_malware(report.findings)
        )
        if not is_blocked:
            return ContentDecision(rule.action, Reason.CONTENT_RULE, rule.name)
    if report.failed and by_findings.action is not ContentAction.REJECT:
        return _degraded(policy.degraded, report.failed, by_findings)
    return by_findings


def _degraded(mode: Degraded, failed: Sequence[str], otherwise: ContentDecision) -> ContentDecision:
    """A scanner gave no answer. What is held anyway needs none."""
    if otherwise.action is ContentAction.HOLD:
        return otherwise
    match mode:
        case Degraded.DEFER:
            return ContentDecision(ContentAction.DELIVER, Reason.SCANNER_UNAVAILABLE, failed[0], defer=True)
        case Degraded.HOLD:
            return ContentDecision(ContentAction.HOLD, Reason.SCANNER_UNAVAILABLE, failed[0])
        case Degraded.PASS:
            return ContentDecision(ContentAction.DELIVER, Reason.SCANNER_UNAVAILABLE, failed[0])


def strictest(policy: ScanPolicy, findings: Iterable[Finding]) -> ContentDecision:
    """The strictest action that any finding asks for, own rules aside."""
    best = _DELIVERED
    counts: dict[str, int] = {}
    for finding in findings:
        if finding.category is Category.DATA_LOSS:
            counts[finding.name] = counts.get(finding.name, 0) + finding.weight
            continue
        best = _stricter(best, _action_of(policy, finding), finding)
    for rule in policy.data:
        if counts.get(rule.name, 0) >= rule.count:
            best = _stricter(best, rule.action, Finding(Category.DATA_LOSS, "", rule.name))
    return best


def _stricter(best: ContentDecision, action: ContentAction, finding: Finding) -> ContentDecision:
    if action is ContentAction.DELIVER:
        return best
    reason = _REASONS[finding.category]
    is_stricter = _STRICTNESS[action] > _STRICTNESS[best.action]
    order = list(_REASONS.values())
    if is_stricter or (
        action is best.action and best.reason is not None and order.index(reason) < order.index(best.reason)
    ):
        return ContentDecision(action, reason, finding.place or finding.name)
    return best


def _action_of(policy: ScanPolicy, finding: Finding) -> ContentAction:
    if not finding.is_sure:
        return ContentAction.DELIVER
    match finding.category:
        case Category.MALWARE:
            return policy.malware
        case Category.PHISHING:
            return policy.phishing
        case Category.IMPERSONATION:
            return policy.impersonation
        case Category.UNSCANNABLE:
            return policy.unscannable
        case Category.ATTACHMENT:
            return next((rule.action for rule in policy.banned if rule.group == finding.name), ContentAction.DELIVER)
        case Category.SPAM:
            reached = [rule for rule in policy.spam if finding.weight >= rule.score]
            return max(reached, key=lambda rule: rule.score).action if reached else ContentAction.DELIVER
        case Category.DATA_LOSS:
            return ContentAction.DELIVER


def _has_malware(findings: Iterable[Finding]) -> bool:
    return any(finding.category is Category.MALWARE and finding.is_sure for finding in findings)


# The customer's own rules


def _own_rule(rules: Iterable[CustomRule], report: ScanReport, facts: MessageFacts) -> CustomRule | None:
    for rule in sorted(rules, key=lambda rule: rule.priority):
        if not rule.is_on or (rule.ends_at and facts.at >= rule.ends_at) or not rule.sections:
            continue
        if all(any(holds(condition, report, facts) for condition in section) for section in rule.sections):
            return rule
    return None


def holds(condition: Condition, report: ScanReport, facts: MessageFacts) -> bool:
    """Is it so of this message?"""
    return _is_so(condition, report, facts) is not condition.negated


def _is_so(condition: Condition, report: ScanReport, facts: MessageFacts) -> bool:
    if condition.field is Field.SIZE:
        limit = int(condition.value) if condition.value.isdecimal() and condition.value.isascii() else 0
        if condition.comparison is Comparison.ABOVE:
            return facts.size_octets > limit
        return condition.comparison is Comparison.BELOW and facts.size_octets < limit
    wanted = condition.value.casefold()
    return any(_matches(condition.comparison, value.casefold(), wanted) for value in _values(condition, report, facts))


def _values(condition: Condition, report: ScanReport, facts: MessageFacts) -> Iterable[str]:
    match condition.field:
        case Field.SENDER:
            return (facts.sender,)
        case Field.RECIPIENT:
            return facts.recipients
        case Field.SOURCE:
            return (facts.source,)
        case Field.SUBJECT:
            return (facts.subject,)
        case Field.HEADER:
            name = condition.header.lower()
            return [value for known, value in facts.fields if known == name]
        case Field.ATTACHMENT_NAME:
            return [attachment.name for attachment in report.attachments]
        case Field.ATTACHMENT_KIND:
            return [kind for attachment in report.attachments for kind in (attachment.kind, *attachment.groups)]
        case Field.SIZE:
            return ()


def _matches(comparison: Comparison, value: str, wanted: str) -> bool:
    match comparison:
        case Comparison.IS:
            return value == wanted
        case Comparison.CONTAINS:
            return wanted in value
        case Comparison.STARTS:
            return value.startswith(wanted)
        case Comparison.ENDS:
            return value.endswith(wanted)
        case Comparison.ABOVE | Comparison.BELOW:
            return False
