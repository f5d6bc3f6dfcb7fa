"""A customer as a text: the format. docs/customer-text.md describes it for people.

Reads TOML strictly: what is unknown, missing or of the wrong kind is told with its path and the remedy, all at once.
What the values mean is checked when the text is applied; see `text_apply`.
"""

import difflib
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, get_args, get_origin

import msgspec
import tomli_w
from msgspec import Struct

from outgate.contract.policy import (
    DEFAULT_LIMITS,
    ForeignFrom,
    GoogleSettings,
    Limit,
    MicrosoftSettings,
    RelayTls,
    SenderLimits,
)
from outgate.contract.scanning import NO_SCANNING, ScanPolicy
from outgate.portal.customers.models import MailPlatform, Plan

_INTEGER_MAX: Final = 2**63 - 1
DEFAULT_NAME: Final = "default"  # of the partner and the region where a small installation needs no other


class Switch(Enum):
    ON = "on"
    OFF = "off"


class DomainText(Struct, frozen=True):
    """verified: the operator vouches for it; else it is a mere claim."""

    name: str
    include_subdomains: bool = False
    verified: bool = True


class SourceText(Struct, frozen=True):
    network: str
    label: str = ""


class SenderRelayText(Struct, frozen=True):
    """password: never exported; empty keeps the one that is stored for this login and host."""

    domain: str
    host: str
    port: int = 25
    tls: RelayTls = RelayTls.OPPORTUNISTIC
    login: str = ""
    password: str = ""


_LIMITS: Final = SenderLimits()


class LimitsText(Struct, frozen=True):
    """`contract.policy.SenderLimits`; its limits are called rules here. No rules, no limits."""

    rules: tuple[Limit, ...] = DEFAULT_LIMITS
    exempt: tuple[str, ...] = _LIMITS.exempt
    slow_messages_max: int = _LIMITS.slow_messages_max
    slow_octets_max: int = _LIMITS.slow_octets_max
    lock_factor: float = _LIMITS.lock_factor
    lock_seconds: int = _LIMITS.lock_seconds
    lock_max_seconds: int = _LIMITS.lock_max_seconds
    invalid_percent: int = _LIMITS.invalid_percent
    invalid_minimum: int = _LIMITS.invalid_minimum


class CustomerText(Struct, frozen=True):
    """All that a text says, in the order in which it is written. id: empty if it is to be made from the name."""

    name: str
    id: str = ""
    partner: str = DEFAULT_NAME
    region: str = DEFAULT_NAME
    plan: Plan = Plan.GATEWAY
    mail_platform: MailPlatform = MailPlatform.OTHER
    outbound: Switch = Switch.OFF
    foreign_from: ForeignFrom = ForeignFrom.REFUSE
    auto_forwards: tuple[str, ...] = ()
    microsoft: MicrosoftSettings = MicrosoftSettings()
    google: GoogleSettings = GoogleSettings()
    limits: LimitsText = LimitsText()
    scanning: ScanPolicy = NO_SCANNING
    domains: tuple[DomainText, ...] = ()
    sources: tuple[SourceText, ...] = ()
    sender_relays: tuple[SenderRelayText, ...] = ()


@dataclass(frozen=True, slots=True)
class Problem:
    """path: where, such as "sources[1].network", counted from 0; empty is the text as a whole."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


class TextRefused(Exception):
    """The text cannot be taken; nothing was changed."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(map(str, self.problems)))


def read_text(text: str) -> CustomerText:
    """Raises: TextRefused."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise TextRefused([Problem("", f"This is not TOML: {error}.")]) from error
    problems = list(_table_problems(table, CustomerText, ""))
    if problems:
        raise TextRefused(problems)
    return msgspec.convert(table, CustomerText)


def write_text(customer: CustomerText) -> str:
    """The text that `read_text` makes `customer` of again. Every field is in it, so that a reader sees what there is to
    set; of the sections for clouds, limits and scanning only what is not the default."""
    table: dict[str, Any] = msgspec.to_builtins(customer)
    lists = {key: table.pop(key) for key in ("domains", "sources", "sender_relays")}
    for relay in lists["sender_relays"]:
        del relay["password"]
        if not relay["login"]:
            del relay["login"]
    defaults: dict[str, Any] = msgspec.to_builtins(CustomerText(name=""))
    for section in ("microsoft", "google", "limits", "scanning"):
        values = table.pop(section)  # and back to the end: what follows a section in TOML belongs to it
        changed = {key: value for key, value in values.items() if value != defaults[section][key]}
        if changed:
            table[section] = changed
    parts = [tomli_w.dumps(table)]
    parts.extend(f"[[{key}]]\n{tomli_w.dumps(item)}" for key, items in lists.items() for item in items)
    return "\n".join(parts)


def _table_problems(table: Mapping[str, Any], struct: type[Struct], path: str) -> Iterator[Problem]:
    fields = {field.name: field for field in msgspec.structs.fields(struct)}
    for key, value in table.items():
        if key in fields:
            yield from _value_problems(value, fields[key].type, f"{path}{key}")
        else:
            yield Problem(f"{path}{key}", f"There is no such key. {_instead(key, fields)}")
    for name, field in fields.items():
        if field.required and name not in table:
            yield Problem(f"{path}{name}", "This is missing. Add it.")


def _value_problems(value: Any, kind: Any, path: str) -> Iterator[Problem]:
    if get_origin(kind) is tuple:
        if not isinstance(value, list):
            yield Problem(path, f"This must be a list: write {_list_example(path, kind)}.")
            return
        item_kind = get_args(kind)[0]
        for index, item in enumerate(value):
            yield from _value_problems(item, item_kind, f"{path}[{index}]")
    elif issubclass(kind, Struct):
        if isinstance(value, dict):
            yield from _table_problems(value, kind, f"{path}.")
        else:
            section, bracket, _ = path.partition("[")
            heading = f"[[{section}]]" if bracket else f"[{section}]"
            yield Problem(path, f"This must be a table: write {heading} and its keys below.")
    elif issubclass(kind, Enum):
        values = [member.value for member in kind]
        if value not in values:
            yield Problem(path, f"{_toml(value)} is not known here. {_instead(value, map(_toml, values))}")
    elif kind is int and type(value) is int and not -_INTEGER_MAX <= value <= _INTEGER_MAX:
        yield Problem(path, "This number is too large.")
    elif type(value) is not kind and not (kind is float and type(value) is int):
        wanted = {str: "a text in quotes", bool: "true or false", int: "a whole number", float: "a number"}[kind]
        yield Problem(path, f"This must be {wanted}, and it is {_toml(value)}.")


def _instead(given: Any, known: Iterable[str]) -> str:
    names = list(known)
    near = difflib.get_close_matches(str(given), names, 1)
    return f"Did you mean {near[0]}?" if near else f"Known are: {', '.join(names)}."


def _list_example(path: str, kind: Any) -> str:
    if issubclass(get_args(kind)[0], Struct):
        return f"[[{path}]] and its keys below"
    return f'{path} = ["…"]'


def _toml(value: Any) -> str:
    return tomli_w.dumps({"x": value}).removeprefix("x = ").strip()
