"""The public pages of reason codes."""

import pytest
from django.test import Client

from outgate.policy.reasons import CATALOGUE
from outgate.portal.web.templatetags.portal import code_spans

pytestmark = pytest.mark.django_db(databases="__all__")


def test_every_code_has_its_page_for_everybody(client: Client) -> None:
    listed = client.get("/r/").content.decode()
    for reason, entry in CATALOGUE.items():
        page = client.get(f"/r/{reason}").content.decode()
        assert str(reason) in page
        assert code_spans(entry.remedy) in page
        assert f'href="/r/{reason}/"' in listed


def test_unknown_code_is_not_found(client: Client) -> None:
    assert client.get("/r/never-was").status_code == 404
