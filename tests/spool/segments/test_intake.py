"""What is put is taken, in order; the writer sleeps until somebody waits for something."""

import threading
from collections.abc import Callable

from tests.support.spool import WAIT_SECONDS

from outgate.spool.segments.intake import Intake, Stop


def taken_by_a_sleeper(intake: Intake, timeout_seconds: float | None, act: Callable[[], None]) -> list[object] | None:
    """What `take` returns in another thread while `act` is done here; None if it still sleeps after that."""
    result: list[list[object]] = []
    thread = threading.Thread(target=lambda: result.append(list(intake.take(timeout_seconds))))
    thread.start()
    while not intake._sleep:
        pass
    act()
    thread.join(0.05)
    sleeps = thread.is_alive()
    intake.wake()
    thread.join(WAIT_SECONDS)
    return None if sleeps else result[0]


def test_everything_is_taken_in_order_without_waiting() -> None:
    intake = Intake()
    intake.put_lazily(b"1")
    intake.put(b"2")
    intake.put_lazily(b"3")
    assert intake.take(None) == [b"1", b"2", b"3"]
    assert intake.take(0) == []


def test_put_wakes_the_sleeper() -> None:
    for timeout in (None, WAIT_SECONDS):
        intake = Intake()
        stop = Stop()
        assert taken_by_a_sleeper(intake, timeout, lambda intake=intake, stop=stop: intake.put(stop)) == [stop]  # type: ignore[misc]


def test_lazy_put_wakes_the_sleeper_only_if_it_has_no_timer() -> None:
    intake = Intake()
    assert taken_by_a_sleeper(intake, None, lambda: intake.put_lazily(b"event")) == [b"event"]
    intake = Intake()
    assert taken_by_a_sleeper(intake, WAIT_SECONDS, lambda: intake.put_lazily(b"event")) is None


def test_timer_ends_the_sleep() -> None:
    assert Intake().take(0.001) == []


def test_nothing_is_lost_between_two_threads() -> None:
    intake = Intake()
    count = 20_000
    seen: list[object] = []

    def take() -> None:
        while len(seen) < count:
            seen.extend(intake.take(None))

    thread = threading.Thread(target=take)
    thread.start()
    for number in range(count):
        (intake.put if number % 3 else intake.put_lazily)(b"%d" % number)
    thread.join(WAIT_SECONDS)
    assert not thread.is_alive()
    assert seen == [b"%d" % number for number in range(count)]
