#!/usr/bin/env python3
"""Writes the documents that are made from the code. `--check` writes nothing, names those that are stale, and fails.

A document is a function without arguments that returns Markdown; add it to `DOCUMENTS`, and `make docs` writes it.
"""

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

import msgspec

from outgate.app.configuration import SECTIONS, Configuration
from outgate.app.metrics import METRICS
from outgate.policy.reasons import CATALOGUE, Entry, Reason

ROOT: Final = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # for the other tools, when this file is run as a program

from tools import limits as limit_list  # noqa: E402
from tools.reason_pages import reason_pages  # noqa: E402


def reasons() -> str:
    """One section a code; its heading is its anchor, so that a code can be linked to."""
    return _REASONS.format(
        rows="\n".join(f"| [{reason}](#{reason}) | {_reply(entry)} |" for reason, entry in CATALOGUE.items()),
        sections="\n".join(_section(reason, entry) for reason, entry in CATALOGUE.items()),
    )


_REASONS: Final = """\
# Reason codes

<!-- Made by tools/generate_docs.py from src/outgate/policy/reasons.py. Change it there, then run `make docs`. -->

Whatever Outgate refuses, delays, holds or admits has one of these codes: in the reply to the sending system, in the
log and in the record. A code never changes its meaning. The text behind it may be worded better one day: make rules on
the code.

A reply that begins with 4 asks the sending system to come again by itself; one that begins with 5 is final. A reference
at the end of a reply, such as `(ref T4226ZR000G00)`, finds the message in the record.

| code | what the sending system is told |
|---|---|
{rows}

{sections}"""


def _section(reason: Reason, entry: Entry) -> str:
    return f"## {reason}\n\n{_reply(entry)}\n\n{entry.meaning}\n\n**What to do.** {entry.remedy}\n"


def _reply(entry: Entry) -> str:
    if not entry.code:
        return "No reply of its own: stands in the record."
    if entry.code < 400:
        return f"`{entry.code} {entry.status}`: accepted; the code stands in the record."
    return f"`{entry.code} {entry.status} {entry.text.replace('{context}', '…')}`"


def configuration() -> str:
    """Every setting with type, default and meaning."""
    sections = [_settings("", Configuration)]
    sections += [_settings(name, struct) for name, struct in SECTIONS.items()]
    return _CONFIGURATION.format(sections="\n".join(sections))


_CONFIGURATION: Final = """\
# Configuration

<!-- Made by tools/generate_docs.py from src/outgate/app/configuration.py. Change it there, then run `make docs`. -->

One TOML file: what `--config` names, else what the variable `OUTGATE_CONFIG` names, else `/etc/outgate/outgate.toml`.
Every key has a default, so that an empty file is a good one. A key that does not exist, a value of the wrong type or
out of range ends the start with a message that names the key. `outgate check-configuration` only looks.

Customers are not configured here: they are entered as texts, see [customer-text.md](customer-text.md).

{sections}"""


def _settings(name: str, struct: type[msgspec.Struct]) -> str:
    repeated = name in ("listeners", "portal.openid", "scanning.engines")
    heading = f"`[[{name}]]`" if repeated else f"`[{name}]`" if name else "At the top"
    rows = []
    for field in msgspec.structs.fields(struct):
        if f"{name}.{field.name}".removeprefix(".") in SECTIONS:
            continue
        kind, description, bounds = _described(field.type)
        rows.append(f"| `{field.name}` | {kind}{bounds} | {_default(field)} | {description} |")
    about = "" if not name else f"{(struct.__doc__ or '').strip()}\n\n"
    table = "\n".join(["| key | type | default | meaning |", "|---|---|---|---|", *rows])
    return f"## {heading}\n\n{about}{table}\n"


def _described(annotation: object) -> tuple[str, str, str]:
    """Type, description and bounds of an annotation, however deep its `Meta`s are nested."""
    description, bounds = "", []
    inspected = msgspec.inspect.type_info(annotation)
    while isinstance(inspected, msgspec.inspect.Metadata):
        description = description or str((inspected.extra_json_schema or {}).get("description", ""))
        inspected = inspected.type
    for attribute, words in (("ge", "at least"), ("gt", "above"), ("le", "at most")):
        value = getattr(inspected, attribute, None)
        if value is not None:
            bounds.append(f"{words} {value:g}" if isinstance(value, float) else f"{words} {value}")
    names = {
        msgspec.inspect.IntType: "integer",
        msgspec.inspect.FloatType: "number",
        msgspec.inspect.StrType: "text",
        msgspec.inspect.BoolType: "true or false",
        msgspec.inspect.VarTupleType: "list",
    }
    return names[type(inspected)], description, f", {', '.join(bounds)}" if bounds else ""


def _default(field: msgspec.structs.FieldInfo) -> str:
    value = field.default
    if value is msgspec.NODEFAULT:
        return "has to be given"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple):
        return f"`[{', '.join(str(item) for item in value)}]`"
    return "empty" if value == "" else f"`{value}`"


def metrics() -> str:
    return _METRICS.format(
        rows="\n".join(f"| `{name}` | {metric.kind.value} | {metric.help} |" for name, metric in METRICS.items())
    )


_METRICS: Final = """\
# Metrics

<!-- Made by tools/generate_docs.py from src/outgate/app/metrics.py. Change it there, then run `make docs`. -->

`http://127.0.0.1:9465/metrics` (the section `[health]` of the settings) speaks Prometheus' text format; names of
counters end in `_total` there. Each worker's values carry the label `worker`. `/healthz` answers 200 while every worker
answers and its spool is good, else 503.

| name | kind | meaning |
|---|---|---|
{rows}
"""


def limits() -> str:
    comments = {constant.name: constant.comment for constant in limit_list.constants()}
    return _LIMITS.format(
        reached="\n".join(_reached(row, comments.get(row.limit, "")) for row in limit_list.REACHED),
        memory=_shares(limit_list.memory(), limit_list.octets),
        descriptors=_shares(limit_list.descriptors(), "{:,}".format),
        constants="\n".join(
            f"| `{name}` | {limit_list.shown(name, comment)} | {comment} |" for name, comment in comments.items()
        ),
    )


def _reached(row: limit_list.Reached, comment: str) -> str:
    where = f"[`{row.limit}`](configuration.md)" if limit_list.is_setting(row.limit) else f"`{row.limit}`"
    reply = f", {limit_list.reply(row.reason)}" if row.reason else ""
    return f"| {row.about} | {limit_list.shown(row.limit, comment)} | {row.effect}{reply} | {where} |"


def _shares(shares: Iterable[limit_list.Share], shown: Callable[[int], str]) -> str:
    listed = list(shares)
    rows = [f"| {share.purpose} | {share.sum_of} | {shown(share.amount)} |" for share in listed]
    return "\n".join([*rows, f"| **in all** | | **{shown(sum(share.amount for share in listed))}** |"])


_LIMITS: Final = """\
# Limits

<!-- Made by tools/generate_docs.py from the constants and settings themselves. Change them there, then `make docs`. -->

Whatever a peer can make grow has a limit. These are those of one worker, with the settings as they are by default.

## What a peer meets

"The end" is a last reply and the end of the connection. A limit that can be set leads to
[configuration.md](configuration.md).

| limited | at | what happens | where |
|---|---|---|---|
{reached}

Silent, slow and greedy connections are looked for once a second. Content must keep its pace over twice the time of
permitted silence, so that a stall of that time does no harm.

## Memory

What a worker can be made to hold at most, if everything happens at once:

| for | sum | at most |
|---|---|---|
{memory}

Messages that wait in the queue come on top. What sessions hold is looked at once a second, so it can be above its bound
by what arrives in a second.

Measured on the machine of [performance.md](performance.md), as growth of the worker's resident memory: 1,000 idle
strangers 3 MiB; 400 idle connections with TLS 18 MiB; 400 messages of 250 KiB, all under way at once and then
delivered, 136 MiB; content without a line end, cut off after 272 MiB, 5 MiB. `tests/e2e/test_overload.py` holds the
first and the last two below bounds of its own.

## Descriptors

| for | sum | at most |
|---|---|---|
{descriptors}

A worker raises its soft limit of open files to the hard one. If that is less than the sum, it takes fewer connections
of both kinds, in proportion, and says so in the log (`descriptors-few`).

## All constants

Each with its own comment. They are changed in the code only.

| constant | value | |
|---|---|---|
{constants}
"""


DOCUMENTS: Final[dict[str, Callable[[], str]]] = {
    "docs/configuration.md": configuration,
    "docs/limits.md": limits,
    "docs/metrics.md": metrics,
    "docs/reasons.md": reasons,
    "src/outgate/portal/reason_pages.json": reason_pages,
}


def stale() -> list[str]:
    """Documents whose file is missing or is not what would be written."""
    return [path for path, make in DOCUMENTS.items() if _read(ROOT / path) != make()]


def _read(path: Path) -> str:
    return path.read_text("utf-8") if path.exists() else ""


def main(arguments: list[str]) -> int:
    if arguments not in ([], ["--check"]):
        print("usage: tools/generate_docs.py [--check]", file=sys.stderr)
        return 2
    paths = stale()
    for path in paths:
        if arguments:
            print(f"{path} is stale: run `make docs`", file=sys.stderr)
        else:
            (ROOT / path).write_text(DOCUMENTS[path](), "utf-8")
            print(f"{path} written")
    return 1 if arguments and paths else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
