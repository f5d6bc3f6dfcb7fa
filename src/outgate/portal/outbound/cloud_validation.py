"""Turns what people type about clouds and limits into values that the rows may hold, or says why not. Pure."""

import math
import re
from typing import Any, Final

import msgspec

from outgate.contract.policy import DEFAULT_LIMITS, Limit, SenderLimits
from outgate.mail.address import AddressError, ReversePath, canonical_domain
from outgate.portal.errors import Invalid
from outgate.portal.outbound.validation import typed

CONSUMER_TENANT: Final = "84df9e7f-e9f6-40af-b435-aaaaaaaaaaaa"  # of outlook.com's mail: everybody's
ACCOUNTS_TENANT: Final = "9188040d-6c67-4c5b-b112-36a304b66dad"  # of private Microsoft accounts: everybody's too
NAME_SUFFIX: Final = ".onmicrosoft.com"
RULES_MAX: Final = 50  # of one customer; each is counted for each recipient
EXEMPT_MAX: Final = 1_000
SECONDS_MIN: Final = 60  # of a limit's window
SECONDS_MAX: Final = 604_800
MAXIMUM_MAX: Final = 1_000_000_000
LOCK_SECONDS_MIN: Final = 60
LOCK_SECONDS_MAX: Final = 2_592_000
LOCK_FACTOR_MAX: Final = 1_000_000.0
SLOW_MESSAGES_MAX: Final = 10_000_000
SLOW_OCTETS_MAX: Final = 2**40
_GUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_NAME: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.onmicrosoft\.com")
_NO_TENANT: Final = "00000000-0000-0000-0000-000000000000"


def parse_tenant_id(field: str, text: str) -> str:
    """A tenant's GUID in lower case. Raises: Invalid."""
    text = typed(field, text, "Enter the directory id from the Microsoft Entra admin center.")
    tenant_id = text.removeprefix("{").removesuffix("}").lower()
    if not _GUID.fullmatch(tenant_id) or tenant_id == _NO_TENANT:
        raise Invalid(
            field,
            f"{text!r} is not a tenant id. Enter the directory id from the Microsoft Entra admin center, such as "
            "1b2c3d4e-0000-4000-8000-1234567890ab.",
        )
    if tenant_id in (CONSUMER_TENANT, ACCOUNTS_TENANT):
        raise Invalid(field, f"{tenant_id} is the tenant of all private outlook.com mailboxes. Enter your own.")
    return tenant_id


def parse_microsoft_name(field: str, text: str) -> str:
    """A tenant's name, canonical. Raises: Invalid."""
    text = typed(field, text, f"Enter the name that the tenant began with, example{NAME_SUFFIX}.")
    name = text.lower().removesuffix(".")
    if not _NAME.fullmatch(name):
        raise Invalid(
            field, f"{text!r} is not the name of a tenant. Enter the one that it began with, example{NAME_SUFFIX}."
        )
    return name


def parse_limits(limits: SenderLimits) -> SenderLimits:
    """In one order and spelling. Raises: Invalid; lists as the text has them, rules under that name."""
    _within("slow_messages_max", limits.slow_messages_max, 0, SLOW_MESSAGES_MAX)
    _within("slow_octets_max", limits.slow_octets_max, 0, SLOW_OCTETS_MAX)
    _within("lock_seconds", limits.lock_seconds, LOCK_SECONDS_MIN, LOCK_SECONDS_MAX)
    _within("lock_max_seconds", limits.lock_max_seconds, limits.lock_seconds, LOCK_SECONDS_MAX)
    _within("invalid_percent", limits.invalid_percent, 0, 100)
    _within("invalid_minimum", limits.invalid_minimum, 1, MAXIMUM_MAX)
    factor = limits.lock_factor
    if not (math.isfinite(factor) and (factor == 0 or 1 <= factor <= LOCK_FACTOR_MAX)):
        raise Invalid(
            "lock_factor", f"{factor} is not taken. Enter 1 to {LOCK_FACTOR_MAX:.0f}, or 0 for a mailbox never locked."
        )
    rules = _parse_rules(limits.limits)
    return msgspec.structs.replace(
        limits,
        limits=DEFAULT_LIMITS if rules == tuple(sorted(DEFAULT_LIMITS)) else rules,
        exempt=_parse_exempt(limits.exempt),
        lock_factor=float(factor),
    )


def stored_limits(limits: SenderLimits) -> dict[str, Any]:
    """What differs from the defaults, as JSON has it."""
    default = _as_json(SenderLimits())
    return {name: value for name, value in _as_json(limits).items() if value != default[name]}


def _as_json(limits: SenderLimits) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(limits))
    return found


def _parse_rules(rules: tuple[Limit, ...]) -> tuple[Limit, ...]:
    if len(rules) > RULES_MAX:
        raise Invalid("rules", f"There are {len(rules)} rules, and at most {RULES_MAX} are taken. Remove some.")
    seen: dict[tuple[str, str, int], int] = {}
    for index, rule in enumerate(rules):
        path = f"rules[{index}]"
        _within(f"{path}.seconds", rule.seconds, SECONDS_MIN, SECONDS_MAX)
        _within(f"{path}.maximum", rule.maximum, 1, MAXIMUM_MAX)
        first = seen.setdefault((rule.scope, rule.counted, rule.seconds), index)
        if first != index:
            raise Invalid(
                path,
                f"There is already a limit of {rule.counted.value} of a {rule.scope.value} in {rule.seconds} seconds, "
                f"at rules[{first}]. Remove one of the two.",
            )
    return tuple(sorted(rules))


def _parse_exempt(exempt: tuple[str, ...]) -> tuple[str, ...]:
    if len(exempt) > EXEMPT_MAX:
        raise Invalid("exempt", f"There are {len(exempt)} entries, and at most {EXEMPT_MAX} are taken. Remove some.")
    parsed: dict[str, int] = {}
    for index, text in enumerate(exempt):
        field = f"exempt[{index}]"
        entry = _exempt_entry(field, text.strip())
        if parsed.setdefault(entry, index) != index:
            raise Invalid(field, f"{entry} is listed already at exempt[{parsed[entry]}]. Remove one of the two.")
    return tuple(sorted(parsed))


def _exempt_entry(field: str, text: str) -> str:
    try:
        if text.startswith("@"):
            return f"@{canonical_domain(text[1:])}"
        path = ReversePath.parse(text)
        if not path.local_part:
            raise AddressError(f"{text!r} is no mailbox")
    except AddressError as error:
        remedy = "Enter a mailbox such as news@example.com, or all of a domain as @example.com."
        raise Invalid(field, f"{str(error).removesuffix('.')}. {remedy}") from error
    return f"{path.local_part.lower()}@{path.domain}"


def _within(field: str, value: int, minimum: int, maximum: int) -> None:
    if not minimum <= value <= maximum:
        raise Invalid(field, f"{value} is not taken. Enter a number from {minimum} to {maximum}.")
