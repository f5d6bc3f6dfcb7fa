"""The API for people."""

import re

import pytest
from django.test import Client
from tests.portal.web.conftest import People, SignedIn
from tests.support.api import routes

pytestmark = pytest.mark.django_db(databases="__all__")


def test_every_route_is_shown_to_everybody() -> None:
    page = Client().get("/api/v1/docs/").content.decode()

    for route in routes():
        assert f"/api/v1{route.path}" in page
        assert not route.scope or route.scope in page
    assert page.count("<details class=") == len(list(routes()))


def test_page_loads_nothing_from_elsewhere() -> None:
    answer = Client().get("/api/v1/docs/")

    assert "script-src 'self'" in answer.headers["Content-Security-Policy"]
    assert not re.findall(r'(?:src|href)="https?:', answer.content.decode())


def test_page_of_keys_leads_there(people: People, signed_in: SignedIn) -> None:
    page = signed_in(people.admin).get("/keys/").content.decode()

    assert 'href="/api/v1/docs/"' in page
