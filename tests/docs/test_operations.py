"""The operator's manual names what there is: commands with their options, alerts, files, links."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer

from outgate.app.cli import app

ROOT = Path(__file__).parents[2]
MANUAL = ROOT / "docs" / "operations.md"
TEXT = MANUAL.read_text()


def commands() -> list[str]:
    """Every `outgate …` line of the indented blocks."""
    return re.findall(r"^    (?:/opt/outgate/bin/)?(outgate .+)$", TEXT, re.MULTILINE)


@pytest.mark.parametrize("line", commands())
def test_a_command_and_its_options_exist(line: str) -> None:
    words = shlex.split(line, comments=True)[1:]
    command: Any = typer.main.get_command(app)
    while hasattr(command, "commands") and (words or not command.invoke_without_command):
        assert words[0] in command.commands
        command, words = command.commands[words[0]], words[1:]
    known = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= known
    operands = sum(parameter.param_type_name == "argument" for parameter in command.params)
    assert operands <= len(words) or not any(parameter.required for parameter in command.params)


def test_each_alert_is_explained() -> None:
    names = re.findall(r"- alert: (\w+)", (ROOT / "deploy" / "prometheus-alerts.yml").read_text())
    assert [name for name in names if f"`{name}`" not in TEXT] == []


def test_files_and_documents_that_are_named_exist() -> None:
    named = set(re.findall(r"\bdeploy/[a-z.-]+[a-z]", TEXT))
    named |= {f"docs/{target}" for target in re.findall(r"\]\(([a-z-]+\.md)\)", TEXT)}
    assert len(named) > 5
    assert [name for name in named if not (ROOT / name).exists()] == []
