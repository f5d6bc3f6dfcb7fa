"""The policy for content by the API."""

from typing import Any

import pytest
from django.utils import timezone
from tests.portal.api.conftest import Api, api_of
from tests.portal.web.conftest import People
from tests.support.portal import living_document
from tests.support.tracked import accept

from outgate.contract.scanning import Comparison, Condition, ContentAction, CustomRule, DataRule, Field, ScanPolicy
from outgate.mail.findings import Category, Finding, ScanReport
from outgate.portal.accounts.keys import Scope
from outgate.portal.policies.selectors import scan_policy

pytestmark = pytest.mark.django_db(databases="__all__")
PATH = "/customers/alpha/policy"
RULE = {
    "name": "offers",
    "priority": 1,
    "action": "hold",
    "sections": [[{"field": "subject", "comparison": "contains", "value": "offer"}]],
}


def test_defaults_are_those_of_the_relay(alpha: Api, people: People) -> None:
    shown = alpha.get(PATH).json()
    assert (shown["is_on"], shown["malware"], shown["banned"]) == (
        False,
        "reject",
        [{"group": "executable", "action": "reject"}],
    )
    assert shown["spam"] == [{"score": 900, "action": "hold"}, {"score": 990, "action": "reject"}]
    assert alpha.send("PUT", PATH, {"is_on": True}).status_code == 200
    assert living_document(people.alpha).scanning == ScanPolicy(is_on=True)


def test_policy_goes_in_whole_and_comes_out_the_same(alpha: Api, people: People) -> None:
    body = {"is_on": True, "data": [{"name": "card-number", "count": 3}], "words": ["Falcon"], "rules": [RULE]}
    first = alpha.send("PUT", PATH, body)
    assert first.status_code == 200, first.content
    policy = scan_policy(people.alpha)
    assert policy.data == (DataRule("card-number", 3),)
    condition = Condition(Field.SUBJECT, Comparison.CONTAINS, "offer")
    assert policy.rules == (CustomRule("offers", 1, ContentAction.HOLD, ((condition,),)),)
    again = alpha.send("PUT", PATH, first.json())
    assert again.json() == first.json() == alpha.get(PATH).json()
    assert scan_policy(people.alpha) == policy


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"malware": "eat"}, "malware"),
        ({"data": [{"name": "shoe-size"}]}, "data[0].name"),
        ({"patterns": ["("]}, "patterns[0]"),
        ({"spam": [{"score": 0, "action": "hold"}]}, "score"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_mistake_names_its_field(alpha: Api, people: People, body: dict[str, Any], field: str) -> None:
    for method, path in (("PUT", PATH), ("POST", f"{PATH}/try")):
        answer = alpha.send(method, path, body)
        assert answer.status_code == 422, answer.content
        assert any(field in each["field"] for each in answer.json()["errors"]), answer.content
    assert scan_policy(people.alpha) == ScanPolicy()


def test_draft_is_tried_on_past_mail(alpha: Api, people: People) -> None:
    cards = Finding(Category.DATA_LOSS, "data-loss", "card-number", 3)
    at = timezone.now().timestamp() - 60
    name = accept(1, at=at, report=ScanReport((cards,), seconds=0.1, action="deliver"))
    answer = alpha.send("POST", f"{PATH}/try", {"is_on": True, "data": [{"name": "card-number"}], "words": ["new"]})
    found = answer.json()
    assert answer.status_code == 200
    assert (found["looked_at"], found["changed"], found["sender_count"]) == (1, {"hold": 1}, 1)
    assert [each["reference"] for each in found["examples"]] == [name]
    assert found["blind"] == ["own words and patterns that are new"]
    assert scan_policy(people.alpha) == ScanPolicy()


def test_trying_needs_the_right_to_see_mail(people: People) -> None:
    key = api_of(people.admin, Scope.CUSTOMERS_READ)
    assert key.get(PATH).status_code == 200
    assert key.send("POST", f"{PATH}/try", {}).status_code == 403
    assert key.send("PUT", PATH, {}).status_code == 403
