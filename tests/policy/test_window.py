"""A window never holds more than its maximum, wherever it begins, and workers together little more."""

from hypothesis import given
from hypothesis import strategies as st

from outgate.policy.window import PARTS, Window

NOW = 1_795_600_000.0


def window(maximum: int = 50, seconds: int = 300, workers: int = 1) -> Window:
    return Window(seconds, maximum, workers, NOW)


def try_to_use(one: Window, amount: int, now: float) -> bool:
    if now >= one.ends:
        one.advance(now)
    if not one.admits(amount):
        return False
    one.use(amount)
    return True


def test_the_maximum_passes_and_no_more() -> None:
    one = window()
    assert all(try_to_use(one, 1, NOW) for _ in range(50))
    assert not try_to_use(one, 1, NOW)
    assert one.used == 50


def test_what_was_used_is_forgotten_after_the_window_and_at_most_a_part_late() -> None:
    one = window()
    assert try_to_use(one, 50, NOW)
    assert not try_to_use(one, 1, NOW + 300 - 0.01)
    assert try_to_use(one, 1, NOW + 300 + 300 / PARTS)


def test_it_says_when_there_will_be_room() -> None:
    one = window()
    assert try_to_use(one, 30, NOW)
    assert try_to_use(one, 20, NOW + 100)
    at = one.free_at(30)
    assert NOW + 300 <= at <= NOW + 330
    assert not try_to_use(one, 30, at - 0.01)
    assert try_to_use(one, 30, at)


def test_a_clock_that_is_set_back_forgets_nothing() -> None:
    one = window()
    assert try_to_use(one, 50, NOW)
    one.advance(NOW - 1_000)
    assert not try_to_use(one, 1, NOW)


def test_a_message_above_the_maximum_waits_for_an_empty_window_and_as_many_windows_as_it_fills() -> None:
    one = window()
    assert not one.admits(120)
    assert not one.admits_oversize(120, waited_seconds=419)
    assert one.admits_oversize(120, waited_seconds=420)
    one.use(1)
    assert not one.admits_oversize(120, waited_seconds=10_000)


def test_a_worker_of_two_uses_half_of_what_is_left_until_it_has_told_the_clerk() -> None:
    one = window(workers=2)
    assert sum(try_to_use(one, 1, NOW) for _ in range(50)) == 25
    assert one.is_short_of_share
    told = one.take_fresh()
    one.confirm(told)
    one.learn(told, 2)
    assert sum(try_to_use(one, 1, NOW) for _ in range(50)) == 13


def test_what_others_used_counts() -> None:
    one = window(workers=2)
    one.learn({one.part: 50}, 2)
    assert not try_to_use(one, 1, NOW)


def test_what_is_told_twice_or_late_does_no_harm() -> None:
    one = window()
    one.learn({one.part: 40}, 1)
    one.learn({one.part: 30, one.part - PARTS - 1: 1_000}, 1)
    assert one.used == 40


def test_one_message_above_the_share_goes_if_all_is_told() -> None:
    one = window(workers=2)
    assert try_to_use(one, 50, NOW)
    other = window(workers=2)
    assert try_to_use(other, 1, NOW)
    assert not try_to_use(other, 49, NOW)


def test_what_was_known_is_settled_in_the_next_process() -> None:
    one = window()
    one.learn({one.part: 10}, 1)
    one.use(5)
    again = window()
    again.learn(one.known(), 1)
    assert again.used == 15
    assert again.take_fresh() == {}


def test_another_maximum_counts_at_once() -> None:
    one = window()
    one.use(20)
    one.limit(10)
    assert not one.admits(1)
    one.limit(30)
    assert one.admits(10)
    assert not one.admits(11)


pauses = st.sampled_from([0.0, 0.0, 0.0, 0.001, 0.04, 0.099, 0.101, 0.3, 0.899, 0.95, 1.001])  # of a window
steps = st.lists(st.tuples(pauses, st.integers(1, 3)), max_size=60)


@given(steps, st.integers(1, 4), st.sampled_from([1, 10, 100]))
def test_no_window_ever_holds_more_than_the_maximum(tries: list[tuple[float, int]], maximum: int, seconds: int) -> None:
    one = Window(seconds, maximum, 1, NOW)
    now = NOW
    used: list[tuple[float, int]] = []
    for pause, amount in tries:
        now += pause * seconds
        if try_to_use(one, amount, now):
            used.append((now, amount))
    for at, _ in used:
        assert sum(amount for when, amount in used if at - seconds < when <= at) <= maximum


worker_steps = st.lists(
    st.tuples(pauses, st.integers(0, 3), st.integers(1, 3), st.sampled_from(["use"] * 6 + ["tell", "lose"])),
    max_size=100,
)


@given(worker_steps, st.integers(1, 8), st.integers(1, 4))
def test_workers_together_use_no_more_than_the_stated_overshoot(
    does: list[tuple[float, int, int, str]], maximum: int, workers: int
) -> None:
    """Whatever they do in whatever order, and however long some of them hear nothing."""
    seconds = 100
    windows = [Window(seconds, maximum, workers, NOW) for _ in range(workers)]
    clerk: dict[int, int] = {}
    now = NOW
    used: list[tuple[float, int]] = []
    largest = 0
    for pause, number, amount, what in does:
        now += pause * seconds
        one = windows[number % workers]
        if what == "use":
            if try_to_use(one, amount, now):
                used.append((now, amount))
                largest = max(largest, amount)
            continue
        told = one.take_fresh()
        for part, count in told.items():
            clerk[part] = clerk.get(part, 0) + count
        if what == "lose":
            continue  # the clerk's answer is lost: it will be told again, and count it twice
        one.confirm(told)
        one.learn(dict(clerk), workers)
    bound = maximum + (workers - 1) * max(-(-maximum // workers), largest)
    for at, _ in used:
        assert sum(amount for when, amount in used if at - seconds < when <= at) <= bound
