"""Every route and every method: as who may not, with what nobody should send."""

import json
from dataclasses import replace
from typing import Any

import pytest
from django.apps import apps
from django.db import transaction
from django.test import Client
from django.utils import timezone
from tests.portal.api.conftest import Api, api_of
from tests.portal.web.conftest import People
from tests.support.api import Route, routes
from tests.support.portal import ACTOR
from tests.support.sightings import TENANT
from tests.support.tracked import AT, accept, name_at

from outgate.portal.accounts.caller import Caller
from outgate.portal.accounts.keys import Scope, create_key, scopes_of
from outgate.portal.accounts.models import ApiKey, FailedSignIn, User
from outgate.portal.api import domains, tenants
from outgate.portal.api.models import KeptAnswer
from outgate.portal.limits import services as limits
from outgate.portal.outbound import cloud_services
from outgate.portal.outbound import services as outbound
from outgate.portal.policies.selectors import scan_policy
from outgate.portal.policies.templates import keep_template
from outgate.portal.spf import checking
from outgate.spf.lookup import Answer, Status, answered

pytestmark = pytest.mark.django_db(databases="__all__")
ROUTES = list(routes())
OF_STAFF = ("customers:manage", "templates:write")  # scopes that no key of a customer has
DOMAIN, MICROSOFT_NAME = "beta.example", "beta.onmicrosoft.com"
TEMPLATE = "Of Beta's partner"
IN_BODIES = {
    "/messages/decide": {"action": "release", "references": [name_at(AT)]},
    "/locked-senders/unlock": {"mailbox": f"eve@{DOMAIN}"},
    "/tenants/look-up": {"domain": DOMAIN},
    "/policy/templates/give": {"name": TEMPLATE},
    "/policy/templates/try": {"name": TEMPLATE},
}
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
    beta = people.beta
    outbound.add_source(actor=ACTOR, customer=beta, network="9.9.9.9")
    outbound.vouch_for_domain(actor=ACTOR, domain=outbound.add_domain(actor=ACTOR, customer=beta, name=DOMAIN))
    outbound.add_auto_forward(actor=ACTOR, customer=beta, address="archive@example.net")
    outbound.set_sender_relay(actor=ACTOR, customer=beta, domain=DOMAIN, host="relay.example.com")
    cloud_services.confirm_tenant(actor=ACTOR, customer=beta, tenant_id=TENANT)
    cloud_services.add_microsoft_name(actor=ACTOR, customer=beta, name=MICROSOFT_NAME)
    keep_template(actor=ACTOR, partner=beta.partner, name=TEMPLATE, policy=scan_policy(beta))
    limits.lock_sender(actor=ACTOR, customer=beta, mailbox=f"eve@{DOMAIN}", seconds=3600)
    accept(customer="beta", at=AT, lane="held", lane_reason="content-data-loss")
    return state()


def state() -> dict[str, Any]:
    """All that is written down, save for the keys, which a test makes as it goes, and the count of wrong ones."""
    kept = [model for model in apps.get_models() if model.__module__.startswith("outgate.")]
    return {
        model.__name__: list(model._base_manager.order_by("pk").values())
        for model in kept
        if model not in (ApiKey, FailedSignIn, KeptAnswer)
    }


def ask(mine: Api, method: str, route: Route, **names: str) -> Any:
    return mine.send(method, route.address(**names), route.body())


def test_customer_of_another_tenant_is_absent_on_every_route_and_method(people: People) -> None:
    before = everything(people)
    for user in (people.admin, people.staff):
        mine = api_of(user)
        made = state()
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
        assert state() == made
    assert made["Customer"] == before["Customer"]


@pytest.mark.parametrize("scopes", ["all", "customers:read", "customers:write"])
@pytest.mark.parametrize("who", ["admin", "staff", "acting"])
def test_part_of_another_customer_is_absent_under_the_own_customers_name(
    who: str, scopes: str, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, all_may = api_of_customer(people, who, scopes), api_of(people.operator)
    before = everything(people)
    # Whoever asks another host for what is another's has lost already; and no test asks one.
    monkeypatch.setattr(domains, "txt_records", lambda *_: frozenset())
    monkeypatch.setattr(tenants, "tenant_of", lambda *_: TENANT)
    monkeypatch.setattr(checking, "ask", lambda asking, _: answered(asking, lambda _: Answer(Status.NO_NAME)))
    for route in OF_PARTS:
        with transaction.atomic():
            answer = ask(all_may, route.method, route, customer_id="beta", **foreign_names(route))
            transaction.set_rollback(True)
        assert answer.status_code != 404, f"{route.method} {route.path}: nothing of Beta's is found even there"
    for path, body in IN_BODIES.items():
        with transaction.atomic():
            answer = all_may.send("POST", f"/customers/beta{path}", body)
            transaction.set_rollback(True)
        assert answer.status_code < 300, (path, answer.content)

    assert state() == before
    for route in OF_PARTS:
        expected = {404} if scopes in ("all", route.scope) else {403}
        if route.path.endswith("/vouch") or route.scope in OF_STAFF:
            expected |= {403}  # nobody of a customer may, whatever the domain or template
        if route.method == "PUT":
            expected |= {422}  # it would be made: the domain is none of Alpha's
        answer = ask(mine, route.method, route, customer_id="alpha", **foreign_names(route))
        assert answer.status_code in expected, (route.method, route.path, answer.content)
        for method in METHODS:
            told = ask(mine, method, route, customer_id="alpha", **foreign_names(route)).status_code
            assert told in (204, 403, 404, 405, 415, 422), (method, route.path, told)
    for path, body in IN_BODIES.items():
        answer = mine.send("POST", f"/customers/alpha{path}", body)
        assert answer.status_code == (404 if scopes == "all" or is_of_scope(path, scopes) else 403), (
            path,
            answer.content,
        )
    after = state()
    recorded = after.pop("AuditEntry")[len(before.pop("AuditEntry")) :]
    assert {entry["action"] for entry in recorded} <= {"microsoft-name.contested"}  # who claims another's is noted
    del after["AuditHead"], before["AuditHead"]
    assert after == before


def is_of_scope(path: str, scope: str) -> bool:
    return any(route.scope == scope for route in ROUTES if route.path == f"/customers/{{customer_id}}{path}")


def api_of_customer(people: People, who: str, scopes: str) -> Api:
    """A key of Alpha's, or of its partner's staff, who logs in as it or not."""
    caller = Caller.of_user(people.admin if who == "admin" else people.staff, address="127.0.0.1")
    if who == "acting":
        caller = replace(caller, acting_for=people.alpha)
    wanted = scopes_of(caller) if scopes == "all" else [Scope(scopes)]
    return Api(create_key(caller=caller, name="Test", scopes=wanted).secret)


def foreign_names(route: Route) -> dict[str, str]:
    """Beta's, for whatever the route's address names of a customer."""
    name = MICROSOFT_NAME if "/tenants/" in route.path else DOMAIN
    return {
        "name": TEMPLATE if "/templates" in route.path else name,
        "domain": DOMAIN,
        "tenant_id": TENANT,
        "reference": name_at(AT),
        "network": "9.9.9.9/32",
        "address": "archive@example.net",
    }


def test_every_part_that_an_address_names_is_among_the_foreign_ones() -> None:
    assert len(OF_PARTS) >= 12
    for route in OF_PARTS:
        assert set(named(route)) <= set(foreign_names(route)), route.path


def named(route: Route) -> list[str]:
    return [
        each["name"]
        for each in route.described["parameters"]
        if each["in"] in ("path", "query") and each["required"] and each["name"] != "customer_id"
    ]


# A guide is the same for everybody, and a relay is tried as it was typed: its domain only finds the own password.
OF_NOTHING = ("/guides/", "/sender-relays/{domain}/try")
OF_PARTS = [
    route
    for route in ROUTES
    if "{customer_id}" in route.path and not any(each in route.path for each in OF_NOTHING) and named(route)
]


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
