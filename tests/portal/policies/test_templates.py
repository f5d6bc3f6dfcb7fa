"""A partner's templates of policies."""

import pytest
from tests.support.portal import ACTOR, customer, living_document, partner

from outgate.contract.scanning import Comparison, Condition, ContentAction, CustomRule, Field, ScanPolicy
from outgate.portal.accounts.models import AuditEntry
from outgate.portal.customers.models import Customer
from outgate.portal.errors import Invalid, NotFound
from outgate.portal.policies import templates as module
from outgate.portal.policies.models import PolicyTemplate
from outgate.portal.policies.selectors import scan_policy, template_for, template_policy, templates_for
from outgate.portal.policies.services import set_scan_policy
from outgate.portal.policies.templates import give_template, keep_template, remove_template

pytestmark = pytest.mark.django_db(databases="__all__")


def rule(name: str, action: ContentAction = ContentAction.HOLD) -> CustomRule:
    condition = Condition(Field.SUBJECT, Comparison.CONTAINS, name)
    return CustomRule(name, 1, action, ((condition,),))


STRICT = ScanPolicy(is_on=True, phishing=ContentAction.REJECT, people=("A <a@a.example>",), rules=(rule("both"),))


def kept(made: Customer, name: str = "Strict", policy: ScanPolicy = STRICT) -> PolicyTemplate:
    return keep_template(actor=ACTOR, partner=made.partner, name=name, policy=policy)


def test_template_is_kept_without_people_and_replaced_by_its_name() -> None:
    made = customer("Alpha")
    assert template_policy(kept(made)).people == ()
    kept(made, policy=ScanPolicy(is_on=True))
    (only,) = templates_for(made)
    assert template_policy(only) == ScanPolicy(is_on=True)
    assert AuditEntry.objects.filter(action="policy-template.kept").count() == 2


def test_customer_that_is_given_it_keeps_people_and_other_rules() -> None:
    made = customer("Alpha")
    own = ScanPolicy(
        people=("B <b@b.example>",), words=("Falcon",), rules=(rule("both", ContentAction.DELIVER), rule("own"))
    )
    set_scan_policy(actor=ACTOR, customer=made, policy=own)
    give_template(actor=ACTOR, customer=made, template=kept(made))
    policy = scan_policy(made)
    assert (policy.is_on, policy.phishing, policy.people, policy.words) == (
        True,
        ContentAction.REJECT,
        own.people,
        (),
    )
    assert policy.rules == (rule("both"), rule("own"))
    assert living_document(made).scanning == policy


def test_template_is_of_one_partner_only() -> None:
    made, other = customer("Alpha"), customer("Beta")
    other.partner = partner("other")
    kept(made)
    assert templates_for(other) == []
    with pytest.raises(NotFound):
        template_for(other, "Strict")
    remove_template(actor=ACTOR, template=template_for(made, "Strict"))
    assert templates_for(made) == []


@pytest.mark.parametrize("name", ["", " ", "x" * 101, "a\nb"])
def test_name_that_is_none(name: str) -> None:
    with pytest.raises(Invalid, match="needs a name"):
        kept(customer("Alpha"), name=name)


def test_partner_has_so_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TEMPLATES_MAX", 1)
    made = customer("Alpha")
    kept(made)
    kept(made)
    with pytest.raises(Invalid, match="Remove one first"):
        kept(made, name="Other")


def test_customer_called_as_a_partner_sees_nothing_of_its_templates() -> None:
    made = customer("Other")
    other = customer(made.partner.name)
    kept(made)

    assert other.slug == made.partner.name
    assert AuditEntry.objects.get(action="policy-template.kept").customer == ""
