"""How many requests a key may make."""

import pytest
from tests.portal.api.conftest import api_of
from tests.portal.web.conftest import People

from outgate.portal.api import rate
from outgate.portal.api.rate import Buckets, buckets


def test_burst_then_the_rate() -> None:
    mine = Buckets(per_minute=60, burst=3)

    assert [mine.take(1, 10.0) for _ in range(3)] == [0, 0, 0]
    assert mine.take(1, 10.0) == pytest.approx(1.0)
    assert mine.take(1, 10.25) == pytest.approx(0.75)
    assert mine.take(1, 11.0) == 0
    assert mine.take(2, 11.0) == 0


def test_who_waited_long_has_no_more_than_a_burst() -> None:
    mine = Buckets(per_minute=60, burst=2)
    mine.take(1, 0.0)

    assert [bool(mine.take(1, 1e6)) for _ in range(3)] == [False, False, True]


def test_buckets_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate, "KEYS_MAX", 2)
    mine = Buckets(per_minute=60, burst=1)
    for key in (1, 2, 3):
        mine.take(key, 0.0)

    assert mine.take(1, 0.0) == 0  # forgotten, and so forgiven
    assert mine.take(3, 0.0) > 0


@pytest.mark.django_db(databases="__all__")
def test_key_that_asks_too_often_is_told_when_to_come_again(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(buckets, "burst", 2)
    monkeypatch.setattr(buckets, "per_second", 0.01)
    mine, other = api_of(people.admin), api_of(people.admin)

    assert [mine.get("/customers").status_code for _ in range(3)] == [200, 200, 429]
    refused = mine.get("/customers")
    assert refused.json()["code"] == "too-many-requests"
    assert 99 <= int(refused.headers["Retry-After"]) <= 100
    assert other.get("/customers").status_code == 200
