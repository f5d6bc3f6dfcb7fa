"""Regions, partners and reasons by the API."""

from datetime import datetime, timedelta

import pytest
from django.test import Client
from django.utils import timezone
from tests.portal.api.conftest import Api, api_of
from tests.portal.web.conftest import People
from tests.support.portal import actions

from outgate.portal.providers.models import ProviderState
from outgate.portal.reason_pages import reason_pages

pytestmark = pytest.mark.django_db(databases="__all__")


def test_staff_reads_and_customers_see_none(people: People, alpha: Api) -> None:
    operator, staff = api_of(people.operator), api_of(people.staff)

    assert [each["name"] for each in operator.get("/partners").json()["items"]] == ["default", "other"]
    assert [each["name"] for each in staff.get("/partners").json()["items"]] == ["default"]
    assert [each["id"] for each in staff.get("/regions").json()["items"]] == ["default"]
    for path in ("/partners", "/regions"):
        assert alpha.get(path).json() == {"items": [], "next": None}


def test_operator_makes_and_changes_regions(people: People) -> None:
    api = api_of(people.operator)
    made = api.send("POST", "/regions", {"name": "Europe", "smarthost": "mx.example.org"})
    assert (made.status_code, made.json()["id"]) == (201, "europe")
    wanted = {"spf_include": "spf.example.org", "sending_addresses": ["9.9.9.9", "9.9.9.8"]}
    changed = api.send("PATCH", "/regions/europe", wanted).json()

    assert changed == made.json() | {"spf_include": "spf.example.org", "sending_addresses": ["9.9.9.8", "9.9.9.9"]}
    assert api.send("PATCH", "/regions/never-was", wanted).status_code == 404
    refused = api.send("PATCH", "/regions/europe", {"sending_addresses": ["nonsense"]})
    assert refused.json()["errors"][0]["field"] == "sending_addresses"
    assert actions()[-2:] == ["region.created", "region.changed"]


def test_operator_makes_partners_of_different_names(people: People) -> None:
    api = api_of(people.operator)

    assert api.send("POST", "/partners", {"name": "New"}).status_code == 201
    assert api.send("POST", "/partners", {"name": "New"}).json()["errors"][0]["field"] == "name"


def test_nobody_else_has_the_scope(people: People, alpha: Api) -> None:
    for api in (alpha, api_of(people.staff)):
        for method, path in (("POST", "/regions"), ("POST", "/partners"), ("PATCH", "/regions/default")):
            assert api.send(method, path, {"name": "New"}).json()["code"] == "scope-missing"


def test_reasons_are_public_and_come_in_pages() -> None:
    client = Client()
    codes: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = client.get(f"/api/v1/reasons?limit=50&cursor={cursor}").json()
        codes += [each["code"] for each in page["items"]]
        cursor = page["next"]

    assert codes == sorted(reason_pages())
    assert client.get("/api/v1/reasons/source-unknown").json()["code"] == "source-unknown"
    assert client.get("/api/v1/reasons/never-was").json()["code"] == "not-found"


def test_age_of_the_clouds_addresses_is_told_to_everybody(alpha: Api) -> None:
    assert alpha.get("/providers").json() == {"items": []}
    confirmed = timezone.now()
    ProviderState.objects.create(
        provider="microsoft", networks=["40.92.0.0/15"], confirmed_at=confirmed, last_error="502 from the source"
    )

    (told,) = alpha.get("/providers").json()["items"]
    assert datetime.fromisoformat(told.pop("confirmed_at")) - confirmed < timedelta(seconds=1)
    assert told == {"name": "microsoft", "networks": 1, "fetched_at": None, "failing": True}
