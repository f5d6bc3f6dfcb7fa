"""Who may look at which message, and the line in the audit log that says that staff did."""

from datetime import timedelta
from typing import Final

from outgate.portal.accounts import audit
from outgate.portal.accounts.access import is_partner_managed
from outgate.portal.accounts.caller import Caller
from outgate.portal.accounts.models import STAFF_ROLES, Role
from outgate.portal.accounts.scope import ABSENT, customers_of
from outgate.portal.customers.models import Customer
from outgate.portal.errors import NotFound
from outgate.portal.tracker.models import TrackedMessage
from outgate.portal.tracker.search import read_queue_id

LOOK_AGAIN: Final = timedelta(hours=1)  # before another look of the same person at a message is recorded
NO_RIGHT: Final = "Your rights do not include looking at mail. Ask an administrator of your organisation for them."


def check_may_see_mail(caller: Caller) -> None:
    """Raises: NotFound."""
    if not caller.may_see_mail:
        raise NotFound(NO_RIGHT)


def found_by_staff(caller: Caller, name: str) -> tuple[TrackedMessage, Customer | None]:
    """A message of any customer that staff reaches, and whose it is; one that is nobody's for the operator alone.

    name: the queue id, as people write it. Raises: NotFound.
    """
    check_may_see_mail(caller)
    message = TrackedMessage.objects.filter(queue_id=read_queue_id(name)).first()
    if message is not None:
        customer = customers_of(caller).filter(slug=message.customer_id).first() if message.customer_id else None
        if caller.role is Role.OPERATOR:
            return message, customer
        # Where the customer has closed its door to the partner, its mail is behind that door.
        if customer is not None and is_partner_managed(customer):
            return message, customer
    raise NotFound(ABSENT)


def record_look(caller: Caller, customer: Customer | None, message: TrackedMessage) -> None:
    """Staff and its keys have looked at a message; a customer's own people look without a line."""
    if caller.role in STAFF_ROLES:
        object_ = f"{customer.slug}/{message.queue_id}" if customer else message.queue_id
        audit.record_look(customer, caller.actor, "message.viewed", object_, within=LOOK_AGAIN)


def record_export(caller: Caller, customer: Customer, rows_max: int) -> None:
    audit.record_for(customer, caller.actor, "message.exported", customer.slug, rows_max=rows_max)
