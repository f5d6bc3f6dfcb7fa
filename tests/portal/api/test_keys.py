"""Keys by the API: a key makes others that may do no more than it."""

from datetime import timedelta

import pytest
from django.utils import timezone
from tests.portal.api.conftest import Api, api_of
from tests.portal.web.conftest import People

from outgate.portal.accounts.keys import Scope
from outgate.portal.accounts.models import ApiKey
from outgate.portal.api.models import KeptAnswer

pytestmark = pytest.mark.django_db(databases="__all__")
READ = {"name": "Monitoring", "scopes": ["customers:read"]}


def prefix_of(api: Api) -> str:
    return api.headers["authorization"].split("_")[1]


def test_key_that_was_made_opens_what_it_may_and_nothing_else(alpha: Api, people: People) -> None:
    answer = alpha.send("POST", "/keys", READ)

    made, secret = answer.json()["key"], answer.json()["secret"]
    assert (answer.status_code, made["name"], made["scopes"]) == (201, "Monitoring", ["customers:read"])
    new = Api(secret)
    assert [each["id"] for each in new.get("/customers").json()["items"]] == ["alpha"]
    assert new.send("POST", "/keys", READ).json()["code"] == "scope-missing"
    assert secret.startswith(f"og_{made['prefix']}_")
    assert secret not in alpha.get("/keys").content.decode()


def test_key_of_before_cannot_outlive_or_outdo_the_one_that_makes_it(people: People) -> None:
    api = api_of(people.admin, Scope.KEYS_WRITE, Scope.CUSTOMERS_READ)
    mine = ApiKey.objects.get()
    ApiKey.objects.update(expires_at=timezone.now() + timedelta(hours=30))

    for body, field in (
        ({**READ, "scopes": ["customers:read", "team:write"]}, "scopes"),
        ({**READ, "scopes": ["installation:write"]}, "scopes"),
        ({**READ, "scopes": ["everything"]}, "scopes[0]"),
        ({**READ, "scopes": []}, "scopes"),
        ({**READ, "days": 2}, "days"),
        ({**READ, "days": 0}, "days"),
        ({**READ, "name": ""}, "name"),
        ({**READ, "partner": 1}, "partner"),
    ):
        answer = api.send("POST", "/keys", body)
        assert (answer.status_code, [each["field"] for each in answer.json()["errors"]]) == (422, [field])
    assert ApiKey.objects.count() == 1
    mine.refresh_from_db()
    api.send("POST", "/keys", READ)
    assert ApiKey.objects.exclude(pk=mine.pk).get().expires_at == mine.expires_at


def test_secret_is_told_once(alpha: Api) -> None:
    once = {"idempotency-key": "one"}
    first, again = (alpha.send("POST", "/keys", READ, headers=once).json() for _ in range(2))

    assert (again["key"], again["secret"]) == (first["key"], None)
    assert first["secret"].encode() not in bytes(KeptAnswer.objects.get().body or b"")


def test_each_lists_and_revokes_those_of_its_own_organisation(people: People) -> None:
    apis = {user: api_of(user) for user in (people.admin, people.foreign_admin, people.staff, people.operator)}
    for user, api in apis.items():
        assert [each["prefix"] for each in api.get("/keys").json()["items"]] == [prefix_of(api)]
        for foreign in apis.values():
            if foreign is not api:
                assert api.send("POST", f"/keys/{prefix_of(foreign)}/revoke").status_code == 404, user
    assert not ApiKey.objects.exclude(revoked_at=None).exists()


def test_revoked_key_is_listed_and_opens_nothing(alpha: Api, people: People) -> None:
    other = api_of(people.admin)
    child = Api(other.send("POST", "/keys", READ).json()["secret"])

    for _ in range(2):
        assert alpha.send("POST", f"/keys/{prefix_of(other)}/revoke").json()["revoked_at"]
    assert [other.get("/customers").status_code, child.get("/customers").status_code] == [401, 401]
    assert len([each for each in alpha.get("/keys").json()["items"] if each["revoked_at"]]) == 2


def test_key_revokes_itself(alpha: Api) -> None:
    assert alpha.send("POST", f"/keys/{prefix_of(alpha)}/revoke").status_code == 200
    assert alpha.get("/keys").status_code == 401
