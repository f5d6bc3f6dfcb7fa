"""Settings > Policies."""

from typing import Any

import pytest
from django.utils import timezone
from tests.portal.web.conftest import People, SignedIn
from tests.support.portal import ACTOR, living_document
from tests.support.tracked import accept

from outgate.contract.scanning import Comparison, ContentAction, Degraded, Field, ScanPolicy
from outgate.mail.findings import AttachmentGroup, Category, Finding, ScanReport
from outgate.portal.accounts.models import AuditEntry
from outgate.portal.policies.selectors import scan_policy
from outgate.portal.policies.services import set_scan_policy
from outgate.portal.policies.validation import DATA_KINDS

pytestmark = pytest.mark.django_db(databases="__all__")
PAGE = "/customers/alpha/policies/"


@pytest.fixture
def browser(people: People, signed_in: SignedIn) -> Any:
    return signed_in(people.admin)


def form(**changed: str) -> dict[str, str]:
    filled = {
        "is_on": "on", "degraded": "defer", "malware": "reject", "phishing": "hold", "impersonation": "hold",
        "unscannable": "hold", "spam_hold": "900", "spam_reject": "990", "words": "", "patterns": "", "people": "",
        **{f"banned-{group.value}": "deliver" for group in AttachmentGroup},
        **{f"count-{name}": "1" for name in DATA_KINDS},
        **{f"data-{name}": "deliver" for name in DATA_KINDS},
        "banned-executable": "reject",
    }  # fmt: skip
    return {**filled, **changed}


def test_defaults_are_saved_as_defaults(browser: Any, people: People) -> None:
    assert browser.post(PAGE, form()).status_code == 302
    assert scan_policy(people.alpha) == ScanPolicy(is_on=True)
    assert living_document(people.alpha).scanning.is_on


def test_everything_is_taken_shown_and_told_to_the_workers(browser: Any, people: People) -> None:
    page = browser.post(
        PAGE,
        form(
            **{"degraded": "hold", "malware": "hold", "spam_hold": "800", "spam_reject": "", "banned-macros": "hold"},
            **{"data-card-number": "reject", "count-card-number": "3", "data-words": "hold"},
            words="Project Falcon\n\n geheim \nProject Falcon",
            patterns=r"INV-\d{6}",
            people="Ada Byron <ada@example.com>",
        ),
        follow=True,
    ).content.decode()
    policy = living_document(people.alpha).scanning
    assert policy.degraded is Degraded.HOLD
    assert policy.malware is ContentAction.HOLD
    assert [(rule.score, rule.action.value) for rule in policy.spam] == [(800, "hold")]
    assert {rule.group.value for rule in policy.banned} == {"macros", "executable"}
    assert [(rule.name, rule.count, rule.action.value) for rule in policy.data] == [
        ("card-number", 3, "reject"),
        ("words", 1, "hold"),
    ]
    assert policy.words == ("Project Falcon", "geheim")
    assert "The policy was saved." in page
    assert "Ada Byron &lt;ada@example.com&gt;" in page


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"spam_hold": "5000"}, "policy-spam_hold"),
        ({"spam_hold": "900", "spam_reject": "900"}, "policy-spam_reject"),
        ({"spam_hold": "x"}, "policy-spam_hold"),
        ({"patterns": "INV-\n("}, "policy-patterns"),
        ({"people": "Ada"}, "policy-people"),
        ({"malware": "eat"}, "policy-malware"),
        ({"words": "x" * 300}, "policy-words"),
    ],
)
def test_mistake_stands_beside_its_field_and_what_was_typed_stays(
    browser: Any, people: People, changed: dict[str, str], field: str
) -> None:
    answer = browser.post(PAGE, form(**changed, **({} if "words" in changed else {"words": "kept"})))
    page = answer.content.decode()
    assert answer.status_code == 422
    assert f'id="{field}-error"' in page
    assert "words" in changed or "kept" in page
    assert not scan_policy(people.alpha).is_on


def test_count_that_is_none_is_told_in_its_row(browser: Any) -> None:
    answer = browser.post(PAGE, form(**{"data-iban": "hold", "count-iban": "many"}))
    assert answer.status_code == 422
    assert "is not a number" in answer.content.decode()


RULE = {
    "name": "Offers", "priority": "5", "action": "hold", "ends_on": "2030-01-31", "field1": "subject",
    "comparison1": "contains", "value1": "offer", "field2": "header", "header2": "X-Mailer", "comparison2": "is",
    "value2": "Bulk", "negated2": "on", "field3": "sender", "comparison3": "is", "value3": "",
}  # fmt: skip


def test_rule_is_added_shown_and_removed(browser: Any, people: People) -> None:
    browser.post(PAGE, form())
    page = browser.post(f"{PAGE}rules/", RULE, follow=True).content.decode()
    assert "Subject contains &#x27;offer&#x27;; and X-Mailer does not: is &#x27;Bulk&#x27;" in page
    [rule] = scan_policy(people.alpha).rules
    assert (rule.name, rule.priority, len(rule.sections)) == ("Offers", 5, 2)
    assert rule.sections[0][0].field is Field.SUBJECT
    assert rule.sections[1][0].comparison is Comparison.IS
    assert rule.ends_at > 0
    assert scan_policy(people.alpha).is_on
    browser.post(PAGE, form(malware="hold"))
    assert len(scan_policy(people.alpha).rules) == 1  # the other form leaves rules alone
    assert browser.post(f"{PAGE}rules/remove/", {"name": "Offers"}).status_code == 302
    assert scan_policy(people.alpha).rules == ()
    assert browser.post(f"{PAGE}rules/remove/", {"name": "Offers"}).status_code == 404


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"value1": "", "value2": ""}, "rule-value1"),
        ({"name": ""}, "rule-name"),
        ({"priority": "x"}, "rule-priority"),
        ({"ends_on": "soon"}, "rule-ends_on"),
        ({"field1": "size", "comparison1": "is", "value1": "5"}, "rule-comparison"),
    ],
)
def test_mistake_in_a_rule_stands_in_the_page(browser: Any, changed: dict[str, str], field: str) -> None:
    answer = browser.post(f"{PAGE}rules/", {**RULE, **changed})
    assert answer.status_code == 422
    page = answer.content.decode()
    assert f'id="{field}' in page
    assert "field-error" in page or "alert-danger" in page


def test_viewer_sees_and_changes_nothing(people: People, signed_in: SignedIn) -> None:
    viewer = signed_in(people.viewer)
    page = viewer.get(PAGE).content.decode()
    assert "disabled" in page
    assert "Save policy" not in page
    assert viewer.post(PAGE, form()).status_code == 403


def test_draft_is_tried_on_past_mail_and_not_saved(browser: Any, people: People) -> None:
    cards = Finding(Category.DATA_LOSS, "data-loss", "card-number", 3)
    at = timezone.now().timestamp() - 60
    accept(1, at=at, report=ScanReport((cards,), seconds=0.1, action="deliver"), subject="Numbers <script>")
    accept(2, at=at)
    draft = form(**{"data-card-number": "hold", "words": "typed"}, do="try")
    answer = browser.post(PAGE, draft)
    page = answer.content.decode()
    assert answer.status_code == 200
    assert "1 of 1 message would have fared otherwise" in page
    assert "1 would have been held" in page
    assert "Numbers &lt;script&gt;" in page
    assert "1 message went by unscanned" in page
    assert "own words and patterns that are new" in page
    assert ">typed</textarea>" in page
    assert scan_policy(people.alpha) == ScanPolicy()
    assert not AuditEntry.objects.filter(action="policy.changed").exists()


def test_rule_is_tried_on_past_mail_and_not_added(browser: Any, people: People) -> None:
    accept(1, at=timezone.now().timestamp() - 60, report=ScanReport(seconds=0.1, action="deliver"))
    set_scan_policy(actor=ACTOR, customer=people.alpha, policy=ScanPolicy(is_on=True))
    rule = {
        "name": "r", "priority": "1", "action": "reject", "field1": "subject", "comparison1": "contains",
        "value1": "number", "do": "try",
    }  # fmt: skip
    page = browser.post(f"{PAGE}rules/", rule).content.decode()
    assert "1 would have been rejected" in page
    assert scan_policy(people.alpha).rules == ()


def test_mistake_in_a_draft_is_told_as_on_saving(browser: Any) -> None:
    answer = browser.post(PAGE, form(spam_hold="5000", do="try"))
    assert answer.status_code == 422
    assert "policy-spam_hold" in answer.content.decode()
    assert "There is no mail to try it on" in browser.post(PAGE, form(do="try")).content.decode()


def test_who_may_only_look_tries_nothing(people: People, signed_in: SignedIn) -> None:
    assert signed_in(people.viewer).post(PAGE, form(do="try")).status_code == 403
