"""What findings lead to."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from outgate.contract.scanning import (
    BannedRule,
    Comparison,
    Condition,
    ContentAction,
    CustomRule,
    DataRule,
    Degraded,
    Field,
    ScanPolicy,
    SpamRule,
)
from outgate.mail.findings import SURE_FROM, AttachmentFact, AttachmentGroup, Category, Finding, ScanReport
from outgate.policy.content_rule import ContentDecision, MessageFacts, Share, as_one, decide_content, holds
from outgate.policy.reasons import Reason

FACTS = MessageFacts("ada@alpha.example", ("bob@beta.example",), "192.0.2.1", "Invoice 7", 5_000, 1.7e9)
POLICY = ScanPolicy(
    is_on=True, banned=(BannedRule(AttachmentGroup.EXECUTABLE), BannedRule(AttachmentGroup.MACROS, ContentAction.HOLD))
)
DELIVER, HOLD, REJECT = ContentAction


def report(*findings: Finding, failed: tuple[str, ...] = ()) -> ScanReport:
    return ScanReport(findings, failed=failed)


def decide(policy: ScanPolicy, report: ScanReport, facts: MessageFacts) -> ContentDecision:
    """Of a message that stays one."""
    return as_one(decide_content(policy, report, facts))


def spam(score: int) -> Finding:
    return Finding(Category.SPAM, "spam", "model", score)


@pytest.mark.parametrize(
    ("findings", "action", "reason"),
    [
        ((), DELIVER, None),
        ((spam(899),), DELIVER, None),
        ((spam(900),), HOLD, Reason.CONTENT_SPAM),
        ((spam(990),), REJECT, Reason.CONTENT_SPAM),
        ((Finding(Category.MALWARE, "clamd", "Eicar"),), REJECT, Reason.CONTENT_MALWARE),
        ((Finding(Category.ATTACHMENT, "attachments", "macros", place="2/a.docm"),), HOLD, Reason.CONTENT_ATTACHMENT),
        ((Finding(Category.ATTACHMENT, "attachments", "video"),), DELIVER, None),
        ((spam(950), Finding(Category.MALWARE, "x", "y")), REJECT, Reason.CONTENT_MALWARE),
        ((spam(950), Finding(Category.UNSCANNABLE, "mime", "too-deep")), HOLD, Reason.CONTENT_UNSCANNABLE),
        ((Finding(Category.DATA_LOSS, "data", "card-number", 9),), DELIVER, None),
    ],
)
def test_strictest_finding_decides(findings: tuple[Finding, ...], action: ContentAction, reason: Reason | None) -> None:
    decision = decide(POLICY, report(*findings), FACTS)
    assert (decision.action, decision.reason) == (action, reason)


@pytest.mark.parametrize("category", [Category.MALWARE, Category.PHISHING, Category.IMPERSONATION])
def test_what_is_not_sure_is_evidence_only(category: Category) -> None:
    evidence = [Finding(category, "x", f"y{number}", SURE_FROM - 1) for number in range(9)]
    assert decide(POLICY, report(*evidence), FACTS) == ContentDecision(DELIVER)
    sure = decide(POLICY, report(*evidence, Finding(category, "x", "z", SURE_FROM)), FACTS)
    assert (sure.action, sure.context) == (REJECT if category is Category.MALWARE else HOLD, "z")


@pytest.mark.parametrize("category", [Category.UNSCANNABLE, Category.ATTACHMENT, Category.DATA_LOSS, Category.SPAM])
def test_the_others_are_facts_or_counted(category: Category) -> None:
    assert Finding(category, "x", "y", 1).is_sure


def test_a_rule_delivers_what_may_be_malware_but_is_not_sure() -> None:
    evidence = report(Finding(Category.MALWARE, "x", "y", SURE_FROM - 1))
    policy = ScanPolicy(is_on=True, rules=(rule(DELIVER, (INVOICE,)),))
    assert decide(policy, evidence, FACTS).reason is Reason.CONTENT_RULE


def test_data_is_counted_over_the_whole_message() -> None:
    policy = ScanPolicy(is_on=True, data=(DataRule("card-number", 3, REJECT), DataRule("card-number", 2, HOLD)))
    cards = [Finding(Category.DATA_LOSS, "data", "card-number", 1, place=str(n)) for n in range(3)]
    assert decide(policy, report(*cards[:1]), FACTS).action is DELIVER
    assert decide(policy, report(*cards[:2]), FACTS).action is HOLD
    assert decide(policy, report(*cards), FACTS).action is REJECT


def test_nothing_is_done_while_scanning_is_off() -> None:
    found = report(Finding(Category.MALWARE, "x", "y"), failed=("z",))
    assert decide(ScanPolicy(), found, FACTS) == ContentDecision(DELIVER)


@pytest.mark.parametrize(
    ("mode", "action", "defer"),
    [(Degraded.DEFER, DELIVER, True), (Degraded.HOLD, HOLD, False), (Degraded.PASS, DELIVER, False)],
)
def test_silent_scanner_is_never_clean(mode: Degraded, action: ContentAction, defer: bool) -> None:
    decision = decide(ScanPolicy(is_on=True, degraded=mode), report(failed=("clamd",)), FACTS)
    assert decision == ContentDecision(action, Reason.SCANNER_UNAVAILABLE, "clamd", defer)


def test_what_is_refused_or_held_anyway_waits_for_no_scanner() -> None:
    assert decide(POLICY, report(Finding(Category.MALWARE, "x", "y"), failed=("z",)), FACTS).action is REJECT
    held = decide(POLICY, report(spam(950), failed=("z",)), FACTS)
    assert (held.action, held.defer) == (HOLD, False)


def rule(action: ContentAction, *sections: tuple[Condition, ...], **more: object) -> CustomRule:
    return CustomRule("r", 1, action, sections, **more)  # type: ignore[arg-type]


INVOICE = Condition(Field.SUBJECT, Comparison.STARTS, "invoice")
TO_BETA = Condition(Field.RECIPIENT, Comparison.ENDS, "@beta.example")
TO_GAMMA = Condition(Field.RECIPIENT, Comparison.ENDS, "@gamma.example")


def test_all_sections_must_hold_and_one_condition_of_each() -> None:
    both = rule(HOLD, (INVOICE,), (TO_GAMMA, TO_BETA))
    neither = rule(HOLD, (INVOICE,), (TO_GAMMA,))
    assert decide(ScanPolicy(is_on=True, rules=(both,)), report(), FACTS).reason is Reason.CONTENT_RULE
    assert decide(ScanPolicy(is_on=True, rules=(neither,)), report(), FACTS).reason is None


def test_rule_ends_when_it_says_and_can_be_off() -> None:
    for more, expected in (
        ({"ends_at": 1.7e9}, DELIVER),
        ({"ends_at": 1.7e9 + 1}, REJECT),
        ({"is_on": False}, DELIVER),
    ):
        policy = ScanPolicy(is_on=True, rules=(rule(REJECT, (INVOICE,), **more),))
        assert decide(policy, report(), FACTS).action is expected


def test_first_rule_by_priority_decides() -> None:
    late = CustomRule("late", 2, REJECT, ((INVOICE,),))
    early = CustomRule("early", 1, DELIVER, ((TO_BETA,),))
    decision = decide(ScanPolicy(is_on=True, rules=(late, early)), report(spam(990)), FACTS)
    assert decision == ContentDecision(DELIVER, Reason.CONTENT_RULE, "early")


def test_delivering_rule_lets_malware_pass_only_if_it_says_so() -> None:
    malware = report(Finding(Category.MALWARE, "x", "y"))
    assert decide(ScanPolicy(is_on=True, rules=(rule(DELIVER, (INVOICE,)),)), malware, FACTS).action is REJECT
    open_rule = rule(DELIVER, (INVOICE,), may_pass_malware=True)
    assert decide(ScanPolicy(is_on=True, rules=(open_rule,)), malware, FACTS).action is DELIVER


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (Condition(Field.SENDER, Comparison.IS, "ADA@alpha.example"), True),
        (Condition(Field.SENDER, Comparison.IS, "ada@alpha.example", negated=True), False),
        (Condition(Field.SOURCE, Comparison.STARTS, "192.0.2."), True),
        (Condition(Field.SIZE, Comparison.ABOVE, "4999"), True),
        (Condition(Field.SIZE, Comparison.BELOW, "5000"), False),
        (Condition(Field.SIZE, Comparison.IS, "5000"), False),
        (Condition(Field.HEADER, Comparison.CONTAINS, "urgent", header="X-Priority"), True),
        (Condition(Field.HEADER, Comparison.CONTAINS, "urgent", header="X-Other"), False),
        (Condition(Field.ATTACHMENT_NAME, Comparison.ENDS, ".PDF"), True),
        (Condition(Field.ATTACHMENT_KIND, Comparison.IS, "compressed"), True),
    ],
)
def test_conditions(condition: Condition, expected: bool) -> None:
    facts = MessageFacts("ada@alpha.example", (), "192.0.2.1", "", 5_000, 0.0, (("x-priority", "1 (Urgent)"),))
    found = ScanReport(
        attachments=(AttachmentFact("2", "a.pdf", "pdf", (), 1), AttachmentFact("3", "b", "zip", ("compressed",), 1))
    )
    assert holds(condition, found, facts) is expected


@given(
    st.lists(
        st.builds(
            Finding,
            st.sampled_from(Category),
            st.just("s"),
            st.text(max_size=8),
            st.integers(0, 1000),
        )
    ),
    st.lists(st.builds(SpamRule, st.integers(1, 1000), st.sampled_from(ContentAction)), max_size=3),
    st.booleans(),
)
def test_more_findings_never_make_it_milder(findings: list[Finding], rules: list[SpamRule], has_failed: bool) -> None:
    order = [DELIVER, HOLD, REJECT]
    policy = ScanPolicy(is_on=True, degraded=Degraded.HOLD, spam=tuple(rules))
    failed = ("x",) if has_failed else ()
    fewer = decide(policy, report(*findings[:-1], failed=failed), FACTS)
    more = decide(policy, report(*findings, failed=failed), FACTS)
    assert order.index(more.action) >= order.index(fewer.action)


# Recipients that fare differently


def of_recipient(value: str, action: ContentAction, priority: int = 1, *, negated: bool = False) -> CustomRule:
    condition = Condition(Field.RECIPIENT, Comparison.ENDS, value, negated=negated)
    return CustomRule(f"{action.value} {value}", priority, action, ((condition,),))


def decided(
    rules: tuple[CustomRule, ...], recipients: tuple[str, ...], *findings: Finding, failed: tuple[str, ...] = ()
) -> ContentDecision:
    policy = structs.replace(POLICY, rules=rules)
    return decide(policy, report(*findings, failed=failed), replace(FACTS, recipients=recipients))


BOB, CAROL, DAVE = "bob@beta.example", "carol@gamma.example", "dave@BETA.example"


@pytest.mark.parametrize(
    ("recipients", "action", "context"),
    [
        ((BOB,), REJECT, "reject @beta.example"),
        ((BOB, DAVE), REJECT, "reject @beta.example"),
        ((BOB, CAROL), HOLD, "reject @beta.example"),
        ((CAROL, BOB, DAVE), HOLD, "reject @beta.example"),
        ((CAROL,), DELIVER, ""),
    ],
)
def test_message_is_refused_only_if_it_is_for_all_its_recipients(
    recipients: tuple[str, ...], action: ContentAction, context: str
) -> None:
    decision = decided((of_recipient("@beta.example", REJECT),), recipients)
    assert (decision.action, decision.context) == (action, context)


def test_what_one_recipient_may_have_another_does_not_get_by_it() -> None:
    rules = (of_recipient("@beta.example", DELIVER),)
    assert decided(rules, (BOB, DAVE), spam(950)).action is DELIVER
    decision = decided(rules, (BOB, CAROL), spam(950))
    assert (decision.action, decision.reason) == (HOLD, Reason.CONTENT_SPAM)
    assert decided(rules, (BOB, CAROL), spam(990)).action is HOLD
    assert decided(rules, (CAROL,), spam(990)).action is REJECT


def test_rule_for_whoever_is_not_meant_counts_for_each_recipient() -> None:
    rules = (of_recipient("@beta.example", REJECT, negated=True),)
    assert decided(rules, (BOB, DAVE)).action is DELIVER
    assert decided(rules, (BOB, CAROL)).action is HOLD
    assert decided(rules, (CAROL,)).action is REJECT


def test_scanner_without_an_answer_defers_for_all() -> None:
    decision = decided((of_recipient("@beta.example", REJECT),), (BOB, CAROL), failed=("clamd",))
    assert (decision.defer, decision.reason) == (True, Reason.SCANNER_UNAVAILABLE)


@given(
    recipients=st.lists(st.sampled_from((BOB, CAROL, DAVE, "erin@delta.example")), min_size=1, max_size=6),
    actions=st.lists(st.sampled_from((DELIVER, HOLD, REJECT)), min_size=3, max_size=3),
    score=st.integers(0, 1000),
)
def test_together_recipients_fare_no_better_than_the_strictest_alone(
    recipients: list[str], actions: list[ContentAction], score: int
) -> None:
    domains = ("@beta.example", "@gamma.example", ".example")
    rules = tuple(
        of_recipient(domain, action, n) for n, (domain, action) in enumerate(zip(domains, actions, strict=True))
    )
    alone = {decided(rules, (recipient,), spam(score)).action for recipient in recipients}
    together = decided(rules, tuple(recipients), spam(score)).action
    assert together is (alone.pop() if len(alone) == 1 else HOLD)


@given(
    recipients=st.lists(st.sampled_from((BOB, CAROL, DAVE, "erin@delta.example")), min_size=1, max_size=6),
    actions=st.lists(st.sampled_from((DELIVER, HOLD, REJECT)), min_size=3, max_size=3),
    score=st.integers(0, 1000),
)
def test_each_recipient_is_in_the_share_that_it_would_have_alone(
    recipients: list[str], actions: list[ContentAction], score: int
) -> None:
    domains = ("@beta.example", "@gamma.example", ".example")
    rules = tuple(
        of_recipient(domain, action, n) for n, (domain, action) in enumerate(zip(domains, actions, strict=True))
    )
    policy = structs.replace(POLICY, rules=rules)
    shares = decide_content(policy, report(spam(score)), replace(FACTS, recipients=tuple(recipients)))
    assert [share.decision.action for share in shares] == sorted(
        {share.decision.action for share in shares}, key=[DELIVER, HOLD, REJECT].index
    )
    assert sorted(place for share in shares for place in share.places) == list(range(len(recipients)))
    for share in shares:
        for place in share.places:
            assert decided(rules, (recipients[place],), spam(score)).action is share.decision.action


def test_share_says_why() -> None:
    rules = (of_recipient("@beta.example", REJECT), of_recipient("@gamma.example", DELIVER))
    policy = structs.replace(POLICY, rules=rules)
    facts = replace(FACTS, recipients=(CAROL, BOB, DAVE))
    assert decide_content(policy, report(), facts) == (
        Share(ContentDecision(DELIVER, Reason.CONTENT_RULE, "deliver @gamma.example"), (0,)),
        Share(ContentDecision(REJECT, Reason.CONTENT_RULE, "reject @beta.example"), (1, 2)),
    )
