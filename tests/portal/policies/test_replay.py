"""A draft is tried on past mail."""

import itertools
from datetime import timedelta
from typing import Any

import pytest
from tests.support.tracked import AT, NOW, accept, refuse

from outgate.contract.scanning import (
    BannedRule,
    Comparison,
    Condition,
    ContentAction,
    CustomRule,
    DataRule,
    Field,
    ScanPolicy,
)
from outgate.mail.findings import AttachmentFact, AttachmentGroup, Category, Finding, ScanReport
from outgate.portal.customers.models import Customer
from outgate.portal.policies import replay as module
from outgate.portal.policies.replay import Replay, replay

pytestmark = pytest.mark.django_db(databases="__all__")

CLEAN = ScanReport(seconds=0.01, action="deliver")
CARDS = ScanReport((Finding(Category.DATA_LOSS, "data-loss", "card-number", 3),), seconds=0.01, action="deliver")
ON = ScanPolicy(is_on=True)
NO_CARDS = ScanPolicy(is_on=True, data=(DataRule("card-number", 2),))


def tried(draft: ScanPolicy, before: ScanPolicy = ON, **more: Any) -> Replay:
    return replay(Customer(slug="alpha"), draft, before, now=NOW, **more)


def test_what_would_have_been_held_is_told_by_sender() -> None:
    accept(1, report=CLEAN)
    for number in range(2, 5):
        accept(number, report=CARDS, reverse_path="a@alpha.example")
    accept(5, report=CARDS, reverse_path="b@alpha.example")
    accept(6, customer="other", report=CARDS)
    found = tried(NO_CARDS)
    assert (found.looked_at, found.unscanned, found.changes) == (5, 0, 4)
    assert found.outcomes == {"deliver": 1, "hold": 4}
    assert found.busiest == [("a@alpha.example", 3), ("b@alpha.example", 1)]
    newest = found.examples[0]
    assert (newest.subject, newest.before, newest.after, newest.reason) == (
        "Number 5",
        "deliver",
        "hold",
        "content-data-loss",
    )
    assert tried(ON).changes == 0


def test_refused_mail_would_have_been_let_go() -> None:
    found = ScanReport(
        (Finding(Category.ATTACHMENT, "attachments", "executable", place="1/a.exe"),),
        (AttachmentFact("1", "a.exe", "windows-program", ("executable",), 10),),
        action="reject",
        reason="content-attachment",
    )
    refuse(1, report=found)
    result = tried(ScanPolicy(is_on=True, banned=()))
    assert result.changed == {"deliver": 1}
    assert result.examples[0].before == "reject"
    macros = ScanPolicy(is_on=True, banned=(BannedRule(AttachmentGroup.EXECUTABLE, ContentAction.HOLD),))
    assert tried(macros).changed == {"hold": 1}


def test_own_rules_see_sender_recipient_subject_source_size_and_attachment() -> None:
    report = ScanReport(attachments=(AttachmentFact("1", "Plan.pdf", "pdf", (), 10),), action="deliver", seconds=0.1)
    accept(1, report=report, subject="Secret plan", paths=("x@else.example",))
    conditions = [
        (Field.SENDER, Comparison.CONTAINS, "alpha"),
        (Field.RECIPIENT, Comparison.ENDS, "@else.example"),
        (Field.SUBJECT, Comparison.STARTS, "secret"),
        (Field.SOURCE, Comparison.IS, "9.9.9.9"),
        (Field.SIZE, Comparison.ABOVE, "1000"),
        (Field.ATTACHMENT_NAME, Comparison.IS, "plan.pdf"),
        (Field.ATTACHMENT_KIND, Comparison.IS, "pdf"),
    ]
    rule = CustomRule("r", 1, ContentAction.REJECT, tuple((Condition(*each),) for each in conditions))
    assert tried(ScanPolicy(is_on=True, rules=(rule,))).changed == {"reject": 1}


def test_what_nobody_looked_at_is_told_apart() -> None:
    accept(1)
    found = tried(NO_CARDS)
    assert (found.looked_at, found.unscanned, found.changes) == (0, 1, 0)


def test_what_cannot_be_tried_is_said() -> None:
    header = Condition(Field.HEADER, Comparison.CONTAINS, "x", "X-Mailer")
    rule = CustomRule("r", 1, ContentAction.HOLD, ((header,),))
    draft = ScanPolicy(is_on=True, words=("Falcon",), people=("A <a@alpha.example>",), rules=(rule,))
    assert len(tried(draft).blind) == 3
    assert tried(draft, before=draft).blind == ("conditions on header fields",)


def test_old_mail_and_mail_behind_the_bounds_is_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    accept(1, at=AT - timedelta(days=module.DAYS + 1).total_seconds(), report=CARDS)
    assert tried(NO_CARDS).looked_at == 0
    for number in range(2, 8):
        accept(number, report=CARDS)
    monkeypatch.setattr(module, "STRETCH", 2)
    assert (tried(NO_CARDS).looked_at, tried(NO_CARDS).is_cut) == (6, False)
    ticks = itertools.count(step=module.SECONDS)
    late = tried(NO_CARDS, clock=lambda: next(ticks))
    assert (late.looked_at, late.is_cut) == (2, True)
    monkeypatch.setattr(module, "MESSAGES_MAX", 4)
    cut = tried(NO_CARDS)
    assert (cut.looked_at, cut.is_cut) == (4, True)


def test_report_of_another_version_is_read_as_far_as_it_is_known() -> None:
    stored = {"findings": [{"category": "telepathy", "name": "x"}, {"category": "spam"}], "attachments": [{}]}
    report = module.report_of(stored)
    assert [finding.category for finding in report.findings] == [Category.SPAM]
    assert len(report.attachments) == 1
