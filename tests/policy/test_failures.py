"""Who fails many proofs is slowed, and nobody else."""

import pytest

from outgate.policy.failures import FAILED_PROOFS_MAX, FAILED_PROOFS_SECONDS, Failures

NOW = 1_795_600_000.0


def test_who_fails_too_often_is_slowed_for_a_time() -> None:
    failures = Failures()
    for _ in range(FAILED_PROOFS_MAX):
        assert failures.slowed_until("source:192.0.2.1", NOW) == 0.0
        failures.count("source:192.0.2.1", NOW)
    until = failures.slowed_until("source:192.0.2.1", NOW)
    assert NOW < until <= NOW + FAILED_PROOFS_SECONDS * 1.1
    assert failures.slowed_until("source:192.0.2.2", NOW) == 0.0
    assert failures.slowed_until("source:192.0.2.1", until) == 0.0


@pytest.mark.parametrize(("workers", "each"), [(2, 50), (4, 25), (3, 34), (64, 2)])
def test_each_worker_has_its_part_of_what_is_too_many(workers: int, each: int) -> None:
    """However many there are, who fails everywhere is slowed after about the same number."""
    failures = Failures(workers)
    for _ in range(each):
        assert failures.slowed_until("source:192.0.2.1", NOW) == 0.0
        failures.count("source:192.0.2.1", NOW)
    assert failures.slowed_until("source:192.0.2.1", NOW) > NOW


def test_memory_is_bounded_and_who_is_slowed_is_not_forgotten_for_others() -> None:
    failures = Failures(failers_max=20)
    for _ in range(FAILED_PROOFS_MAX):
        failures.count("source:bad", NOW)
    for number in range(1_000):
        failures.count(f"source:{number}", NOW)
    assert len(failures) == 20
    assert failures.slowed_until("source:bad", NOW) > NOW
