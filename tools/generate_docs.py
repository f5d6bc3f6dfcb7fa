#!/usr/bin/env python3
"""Writes the documents that are made from the code. `--check` writes nothing, names those that are stale, and fails.

A document is a function without arguments that returns Markdown; add it to `DOCUMENTS`, and `make docs` writes it.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from outgate.policy.reasons import CATALOGUE, Entry, Reason

ROOT: Final = Path(__file__).resolve().parent.parent


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
at the end of a reply, such as `(ref 01KD4M3HC2GG0)`, finds the message in the record.

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


DOCUMENTS: Final[dict[str, Callable[[], str]]] = {
    "docs/reasons.md": reasons,
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
