"""The clerk's thread for the database."""

import asyncio
import threading

import pytest
from django.db import InterfaceError, OperationalError, connection

from outgate.app.clerk_database import DatabaseAway, DatabaseThread


def in_database_thread(*works: object) -> list[object]:
    async def run() -> list[object]:
        database = DatabaseThread()
        try:
            return [await database.run(work) for work in works]  # type: ignore[arg-type]
        finally:
            await database.close()

    return asyncio.run(run())


def test_all_work_is_done_by_one_thread_that_is_not_the_loops() -> None:
    first, second = in_database_thread(threading.get_ident, threading.get_ident)

    assert first == second != threading.get_ident()


@pytest.mark.django_db(databases="__all__", transaction=True)
@pytest.mark.parametrize("error", [OperationalError("connection is lost\n"), InterfaceError("already closed")])
def test_database_that_fails_is_away_and_its_connection_is_given_up(error: Exception) -> None:
    def work() -> None:
        connection.ensure_connection()
        raise error

    def connect() -> None:
        connection.ensure_connection()

    def is_connected() -> bool:
        return connection.connection is not None

    async def run() -> tuple[bool, bool]:
        database = DatabaseThread()
        try:
            await database.run(connect)
            before = await database.run(is_connected)
            with pytest.raises(DatabaseAway, match=rf"{type(error).__name__}: {str(error).strip()}$"):
                await database.run(work)
            return before, await database.run(is_connected)
        finally:
            await database.close()

    assert asyncio.run(run()) == (True, False)


def test_bug_in_the_work_is_not_the_databases_fault() -> None:
    def work() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        in_database_thread(work)


def test_arguments_are_passed_on() -> None:
    async def run() -> int:
        database = DatabaseThread()
        try:
            return await database.run(int, "ff", base=16)
        finally:
            await database.close()

    assert asyncio.run(run()) == 255
