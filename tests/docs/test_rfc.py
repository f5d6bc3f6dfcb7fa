"""`docs/rfc.toml` names code and tests that exist, and says of each MUST what becomes of it."""

import ast
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
MUSTS: list[dict[str, Any]] = tomllib.loads((ROOT / "docs" / "rfc.toml").read_text("utf-8"))["must"]


def functions_of(path: Path) -> set[str]:
    return {node.name for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("must", MUSTS, ids=lambda must: f"{must['rfc']}-{must['section']}")
def test_each_must_names_code_and_test_or_why_not(must: dict[str, Any]) -> None:
    assert set(must) in ({"rfc", "section", "text", "code", "test"}, {"rfc", "section", "text", "omitted"}), must
    assert isinstance(must["rfc"], int)
    assert must["text"].endswith(".")
    if "omitted" in must:
        assert must["omitted"].endswith(".")
        return
    assert (ROOT / must["code"]).is_file(), must["code"]
    file, _, name = must["test"].partition("::")
    match = re.fullmatch(r"(test_\w+)(?:\[([\w-]+)\])?", name)
    assert match, must["test"]
    assert match[1] in functions_of(ROOT / file), must["test"]
    if match[2]:
        assert (ROOT / "tests" / "transcripts" / f"{match[2]}.smtp").is_file(), must["test"]


def test_no_must_is_listed_twice() -> None:
    keys = [(must["rfc"], must["section"], must["text"]) for must in MUSTS]
    assert len(keys) == len(set(keys))
