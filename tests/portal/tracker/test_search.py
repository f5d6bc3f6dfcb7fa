"""Searches: what is found, in which order, in pages, and how far one goes in its time."""

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db.models import Q
from tests.support.tracked import AT, NOW, accept, attempt, name_at, refuse

from outgate.mail.queue_ids import queue_id
from outgate.portal.tracker import search as module
from outgate.portal.tracker.search import (
    NEWER_MAX,
    Every,
    MessageFilter,
    count_newer,
    newest,
    read_filter,
    read_queue_id,
    search,
    time_of,
)

pytestmark = pytest.mark.django_db(databases="__all__")


def ids(found: Any) -> list[str]:
    return [message.queue_id for message in found]


def found(**wanted: Any) -> list[str]:
    asked, faults = read_filter(wanted)
    assert not faults
    return ids(search("alpha", asked, now=NOW).messages)


def test_newest_comes_first_and_pages_join_without_gap_or_repetition() -> None:
    names = [accept(number) for number in range(7)]

    seen, before = [], ""
    while True:
        page = search("alpha", MessageFilter(), now=NOW, before=before, limit=3)
        seen += ids(page.messages)
        if not page.next_before:
            break
        before = page.next_before
    assert seen == names[::-1]


def test_other_customers_and_older_mail_are_not_there() -> None:
    accept(1, customer="beta")
    old = accept(2, at=AT - 8 * 86_400)
    own = accept(3)

    assert found() == [own]
    assert found(since="2026-11-01T00:00") == [own, old]
    assert found(until=(NOW - timedelta(days=1)).isoformat()) == [old]  # seven days before the end


@pytest.mark.parametrize(
    ("wanted", "numbers"),
    [
        ({"subject": "HELLO"}, [1]),
        ({"subject": "100%"}, [2]),
        ({"subject": "_"}, []),
        ({"sender": "carol@"}, [2]),
        ({"sender": "header.example"}, [1]),
        ({"sender": "<>"}, [3]),
        ({"recipient": "second@"}, [1]),
        ({"recipient": "SECOND@"}, [1]),
        ({"message_id": "m-1@"}, [1]),
        ({"status": "relayed"}, [2]),
        ({"status": "refused"}, [4]),
        ({"reason": "Sender-Not-Registered"}, [4]),
        ({"reason": "over-limit"}, [1]),
        ({"reason": "next-hop-deferred"}, [3]),
        ({"source": "198.51."}, [2]),
        ({"source": "51."}, []),
        ({"lane": "slow"}, [1]),
        ({"lane": "direct", "reason": "domain-own"}, [3, 2]),
        ({"status": "relayed", "subject": "hello"}, []),
    ],
)
def test_each_filter_finds_its_own(wanted: dict[str, str], numbers: list[int]) -> None:
    names = {
        1: accept(
            1,
            subject="Hello world",
            header_from="boss@header.example",
            paths=("first@b.example", "second@b.example"),
            message_id_field="<m-1@alpha.example>",
            lane="slow",
            lane_reason="over-limit",
        ),
        2: accept(2, subject="100% off", reverse_path="carol@alpha.example", source="198.51.100.7"),
        3: accept(3, reverse_path="", header_from="", reason="domain-own"),
        4: refuse(4),
    }
    attempt(names[2], ("b@b.example", "relayed", "250 ok"))
    attempt(names[3], ("b@b.example", "deferred", "451 later"), reason="next-hop-deferred")
    assert found(**wanted) == [names[number] for number in numbers]


def test_search_stops_when_its_time_is_up_and_goes_on_from_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STRETCH", 2)
    wanted = accept(1, subject="needle")
    names = [accept(number) for number in range(2, 9)]
    asked = MessageFilter(subject="needle")

    first = search("alpha", asked, now=NOW, seconds=1.5, clock=itertools.count().__next__)
    assert first.messages == []
    assert first.next_before == names[-4]  # two stretches of two
    assert first.searched_to == time_of(names[-4])

    second = search("alpha", asked, now=NOW, before=first.next_before, seconds=100)
    assert ids(second.messages) == [wanted]
    assert (second.next_before, second.searched_to) == ("", None)


def test_full_page_of_a_search_goes_on_behind_its_last_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STRETCH", 2)
    names = [accept(number, subject="same") for number in range(5)]
    asked = MessageFilter(subject="same")

    first = search("alpha", asked, now=NOW, limit=3)
    assert (ids(first.messages), first.next_before, first.searched_to) == (names[:1:-1], names[2], None)
    assert ids(search("alpha", asked, now=NOW, before=names[2], limit=3).messages) == names[1::-1]


def test_all_that_is_wanted_comes_up_to_what_may_be_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STRETCH", 2)
    names = [accept(number, subject="odd" if number % 2 else "even") for number in range(6)]
    asked = MessageFilter(subject="odd")

    whole = Every("alpha", asked, now=NOW, looked_at_max=100)
    assert ids(whole) == [names[5], names[3], names[1]]
    assert not whole.is_cut
    cut = Every("alpha", asked, now=NOW, looked_at_max=4)
    assert ids(cut) == [names[5], names[3]]
    assert cut.is_cut


def test_newer_messages_are_counted_as_far_as_they_are_wanted() -> None:
    names = [accept(number, subject="odd" if number % 2 else "even") for number in range(6)]

    assert count_newer("alpha", MessageFilter(), now=NOW, after=names[3]) == 2
    assert count_newer("alpha", MessageFilter(), now=NOW, after=names[5]) == 0
    assert count_newer("alpha", MessageFilter(subject="odd"), now=NOW, after=names[0]) == 3
    assert count_newer("alpha", MessageFilter(), now=NOW, after="") == 6
    assert count_newer("beta", MessageFilter(), now=NOW, after="") == 0


def test_count_of_newer_messages_ends_somewhere() -> None:
    for number in range(NEWER_MAX + 5):
        accept(number)

    assert count_newer("alpha", MessageFilter(), now=NOW, after="") == NEWER_MAX + 1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("status", "nonsense"),
        ("lane", "fast"),
        ("reason", "never-was"),
        ("since", "yesterday"),
        ("since", "1900-01-01T00:00"),
        ("until", "0001-01-01T00:00:00+14:00"),
        ("subject", "x" * 321),
    ],
)
def test_value_that_cannot_be_taken_is_left_out_and_named(name: str, value: str) -> None:
    wanted, faults = read_filter({name: value, "sender": "a@"})

    assert wanted == MessageFilter(sender="a@")
    assert [fault.field for fault in faults] == [name]


def test_end_before_the_beginning_is_a_fault() -> None:
    _, faults = read_filter({"since": "2026-11-02T00:00", "until": "2026-11-01T00:00"})

    assert [fault.field for fault in faults] == ["until"]


def test_times_are_utc_and_any_can_be_asked() -> None:
    wanted, _ = read_filter({"since": "2026-11-02T01:00:00+01:00", "until": "9999-12-31T23:59"})

    assert wanted.since == datetime(2026, 11, 2, tzinfo=UTC)
    assert search("alpha", wanted, now=NOW).messages == []


def test_queue_id_tells_its_time() -> None:
    assert time_of(name_at(AT)) == datetime.fromtimestamp(AT, UTC)
    assert time_of(queue_id(0, 1023, 7)).year == 1970


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("T4226ZR000G00", "T4226ZR000G00"),
        (" t4226zr000g00\n", "T4226ZR000G00"),
        ("T4226ZROOOGOO", "T4226ZR000G00"),
        ("T4226ZR000G0", ""),
        ("T4226ZR000G00X", ""),
        ("T4226ZR000G0U", ""),
        ("", ""),
        ("' OR 1=1 --  ", ""),
    ],
)
def test_queue_id_is_read_as_people_write_it(text: str, read: str) -> None:
    assert read_queue_id(text) == read


def test_newest_that_meets_conditions_is_found_behind_many_that_do_not(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = [accept(number) for number in (1, 2)]
    for number in range(3, 9):
        refuse(number)
    monkeypatch.setattr(module, "STRETCH", 2)
    since = NOW - timedelta(days=1)
    conditions = Q(status="queued")

    assert ids(newest("alpha", conditions, since=since, limit=1)) == wanted[:0:-1]
    assert ids(newest("alpha", conditions, since=since, limit=5)) == wanted[::-1]
    assert newest("alpha", conditions, since=NOW, limit=5) == []
    assert newest("beta", conditions, since=since, limit=5) == []


def test_newest_stops_when_its_time_is_up(monkeypatch: pytest.MonkeyPatch) -> None:
    accept(1)
    for number in range(2, 6):
        refuse(number)
    monkeypatch.setattr(module, "STRETCH", 2)
    clock = itertools.count().__next__

    assert newest("alpha", Q(status="queued"), since=NOW - timedelta(days=1), limit=1, seconds=2, clock=clock) == []
