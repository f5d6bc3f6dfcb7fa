"""How much may be sent, and who is locked."""

import re
from typing import Final

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET
from msgspec import structs

from outgate.contract.policy import Counted, Limit, LimitScope, SenderLimits
from outgate.portal.customers.models import Customer
from outgate.portal.errors import Invalid
from outgate.portal.limits.services import lock_sender, unlock_sender
from outgate.portal.outbound import cloud_services
from outgate.portal.outbound.cloud_validation import LOCK_SECONDS_MAX, RULES_MAX, SLOW_OCTETS_MAX
from outgate.portal.outbound.selectors import sender_limits
from outgate.portal.web.forms import Form
from outgate.portal.web.request import CallerRequest, of_customer
from outgate.portal.web.sections.limits import (
    COUNTED,
    MEGABYTE,
    SCOPES,
    factor_text,
    key_of,
    near_asked,
    stamp_of,
    time_text,
)
from outgate.portal.web.views.outbound.page import form_view

_RULE: Final = re.compile(r"rules\[(\d+)\](?:\.(\w+))?")
_CHANGED: Final = (
    "Somebody else has changed the limits meanwhile, and nothing was saved. What you entered is still here, and what "
    "stands now is beside it where it differs. Saving again puts yours in its place."
)
_IN_UNITS: Final = {
    "lock_seconds": "lock_minutes",
    "lock_max_seconds": "lock_max_minutes",
    "slow_octets_max": "slow_megabytes",
}  # fields of the form by what they set
_ITEM: Final = re.compile(r"exempt\[\d+\]")


@require_GET
@of_customer
def near(request: CallerRequest, customer: Customer) -> HttpResponse:
    """Who is near a limit: asked by the page once it is shown, since workers are asked for it."""
    return render(request, "web/outbound/near_list.html", {"customer": customer, "part": near_asked(request, customer)})


def _set(request: CallerRequest, customer: Customer, form: Form) -> tuple[str, str]:
    before = sender_limits(customer)
    fields: list[str] = []
    rules: list[Limit] = []
    if form.text("stamp") != stamp_of(before):
        raise Invalid("", _stale(form, before))
    for number, rule in enumerate(before.limits):
        name = f"maximum{number}"
        if form.text(name):  # without a number the limit goes
            rules.append(structs.replace(rule, maximum=form.number(name)))
            fields.append(name)
    if form.text("maximum"):
        rules.append(_new_rule(form))
        fields.append("maximum")
    wanted = structs.replace(
        before,
        limits=tuple(rules),
        exempt=tuple(filter(None, (line.strip() for line in form.text("exempt").splitlines()))),
        lock_factor=before.lock_factor if form.text("lock_factor") == factor_text(before) else _factor(form),
        lock_seconds=_in_units(form, "lock_minutes", 60, before.lock_seconds),
        lock_max_seconds=_in_units(form, "lock_max_minutes", 60, before.lock_max_seconds),
        invalid_percent=form.number("invalid_percent"),
        invalid_minimum=form.number("invalid_minimum"),
        slow_messages_max=form.number("slow_messages_max"),
        slow_octets_max=_in_units(form, "slow_megabytes", MEGABYTE, before.slow_octets_max),
    )
    try:
        cloud_services.set_limits(actor=request.caller.actor, customer=customer, limits=wanted)
    except Invalid as error:
        raise Invalid(_field(error.field, fields), _text(error, wanted)) from error
    return (
        "limits",
        "The limits were saved." if rules else "The limits were saved. There is none now: nothing is slowed.",
    )


def _stale(form: Form, before: SenderLimits) -> str:
    """Move what was typed to the limits that stand now; returns what to say. Limits are told apart by what they count:
    the one that was typed for may be gone, and there may be one that nobody has seen."""
    typed: dict[str, str] = {}
    for number in range(RULES_MAX):
        kind = form.values.get(f"rule{number}", "").rpartition(":")[0]
        if kind:
            typed[kind] = form.values.pop(f"maximum{number}", "").strip()
    for number, rule in enumerate(before.limits):
        form.values[f"maximum{number}"] = typed.pop(key_of(rule).rpartition(":")[0], str(rule.maximum))
    form.is_stale = True
    gone = [
        f"{named} (you entered {entered})" for kind, entered in typed.items() if entered and (named := _named(kind))
    ]
    return f"{_CHANGED} Removed meanwhile: {'; '.join(gone)}." if gone else _CHANGED


def _named(kind: str) -> str:
    """In words; empty for what no form of ours has sent."""
    scope, _, rest = kind.partition(":")
    counted, _, seconds = rest.partition(":")
    if scope not in dict(SCOPES) or counted not in dict(COUNTED) or not re.fullmatch(r"[0-9]{1,9}", seconds):
        return ""
    return f"{dict(SCOPES)[scope]}: {counted} in {time_text(int(seconds))}"


def _new_rule(form: Form) -> Limit:
    """Raises: Invalid."""
    try:
        scope, counted = LimitScope(form.text("scope")), Counted(form.text("counted"))
    except ValueError as error:
        raise Invalid("scope", "Choose whose mail is counted, and what of it.") from error
    return Limit(scope, counted, form.number("minutes") * 60, form.number("maximum"))


def _in_units(form: Form, name: str, unit: int, before: int) -> int:
    """What stands, to the last second or octet, while its whole units were not changed. Raises: Invalid."""
    units = form.number(name)
    return before if units == before // unit else units * unit


def _factor(form: Form) -> float:
    try:
        return float(form.text("lock_factor").replace(",", "."))
    except ValueError as error:
        raise Invalid("lock_factor", f"{form.text('lock_factor')!r} is not a number. Enter one such as 10.") from error


def _field(path: str, fields: list[str]) -> str:
    """The form's field for a path in the limits. fields: those of the rules, in their order."""
    if _ITEM.match(path):
        return "exempt"
    if (match := _RULE.match(path)) is not None:
        name = fields[int(match[1])]
        return "minutes" if name == "maximum" and match[2] == "seconds" else name
    return _IN_UNITS.get(path, path)


def _text(error: Invalid, wanted: SenderLimits) -> str:
    """The remedy in the units of the form."""
    if error.field == "lock_seconds":
        return f"Enter 1 to {LOCK_SECONDS_MAX // 60} minutes."
    if error.field == "lock_max_seconds":
        least = -(-wanted.lock_seconds // 60)
        return f"Enter {least} to {LOCK_SECONDS_MAX // 60} minutes: no less than the first lock lasts."
    if error.field == "slow_octets_max":
        return f"Enter 0 to {SLOW_OCTETS_MAX // MEGABYTE} megabytes."
    if error.field.endswith(".seconds"):
        return "Enter 1 to 10080 minutes, which is a week."
    if error.field.endswith("]") and _RULE.fullmatch(error.field):
        return "There is a limit of this kind for this time already. Change its number instead."
    return error.public_message


def _reset(request: CallerRequest, customer: Customer, _form: Form) -> tuple[str, str]:
    cloud_services.set_limits(actor=request.caller.actor, customer=customer, limits=SenderLimits())
    return "limits", "The limits are the defaults again, and follow them."


def _lock(request: CallerRequest, customer: Customer, form: Form) -> tuple[str, str]:
    hours = form.number("hours")
    if not 1 <= hours * 3_600 <= LOCK_SECONDS_MAX:
        raise Invalid("hours", f"Enter 1 to {LOCK_SECONDS_MAX // 3_600} hours.")
    mailbox = form.text("mailbox")
    row = lock_sender(actor=request.caller.actor, customer=customer, mailbox=mailbox, seconds=hours * 3_600)
    return "locked", f"{row.mailbox} is locked: its mail is refused from now on, and what waits of it stays."


def _unlock(request: CallerRequest, customer: Customer, form: Form) -> tuple[str, str]:
    mailbox = form.text("mailbox")
    unlock_sender(actor=request.caller.actor, customer=customer, mailbox=mailbox)
    return "locked", f"{mailbox} may send again."


set_limits = form_view("limits", _set)
reset_limits = form_view("limits-reset", _reset)
lock = form_view("lock", _lock)
unlock = form_view("unlock", _unlock)
