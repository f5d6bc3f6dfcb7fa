"""Callers of the API."""

import json
from typing import Any

import pytest
from django.test import Client
from tests.portal.web.conftest import People, people, signed_in, site

from outgate.portal.accounts.caller import Caller
from outgate.portal.accounts.keys import Scope, create_key, scopes_of
from outgate.portal.accounts.models import User
from outgate.portal.api.rate import buckets

__all__ = ["people", "signed_in", "site"]


class Api:
    """A program with a key."""

    def __init__(self, secret: str) -> None:
        self.headers = {"authorization": f"Bearer {secret}"}
        self._client = Client(headers=self.headers)

    def get(self, path: str, **query: Any) -> Any:
        return self._client.get(f"/api/v1{path}", query)

    def send(self, method: str, path: str, body: Any = None, **more: Any) -> Any:
        is_text = isinstance(body, str)
        more.setdefault("content_type", "application/toml" if is_text else "application/json")
        told = body if is_text else "" if body is None else json.dumps(body)
        return self._client.generic(method, f"/api/v1{path}", told, **more)


def api_of(user: User, *scopes: Scope) -> Api:
    """A key of the user's tenant."""
    caller = Caller.of_user(user, address="127.0.0.1")
    return Api(create_key(caller=caller, name="Test", scopes=scopes or scopes_of(caller)).secret)


@pytest.fixture(autouse=True)
def full_buckets(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test may ask as often as it likes, and its keys have nothing to do with another's of the same number."""
    buckets.clear()
    monkeypatch.setattr(buckets, "burst", 1e9)


@pytest.fixture
def alpha(people: People) -> Api:
    return api_of(people.admin)
