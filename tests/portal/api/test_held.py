"""Held mail by the API."""

from typing import Any

import pytest
from tests.portal.api.conftest import Api, api_of
from tests.portal.web.conftest import People
from tests.support.tracked import accept

from outgate.portal.accounts.keys import Scope
from outgate.portal.held.models import MessageOrder

pytestmark = pytest.mark.django_db(databases="__all__")
HELD: dict[str, Any] = {"lane": "held", "lane_reason": "content-data-loss"}
PATH = "/customers/alpha/held"
DECIDE = "/customers/alpha/messages/decide"


def test_held_mail_is_listed_released_and_listed_with_the_order(alpha: Api) -> None:
    name = accept(1, **HELD)
    accept(2)
    (item,) = alpha.get(PATH).json()["items"]
    assert (item["reference"], item["reason"], item["recipient_count"], item["order"]) == (
        name,
        "content-data-loss",
        1,
        None,
    )
    answer = alpha.send("POST", DECIDE, {"action": "release", "references": [name]})
    assert (answer.status_code, answer.json()) == (
        200,
        {"ordered": 1, "messages": [{"reference": name, "outcome": "ordered"}]},
    )
    assert alpha.get(PATH).json()["items"][0]["order"]["action"] == "release"


def test_pages_and_search(alpha: Api) -> None:
    names = [accept(number, subject=f"Plan {number}", **HELD) for number in range(3)]
    first = alpha.get(PATH, limit=2).json()
    second = alpha.get(PATH, limit=2, cursor=first["next"]).json()
    assert [each["reference"] for each in first["items"] + second["items"]] == names[::-1]
    assert second["next"] is None
    assert len(alpha.get(PATH, text="plan 1").json()["items"]) == 1
    assert alpha.get(PATH, cursor="rubbish").status_code == 422


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"action": "release", "references": ["x"]}, "references"),
        ({"action": "hold", "references": ["T0000000000000"]}, "action"),
        ({"action": "release", "references": []}, "references"),
    ],
)
def test_mistake_is_named_by_its_field_and_ticks_nothing(alpha: Api, body: dict[str, Any], field: str) -> None:
    (error,) = alpha.send("POST", DECIDE, body).json()["errors"]

    assert error["field"] == field
    assert "Tick" not in error["detail"]


def test_slow_mail_is_listed_by_itself(alpha: Api) -> None:
    accept(1, **HELD)
    name = accept(2, lane="slow", lane_reason="over-limit")

    assert [each["reference"] for each in alpha.get(PATH, standing="slow").json()["items"]] == [name]
    assert alpha.get(PATH, standing="lost").json()["errors"][0]["field"] == "standing"


@pytest.mark.parametrize(
    "body",
    [
        {"action": "hold", "references": ["T0000000000000"]},
        {"action": "release", "references": []},
        {"action": "release", "references": ["T0000000000000"] * 101},
        {"action": "release"},
    ],
    ids=["hold", "none", "many", "missing"],
)
def test_mistakes(alpha: Api, body: dict[str, Any]) -> None:
    accept(1, **HELD)
    assert alpha.send("POST", DECIDE, body).status_code == 422
    assert not MessageOrder.objects.exists()


def test_each_message_is_told_of(alpha: Api) -> None:
    fine, dangerous = accept(1, **HELD), accept(2, lane="held", lane_reason="content-malware")
    body = {"action": "release", "references": [dangerous.lower(), "rubbish", fine]}
    told = alpha.send("POST", DECIDE, body).json()
    assert told["ordered"] == 1
    assert [(each["reference"], each["outcome"]) for each in told["messages"]] == [
        (dangerous.lower(), "staff-only"),
        ("rubbish", "unknown"),
        (fine, "ordered"),
    ]
    assert alpha.send("POST", DECIDE, {"action": "release", "references": [dangerous]}).status_code == 422


def test_reading_is_not_deciding(people: People) -> None:
    name = accept(1, **HELD)
    key = api_of(people.admin, Scope.MESSAGES_READ)
    assert key.get(PATH).status_code == 200
    assert key.send("POST", DECIDE, {"action": "delete", "references": [name]}).status_code == 403


def test_mail_of_others_is_not_there(people: People) -> None:
    name = accept(1, **HELD)
    foreign = api_of(people.foreign_admin)
    assert foreign.get(PATH).status_code == 404
    body = {"action": "delete", "references": [name]}
    assert foreign.send("POST", DECIDE, body).status_code == 404
    assert foreign.send("POST", "/customers/beta/messages/decide", body).status_code == 404
    assert not MessageOrder.objects.exists()
