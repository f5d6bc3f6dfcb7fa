"""What becomes of a proven message's content: the step between the scanners' report and the spool."""

from collections.abc import Sequence
from dataclasses import dataclass

from msgspec import structs

from outgate.contract.scanning import Field, ScanPolicy
from outgate.mail.evidence import Evidence
from outgate.mail.fields import fields_of
from outgate.mail.findings import ScanReport
from outgate.policy.admission import Settled
from outgate.policy.content_rule import ContentDecision, MessageFacts, as_one, decide_content
from outgate.reception.transaction import Arrived


@dataclass(slots=True)
class Proven:
    """A message whose customer is settled, until its content is judged by that customer's `policy`."""

    arrived: Arrived
    settled: Settled
    evidence: Evidence
    policy: ScanPolicy


@dataclass(frozen=True, slots=True)
class Judged:
    """What was decided for some of a message's recipients, `places`. report: what scanning said, with the decision."""

    decision: ContentDecision
    report: ScanReport
    places: Sequence[int]


def judge_content(
    proven: Proven, report: ScanReport, source: str, at: float, *, may_split: bool = True
) -> tuple[Judged, ...]:
    """The decisions, one for each action, the mildest first. source: the client's address. at: seconds since the epoch.
    may_split: else there is one for all recipients."""
    arrived, policy = proven.arrived, proven.policy
    transaction = arrived.transaction
    names = _fields_wanted(policy)
    facts = MessageFacts(
        transaction.sender.reverse_path.text,
        tuple([path.text for path in transaction.forward_paths]),
        source,
        arrived.header.subject,
        transaction.size_octets,
        at,
        fields_of(arrived.head, names) if names else (),
    )
    shares = decide_content(policy, report, facts)
    if not may_split:
        return (_judged(as_one(shares), report, range(len(transaction.forward_paths))),)
    return tuple([_judged(share.decision, report, share.places) for share in shares])


def _judged(decision: ContentDecision, report: ScanReport, places: Sequence[int]) -> Judged:
    action = "defer" if decision.defer else decision.action.value
    reason = decision.reason.value if decision.reason is not None else ""
    return Judged(decision, structs.replace(report, action=action, reason=reason), places)


def _fields_wanted(policy: ScanPolicy) -> frozenset[str]:
    """Names, in lower case, of the header fields that a rule looks at."""
    return frozenset(
        condition.header.lower()
        for rule in policy.rules
        if rule.is_on
        for section in rule.sections
        for condition in section
        if condition.field is Field.HEADER
    )
