"""Keys open the API; nothing else does."""

import pytest
from django.test import Client
from tests.portal.api.conftest import Api, api_of
from tests.portal.web.conftest import People, SignedIn

from outgate.portal.accounts import access
from outgate.portal.accounts.caller import Caller
from outgate.portal.accounts.keys import revoke_key
from outgate.portal.accounts.lockout import FAILURES_PER_ACCOUNT_AND_ADDRESS
from outgate.portal.accounts.models import ApiKey

pytestmark = pytest.mark.django_db(databases="__all__")


def test_no_key_no_answer(people: People) -> None:
    answer = Client().get("/api/v1/customers")

    assert (answer.status_code, answer.json()["code"]) == (401, "key-missing")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_session_of_a_browser_opens_nothing(people: People, signed_in: SignedIn) -> None:
    assert signed_in(people.operator).get("/api/v1/customers").status_code == 401


def test_revoked_key_opens_nothing(people: People) -> None:
    mine = api_of(people.admin)
    revoke_key(caller=Caller.of_user(people.admin), key=ApiKey.objects.get())

    assert mine.get("/customers").json()["code"] == "key-unknown"


def test_guessing_keys_is_stopped_for_the_address(people: People) -> None:
    mine = api_of(people.admin)
    for _ in range(FAILURES_PER_ACCOUNT_AND_ADDRESS):
        assert Api("og_aaaaaaaaaaaa_guess").get("/customers").status_code == 401

    assert Api("og_aaaaaaaaaaaa_guess").get("/customers").status_code == 429
    assert mine.get("/customers").status_code == 429


def test_allow_list_of_the_tenant_holds_for_its_keys(people: People) -> None:
    mine = api_of(people.admin)
    assert mine.get("/customers").status_code == 200
    caller = Caller.of_user(people.admin, address="198.51.100.7")
    access.set_allowed_networks(caller=caller, networks=["198.51.100.0/24"])

    assert mine.get("/customers").json()["code"] == "address-not-allowed"


def test_description_is_there_and_names_every_route() -> None:
    described = Client().get("/api/v1/openapi.json").json()

    assert "/api/v1/customers/{customer_id}/outbound" in described["paths"]
    assert described["components"]["securitySchemes"]


def test_what_is_not_there_is_a_problem_too() -> None:
    answer = Client().get("/api/v1/never-was")

    assert (answer.status_code, answer.headers["Content-Type"]) == (404, "application/problem+json")
