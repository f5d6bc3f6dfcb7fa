"""What the parts about limits show: the limits, who is locked, and what waits in the slow lane."""

import hashlib
from typing import Any, Final

import msgspec

from outgate.contract.policy import Counted, Limit, LimitScope, SenderLimits
from outgate.portal.customers.models import Customer
from outgate.portal.held.selectors import SENDERS_MAX, slow_by_sender
from outgate.portal.limits.selectors import locked_rows
from outgate.portal.outbound.selectors import sender_limits
from outgate.portal.web.near_limit import PERCENT, near_limit
from outgate.portal.web.request import CallerRequest

LOCKED_SHOWN: Final = 100
MEGABYTE: Final = 1_048_576  # octets; as the pages write sizes of mail
SCOPES: Final = (
    (LimitScope.MAILBOX.value, "One mailbox"),
    (LimitScope.DOMAIN.value, "One domain"),
    (LimitScope.CUSTOMER.value, "All mail of yours"),
    (LimitScope.SOURCE.value, "One source address"),
    (LimitScope.NULL.value, "Mail with a null reverse-path"),
)
COUNTED: Final = ((Counted.RECIPIENTS.value, "Recipients"), (Counted.MESSAGES.value, "Messages"))
_REASONS: Final = {
    "sender-locked": "locked by a person",
    "over-limit": "wanted many times its limit",
    "invalid-recipients": "too many recipients that do not exist",
}


def limits(_request: CallerRequest, customer: Customer) -> dict[str, Any]:
    wanted = sender_limits(customer)
    return {
        "limits": wanted,
        "rules": [shown_rule(number, rule) for number, rule in enumerate(wanted.limits)],
        "scopes": SCOPES,
        "counted": COUNTED,
        "exempt": "\n".join(wanted.exempt),
        "lock_time": time_text(wanted.lock_seconds),
        "lock_max_time": time_text(wanted.lock_max_seconds),
        "lock_minutes": wanted.lock_seconds // 60,
        "lock_max_minutes": wanted.lock_max_seconds // 60,
        "slow_megabytes": wanted.slow_octets_max // MEGABYTE,
        "lock_factor": factor_text(wanted),
        "lock_help": _whole("Longer each time within a day", wanted.lock_seconds, 60, "seconds"),
        "lock_max_help": _whole("However often it locks by itself", wanted.lock_max_seconds, 60, "seconds"),
        "slow_help": _whole("Or what these messages take together", wanted.slow_octets_max, MEGABYTE, "bytes"),
        "stamp": stamp_of(wanted),
        "is_default": wanted == SenderLimits(),
    }


def shown_rule(number: int, rule: Limit) -> dict[str, Any]:
    """key: says in the form what the rule was when it was shown."""
    return {
        "number": str(number),
        "key": key_of(rule),
        "scope": dict(SCOPES)[rule.scope.value],
        "counted": rule.counted.value,
        "time": time_text(rule.seconds),
        "maximum": rule.maximum,
    }


def _whole(text: str, amount: int, unit: int, name: str) -> str:
    """Minutes and megabytes cannot tell all that API and texts can set: the form keeps it while it is not changed."""
    return f"{text}. Set to {amount} {name}" if amount % unit else text


def factor_text(wanted: SenderLimits) -> str:
    return f"{wanted.lock_factor:g}"


def stamp_of(wanted: SenderLimits) -> str:
    """Another one as soon as any of the limits is another: says in the form what stood when it was shown."""
    return hashlib.sha256(msgspec.json.encode(wanted)).hexdigest()[:32]


def key_of(rule: Limit) -> str:
    return f"{rule.scope.value}:{rule.counted.value}:{rule.seconds}:{rule.maximum}"


def time_text(seconds: int) -> str:
    """Such as "5 minutes" or "an hour"."""
    for size, one, many in ((86_400, "a day", "days"), (3_600, "an hour", "hours"), (60, "a minute", "minutes")):
        if seconds % size == 0:
            count = seconds // size
            return one if count == 1 else f"{count} {many}"
    return f"{seconds} seconds"


def near(request: CallerRequest, customer: Customer) -> dict[str, Any]:
    """Nothing is asked for the page itself: who looks without scripts follows a link (`?near=1`)."""
    return near_asked(request, customer) if request.GET.get("near") else {"is_asked": False}


def near_asked(request: CallerRequest, customer: Customer) -> dict[str, Any]:
    """Of senders only what who asks may see of mail. uses: None where no worker answered."""
    uses = near_limit(customer.slug) if request.caller.may_see_mail else []
    rows = [
        {
            "scope": dict(SCOPES)[use.scope],
            "subject": use.subject,
            "used": use.used,
            "maximum": use.maximum,
            "counted": use.counted,
            "time": time_text(use.seconds),
            "is_full": use.used >= use.maximum,
        }
        for use in uses or ()
        if use.scope in dict(SCOPES)
    ]
    return {"is_asked": True, "is_answered": uses is not None, "rows": rows, "percent": PERCENT}


def locked(_request: CallerRequest, customer: Customer) -> dict[str, Any]:
    rows = locked_rows(customer).order_by("-locked_at")
    return {
        "rows": [{"row": row, "why": _REASONS.get(row.reason, row.reason)} for row in rows[:LOCKED_SHOWN]],
        "more": max(0, rows.count() - LOCKED_SHOWN),
    }


def slow(request: CallerRequest, customer: Customer) -> dict[str, Any]:
    """Of senders only what who asks may see of mail."""
    senders = slow_by_sender(customer.slug) if request.caller.may_see_mail else []
    return {
        "senders": senders,
        "is_cut": len(senders) >= SENDERS_MAX,
        "messages": sum(each.messages for each in senders),
        "octets": sum(each.octets for each in senders),
        "limits": sender_limits(customer),
    }
