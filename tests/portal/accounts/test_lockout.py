"""Who guesses has to wait; who does not, has not."""

from datetime import UTC, datetime, timedelta

import pytest

from outgate.portal.accounts import lockout
from outgate.portal.accounts.models import FailedSignIn

pytestmark = pytest.mark.django_db(databases="__all__")

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
ANN, BOB = "ann@example.com", "bob@example.com"
HERE, THERE = "198.51.100.7", "203.0.113.9"


def fail(times: int, account: str = ANN, address: str = HERE, at: datetime = NOW) -> None:
    for number in range(times):
        lockout.record_failure(account=account, address=address, now=at + timedelta(seconds=number))


def is_locked(account: str = ANN, address: str = HERE, at: datetime = NOW + timedelta(minutes=1)) -> bool:
    return lockout.lock_on(account=account, address=address, now=at) is not None


def test_fifth_failure_locks_the_account_from_that_address_alone() -> None:
    fail(lockout.FAILURES_PER_ACCOUNT_AND_ADDRESS - 1)
    assert not is_locked()

    fail(1)
    assert is_locked()
    assert is_locked(account=" ANN@Example.com ")
    assert not is_locked(address=THERE)
    assert not is_locked(account=BOB)


def test_lock_ends_by_itself() -> None:
    fail(lockout.FAILURES_PER_ACCOUNT_AND_ADDRESS)

    end = NOW + timedelta(minutes=lockout.LOCK_MINUTES)
    assert is_locked(at=end - timedelta(seconds=1))
    assert not is_locked(at=end)


def test_many_accounts_from_one_address_lock_the_address() -> None:
    for number in range(lockout.FAILURES_PER_ADDRESS):
        fail(1, account=f"user{number}@example.com")

    assert is_locked(account="never-tried@example.com")
    assert not is_locked(account="never-tried@example.com", address=THERE)


def test_one_account_from_many_addresses_is_locked_everywhere() -> None:
    for number in range(lockout.FAILURES_PER_ACCOUNT):
        fail(1, address=f"198.51.100.{number}")

    assert is_locked(address=THERE)
    assert not is_locked(account=BOB, address=THERE)


def test_success_forgives_the_own_tries_and_not_those_of_others() -> None:
    fail(lockout.FAILURES_PER_ACCOUNT_AND_ADDRESS)
    fail(2, address=THERE)

    lockout.forgive(account=ANN, address=HERE)

    assert not is_locked()
    assert FailedSignIn.objects.filter(address=THERE).count() == 2


def test_unlocking_forgets_all() -> None:
    fail(lockout.FAILURES_PER_ACCOUNT_AND_ADDRESS)

    assert lockout.unlock(account=ANN.upper()) == lockout.FAILURES_PER_ACCOUNT_AND_ADDRESS
    assert not is_locked()


def test_old_failures_are_dropped() -> None:
    fail(3, at=NOW - timedelta(days=lockout.KEPT_DAYS, minutes=1))
    fail(1)

    assert FailedSignIn.objects.count() == 1
