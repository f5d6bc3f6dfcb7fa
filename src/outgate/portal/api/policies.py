"""Routes of a customer's policy for content, and of drafts that are tried on past mail."""

from datetime import datetime
from typing import Annotated

import msgspec
from django.http import HttpRequest
from django.utils import timezone
from ninja import Field, Router, Schema

from outgate.contract.scanning import (
    PATTERN_MAX,
    RULES_MAX,
    TERMS_MAX,
    WORDS_MAX,
    Comparison,
    ContentAction,
    Degraded,
    ScanPolicy,
)
from outgate.contract.scanning import Field as LookedAt
from outgate.mail.findings import AttachmentGroup
from outgate.portal.accounts.keys import Scope
from outgate.portal.accounts.scope import customer_of
from outgate.portal.api.authentication import Key, caller_of, changed_customer
from outgate.portal.api.schemas import In
from outgate.portal.policies.replay import Replay, replay
from outgate.portal.policies.selectors import scan_policy
from outgate.portal.policies.services import set_scan_policy
from outgate.portal.policies.validation import (
    COUNT_MAX,
    DATA_KINDS,
    NAME_MAX,
    PEOPLE_MAX,
    VALUE_MAX,
    WORD_MAX,
    check_policy,
)

router = Router(tags=["policies"])
READ, WRITE = Key(Scope.CUSTOMERS_READ), Key(Scope.CUSTOMERS_WRITE)
TRIES = Key(Scope.MESSAGES_READ)

Action = Annotated[ContentAction, Field(strict=False)]
Word = Annotated[str, Field(min_length=1, max_length=WORD_MAX)]
Pattern = Annotated[str, Field(min_length=1, max_length=PATTERN_MAX)]


class SpamRuleIn(In):
    score: int = Field(ge=1, le=1000, description="From this on, in thousandths of certainty", examples=[900])
    action: Action


class BannedRuleIn(In):
    group: Annotated[AttachmentGroup, Field(strict=False)]
    action: Action = ContentAction.REJECT


class DataRuleIn(In):
    name: str = Field(description=f"One of {', '.join(DATA_KINDS)}", examples=["card-number"])
    count: int = Field(default=1, ge=1, le=COUNT_MAX, description="From so many in one message on", examples=[3])
    action: Action = ContentAction.HOLD


class ConditionIn(In):
    field: Annotated[LookedAt, Field(strict=False)]
    comparison: Annotated[Comparison, Field(strict=False, description="`above` and `below` are for `size` alone")]
    value: str = Field(min_length=1, max_length=VALUE_MAX, examples=["invoice"])
    header: str = Field(default="", max_length=VALUE_MAX, description="Name of the field, of `header` alone")
    negated: bool = Field(default=False, description="Must not be so")


class CustomRuleIn(In):
    """The first rule that holds decides, by rising priority."""

    name: str = Field(min_length=1, max_length=NAME_MAX, examples=["Invoices to the board"])
    priority: int = Field(ge=-(10**6), le=10**6, examples=[100])
    action: Action
    sections: list[Annotated[list[ConditionIn], Field(min_length=1, max_length=TERMS_MAX)]] = Field(
        min_length=1, max_length=TERMS_MAX, description="All must hold; of the conditions of one, one is enough"
    )
    ends_at: float = Field(default=0.0, ge=0, le=1e11, description="Seconds since the epoch; 0 is never")
    is_on: bool = True
    may_pass_malware: bool = Field(default=False, description="Without it `deliver` does not let malware through")


class PolicyIn(In):
    """The whole policy: what is left out takes its default."""

    is_on: bool = Field(default=False, description="Without it nothing is scanned", examples=[True])
    degraded: Annotated[Degraded, Field(strict=False, description="Of mail that a scanner gave no answer for")] = (
        Degraded.DEFER
    )
    spam: list[SpamRuleIn] = Field(
        default=[SpamRuleIn(score=rule.score, action=rule.action) for rule in ScanPolicy().spam]
    )
    phishing: Action = ContentAction.HOLD
    malware: Action = ContentAction.REJECT
    impersonation: Action = ContentAction.HOLD
    unscannable: Action = ContentAction.HOLD
    banned: list[BannedRuleIn] = Field(
        default=[BannedRuleIn(group=rule.group, action=rule.action) for rule in ScanPolicy().banned]
    )
    data: list[DataRuleIn] = Field(default=[])
    words: list[Word] = Field(default=[], max_length=WORDS_MAX)
    patterns: list[Pattern] = Field(default=[], max_length=WORDS_MAX, description="Expressions of RE2")
    people: list[str] = Field(default=[], max_length=PEOPLE_MAX, examples=[["Ada Byron <ada@example.com>"]])
    rules: list[CustomRuleIn] = Field(default=[], max_length=RULES_MAX)

    @property
    def policy(self) -> ScanPolicy:
        return msgspec.convert(self.model_dump(mode="json"), ScanPolicy)


class PolicyOut(PolicyIn):
    """A policy, whole."""


class SenderCountOut(Schema):
    sender: str = Field(description="Reverse-path; `<>` is the null one", examples=["ada@example.com"])
    messages: int = Field(examples=[12])


class ChangedMessageOut(Schema):
    reference: str = Field(description="The queue id", examples=["T463Z0H4G0G01"])
    at: datetime
    sender: str = Field(examples=["ada@example.com"])
    subject: str = Field(examples=["The quarter's figures"])
    before: str = Field(description="What became of it", examples=["deliver"])
    after: str = Field(description="What the draft makes of it; `defer` is 451", examples=["hold"])
    reason: str = Field(description="A reason code", examples=["content-data-loss"])


class ReplayOut(Schema):
    """What a draft would have made of past mail."""

    looked_at: int = Field(description="Messages that have a report", examples=[812])
    unscanned: int = Field(description="Messages without one, of which nothing can be said", examples=[0])
    outcomes: dict[str, int] = Field(description="Messages by action of the draft", examples=[{"hold": 37}])
    changed: dict[str, int] = Field(description="Of these, those that fare otherwise", examples=[{"hold": 37}])
    sender_count: int = Field(description="Senders of messages that fare otherwise", examples=[4])
    senders: list[SenderCountOut] = Field(description="The busiest of them")
    examples: list[ChangedMessageOut] = Field(description="The latest messages that fare otherwise")
    since: datetime | None = Field(description="Of the oldest message looked at")
    is_cut: bool = Field(description="Is there older mail that was not looked at?")
    blind: list[str] = Field(description="What of the draft cannot be tried, since content is not kept", examples=[[]])


@router.get("/{slug:customer_id}/policy", auth=READ, response=PolicyOut, summary="Read the policy for content")
def show(request: HttpRequest, customer_id: str) -> PolicyOut:
    """What becomes of mail by what is in it."""
    return policy_out(scan_policy(customer_of(caller_of(request), customer_id)))


@router.put("/{slug:customer_id}/policy", auth=WRITE, response=PolicyOut, summary="Set the policy for content")
def put(request: HttpRequest, customer_id: str, wanted: PolicyIn) -> PolicyOut:
    """In the place of the one before. Workers act on it within two seconds."""
    caller, customer = changed_customer(request, customer_id)
    set_scan_policy(actor=caller.actor, customer=customer, policy=wanted.policy)
    return policy_out(scan_policy(customer))


@router.post("/{slug:customer_id}/policy/try", auth=TRIES, response=ReplayOut, summary="Try a policy on past mail")
def attempt(request: HttpRequest, customer_id: str, draft: PolicyIn) -> ReplayOut:
    """What it would have made of the last messages, at most 5,000 of 30 days. Nothing is saved."""
    customer = customer_of(caller_of(request), customer_id)
    policy = draft.policy
    check_policy(policy)
    return replay_out(replay(customer, policy, scan_policy(customer), now=timezone.now()))


def policy_out(policy: ScanPolicy) -> PolicyOut:
    return PolicyOut.model_validate(msgspec.to_builtins(policy), strict=False)


def replay_out(found: Replay) -> ReplayOut:
    return ReplayOut(
        looked_at=found.looked_at,
        unscanned=found.unscanned,
        outcomes=dict(found.outcomes),
        changed=dict(found.changed),
        sender_count=len(found.senders),
        senders=[SenderCountOut(sender=sender, messages=count) for sender, count in found.busiest],
        examples=[
            ChangedMessageOut(
                reference=each.queue_id,
                at=each.at,
                sender=each.sender,
                subject=each.subject,
                before=each.before,
                after=each.after,
                reason=each.reason,
            )
            for each in found.examples
        ],
        since=found.since,
        is_cut=found.is_cut,
        blind=list(found.blind),
    )
