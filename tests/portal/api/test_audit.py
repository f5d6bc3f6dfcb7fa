"""The audit log by the API."""

import pytest
from tests.portal.api.conftest import api_of
from tests.portal.web.conftest import People

from outgate.portal.accounts.models import AuditEntry

pytestmark = pytest.mark.django_db(databases="__all__")


def test_tenant_reads_its_own_lines_in_pages(people: People) -> None:
    api = api_of(people.admin)

    first = api.get("/audit", limit=1).json()
    second = api.get("/audit", limit=100, cursor=first["next"]).json()
    numbers = [item["number"] for item in first["items"] + second["items"]]
    wanted = AuditEntry.objects.filter(customer="alpha").order_by("-number").values_list("number", flat=True)
    assert numbers == list(wanted)
    assert second["next"] is None


def test_operator_reads_all(people: People) -> None:
    api = api_of(people.operator)

    assert len(api.get("/audit", limit=200).json()["items"]) == AuditEntry.objects.count()


def test_lines_are_searched(people: People) -> None:
    api = api_of(people.operator)

    for text, action in (("viewer@ALPHA", "user.added"), ("partner.cre", "partner.created")):
        found = api.get("/audit", q=text).json()["items"]
        assert {each["action"] for each in found} == {action}
    assert api.get("/audit", q="nobody@nowhere.example").json() == {"items": [], "next": None}
    assert api.get("/audit", q="x" * 101).json()["errors"][0]["field"] == "q"


def test_strange_cursor_is_refused(people: People) -> None:
    assert api_of(people.operator).get("/audit", cursor="YWJj").status_code == 422
