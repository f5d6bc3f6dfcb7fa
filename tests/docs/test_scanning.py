"""docs/scanning.md names every finding that a scanner can make."""

import ast
import re
from collections.abc import Iterator

from tools import generate_docs

SCANNING = generate_docs.ROOT / "src" / "outgate" / "scanning"
TEXT = (generate_docs.ROOT / "docs" / "scanning.md").read_text("utf-8")
# Where a finding's name stands among the arguments of what makes it.
MAKERS = {
    "Finding": 2,
    "Unscannable": 0,
    "_malware": 0,
    "_find": 0,
    "_found": 0,
    "find": 0,
    "_fetched": 0,
    "_by_address": 0,
}
NAME = re.compile(r"[a-z]+(?:-[a-z]+)+|dde|person")


def names() -> Iterator[str]:
    for module in sorted(SCANNING.glob("*.py")):
        for node in ast.walk(ast.parse(module.read_text("utf-8"))):
            if isinstance(node, ast.Call):
                maker = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                if len(node.args) > MAKERS.get(maker, 99):
                    yield from texts(node.args[MAKERS[maker]])
            elif isinstance(node, ast.Yield) and isinstance(node.value, ast.Tuple) and module.stem == "links":
                yield from texts(node.value.elts[0])


def texts(node: ast.expr) -> Iterator[str]:
    for each in ast.walk(node):
        if isinstance(each, ast.Constant) and isinstance(each.value, str) and NAME.fullmatch(each.value):
            yield each.value


def test_every_finding_is_in_the_table() -> None:
    found = set(names())
    assert {"macro-sheet", "pdf-script", "page-makes-file", "look-alike-host", "person", "too-deep", "dde"} <= found
    assert sorted(name for name in found if f"`{name}`" not in TEXT) == []
