"""What a customer wants of scanning: taken, kept, told to the workers."""

import pytest
from tests.support.portal import ACTOR, customer, living_document, newest

from outgate.contract.scanning import (
    BannedRule,
    Comparison,
    Condition,
    ContentAction,
    CustomRule,
    DataRule,
    Field,
    ScanPolicy,
    SpamRule,
)
from outgate.mail.findings import AttachmentGroup
from outgate.portal.accounts.models import AuditEntry
from outgate.portal.errors import Invalid
from outgate.portal.policies.models import ScanSettings
from outgate.portal.policies.selectors import scan_policy
from outgate.portal.policies.services import set_scan_policy
from outgate.portal.policies.validation import check_policy, pattern_error

pytestmark = pytest.mark.django_db(databases="__all__")

SUBJECT = Condition(Field.SUBJECT, Comparison.CONTAINS, "offer")
POLICY = ScanPolicy(
    is_on=True,
    banned=(BannedRule(AttachmentGroup.MACROS, ContentAction.HOLD),),
    data=(DataRule("card-number", 3),),
    words=("Project Falcon",),
    patterns=(r"INV-\d{6}",),
    people=("Ada Byron <ada@example.com>",),
    rules=(CustomRule("offers", 1, ContentAction.HOLD, ((SUBJECT,),)),),
)


def test_policy_is_kept_and_told_to_the_workers() -> None:
    made = customer("Alpha")
    assert not scan_policy(made).is_on
    set_scan_policy(actor=ACTOR, customer=made, policy=POLICY)
    assert scan_policy(made) == POLICY
    assert living_document(made).scanning == POLICY
    entry = AuditEntry.objects.latest("pk")
    assert (entry.action, entry.detail["on"]) == ("policy.changed", True)
    assert "rules" in entry.detail["changed"]


def test_same_policy_again_changes_nothing() -> None:
    made = customer("Alpha")
    set_scan_policy(actor=ACTOR, customer=made, policy=POLICY)
    before = newest()
    set_scan_policy(actor=ACTOR, customer=made, policy=POLICY)
    assert newest() == before


def test_only_what_differs_is_stored_so_that_defaults_are_followed() -> None:
    made = customer("Alpha")
    set_scan_policy(actor=ACTOR, customer=made, policy=ScanPolicy(is_on=True))
    assert ScanSettings.objects.get(customer=made).policy == {"is_on": True}


@pytest.mark.parametrize(
    ("policy", "field"),
    [
        (ScanPolicy(spam=(SpamRule(0, ContentAction.HOLD),)), "spam[0].score"),
        (ScanPolicy(spam=(SpamRule(5, ContentAction.HOLD),) * 2), "spam"),
        (ScanPolicy(banned=(BannedRule(AttachmentGroup.HTML),) * 2), "banned"),
        (ScanPolicy(data=(DataRule("shoe-size"),)), "data[0].name"),
        (ScanPolicy(data=(DataRule("iban", 0),)), "data[0].count"),
        (ScanPolicy(words=(" ",)), "words[0]"),
        (ScanPolicy(words=("x",) * 1_001), "words"),
        (ScanPolicy(patterns=("(",)), "patterns[0]"),
        (ScanPolicy(patterns=("a*",)), "patterns[0]"),
        (ScanPolicy(people=("Ada",)), "people[0]"),
        (ScanPolicy(rules=(CustomRule("", 1, ContentAction.HOLD, ((SUBJECT,),)),)), "rules[0].name"),
        (ScanPolicy(rules=(CustomRule("r", 1, ContentAction.HOLD, ()),)), "rules[0].sections"),
        (ScanPolicy(rules=(CustomRule("r", 1, ContentAction.HOLD, ((),)),)), "rules[0].sections"),
        (ScanPolicy(rules=(CustomRule("r", 1, ContentAction.HOLD, ((SUBJECT,),)),) * 2), "rules"),
        (
            ScanPolicy(
                rules=(CustomRule("r", 1, ContentAction.HOLD, ((Condition(Field.SIZE, Comparison.IS, "5"),),)),)
            ),
            "rules[0].sections[0][0].comparison",
        ),
        (
            ScanPolicy(
                rules=(CustomRule("r", 1, ContentAction.HOLD, ((Condition(Field.SIZE, Comparison.ABOVE, "x"),),)),)
            ),
            "rules[0].sections[0][0].value",
        ),
        (
            ScanPolicy(
                rules=(CustomRule("r", 1, ContentAction.HOLD, ((Condition(Field.HEADER, Comparison.IS, "x"),),)),)
            ),
            "rules[0].sections[0][0].header",
        ),
    ],
)
def test_mistakes_name_their_field(policy: ScanPolicy, field: str) -> None:
    with pytest.raises(Invalid) as caught:
        check_policy(policy)
    assert caught.value.field == field


def test_patterns_that_scanners_do_not_take_are_refused_here() -> None:
    assert pattern_error(r"INV-\d{6}") == ""
    for pattern in ("", "x" * 501, "(", r"(?=a)", r"(?=look)", r"\1", "a{1,100000}"):
        assert pattern_error(pattern)
