"""What stands around each route."""

import json

import pytest
from tests.portal.api.conftest import Api, api_of
from tests.portal.web.conftest import People
from tests.support.api import Route, routes

from outgate.portal.accounts.models import AuditEntry

pytestmark = pytest.mark.django_db(databases="__all__")
BODILESS = [route for route in routes() if route.method != "GET" and route.body() is None]


@pytest.mark.parametrize("route", BODILESS, ids=[f"{route.method} {route.path}" for route in BODILESS])
def test_body_where_none_is_taken_is_not_passed_over(route: Route, people: People) -> None:
    """Somebody means something by it: a password of their own, say."""
    api = api_of(people.operator)
    before = AuditEntry.objects.count()
    address = route.address(customer_id="alpha", user_id=str(people.viewer.pk))

    answer = api.send(route.method, address, {"password": "mine"})
    assert (answer.status_code, answer.json()["code"]) == (422, "value-refused")
    assert answer.json()["detail"].startswith("This address takes no body.")
    assert AuditEntry.objects.count() == before


@pytest.mark.parametrize("body", ["", "{}", " {}\n", "null"])
def test_nothing_in_json_is_no_body(alpha: Api, people: People, body: str) -> None:
    answer = alpha.send("POST", f"/users/{people.viewer.pk}/unlock", body, content_type="application/json")

    assert answer.status_code == 200, json.dumps(answer.json())
