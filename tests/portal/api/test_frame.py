"""What holds for every request to the API."""

import json
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError
from django.test import Client
from tests.portal.api.conftest import Api
from tests.portal.web.conftest import People

from outgate.portal.api import customers
from outgate.portal.web.readiness import readiness

pytestmark = pytest.mark.django_db(databases="__all__")


def is_problem(answer: Any, status: int, code: str) -> bool:
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, "application/problem+json"), answer.content
    body = answer.json()
    assert body["status"] == status
    assert body["title"]
    assert body["detail"]
    return bool(body["code"] == code)


def test_request_has_an_id_of_the_callers_or_of_ours(alpha: Api) -> None:
    assert alpha.send("GET", "/customers", headers={"x-request-id": "job-7.a"}).headers["X-Request-ID"] == "job-7.a"
    made = {alpha.get("/customers").headers["X-Request-ID"] for _ in range(2)}
    assert len(made) == 2
    evil = alpha.send("GET", "/never", headers={"x-request-id": "a" * 65}).headers["X-Request-ID"]
    assert len(evil) == 32


@pytest.mark.parametrize("path", ["/never", "/customers/", "/customers/beta", "/users/abc", "/keys/abc/revoke"])
def test_what_is_not_there_is_no_page(alpha: Api, path: str) -> None:
    answer = alpha.send("POST" if path.endswith("revoke") else "GET", path)

    assert is_problem(answer, 404, "not-found")
    assert answer.json()["detail"].startswith("There is nothing here, or nothing of yours.")


def test_address_that_is_no_utf8_is_told_so(alpha: Api) -> None:
    assert is_problem(alpha.send("GET", "/customers?q=%ff"), 400, "address-malformed")
    assert alpha.send("GET", "/customers?q=%C3%BC").status_code == 200


def test_body_in_chunks_is_not_taken_for_none(alpha: Api) -> None:
    told = {"headers": {"transfer-encoding": "chunked"}}

    assert is_problem(alpha.send("POST", "/users", {"email": "a@b.example"}, **told), 411, "length-missing")


def test_head_is_get_without_the_body(alpha: Api) -> None:
    whole, head = alpha.get("/customers/alpha"), alpha.send("HEAD", "/customers/alpha")

    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["Content-Length"] == str(len(whole.content))
    assert alpha.send("HEAD", "/customers/beta").status_code == 404
    assert alpha.send("HEAD", "/customers/alpha/text/diff").status_code == 405


def test_options_says_what_the_path_takes_without_a_key() -> None:
    answer = Client().options("/api/v1/customers/never-was")

    assert (answer.status_code, answer.headers["Allow"]) == (204, "DELETE, GET, HEAD, OPTIONS, PATCH")
    assert Client().options("/api/v1/never").status_code == 404


def test_other_method_is_a_problem_that_names_those_allowed(alpha: Api) -> None:
    answer = alpha.send("PUT", "/customers", {})

    assert is_problem(answer, 405, "method-refused")
    assert answer.headers["Allow"] == "GET, HEAD, OPTIONS, POST"
    assert is_problem(alpha.send("BREW", "/customers"), 405, "method-refused")


def test_body_that_is_too_large_is_a_problem(alpha: Api, settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1_000

    assert is_problem(alpha.send("PUT", "/customers/alpha/text", "x" * 1_001), 413, "body-too-large")


def test_nul_anywhere_is_a_problem(alpha: Api) -> None:
    assert is_problem(alpha.get("/customers", q="a\0b"), 400, "request-refused")
    answer = alpha.send("POST", "/customers/alpha/domains", {"name": "a\0.example"})
    assert is_problem(answer, 400, "request-refused")
    assert answer.json()["detail"].startswith("A NUL character stands in")


def test_database_that_is_away_is_a_problem(alpha: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OperationalError("gone")

    with monkeypatch.context() as patched:
        patched.setattr(customers, "customers_of", fail)
        answer = _unraised(alpha).get("/customers")
        assert is_problem(answer, 503, "database-away")
        assert answer.headers["Retry-After"]
    monkeypatch.setattr(readiness, "_done", type(readiness._done)())
    assert is_problem(alpha.get("/customers"), 503, "database-away")


def test_our_own_mistake_is_a_problem_and_is_logged_with_the_id(
    alpha: Api, people: People, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(customers, "customers_of", fail)
    answer = _unraised(alpha).get("/customers")
    assert is_problem(answer, 500, "error")
    assert "ZeroDivision" not in json.dumps(answer.json())


def _unraised(api: Api) -> Api:
    """As a real server answers it: the test client would raise what went wrong."""
    api._client.raise_request_exception = False
    return api
