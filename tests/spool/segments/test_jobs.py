"""Jobs run in order, failures are told, and stop waits for what was submitted."""

import threading

from tests.support.spool import WAIT_SECONDS

from outgate.spool.segments.jobs import JobThread


def test_jobs_run_in_order_and_stop_waits_for_them() -> None:
    done: list[int] = []
    thread = JobThread("test", lambda error: done.append(-1))
    for number in range(50):
        thread.submit(lambda number=number: done.append(number))  # type: ignore[misc]
    thread.start()
    thread.stop()
    thread.stop()
    assert done == list(range(50))


def test_failing_job_is_told_and_later_ones_run() -> None:
    failures: list[Exception] = []
    done: list[int] = []
    thread = JobThread("test", failures.append)
    error = OSError("failed")

    def fail() -> None:
        raise error

    thread.submit(fail)
    thread.submit(lambda: done.append(1))
    thread.start()
    thread.stop()
    assert failures == [error]
    assert done == [1]


def test_tick_comes_between_jobs() -> None:
    ticked = threading.Event()
    thread = JobThread("test", lambda error: None, tick=ticked.set, tick_seconds=0.001)
    thread.start()
    assert ticked.wait(WAIT_SECONDS)
    thread.stop()


def test_thread_that_never_started_stops_at_once() -> None:
    JobThread("test", lambda error: None).stop()
