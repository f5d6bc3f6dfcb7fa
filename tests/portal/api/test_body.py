"""Bodies of requests."""

import pytest
from tests.portal.api.conftest import Api

pytestmark = pytest.mark.django_db(databases="__all__")
PATH = "/customers/alpha/domains"


def told(api: Api, body: str, content_type: str = "application/json") -> tuple[int, str]:
    answer = api.send("POST", PATH, body, content_type=content_type)
    return answer.status_code, answer.json().get("code", "")


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "application/toml", ""])
def test_other_type_is_refused(alpha: Api, content_type: str) -> None:
    assert told(alpha, '{"name": "a.example"}', content_type) == (415, "content-type-refused")


def test_charset_is_no_other_type(alpha: Api) -> None:
    assert told(alpha, '{"name": "a.example"}', "application/json; charset=utf-8")[0] == 201


def test_text_of_a_customer_is_toml_or_plain(alpha: Api) -> None:
    text = alpha.get("/customers/alpha/text").content.decode()

    for kind, status in (("application/toml", 200), ("text/plain", 200), ("application/json", 415)):
        answer = alpha.send("POST", "/customers/alpha/text/diff", text, content_type=kind)
        assert answer.status_code == status


@pytest.mark.parametrize(
    "body",
    [
        "{",
        "nonsense",
        '{"name": NaN}',
        '{"name": Infinity}',
        '{"name": "\\ud800"}',
        '{"\\udfff": "a"}',
        "[" * 100_000,
        '{"name": ' + "[" * 30 + "]" * 30 + "}",
        '{"name": ' + "9" * 5_000 + "}",
    ],
)
def test_what_is_no_sound_json_is_refused(alpha: Api, body: str) -> None:
    assert told(alpha, body) == (400, "json-malformed")


def test_nesting_is_told_as_what_it_is(alpha: Api) -> None:
    for depth in (30, 100_000):
        answer = alpha.send("POST", PATH, "[" * depth + "]" * depth, content_type="application/json")
        assert "nested deeper than 20" in answer.json()["detail"]


def test_octets_that_are_no_utf8_are_refused(alpha: Api) -> None:
    answer = alpha._client.generic("POST", f"/api/v1{PATH}", b'{"name": "\xff"}', content_type="application/json")

    assert (answer.status_code, answer.json()["code"]) == (400, "json-malformed")


@pytest.mark.parametrize("body", ["", "null", "[]", "1", '"name"', "{}", '{"name": 1}', '{"name": null}'])
def test_what_is_no_such_object_is_refused(alpha: Api, body: str) -> None:
    assert told(alpha, body) == (422, "value-refused")


def test_value_of_another_type_is_not_bent(alpha: Api) -> None:
    for value in ("true", 1, "on", None):
        answer = alpha.send("PUT", "/customers/alpha/outbound/status", {"on": value})
        assert answer.status_code == 422
        assert [error["field"] for error in answer.json()["errors"]] == ["on"]


def test_name_that_comes_twice_is_refused(alpha: Api) -> None:
    answer = alpha.send("POST", PATH, '{"name": "a.example", "name": "b.example"}', content_type="application/json")

    assert [error["field"] for error in answer.json()["errors"]] == ["name"]
    answer = alpha.send("GET", "/customers?limit=1&limit=2")
    assert [error["field"] for error in answer.json()["errors"]] == ["limit"]


def test_json_that_is_too_large_is_refused(alpha: Api) -> None:
    assert told(alpha, '{"name": "' + "a" * 262_144 + '"}') == (413, "body-too-large")
