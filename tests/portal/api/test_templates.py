"""Templates of policies by the API."""

import pytest
from tests.portal.api.conftest import Api, api_of
from tests.portal.web.conftest import People
from tests.support.portal import ACTOR, customer

from outgate.contract.scanning import ContentAction, ScanPolicy
from outgate.portal.accounts.caller import Caller
from outgate.portal.accounts.keys import Scope, scopes_of
from outgate.portal.accounts.models import AuditEntry
from outgate.portal.policies.models import PolicyTemplate
from outgate.portal.policies.selectors import scan_policy
from outgate.portal.policies.services import set_scan_policy
from outgate.portal.policies.templates import keep_template

pytestmark = pytest.mark.django_db(databases="__all__")
PATH = "/customers/alpha/policy/templates"
STRICT = ScanPolicy(is_on=True, phishing=ContentAction.REJECT, people=("Ann <ann@alpha.example>",))
NAME = "Strict / 1"  # which no path could have


def test_staff_keeps_a_policy_and_another_customer_is_given_it(people: People) -> None:
    customer("Gamma")
    set_scan_policy(actor=ACTOR, customer=people.alpha, policy=STRICT)
    staff = api_of(people.staff)

    kept = staff.send("POST", PATH, {"name": NAME})
    assert (kept.status_code, kept.json()["policy"]["phishing"], kept.json()["policy"]["people"]) == (201, "reject", [])
    other = "/customers/gamma/policy/templates"
    assert staff.get(other).json() == {"items": [kept.json()], "next": None}
    tried = staff.send("POST", f"{other}/try", {"name": NAME})
    assert (tried.status_code, tried.json()["looked_at"]) == (200, 0)
    assert staff.get("/customers/gamma/policy").json()["is_on"] is False
    given = staff.send("POST", f"{other}/give", {"name": NAME}).json()
    assert given == staff.get("/customers/gamma/policy").json()
    assert (given["is_on"], given["phishing"]) == (True, "reject")


def test_customer_is_given_one_and_keeps_its_people(alpha: Api, people: People) -> None:
    keep_template(actor=ACTOR, partner=people.alpha.partner, name=NAME, policy=STRICT)
    set_scan_policy(actor=ACTOR, customer=people.alpha, policy=ScanPolicy(people=("Bob <bob@alpha.example>",)))

    assert alpha.send("POST", f"{PATH}/give", {"name": NAME}).json()["people"] == ["Bob <bob@alpha.example>"]
    assert scan_policy(people.alpha).phishing is ContentAction.REJECT


def test_template_of_another_partner_is_absent(alpha: Api, people: People) -> None:
    keep_template(actor=ACTOR, partner=people.beta.partner, name=NAME, policy=STRICT)

    for work in ("give", "try"):
        assert alpha.send("POST", f"{PATH}/{work}", {"name": NAME}).status_code == 404
    assert api_of(people.staff).send("DELETE", f"{PATH}?name=Strict%20/%201").status_code == 404
    assert alpha.get(PATH).json()["items"] == []
    assert PolicyTemplate.objects.count() == 1


def test_customers_keys_keep_and_remove_none(people: People) -> None:
    keep_template(actor=ACTOR, partner=people.alpha.partner, name=NAME, policy=STRICT)
    assert Scope.TEMPLATES_WRITE not in scopes_of(Caller.of_user(people.admin))
    alpha = api_of(people.admin)

    assert alpha.send("POST", PATH, {"name": "Mine"}).json()["code"] == "scope-missing"
    assert alpha.send("DELETE", f"{PATH}?name=Strict%20/%201").json()["code"] == "scope-missing"
    assert PolicyTemplate.objects.count() == 1


def test_removed_template_is_gone_and_the_log_is_the_partners(people: People) -> None:
    staff = api_of(people.staff)
    staff.send("POST", PATH, {"name": NAME})

    assert staff.send("DELETE", f"{PATH}?name=Strict%20/%201").status_code == 204
    assert staff.send("DELETE", f"{PATH}?name=Strict%20/%201").status_code == 404
    entry = AuditEntry.objects.latest("number")
    assert (entry.action, entry.partner_id, entry.customer) == (
        "policy-template.removed",
        people.alpha.partner_id,
        "",
    )


@pytest.mark.parametrize("name", ["", " ", "a" * 101, "a\nb"])
def test_name_that_is_none_is_refused_by_its_field(people: People, name: str) -> None:
    answer = api_of(people.staff).send("POST", PATH, {"name": name})

    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "name")
