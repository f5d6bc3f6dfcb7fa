"""Customers made, changed and deleted by the API."""

from typing import Any

import pytest
from tests.portal.api.conftest import Api, api_of
from tests.portal.web.conftest import People
from tests.support.portal import region

from outgate.portal.accounts.models import AuditEntry, User
from outgate.portal.customers.models import Customer

pytestmark = pytest.mark.django_db(databases="__all__")


def test_partner_makes_a_customer_of_its_own(people: People) -> None:
    api = api_of(people.staff)
    answer = api.send("POST", "/customers", {"name": "Gamma", "plan": "unified", "mail_platform": "microsoft-365"})

    assert answer.status_code == 201
    made = answer.json()
    assert (made["id"], made["partner"], made["outbound"]) == ("gamma", "default", "off")
    assert made.pop("admin_password") is None
    assert api.get("/customers/gamma").json() == made
    assert AuditEntry.objects.filter(action="customer.created", customer="gamma").get().actor.startswith("API key")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": "Alpha"}, "name"),
        ({"name": "G", "partner": "other"}, "partner"),
        ({"name": "G", "region": "never-was"}, "region"),
        ({"name": "G", "id": "chosen"}, "id"),
        ({"name": "G", "plan": "gold"}, "plan"),
        ({"name": "G", "mail_platform": "365"}, "mail_platform"),
        ({"name": " "}, "name"),
        ({}, "name"),
    ],
)
def test_partner_is_told_what_does_not_fit(people: People, body: dict[str, str], field: str) -> None:
    answer = api_of(people.staff).send("POST", "/customers", body)

    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert Customer.objects.count() == 2


def test_operator_says_which_of_several_and_may_choose_the_id(people: People) -> None:
    region("Europe")
    api = api_of(people.operator)

    answer = api.send("POST", "/customers", {"name": "G"})
    assert answer.json()["errors"][0]["field"] == "partner"
    answer = api.send("POST", "/customers", {"name": "G", "partner": "other"})
    assert answer.json()["errors"][0]["field"] == "region"
    body = {"name": "G", "partner": "other", "region": "europe", "id": "chosen"}
    assert api.send("POST", "/customers", body).json()["id"] == "chosen"


WHOLE = {"name": "Gamma", "domains": ["gamma.example", "b.example"], "admin": {"email": "ann@gamma.example"}}


def test_customer_is_made_with_domains_and_its_first_administrator(people: People) -> None:
    api, once = api_of(people.staff), {"idempotency-key": "one"}
    made, again = (api.send("POST", "/customers", WHOLE, headers=once).json() for _ in range(2))

    user = User.objects.get(email="ann@gamma.example")
    assert user.check_password(made["admin_password"])
    assert (user.role, user.customer.slug if user.customer else "") == ("customer-admin", "gamma")
    assert again == {**made, "admin_password": None}
    listed = api.get("/customers/gamma/domains").json()["items"]
    assert [(each["name"], each["verified"]) for each in listed] == [("b.example", False), ("gamma.example", False)]


@pytest.mark.parametrize(
    ("more", "status", "field"),
    [
        ({"domains": ["gamma.example", "no domain"]}, 422, "domains[1]"),
        ({"admin": {"email": "nobody"}}, 422, "admin.email"),
        ({"admin": {"email": "viewer@alpha.example"}}, 422, "admin.email"),
        ({"admin": {"email": "ann@gamma.example", "role": "operator"}}, 422, "admin.role"),
        ({"admin": {"email": "ann@gamma.example", "mail_link": True}}, 409, ""),
        ({"admin": None}, 422, "admin"),
    ],
)
def test_customer_is_made_whole_or_not_at_all(people: People, more: dict[str, Any], status: int, field: str) -> None:
    answer = api_of(people.staff).send("POST", "/customers", WHOLE | more)

    assert (answer.status_code, "".join(each["field"] for each in answer.json()["errors"])) == (status, field)
    assert not Customer.objects.filter(slug="gamma").exists()
    assert not User.objects.filter(email="ann@gamma.example").exists()


def test_operator_alone_gives_a_customer_to_another_partner(people: People, alpha: Api) -> None:
    for api, said in ((api_of(people.staff), "Only the operator"), (alpha, "Only your provider")):
        answer = api.send("PATCH", "/customers/alpha", {"partner": "other"})
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (403, "partner")
        assert said in answer.json()["detail"]

    operator = api_of(people.operator)
    assert operator.send("PATCH", "/customers/alpha", {"partner": "never-was"}).status_code == 422
    assert operator.send("PATCH", "/customers/alpha", {"partner": "other"}).json()["partner"] == "other"
    assert api_of(people.staff).get("/customers/alpha").status_code == 404


def test_change_sets_what_is_given_and_leaves_the_rest(people: People) -> None:
    api = api_of(people.staff)

    before = api.get("/customers/alpha").json()
    after = api.send("PATCH", "/customers/alpha", {"name": "Alpha Limited", "plan": "unified"}).json()
    assert after == {**before, "name": "Alpha Limited", "plan": "unified"}
    assert api.send("PATCH", "/customers/alpha", {}).json() == after


@pytest.mark.parametrize("field", ["name", "plan", "region", "mail_platform", "foreign_from"])
def test_null_is_no_value(people: People, field: str) -> None:
    answer = api_of(people.staff).send("PATCH", "/customers/alpha", {field: None})

    assert [error["field"] for error in answer.json()["errors"]] == [field]


def test_customer_changes_its_platform_and_not_what_its_provider_decides(alpha: Api) -> None:
    assert alpha.send("PATCH", "/customers/alpha", {"mail_platform": "exchange"}).status_code == 200

    wanted = {"name": "X", "plan": "unified", "mail_platform": "other", "foreign_from": "allow"}
    answer = alpha.send("PATCH", "/customers/alpha", wanted)
    assert answer.status_code == 403
    assert [error["field"] for error in answer.json()["errors"]] == ["name", "plan", "foreign_from"]
    assert alpha.get("/customers/alpha").json()["mail_platform"] == "exchange"


def test_deleted_customer_is_gone_with_its_people(people: People) -> None:
    api = api_of(people.staff)

    assert api.send("DELETE", "/customers/alpha").status_code == 204
    assert api.get("/customers/alpha").status_code == 404
    assert not User.objects.filter(email="admin@alpha.example").exists()


def test_customer_has_no_scope_to_make_or_delete_customers(alpha: Api) -> None:
    for method, path in (("POST", "/customers"), ("DELETE", "/customers/alpha")):
        answer = alpha.send(method, path, {"name": "G"})
        assert (answer.status_code, answer.json()["code"]) == (403, "scope-missing")


def test_customer_that_has_closed_its_door_is_absent_for_the_partners_key(people: People, alpha: Api) -> None:
    staff = api_of(people.staff)
    assert alpha.send("PUT", "/customers/alpha/partner-management", {"on": False}).json() == {"on": False}

    for method in ("GET", "PATCH", "DELETE"):
        assert staff.send(method, "/customers/alpha", {} if method == "PATCH" else None).status_code == 404
