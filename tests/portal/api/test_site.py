"""Every route and every method: as who may not, with what nobody should send."""

import json
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from tests.portal.api.conftest import Api, api_of
from tests.portal.web.conftest import People
from tests.support.api import Route, routes
from tests.support.portal import ACTOR

from outgate.portal.accounts.caller import Caller
from outgate.portal.accounts.keys import Scope, create_key
from outgate.portal.accounts.models import ApiKey, AuditEntry, User
from outgate.portal.customers.models import Customer
from outgate.portal.outbound import services as outbound

pytestmark = pytest.mark.django_db(databases="__all__")
ROUTES = list(routes())
OF_STAFF = ("customers:manage", "templates:write")  # scopes that no key of a customer has
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
HOSTILE = (
    "' OR 1=1 --",
    '"; DROP TABLE customers_customer; --',
    "../../etc/passwd",
    "%00",
    "a" * 5_000,
    "\u202eevil\u0301\U0001f4a9",
    "{{7*7}}",
    "<script>alert(1)</script>",
    "*",
    "-1",
    "9" * 40,
)


def everything(people: People) -> dict[str, Any]:
    """What nobody but its owner may change."""
    outbound.add_source(actor=ACTOR, customer=people.beta, network="9.9.9.9")
    outbound.add_domain(actor=ACTOR, customer=people.beta, name="example.com")
    outbound.add_auto_forward(actor=ACTOR, customer=people.beta, address="archive@example.net")
    return state()


def state() -> dict[str, Any]:
    return {
        "log": AuditEntry.objects.count(),
        "customers": list(Customer.objects.order_by("pk").values()),
        "users": list(User.objects.order_by("pk").values()),
    }


def ask(mine: Api, method: str, route: Route, **names: str) -> Any:
    return mine.send(method, route.address(**names), route.body())


def test_customer_of_another_tenant_is_absent_on_every_route_and_method(people: People) -> None:
    before = everything(people)
    for user in (people.admin, people.staff):
        mine = api_of(user)
        made = state()["log"]
        for route in ROUTES:
            if "{customer_id}" not in route.path:
                continue
            for customer_id in ("beta", "never-was"):
                answer = ask(mine, route.method, route, customer_id=customer_id)
                expected = 403 if route.scope in OF_STAFF and user is people.admin else 404
                assert answer.status_code == expected, (route.method, route.path, answer.content)
                for method in METHODS:
                    told = ask(mine, method, route, customer_id=customer_id).status_code
                    assert told in (204, 403, 404, 405, 415, 422), (method, route.path, told)
        assert state()["log"] == made
    assert state()["customers"] == before["customers"]


def test_user_of_another_tenant_is_absent(people: People) -> None:
    for user, foreign in ((people.admin, people.foreign_admin), (people.staff, people.other_staff)):
        mine = api_of(user)
        for person in (foreign, people.operator):
            for route in ROUTES:
                if "{user_id}" in route.path:
                    assert ask(mine, route.method, route, user_id=str(person.pk)).status_code == 404
    assert not User.objects.filter(is_active=False).exists()


def test_key_without_the_scope_that_the_route_names_is_told_which(people: People) -> None:
    api_of(people.operator)
    key = ApiKey.objects.get()
    caller = Caller.of_user(people.operator, address="127.0.0.1")
    for route in ROUTES:
        if not route.needs_key:
            continue
        assert route.scope, f"{route.method} {route.path} does not say its scope: give it auth=Key(Scope...)"
        others = [scope for scope in Scope if scope.value != route.scope]
        mine = Api(create_key(caller=caller, name="Test", scopes=others).secret)
        before = state()
        answer = ask(mine, route.method, route, customer_id="alpha")
        assert (answer.status_code, answer.json()["code"]) == (403, "scope-missing"), (route.method, route.path)
        assert route.scope in answer.json()["detail"]
        assert state() == before
        ApiKey.objects.exclude(pk=key.pk).delete()


@pytest.mark.parametrize("spoil", ["expired", "revoked", "wrong", "none", "basic"])
def test_without_a_good_key_nothing_opens(spoil: str, people: People) -> None:
    made = create_key(caller=Caller.of_user(people.operator), name="Test", scopes=list(Scope))
    header = {"wrong": f"{made.secret}x", "basic": made.secret}.get(spoil, made.secret)
    if spoil == "expired":
        ApiKey.objects.update(expires_at=timezone.now())
    if spoil == "revoked":
        ApiKey.objects.update(revoked_at=timezone.now())
    scheme = "Basic" if spoil == "basic" else "Bearer"
    client = Client(headers={"authorization": f"{scheme} {header}"} if spoil != "none" else {})
    before = state()
    for route in ROUTES:
        if not route.needs_key:
            continue
        answer = client.generic(route.method, f"/api/v1{route.address(customer_id='alpha')}")
        assert answer.status_code in (401, 429), (route.method, route.path)
        assert answer.headers["Content-Type"] == "application/problem+json"
    assert state() == before


@pytest.mark.parametrize("place", ["?key={}", "?q={}", "?cursor=a{}b", "/{}"])
def test_key_in_the_address_is_refused_and_called_lost(place: str, people: People) -> None:
    secret = create_key(caller=Caller.of_user(people.admin), name="Test", scopes=list(Scope)[:1]).secret
    for client in (Client(), Client(headers={"authorization": f"Bearer {secret}"})):
        answer = client.get("/api/v1/customers" + place.format(secret))
        assert (answer.status_code, answer.json()["code"]) == (400, "key-in-address")
        assert secret not in answer.content.decode()


@pytest.mark.parametrize("evil", HOSTILE)
def test_hostile_text_anywhere_is_an_answer_that_is_described(evil: str, people: People) -> None:
    mine = api_of(people.operator)
    for route in ROUTES:
        answers = [ask(mine, route.method, route, **dict.fromkeys(("name", "network", "address", "code"), evil))]
        body = route.body()
        if isinstance(body, dict):
            for field in body:
                told = json.dumps(body | {field: evil})
                address = route.address(customer_id="alpha")
                answers.append(mine.send(route.method, address, told, content_type="application/json"))
        elif body is not None:
            answers.append(mine.send(route.method, route.address(customer_id="alpha"), evil))
        for answer in answers:
            assert str(answer.status_code) in route.described["responses"], (route.method, route.path, answer.content)
            assert answer.status_code < 500


def test_query_of_hostile_texts_finds_nothing(people: People) -> None:
    mine = api_of(people.admin)
    for evil in HOSTILE:
        answer = mine.get("/customers", q=evil)
        assert answer.status_code in (200, 400, 422)
        assert answer.status_code != 200 or answer.json()["items"] == []


def test_no_field_beyond_the_described_ones_is_taken(people: People) -> None:
    """Mass assignment: names of columns, and of what only staff may set."""
    mine = api_of(people.operator)
    columns = ("pk", "id_", "partner_id", "customer", "verified", "proof", "is_active", "is_superuser", "scopes")
    before = state()
    for route in ROUTES:
        body = route.body()
        if not isinstance(body, dict):
            continue
        for name in set(columns) - body.keys():
            answer = mine.send(route.method, route.address(customer_id="alpha"), body | {name: "1"})
            assert answer.status_code == 422, (route.method, route.path, answer.content)
            assert [error["field"] for error in answer.json()["errors"]] == [name]
            assert answer.json()["errors"][0]["detail"].startswith("There is no such field.")
    assert state() == before


def test_unknown_parameter_is_named(alpha: Api) -> None:
    answer = alpha.get("/customers", limt=5)

    assert answer.status_code == 422
    assert answer.json()["errors"] == [
        {"field": "limt", "detail": "There is no such parameter. Known are: cursor, limit, q."}
    ]
