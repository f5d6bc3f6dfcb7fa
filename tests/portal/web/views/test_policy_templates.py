"""Settings > Policies > Templates."""

from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from tests.portal.web.conftest import People, SignedIn
from tests.support.portal import ACTOR
from tests.support.tracked import accept

from outgate.contract.scanning import ContentAction, DataRule, ScanPolicy
from outgate.mail.findings import Category, Finding, ScanReport
from outgate.portal.accounts.models import Right
from outgate.portal.policies.selectors import scan_policy, templates_for
from outgate.portal.policies.services import set_scan_policy
from outgate.portal.policies.templates import keep_template

pytestmark = pytest.mark.django_db(databases="__all__")
PAGE = "/customers/alpha/policies/"
STRICT = ScanPolicy(is_on=True, phishing=ContentAction.REJECT, data=(DataRule("card-number"),))


@pytest.fixture
def staff(people: People, signed_in: SignedIn) -> Client:
    people.staff.rights = [Right.LOGIN_AS.value, Right.POLICIES.value]
    people.staff.save(update_fields=["rights"])
    browser = signed_in(people.staff)
    browser.post("/customers/alpha/login-as/")
    return browser


def test_staff_saves_a_policy_and_a_customer_takes_it(staff: Client, people: People, signed_in: SignedIn) -> None:
    set_scan_policy(actor=ACTOR, customer=people.alpha, policy=STRICT)
    page = staff.post(f"{PAGE}templates/", {"template": "Strict <b>"}, follow=True).content.decode()
    assert "was saved for all customers" in page
    set_scan_policy(actor=ACTOR, customer=people.alpha, policy=ScanPolicy())

    admin = signed_in(people.admin)
    assert "Strict &lt;b&gt;" in admin.get(PAGE).content.decode()
    page = admin.post(f"{PAGE}templates/give/", {"name": "Strict <b>"}, follow=True).content.decode()
    assert "The policy is now that of the template" in page
    assert scan_policy(people.alpha) == STRICT


def test_template_is_tried_before_it_is_taken(people: People, signed_in: SignedIn) -> None:
    keep_template(actor=ACTOR, partner=people.alpha.partner, name="Strict", policy=STRICT)
    cards = ScanReport((Finding(Category.DATA_LOSS, "data-loss", "card-number", 1),), seconds=0.1, action="deliver")
    accept(1, at=timezone.now().timestamp() - 60, report=cards)
    page = signed_in(people.admin).post(f"{PAGE}templates/give/", {"name": "Strict", "do": "try"}).content.decode()
    assert "1 would have been held" in page
    assert scan_policy(people.alpha) == ScanPolicy()


def test_name_is_asked_beside_its_field(staff: Client) -> None:
    answer = staff.post(f"{PAGE}templates/", {"template": ""})
    assert answer.status_code == 422
    assert "template-template" in answer.content.decode()


def test_templates_are_changed_by_staff_alone(staff: Client, people: People, signed_in: SignedIn) -> None:
    keep_template(actor=ACTOR, partner=people.alpha.partner, name="Strict", policy=STRICT)
    admin = signed_in(people.admin)
    for path, data in (("templates/", {"template": "Mine"}), ("templates/remove/", {"name": "Strict"})):
        assert admin.post(f"{PAGE}{path}", data).status_code == 404
    viewer = signed_in(people.viewer)
    assert viewer.post(f"{PAGE}templates/give/", {"name": "Strict"}).status_code == 403
    assert [each.name for each in templates_for(people.alpha)] == ["Strict"]
    staff.post(f"{PAGE}templates/remove/", {"name": "Strict"})
    assert templates_for(people.alpha) == []


def test_templates_of_another_partner_are_not_there(people: People, signed_in: SignedIn) -> None:
    keep_template(actor=ACTOR, partner=people.alpha.partner, name="Strict", policy=STRICT)
    foreign: Any = signed_in(people.foreign_admin)
    assert "Strict" not in foreign.get("/customers/beta/policies/").content.decode()
    assert foreign.post("/customers/beta/policies/templates/give/", {"name": "Strict"}).status_code == 404


def test_staff_without_the_right_keeps_none(people: People, signed_in: SignedIn) -> None:
    people.staff.rights = [Right.LOGIN_AS.value]
    people.staff.save(update_fields=["rights"])
    browser = signed_in(people.staff)
    browser.post("/customers/alpha/login-as/")
    assert browser.post(f"{PAGE}templates/", {"template": "Mine"}).status_code == 404
