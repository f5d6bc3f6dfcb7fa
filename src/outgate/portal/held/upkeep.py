"""Looks after customers' keys of held mail, a piece at a time: gives one to customers of before there were any, has
their documents say it, and all keys stand sealed with the secret key that is in force.
"""

from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from django.db.models import QuerySet
from django.utils import timezone

from outgate.portal import sealed_secrets
from outgate.portal.customers.models import Customer
from outgate.portal.feed.changes import Changes, changes
from outgate.portal.feed.models import PolicyDocument
from outgate.portal.held.keys import PURPOSE, make_key, private_key
from outgate.portal.held.models import HeldKey
from outgate.portal.outbound.documents import customer_key, write_customer
from outgate.portal.sealed_secrets import Unreadable, secret_keys

READ_AT_ONCE: Final = 100  # customers, which takes some milliseconds
CHANGED_AT_ONCE: Final = 25  # customers whose documents one transaction makes anew, while other changes wait


@dataclass(frozen=True, slots=True)
class LookedAfter:
    """after: go on from there; 0 is the end. given: customers that had no key, or whose document did not say it, as one
    that a node of an earlier version has made. sealed_anew: customers with a key that a
    former secret key had sealed. unreadable: customers whose key in force no secret key at hand opens."""

    after: int
    given: int = 0
    sealed_anew: int = 0
    unreadable: int = 0


class _Standing(Enum):
    GOOD = auto()
    MISSING = auto()
    UNPUBLISHED = auto()
    FORMER = auto()
    UNREADABLE = auto()


def look_after_keys(*, after: int = 0) -> LookedAfter:
    """The customers behind `after`, some of them at a time. Idempotent, and safe on several nodes at once.

    A key in force that cannot be read is replaced: what would be sealed for it nobody could open any more. If one that
    was in force before can be read it is so again, so that nodes that disagree on the secret key do not make ever more.
    Raises: NoSecret, and nothing was changed.
    """
    secrets = secret_keys()
    customers = list(_with_keys().filter(pk__gt=after)[:READ_AT_ONCE])
    wanting = [pk for pk, standing in _standings(customers, secrets).items() if standing is not _Standing.GOOD]
    found: list[_Standing] = []
    if chosen := wanting[:CHANGED_AT_ONCE]:
        with changes() as changed:
            again = list(_with_keys().filter(pk__in=chosen))  # another node may have been quicker
            standings = _standings(again, secrets)
            for customer in again:
                _put_right(changed, customer, standings[customer.pk], secrets)
            found = list(standings.values())
    following = 0
    if len(wanting) > len(chosen):
        following = chosen[-1]
    elif len(customers) == READ_AT_ONCE:
        following = customers[-1].pk
    return LookedAfter(
        following,
        found.count(_Standing.MISSING) + found.count(_Standing.UNPUBLISHED),
        found.count(_Standing.FORMER),
        found.count(_Standing.UNREADABLE),
    )


def _with_keys() -> QuerySet[Customer]:
    return Customer.objects.order_by("pk").prefetch_related("held_keys")


def _keys(customer: Customer) -> list[HeldKey]:
    """Newest first, of those that were fetched with the customer."""
    return sorted(customer.held_keys.all(), key=lambda key: (key.in_force_from, key.pk), reverse=True)


def _standings(customers: list[Customer], secrets: list[str]) -> dict[int, _Standing]:
    """By primary key, in their order."""
    rows = PolicyDocument.objects.filter(key__in=[customer_key(customer) for customer in customers])
    bodies = {key: bytes(body) for key, body in rows.values_list("key", "body")}
    return {each.pk: _standing(_keys(each), bodies.get(customer_key(each), b""), secrets) for each in customers}


def _standing(keys: list[HeldKey], document: bytes, secrets: list[str]) -> _Standing:
    if not keys:
        return _Standing.MISSING
    if not _opens(keys[0], secrets):
        return _Standing.UNREADABLE
    if any(not _opens(key, secrets[:1]) and _opens(key, secrets) for key in keys):
        return _Standing.FORMER
    # Octets that stand there by chance are none: so the document need not be read.
    return _Standing.GOOD if bytes(keys[0].public_key) in document else _Standing.UNPUBLISHED


def _opens(key: HeldKey, secrets: list[str]) -> bool:
    try:
        return bool(private_key(key, secrets))
    except Unreadable:
        return False


def _put_right(changed: Changes, customer: Customer, standing: _Standing, secrets: list[str]) -> None:
    readable = [key for key in _keys(customer) if _opens(key, secrets)]
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
    write_customer(
        changed, customer, is_later_part=True
    )  # which makes a missing one, and is nothing if all is as it was
