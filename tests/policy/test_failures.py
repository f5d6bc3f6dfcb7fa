"""Who fails many proofs is slowed, by all workers, and nobody else."""

import pytest

from outgate.policy.failures import FAILED_PROOFS_MAX, FAILED_PROOFS_SECONDS, Failures, source_key, tenant_key
from outgate.policy.meters import Meters

NOW = 1_795_600_000.0
BAD = source_key("192.0.2.1")


def test_who_fails_too_often_is_slowed_for_a_time() -> None:
    failures = Failures(Meters())
    for _ in range(FAILED_PROOFS_MAX):
        assert failures.slowed_until(BAD, NOW) == 0.0
        failures.count(BAD, NOW)
    until = failures.slowed_until(BAD, NOW)
    assert NOW < until <= NOW + FAILED_PROOFS_SECONDS * 1.1
    assert failures.slowed_until(source_key("192.0.2.2"), NOW) == 0.0
    assert failures.slowed_until(tenant_key("192.0.2.1"), NOW) == 0.0
    assert failures.slowed_until(BAD, until) == 0.0
    assert failures.counted == FAILED_PROOFS_MAX


@pytest.mark.parametrize(("workers", "each"), [(2, 50), (4, 25), (3, 34), (64, 2)])
def test_without_news_of_the_others_each_worker_has_its_part(workers: int, each: int) -> None:
    failures = Failures(Meters(workers))
    for _ in range(each):
        assert failures.slowed_until(BAD, NOW) == 0.0
        failures.count(BAD, NOW)
    assert failures.slowed_until(BAD, NOW) > NOW


def test_what_one_worker_has_counted_slows_at_all_and_after_a_restart() -> None:
    first, second = Meters(2), Meters(2)
    here, there = Failures(first), Failures(second)
    for _ in range(FAILED_PROOFS_MAX):
        here.count(BAD, NOW)
    known = Meters.known(first, NOW)  # all that the clerk was told, and what stands in the copy on disk
    second.learn(known, 2, NOW)
    assert there.slowed_until(BAD, NOW) > NOW
    started_again = Meters(2)
    started_again.learn(known, 2, NOW)
    assert Failures(started_again).slowed_until(BAD, NOW) == there.slowed_until(BAD, NOW)
    assert there.slowed_until(source_key("192.0.2.2"), NOW) == 0.0


def test_few_failures_are_told_before_they_are_too_many() -> None:
    meters = Meters(4)
    failures = Failures(meters)
    while not meters.has_news:
        failures.count(BAD, NOW)
    assert failures.counted < FAILED_PROOFS_MAX / 4
    _, (count,) = meters.report()
    assert (count.customer_id, count.subject) == ("", BAD)


def test_who_finds_no_room_is_not_slowed_for_others_and_who_is_slowed_is_not_forgotten() -> None:
    failures = Failures(Meters(keys_max=20))
    for number in range(20):
        for _ in range(FAILED_PROOFS_MAX):
            failures.count(source_key(f"192.0.2.{number}"), NOW)
    for number in range(1_000):
        failures.count(tenant_key(str(number)), NOW)
    assert all(failures.slowed_until(source_key(f"192.0.2.{number}"), NOW) > NOW for number in range(20))
    assert failures.slowed_until(tenant_key("1"), NOW) == 0.0
    assert failures.slowed_until(tenant_key("1000"), NOW) == 0.0
