"""When a message is tried again, and for how long."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outgate.policy.schedule import RetrySchedule

SCHEDULE = RetrySchedule()
MIDDLE = 0.5  # of the chance: no jitter


@pytest.mark.parametrize(
    ("attempts", "pause_seconds"),
    [(1, 60), (2, 300), (3, 900), (4, 1_800), (5, 3_600), (6, 7_200), (7, 14_400), (8, 14_400), (1000, 14_400)],
)
def test_pauses_grow_and_the_last_one_repeats(attempts: int, pause_seconds: float) -> None:
    assert SCHEDULE.next_attempt_at(1_000.0, 1_000.0, attempts, MIDDLE) == 1_000.0 + pause_seconds


def test_chance_makes_a_pause_a_tenth_longer_or_shorter() -> None:
    assert SCHEDULE.next_attempt_at(0.0, 0.0, 2, 0.0) == pytest.approx(270.0)
    assert SCHEDULE.next_attempt_at(0.0, 0.0, 2, 0.999_999) == pytest.approx(330.0, abs=0.01)


def test_the_last_attempt_falls_on_the_expiry() -> None:
    expires_at = SCHEDULE.expires_at(0.0)
    assert expires_at == 172_800.0
    assert SCHEDULE.next_attempt_at(expires_at - 100.0, 0.0, 20, MIDDLE) == expires_at


@pytest.mark.parametrize("late_seconds", [0.0, 1.0, 1e9])
def test_an_expired_message_is_not_tried_again(late_seconds: float) -> None:
    assert SCHEDULE.next_attempt_at(SCHEDULE.expires_at(5.0) + late_seconds, 5.0, 3, MIDDLE) is None


def test_the_operator_sets_pauses_and_expiry() -> None:
    schedule = RetrySchedule((10.0, 20.0), 25.0, jitter=0.0)
    assert schedule.next_attempt_at(0.0, 0.0, 1, 0.9) == 10.0
    assert schedule.next_attempt_at(0.0, 0.0, 9, 0.9) == 20.0
    assert schedule.next_attempt_at(10.0, 0.0, 2, 0.9) == 25.0
    assert schedule.next_attempt_at(25.0, 0.0, 3, 0.9) is None


def test_a_clock_that_went_back_keeps_the_message() -> None:
    assert SCHEDULE.next_attempt_at(0.0, 1e6, 1, MIDDLE) == 60.0


@settings(deadline=None, max_examples=200)
@given(st.floats(0, 4e9), st.floats(0, 4e9), st.integers(0, 10_000), st.floats(0, 1, exclude_max=True), st.floats(0, 1))
def test_the_next_attempt_is_never_before_now_nor_after_the_expiry(
    now: float, received_at: float, attempts: int, random: float, jitter: float
) -> None:
    schedule = RetrySchedule(jitter=jitter)
    next_attempt_at = schedule.next_attempt_at(now, received_at, attempts, random)
    if next_attempt_at is None:
        assert now >= schedule.expires_at(received_at)
    else:
        assert now <= next_attempt_at <= schedule.expires_at(received_at)
