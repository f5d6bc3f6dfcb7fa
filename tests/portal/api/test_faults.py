"""What is wrong with values is said in our words, with what to do about it."""

from typing import Any

import pytest
from ninja.operation import Operation
from pydantic import ValidationError, create_model
from tests.portal.api.conftest import Api

from outgate.portal.api.faults import REMEDIES, fault_of, field_of
from outgate.portal.api.site import api

WRONG: tuple[Any, ...] = ("", "x", "x" * 100_000, 0, -1, 10**30, 1.5, True, None, [], ["x"] * 2_000, {}, {"x": 1}, [{}])


def bodies() -> list[Any]:
    """The schema of each route's body, as ninja asks pydantic for it."""
    operations: list[Operation] = [each for _, each in api.operations()]
    models = [model for each in operations for model in each.models if model.__ninja_param_source__ == "body"]
    fields = [field for model in models for field in model.model_fields.values()]
    return [create_model("Body", told=(field.annotation, ...)) for field in fields]


def faults_of(model: Any, told: Any) -> list[Any]:
    try:
        model.model_validate({"told": told})
    except ValidationError as error:
        return list(error.errors())
    return []


def test_every_kind_of_error_that_a_body_can_have_is_in_our_words() -> None:
    kinds, count = set(), 0
    for model in bodies():
        wanted = model.model_fields["told"].annotation
        for wrong in WRONG:
            told = [wrong, *({name: wrong} for name in wanted.model_fields)]
            for error in (each for value in told for each in faults_of(model, value)):
                kinds.add(error["type"])
                count += 1
                fault = fault_of({**error, "loc": ("body", "wanted", *error["loc"][1:])})
                assert "Input should" not in fault.detail
                assert "{" not in fault.detail
                assert fault.detail.endswith(".")
    assert count > 500
    assert kinds - REMEDIES.keys() == set()


@pytest.mark.parametrize(
    ("place", "field"),
    [
        (("body", "wanted", "rules", 0, "seconds"), "rules[0].seconds"),
        (("body", "wanted"), ""),
        (("query", "limit"), "limit"),
        (("path", "user_id"), "user_id"),
        (("body", "wanted", "sections", 1, 2), "sections[1][2]"),
    ],
)
def test_place_is_written_as_the_caller_knows_it(place: tuple[Any, ...], field: str) -> None:
    assert field_of(place) == field


@pytest.mark.django_db(databases="__all__")
@pytest.mark.parametrize(
    ("body", "field", "said"),
    [
        ({"email": 5, "role": "customer-admin"}, "email", "Give a text in quotes."),
        ({"email": "a@b.example", "role": "boss"}, "role", "Give one of these: 'operator', 'partner', "),
        ({"email": "a" * 255, "role": "customer-admin"}, "email", "Give a text of at most 254 characters."),
        ({"email": "a@b.example", "role": "customer-admin", "mail_link": 1}, "mail_link", "Give true or false."),
        ({"email": "a@b.example"}, "role", "This is missing. Add it."),
        (None, "", "The body is missing. Send a JSON object."),
        ([], "", "Give an object: names and values in braces."),
    ],
)
def test_caller_is_told_the_field_and_the_remedy(alpha: Api, body: Any, field: str, said: str) -> None:
    (error,) = alpha.send("POST", "/users", body).json()["errors"]

    assert error["field"] == field
    assert error["detail"].startswith(said)


@pytest.mark.django_db(databases="__all__")
@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"limit": 0}, "Give 1 or more."),
        ({"limit": 201}, "Give 200 or less."),
        ({"limit": "x"}, "Give a whole number."),
    ],
)
def test_so_it_is_of_the_address(alpha: Api, query: dict[str, Any], said: str) -> None:
    (error,) = alpha.get("/users", **query).json()["errors"]

    assert error == {"field": "limit", "detail": said}


@pytest.mark.django_db(databases="__all__")
def test_time_that_is_none_gets_an_example(alpha: Api) -> None:
    answer = alpha.get("/customers/alpha/guides/microsoft-365/proof", since="yesterday")

    assert answer.json()["errors"] == [{"field": "since", "detail": "Give a time such as 2026-11-26T10:00:00Z."}]
