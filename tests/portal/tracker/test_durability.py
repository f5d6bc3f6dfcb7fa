"""What the tracker has recorded is durable when it is asked to be."""

import pytest
from django.conf import settings
from django.db import connections, transaction

from outgate.portal.tracker.durability import durable

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")

NORMAL, FULL = 1, 2  # values of SQLite's PRAGMA synchronous


@pytest.fixture(autouse=True)
def only_on_sqlite() -> None:
    if connections[settings.TRACKER_DATABASE].vendor != "sqlite":
        pytest.skip("PostgreSQL flushes each commit by itself")


def synchronous() -> int:
    with connections[settings.TRACKER_DATABASE].cursor() as statement:
        statement.execute("PRAGMA synchronous")
        return int(statement.fetchone()[0])


def test_only_what_is_committed_within_is_flushed_at_once() -> None:
    before = synchronous()
    with durable():
        within = synchronous()

    assert (before, within, synchronous()) == (NORMAL, FULL, NORMAL)


def test_it_ends_with_an_error_too() -> None:
    with pytest.raises(OSError, match="broken"), durable():
        raise OSError("broken")

    assert synchronous() == NORMAL


def test_a_connection_that_was_closed_meanwhile_is_not_opened_for_it() -> None:
    connection = connections[settings.TRACKER_DATABASE]
    with durable():
        connection.close()

    assert connection.connection is None
    assert synchronous() == NORMAL


def test_within_a_transaction_that_one_decides() -> None:
    with transaction.atomic(using=settings.TRACKER_DATABASE), durable():
        assert synchronous() == NORMAL


def test_the_database_of_what_was_confirmed_flushes_always() -> None:
    with connections["default"].cursor() as statement:
        statement.execute("PRAGMA synchronous")
        assert statement.fetchone()[0] == FULL
