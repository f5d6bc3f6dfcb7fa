"""The tracker by the API."""

import time

import pytest
from tests.portal.api.conftest import Api, api_of
from tests.portal.web.conftest import People
from tests.support.tracked import accept, attempt, refuse

from outgate.portal.accounts.keys import Scope
from outgate.portal.accounts.models import AuditEntry, CustomerAccess

pytestmark = pytest.mark.django_db(databases="__all__")
LIST = "/customers/alpha/messages"


def test_messages_come_in_pages_newest_first(alpha: Api) -> None:
    names = [accept(number, at=time.time() - 30) for number in range(3)]

    first = alpha.get(LIST, limit=2).json()
    second = alpha.get(LIST, limit=2, cursor=first["next"]).json()
    assert [item["reference"] for item in first["items"] + second["items"]] == names[::-1]
    assert (second["next"], second["searched_to"]) == (None, None)


def test_filters_are_those_of_the_page(alpha: Api) -> None:
    accept(1, at=time.time() - 30, subject="Hello")
    name = refuse(2, at=time.time() - 30)

    found = alpha.get(LIST, status="refused", source="9.9.").json()["items"]
    assert [(item["reference"], item["reason"], item["recipient_count"]) for item in found] == [
        (name, "sender-not-registered", 1)
    ]


@pytest.mark.parametrize(
    ("query", "field"),
    [({"status": "odd"}, "status"), ({"since": "soon"}, "since"), ({"subject": "x" * 400}, "subject")],
)
def test_wrong_filters_are_named(query: dict[str, str], field: str, alpha: Api) -> None:
    answer = alpha.get(LIST, **query)

    assert answer.status_code == 422
    assert [each["field"] for each in answer.json()["errors"]] == [field]


def test_strange_cursor_is_refused(alpha: Api) -> None:
    assert alpha.get(LIST, cursor="YWJj").status_code == 422


def test_one_message_with_what_happened(alpha: Api) -> None:
    name = accept(1)
    attempt(name, ("b@b.example", "failed", "550 5.1.1 unknown"), reason="next-hop-refused", is_final=True)

    told = alpha.get(f"{LIST}/{name}").json()
    assert (told["status"], told["reasons"], told["is_final"]) == ("failed", ["domain-own", "next-hop-refused"], True)
    assert told["recipients"][0]["reply"] == "550 5.1.1 unknown"
    assert [(step["kind"], step["attempt"]) for step in told["steps"]] == [("accepted", None), ("attempt", 1)]
    assert told["steps"][1]["outcomes"] == [
        {"outcome": "failed", "reply": "550 5.1.1 unknown", "recipients": ["b@b.example"], "more": 0}
    ]


def test_foreign_messages_are_absent(people: People, alpha: Api) -> None:
    foreign = accept(1, customer="beta")

    assert alpha.get(f"{LIST}/{foreign}").status_code == 404
    assert alpha.get("/customers/beta/messages").status_code == 404
    assert alpha.get(f"/customers/beta/messages/{foreign}").status_code == 404
    CustomerAccess.objects.create(customer=people.alpha, partner_management=False)
    assert api_of(people.staff).get(LIST).status_code == 404


def test_staff_finds_a_message_by_its_reference_alone(people: People, alpha: Api) -> None:
    own, foreign, nobodys = accept(1), accept(2, customer="beta"), accept(3, customer="")
    staff, operator = api_of(people.staff), api_of(people.operator)

    assert staff.get(f"/messages/{own.lower()}").json()["customer"] == "alpha"
    assert AuditEntry.objects.latest("number").object == f"alpha/{own}"
    assert [staff.get(f"/messages/{name}").status_code for name in (foreign, nobodys)] == [404, 404]
    assert [operator.get(f"/messages/{name}").json()["customer"] for name in (foreign, nobodys)] == ["beta", ""]
    assert alpha.get(f"/messages/{own}").status_code == 404
    CustomerAccess.objects.create(customer=people.alpha, partner_management=False)
    assert staff.get(f"/messages/{own}").status_code == 404


def test_scope_is_needed(people: People) -> None:
    api = api_of(people.admin, Scope.CUSTOMERS_READ)

    assert api.get(LIST).status_code == 403
    assert api.get(f"{LIST}/{accept(1)}").status_code == 403


def test_look_by_the_staffs_key_is_recorded(people: People, alpha: Api) -> None:
    name = accept(1)
    before = AuditEntry.objects.count()
    alpha.get(f"{LIST}/{name}")
    assert AuditEntry.objects.count() == before

    assert api_of(people.staff).get(f"{LIST}/{name}").status_code == 200
    line = AuditEntry.objects.order_by("-number")[0]
    assert (line.action, line.object, line.customer) == ("message.viewed", f"alpha/{name}", "alpha")
    assert line.actor.startswith("API key ")
