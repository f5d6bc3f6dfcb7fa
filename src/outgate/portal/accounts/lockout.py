"""Counts failed sign-ins, and says when somebody has to wait. Passwords, codes and passkeys count alike.

Three counts, so that guessing one account, guessing many from one place, and guessing one from many places are each
stopped, and so that who guesses from elsewhere does not keep the owner out for the price of five requests.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from outgate.portal.accounts.models import EMAIL_MAX, FailedSignIn

FAILURES_PER_ACCOUNT_AND_ADDRESS: Final = 5  # within LOCK_MINUTES
FAILURES_PER_ADDRESS: Final = 30  # within LOCK_MINUTES
FAILURES_PER_ACCOUNT: Final = 50  # within LOCK_MINUTES: three of a million codes are good at a time
LOCK_MINUTES: Final = 15
KEPT_DAYS: Final = 7


@dataclass(frozen=True, slots=True)
class Lock:
    """Nobody may try before `until`."""

    until: datetime


def lock_on(*, account: str, address: str, now: datetime) -> Lock | None:
    """The lock that holds for this account from this address, if any."""
    rows = FailedSignIn.objects.filter(at__gt=now - timedelta(minutes=LOCK_MINUTES)).order_by("-at")
    account = _key(account)
    locks = []
    for matching, maximum in (
        ({"account": account, "address": address}, FAILURES_PER_ACCOUNT_AND_ADDRESS),
        ({"address": address}, FAILURES_PER_ADDRESS),
        ({"account": account}, FAILURES_PER_ACCOUNT),
    ):
        # The one that is `maximum` back decides: when it is old enough, there are fewer.
        at = rows.filter(**matching).values_list("at", flat=True)[maximum - 1 : maximum].first()
        if at is not None:
            locks.append(at + timedelta(minutes=LOCK_MINUTES))
    return Lock(max(locks)) if locks else None


def record_failure(*, account: str, address: str, now: datetime) -> None:
    FailedSignIn.objects.create(account=_key(account), address=address, at=now)
    FailedSignIn.objects.filter(at__lt=now - timedelta(days=KEPT_DAYS)).delete()


def forgive(*, account: str, address: str) -> None:
    """Somebody signed in: the tries of this account from this address count no more; those of others do."""
    FailedSignIn.objects.filter(account=_key(account), address=address).delete()


def unlock(*, account: str) -> int:
    """Forget all failures of an account. Returns how many there were."""
    return FailedSignIn.objects.filter(account=_key(account)).delete()[0]


def _key(account: str) -> str:
    return account.strip().lower()[:EMAIL_MAX]
