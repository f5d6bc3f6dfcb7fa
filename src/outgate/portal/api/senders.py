"""Routes of limits, and of locked senders."""

from typing import Annotated

import msgspec
from django.http import HttpRequest
from ninja import Field, Router, Status

from outgate.contract.policy import Counted, LimitScope, SenderLimits
from outgate.portal.accounts.keys import Scope
from outgate.portal.accounts.scope import customer_of
from outgate.portal.api import schemas
from outgate.portal.api.authentication import Key, caller_of, changed_customer
from outgate.portal.api.pages import LIMIT_DEFAULT, Cursor, Limit, page_of
from outgate.portal.api.schemas import In
from outgate.portal.limits import selectors, services
from outgate.portal.outbound import cloud_services
from outgate.portal.outbound.cloud_validation import (
    EXEMPT_MAX,
    LOCK_FACTOR_MAX,
    LOCK_SECONDS_MAX,
    LOCK_SECONDS_MIN,
    MAXIMUM_MAX,
    RULES_MAX,
    SECONDS_MAX,
    SECONDS_MIN,
    SLOW_MESSAGES_MAX,
    SLOW_OCTETS_MAX,
)
from outgate.portal.outbound.models import MAILBOX_MAX
from outgate.portal.outbound.selectors import sender_limits

router = Router(tags=["senders"])
DEFAULTS = SenderLimits()


class LimitIn(In):
    """At most `maximum` in any `seconds`."""

    scope: Annotated[LimitScope, Field(strict=False, description="Whose mail is counted together")]
    counted: Annotated[Counted, Field(strict=False)]
    seconds: int = Field(ge=SECONDS_MIN, le=SECONDS_MAX, examples=[300])
    maximum: int = Field(ge=1, le=MAXIMUM_MAX, examples=[50])


class LimitsIn(In):
    """The whole of a customer's limits: what is left out takes its default. Without `rules` of its own the customer
    follows the defaults; with an empty list it has no limits."""

    rules: list[LimitIn] = Field(
        default=[
            LimitIn(scope=rule.scope, counted=rule.counted, seconds=rule.seconds, maximum=rule.maximum)
            for rule in DEFAULTS.limits
        ],
        max_length=RULES_MAX,
    )
    exempt: list[Annotated[str, Field(max_length=MAILBOX_MAX)]] = Field(
        default=[], max_length=EXEMPT_MAX, description="Mailboxes, or domains as `@example.com`", examples=[[]]
    )
    slow_messages_max: int = Field(default=DEFAULTS.slow_messages_max, ge=0, le=SLOW_MESSAGES_MAX)
    slow_octets_max: int = Field(default=DEFAULTS.slow_octets_max, ge=0, le=SLOW_OCTETS_MAX)
    lock_factor: Annotated[float, Field(strict=False)] = Field(
        default=DEFAULTS.lock_factor, ge=0, le=LOCK_FACTOR_MAX, description="0 never locks"
    )
    lock_seconds: int = Field(default=DEFAULTS.lock_seconds, ge=LOCK_SECONDS_MIN, le=LOCK_SECONDS_MAX)
    lock_max_seconds: int = Field(default=DEFAULTS.lock_max_seconds, ge=LOCK_SECONDS_MIN, le=LOCK_SECONDS_MAX)
    invalid_percent: int = Field(default=DEFAULTS.invalid_percent, ge=0, le=100, description="0 never locks")
    invalid_minimum: int = Field(default=DEFAULTS.invalid_minimum, ge=1, le=MAXIMUM_MAX)


class LimitsOut(LimitsIn):
    """A customer's limits, whole."""


class LockIn(In):
    mailbox: str = Field(max_length=MAILBOX_MAX, examples=["eve@example.com"])
    seconds: int = Field(default=3_600, ge=1, le=LOCK_SECONDS_MAX)


@router.get(
    "/{slug:customer_id}/limits", auth=Key(Scope.CUSTOMERS_READ), response=LimitsOut, summary="Read limits of senders"
)
def limits(request: HttpRequest, customer_id: str) -> LimitsOut:
    """How much may be sent before mail goes into the slow lane."""
    return _limits_out(sender_limits(customer_of(caller_of(request), customer_id)))


@router.put(
    "/{slug:customer_id}/limits", auth=Key(Scope.CUSTOMERS_WRITE), response=LimitsOut, summary="Set limits of senders"
)
def set_limits(request: HttpRequest, customer_id: str, wanted: LimitsIn) -> LimitsOut:
    """In the place of those before. Workers act on them within two seconds."""
    caller, customer = changed_customer(request, customer_id)
    told = wanted.model_dump(mode="json")
    told["limits"] = told.pop("rules")
    saved = cloud_services.set_limits(actor=caller.actor, customer=customer, limits=msgspec.convert(told, SenderLimits))
    return _limits_out(saved)


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
    "/{slug:customer_id}/locked-senders",
    auth=Key(Scope.CUSTOMERS_WRITE),
    response=schemas.LockedSenderOut,
    summary="Lock a sender",
)
def lock(request: HttpRequest, customer_id: str, wanted: LockIn) -> schemas.LockedSenderOut:
    """For so long from now, whatever was before. Its mail is refused on all workers, and what waits of it stays."""
    caller, customer = changed_customer(request, customer_id)
    row = services.lock_sender(actor=caller.actor, customer=customer, mailbox=wanted.mailbox, seconds=wanted.seconds)
    return schemas.LockedSenderOut(mailbox=row.mailbox, reason=row.reason, locked_at=row.locked_at, until=row.until)


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


def _limits_out(found: SenderLimits) -> LimitsOut:
    told = msgspec.to_builtins(found)
    told["rules"] = told.pop("limits")
    return LimitsOut.model_validate(told, strict=False)
