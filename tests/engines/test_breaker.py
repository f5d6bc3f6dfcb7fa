"""The breaker's states, and that none of them is for ever."""

from hypothesis import given
from hypothesis import strategies as st

from outgate.engines.breaker import Breaker, BreakerState


def test_opens_after_failures_in_a_row_and_not_before() -> None:
    breaker = Breaker(3, 10.0)
    for now in (0.0, 1.0):
        assert breaker.admit(now)
        breaker.failed(now)
    breaker.succeeded()
    for now in (2.0, 3.0, 4.0):
        assert breaker.admit(now)
        breaker.failed(now)
    assert breaker.state is BreakerState.OPEN
    assert not breaker.admit(13.9)


def test_one_message_tries_after_the_pause_and_closes_it() -> None:
    breaker = Breaker(1, 10.0)
    breaker.failed(0.0)
    assert breaker.admit(10.0)
    assert breaker.state is BreakerState.HALF_OPEN
    assert not breaker.admit(10.0)
    breaker.succeeded()
    assert breaker.admit(10.0)
    assert breaker.failures == 0


def test_failed_try_opens_it_for_another_pause() -> None:
    breaker = Breaker(1, 10.0)
    breaker.failed(0.0)
    assert breaker.admit(10.0)
    breaker.failed(11.0)
    assert not breaker.admit(20.9)
    assert breaker.admit(21.0)


def test_abandoned_try_lets_the_next_message_try() -> None:
    breaker = Breaker(1, 10.0)
    breaker.failed(0.0)
    assert breaker.admit(10.0)
    breaker.abandoned()
    assert breaker.admit(10.0)


def test_abandoned_question_changes_nothing_while_all_is_well() -> None:
    breaker = Breaker(1, 10.0)
    breaker.abandoned()
    assert breaker.state is BreakerState.CLOSED


@given(st.lists(st.sampled_from(["admit", "succeeded", "failed", "abandoned"])), st.integers(1, 5))
def test_whatever_happens_it_is_tried_again_one_pause_after_all_have_reported(steps: list[str], most: int) -> None:
    breaker, now, under_way = Breaker(most, 10.0), 0.0, 0
    for step in steps:
        now += 1.0
        if step == "admit":
            under_way += breaker.admit(now)
        elif under_way:
            under_way -= 1
            if step == "failed":
                breaker.failed(now)
            else:
                getattr(breaker, step)()
    for _ in range(under_way):
        breaker.abandoned()
    assert breaker.admit(now + 10.0)
