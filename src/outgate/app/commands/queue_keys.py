"""The keys of sealed messages, for `outgate queue release`: no worker has what opens them, the control plane has it."""
# ruff: noqa: PLC0415 - Django takes half a second to import: only the command that needs it does

from collections.abc import Iterable
from dataclasses import dataclass, field

import typer

from outgate.app.commands.control_plane import actor, control_plane, fail
from outgate.contract.wire import QueuedMessage


@dataclass(frozen=True, slots=True)
class Opened:
    """keys: of the contents, by queue id, to be given to nobody but workers. closed: why others do not open, by id."""

    keys: dict[str, bytes] = field(default_factory=dict)
    closed: dict[str, str] = field(default_factory=dict)


def open_messages(context: typer.Context, messages: Iterable[QueuedMessage]) -> Opened:
    """For sealed messages that are to be released; the audit log tells of those that are opened. Exits with an error if
    the database or the secret key cannot be read."""
    by_customer: dict[str, dict[str, bytes]] = {}
    for message in messages:
        by_customer.setdefault(message.customer_id, {})[message.queue_id] = message.sealed_key
    opened = Opened()
    with control_plane(context):
        from django.db import transaction

        from outgate.portal.accounts import audit
        from outgate.portal.customers.models import Customer
        from outgate.portal.held.keys import content_keys
        from outgate.portal.sealed_secrets import NoSecret, secret_keys

        try:
            secret_keys()
        except NoSecret as error:
            fail(
                f"the secret key cannot be read: {error}. Look at `portal.secret_key_file` and `state` in the settings"
            )
        for customer_id, sealed in by_customer.items():
            customer = Customer.objects.filter(slug=customer_id).first()
            if customer is None:
                gone = "its customer is deleted, and the key with it: it can never be opened; delete it"
                opened.closed.update(dict.fromkeys(sealed, gone))
                continue
            keys = content_keys(actor(), customer, sealed)
            opened.keys.update(keys)
            lost = "its key cannot be opened; docs/operations.md says what to do, under *The secret key*"
            opened.closed.update(dict.fromkeys(sealed.keys() - keys, lost))
            with transaction.atomic():
                for queue_id in keys:
                    audit.record(actor(), "message.released", f"{customer.slug}/{queue_id}")
    return opened
