"""Routes of locked senders."""

from django.http import HttpRequest
from ninja import Router, Status

from outgate.portal.accounts.keys import Scope
from outgate.portal.accounts.scope import customer_of
from outgate.portal.api import schemas
from outgate.portal.api.authentication import Key, caller_of, changed_customer
from outgate.portal.api.pages import LIMIT_DEFAULT, Cursor, Limit, page_of
from outgate.portal.limits import selectors, services

router = Router(tags=["senders"])


@router.get(
    "/{slug:customer_id}/locked-senders",
    auth=Key(Scope.SENDERS_READ),
    response=schemas.LockedSenderPage,
    summary="List locked senders",
)
def index(
    request: HttpRequest, customer_id: str, cursor: Cursor = "", limit: Limit = LIMIT_DEFAULT
) -> schemas.LockedSenderPage:
    """The mailboxes whose mail waits or is refused since they sent too much or strangely, in pages."""
    customer = customer_of(caller_of(request), customer_id)
    found, following = page_of(selectors.locked_rows(customer), "mailbox", cursor, limit)
    items = [
        schemas.LockedSenderOut(mailbox=row.mailbox, reason=row.reason, locked_at=row.locked_at, until=row.until)
        for row in found
    ]
    return schemas.LockedSenderPage(items=items, next=following)


@router.post(
    "/{slug:customer_id}/locked-senders/unlock",
    auth=Key(Scope.SENDERS_UNLOCK),
    response={204: None},
    summary="Unlock a sender",
)
def unlock(request: HttpRequest, customer_id: str, wanted: schemas.MailboxIn) -> Status[None]:
    """At once, on all workers. 404 if it is not locked."""
    caller, customer = changed_customer(request, customer_id)
    services.unlock_sender(actor=caller.actor, customer=customer, mailbox=wanted.mailbox)
    return Status(204, None)
