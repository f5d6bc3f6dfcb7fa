"""Finding customers."""

from typing import Any

import pytest
from tests.support.portal import ACTOR, customer, partner, region

from outgate.portal.customers import services
from outgate.portal.customers.selectors import customer_named, customers, summaries
from outgate.portal.errors import NotFound
from outgate.portal.outbound.services import add_domain

pytestmark = pytest.mark.django_db(databases="__all__")


def test_customer_is_found_by_id_or_name() -> None:
    made = customer("Example Ltd")

    assert customer_named("example-ltd") == customer_named("Example Ltd") == made


def test_id_goes_before_name() -> None:
    first = customer("Example")
    services.create_customer(actor=ACTOR, name="example", partner=partner("Other"), region=region(), slug="other")

    assert customer_named("example") == first


def test_name_of_several_is_not_guessed_at() -> None:
    customer("Example")
    services.create_customer(actor=ACTOR, name="Example", partner=partner("Other"), region=region())

    with pytest.raises(NotFound, match=r"Several customers are called 'Example'\. Give the id: example, example-2"):
        customer_named("Example")


def test_unknown_customer_is_said_to_be_unknown() -> None:
    with pytest.raises(NotFound, match="There is no customer 'x'"):
        customer_named("x")


def test_search_looks_into_id_name_and_domains() -> None:
    first, second = customer("First"), customer("Second")
    add_domain(actor=ACTOR, customer=first, name="alpha.example")

    assert list(customers("IRS")) == [first]
    assert list(customers("alph")) == [first]
    assert list(customers("second")) == [second]
    assert list(customers("nothing")) == []
    assert list(customers()) == [first, second]


def test_list_takes_one_question_however_long(django_assert_num_queries: Any) -> None:
    for name in ("First", "Second", "Third"):
        add_domain(actor=ACTOR, customer=customer(name), name=f"{name}.example")

    with django_assert_num_queries(1):
        rows = summaries()

    assert [(row.id, row.partner, row.domains) for row in rows] == [
        ("first", "default", 1),
        ("second", "default", 1),
        ("third", "default", 1),
    ]
