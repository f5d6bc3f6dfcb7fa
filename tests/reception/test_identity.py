from hypothesis import given
from hypothesis import strategies as st

from outgate.reception.identity import COUNTER_MAX, QueueIds


@given(st.lists(st.floats(1.7e9, 1.8e9), min_size=2, max_size=50))
def test_ids_ascend_whatever_the_clock_does(times: list[float]) -> None:
    clock = iter(times)
    ids = QueueIds(3, lambda: next(clock))
    given_ids = [ids.next() for _ in times]
    assert given_ids == sorted(set(given_ids))


def test_a_full_millisecond_goes_on_in_the_next() -> None:
    ids = QueueIds(1, lambda: 1.7e9)
    given_ids = [ids.next() for _ in range(COUNTER_MAX + 5)]
    assert given_ids == sorted(set(given_ids))


def test_workers_never_give_the_same_id() -> None:
    assert QueueIds(1, lambda: 1.7e9).next() != QueueIds(2, lambda: 1.7e9).next()
