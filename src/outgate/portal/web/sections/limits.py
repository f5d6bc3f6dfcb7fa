"""What the parts about limits show: the limits, who is locked, and what waits in the slow lane."""

from typing import Any, Final

from outgate.contract.policy import Counted, Limit, LimitScope, SenderLimits
from outgate.portal.customers.models import Customer
from outgate.portal.held.selectors import SENDERS_MAX, slow_by_sender
from outgate.portal.limits.selectors import locked_rows
from outgate.portal.outbound.selectors import sender_limits
from outgate.portal.web.request import CallerRequest

LOCKED_SHOWN: Final = 100
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
        "lock_minutes": wanted.lock_seconds // 60,
        "lock_factor": f"{wanted.lock_factor:g}",
        "invalid_help": f"Of at least {wanted.invalid_minimum} in an hour; 0 never locks",
        "rule_count": len(wanted.limits),
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


def key_of(rule: Limit) -> str:
    return f"{rule.scope.value}:{rule.counted.value}:{rule.seconds}:{rule.maximum}"


def time_text(seconds: int) -> str:
    """Such as "5 minutes" or "an hour"."""
    for size, one, many in ((86_400, "a day", "days"), (3_600, "an hour", "hours"), (60, "a minute", "minutes")):
        if seconds % size == 0:
            count = seconds // size
            return one if count == 1 else f"{count} {many}"
    return f"{seconds} seconds"


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
