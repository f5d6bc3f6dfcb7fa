"""Customers' key pairs, which the content of what is held of their mail is sealed for (`sealing.keys`).

The public key stands in the customer's document. The private key is sealed in the database with the installation's
secret key: no worker has it, and who has a copy of the database alone, or of a worker's disk alone, can open nothing.
A customer may have several pairs; the newest is in force, and the others open what was sealed for them.
"""

from collections.abc import Mapping
from typing import Final

from django.utils import timezone

from outgate.portal import sealed_secrets
from outgate.portal.accounts.alarms import raise_alarm
from outgate.portal.accounts.audit import CLERK, Actor
from outgate.portal.customers.models import Customer
from outgate.portal.held.models import HeldKey
from outgate.portal.sealed_secrets import NoSecret, Unreadable, secret_keys
from outgate.sealing.keys import Unopenable, new_private_key, open_key, public_key_of

PURPOSE: Final = b"outgate held mail 1"
NEWEST_FIRST: Final = ("-in_force_from", "-pk")


def public_key(customer: Customer) -> bytes:
    """Of the pair in force, which is made if there is none. Call it where policy is changed (`feed.changes`), so that
    one is made once.

    Empty, with an alarm, if one has to be made and the secret key cannot be read: then what is held is not sealed, and
    mail goes on.
    """
    found = HeldKey.objects.filter(customer=customer).order_by(*NEWEST_FIRST).values_list("public_key", flat=True)
    newest = found.first()
    if newest is not None:
        return bytes(newest)
    try:
        return make_key(customer, secret_keys()[0])
    except NoSecret as error:
        raise_alarm(CLERK, "held-keys.not-made", customer.slug, error=str(error))
        return b""


def make_key(customer: Customer, secret_key: str) -> bytes:
    """Have a new pair in force; its public key."""
    private = new_private_key()
    public = public_key_of(private)
    sealed = sealed_secrets.seal(private, secret_key, PURPOSE)
    HeldKey.objects.create(customer=customer, public_key=public, private_key=sealed, in_force_from=timezone.now())
    return public


def private_key(key: HeldKey, secrets: list[str]) -> bytes:
    """Raises: Unreadable."""
    return sealed_secrets.unseal(key.private_key, secrets, PURPOSE)


def content_keys(actor: Actor, customer: Customer, sealed: Mapping[str, bytes]) -> dict[str, bytes]:
    """The keys of the contents of these messages of the customer's, by queue id, to be given to nobody but workers.

    sealed: what each content's key was sealed to. Without those that no key of the customer's opens, for which the
    operator gets an alarm.
    """
    opened: dict[str, bytes] = {}
    trouble = ""
    try:
        secrets = secret_keys() if sealed else []
    except NoSecret as error:
        secrets, trouble = [], str(error)
    for key in HeldKey.objects.filter(customer=customer).order_by(*NEWEST_FIRST) if secrets else ():
        closed = [queue_id for queue_id in sealed if queue_id not in opened]
        if not closed:
            break
        try:
            private = private_key(key, secrets)
        except Unreadable:
            trouble = "the secret key is another than the one that the customer's keys are sealed with"
            continue
        for queue_id in closed:
            try:
                opened[queue_id] = open_key(sealed[queue_id], private)
            except Unopenable:
                continue
    if len(opened) < len(sealed):
        text = trouble or "the customer has not the key that it was sealed for"
        raise_alarm(actor, "held-keys.do-not-open", customer.slug, messages=len(sealed) - len(opened), error=text)
    return opened
