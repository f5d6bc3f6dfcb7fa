"""Looks after customers' keys of held mail, a piece at a time: gives one to customers of before there were any, and has
all of them stand sealed with the secret key that is in force.
"""

from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from django.utils import timezone

from outgate.portal import sealed_secrets
from outgate.portal.customers.models import Customer
from outgate.portal.feed.changes import Changes, changes
from outgate.portal.held.keys import PURPOSE, make_key, private_key
from outgate.portal.held.models import HeldKey
from outgate.portal.outbound.documents import write_customer
from outgate.portal.sealed_secrets import Unreadable, secret_keys

READ_AT_ONCE: Final = 100  # customers, which takes some milliseconds
CHANGED_AT_ONCE: Final = 25  # customers whose documents one transaction makes anew, while other changes wait


@dataclass(frozen=True, slots=True)
class LookedAfter:
    """after: go on from there; 0 is the end. given: customers that had no key. sealed_anew: customers with a key that a
    former secret key had sealed. unreadable: customers whose key in force no secret key at hand opens."""

    after: int
    given: int = 0
    sealed_anew: int = 0
    unreadable: int = 0


class _Standing(Enum):
    GOOD = auto()
    MISSING = auto()
    FORMER = auto()
    UNREADABLE = auto()


def look_after_keys(*, after: int = 0) -> LookedAfter:
    """The customers behind `after`, some of them at a time. Idempotent, and safe on several nodes at once.

    A key in force that cannot be read is replaced: what would be sealed for it nobody could open any more. If one that
    was in force before can be read it is so again, so that nodes that disagree on the secret key do not make ever more.
    Raises: NoSecret, and nothing was changed.
    """
    secrets = secret_keys()
    customers = list(Customer.objects.filter(pk__gt=after).order_by("pk").prefetch_related("held_keys")[:READ_AT_ONCE])
    wanting = [each.pk for each in customers if _standing(_keys(each), secrets) is not _Standing.GOOD]
    found: list[_Standing] = []
    if chosen := wanting[:CHANGED_AT_ONCE]:
        with changes() as changed:
            again = Customer.objects.filter(pk__in=chosen).order_by("pk").prefetch_related("held_keys")
            found = [_put_right(changed, customer, secrets) for customer in again]
    following = 0
    if len(wanting) > len(chosen):
        following = chosen[-1]
    elif len(customers) == READ_AT_ONCE:
        following = customers[-1].pk
    return LookedAfter(
        following,
        found.count(_Standing.MISSING),
        found.count(_Standing.FORMER),
        found.count(_Standing.UNREADABLE),
    )


def _keys(customer: Customer) -> list[HeldKey]:
    """Newest first, of those that were fetched with the customer."""
    return sorted(customer.held_keys.all(), key=lambda key: (key.in_force_from, key.pk), reverse=True)


def _standing(keys: list[HeldKey], secrets: list[str]) -> _Standing:
    if not keys:
        return _Standing.MISSING
    if not _opens(keys[0], secrets):
        return _Standing.UNREADABLE
    is_former = any(not _opens(key, secrets[:1]) and _opens(key, secrets) for key in keys)
    return _Standing.FORMER if is_former else _Standing.GOOD


def _opens(key: HeldKey, secrets: list[str]) -> bool:
    try:
        return bool(private_key(key, secrets))
    except Unreadable:
        return False


def _put_right(changed: Changes, customer: Customer, secrets: list[str]) -> _Standing:
    """As it stood before."""
    keys = _keys(customer)
    standing = _standing(keys, secrets)
    readable = [key for key in keys if _opens(key, secrets)]
    for key in readable:
        if not _opens(key, secrets[:1]):
            key.private_key = sealed_secrets.seal(private_key(key, secrets), secrets[0], PURPOSE)
            key.save(update_fields=["private_key"])
    if standing is _Standing.UNREADABLE:
        if readable:
            readable[0].in_force_from = timezone.now()
            readable[0].save(update_fields=["in_force_from"])
        else:
            make_key(customer, secrets[0])
    if standing in (_Standing.MISSING, _Standing.UNREADABLE):
        write_customer(changed, customer, is_later_part=True)  # which makes the missing one
    return standing
