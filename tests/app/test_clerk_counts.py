"""The clerk's book of what was used: added up, told to who does not know it, shared with other nodes, kept."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from outgate.app import clerk_counts
from outgate.app.clerk_counts import CountBook
from outgate.app.clerk_database import DatabaseThread
from outgate.contract.wire import Count
from outgate.portal.limits import services

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")

SECONDS = 8_640_000  # so long that no part ends while the tests run
PART = int(time.time() * 10 // SECONDS)


def count(subject: str, amount: int, part: int = PART) -> Count:
    return Count("alpha", "mailbox", subject, "recipients", SECONDS, {part: amount})


def told(book: CountBook, version: int = 0) -> dict[str, dict[int, int]]:
    return {each.subject: each.parts for frame in book.since(version) for each in frame.counts}


def with_database(scenario: Callable[[DatabaseThread], Coroutine[Any, Any, None]]) -> None:
    async def whole() -> None:
        database = DatabaseThread()
        try:
            await scenario(database)
        finally:
            await database.close()

    asyncio.run(whole())


def test_what_workers_use_is_added_up_and_answered_with_the_total() -> None:
    book = CountBook("mx1")
    book.add([count("a", 5)])
    (total,) = book.add([count("a", 2), count("b", 1)])[:1]
    assert total.parts == {PART: 7}
    assert told(book) == {"a": {PART: 7}, "b": {PART: 1}}


def test_only_what_changed_since_is_told() -> None:
    book = CountBook("mx1")
    book.add([count("a", 5)])
    version = book.version
    assert told(book, version) == {}
    book.add([count("b", 1)])
    assert told(book, version) == {"b": {PART: 1}}


def test_parts_that_are_over_are_dropped() -> None:
    book = CountBook("mx1")
    book.add([count("a", 5, PART - 50)])
    assert book.add([count("a", 1)])[0].parts == {PART: 1}


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clerk_counts, "BOOK_MAX", 2)
    book = CountBook("mx1")
    for name in "abc":
        book.add([count(name, 1)])
    assert set(told(book)) == {"b", "c"}


def test_many_counts_are_told_in_several_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clerk_counts, "TOLD_MAX", 2)
    book = CountBook("mx1")
    book.add([count(name, 1) for name in "abcde"])
    assert [len(frame.counts) for frame in book.since(0)] == [2, 2, 1]


def test_nodes_learn_of_each_other_and_a_new_clerk_of_what_was_before() -> None:
    async def scenario(database: DatabaseThread) -> None:
        one, other = CountBook("mx1"), CountBook("mx2")
        one.add([count("a", 5)])
        await one.exchange(database)
        await other.exchange(database)
        assert told(other) == {"a": {PART: 5}}
        other.add([count("a", 2)])
        await other.exchange(database)
        await one.exchange(database)
        await one.exchange(database)
        assert told(one) == {"a": {PART: 7}}
        again = CountBook("mx1")
        await again.exchange(database)
        assert told(again) == {"a": {PART: 7}}
        again.add([count("a", 1)])
        await again.exchange(database)
        await other.exchange(database)
        assert told(other) == {"a": {PART: 8}}

    with_database(scenario)


def test_what_could_not_be_written_is_written_later(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(database: DatabaseThread) -> None:
        book = CountBook("mx1")
        await book.exchange(database)
        book.add([count("a", 5)])

        def away(**_: object) -> None:
            raise OSError("away")

        with monkeypatch.context() as patch:
            patch.setattr(services, "write_counts", away)
            with pytest.raises(OSError, match="away"):
                await book.exchange(database)
        await book.exchange(database)
        other = CountBook("mx2")
        await other.exchange(database)
        assert told(other) == {"a": {PART: 5}}

    with_database(scenario)


def test_what_is_forgotten_while_writing_fails_stops_no_later_write(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clerk_counts, "BOOK_MAX", 2)

    async def scenario(database: DatabaseThread) -> None:
        book = CountBook("mx1")
        await book.exchange(database)
        book.add([count("a", 1), count("b", 1)])

        def away(**_: object) -> None:
            raise OSError("away")

        with monkeypatch.context() as broken:
            broken.setattr(services, "write_counts", away)
            writing = asyncio.ensure_future(book.write(database))
            await asyncio.sleep(0)  # its rows are made by then
            book.add([count("c", 1)])
            with pytest.raises(OSError, match="away"):
                await writing
        await book.write(database)
        other = CountBook("mx2")
        await other.exchange(database)
        assert set(told(other)) == {"b", "c"}

    with_database(scenario)
