"""Files of rules: compiled, or refused with their name; and matched in a real scanner process."""

import asyncio
import builtins
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.support.engine import in_loop

from outgate.app import yara_rules
from outgate.app.configuration import Configuration, ConfigurationError, Scanning
from outgate.app.log import LogFile
from outgate.app.preflight import check
from outgate.app.scanner_pool import PROGRAM, ScannerPool
from outgate.app.yara_rules import BadRules, load
from outgate.mail.findings import Category, ScanReport
from outgate.policy.snapshot import Snapshot
from outgate.reception.interface import ScanRequest
from outgate.scanning.interface import Context
from outgate.scanning.mime import take_apart
from outgate.scanning.pipeline import Pipeline

FALCON = """
rule Falcon {
  meta:
    category = "phishing"
    description = "names the project"
  strings:
    $name = "project falcon" nocase
  condition:
    $name
}
"""
DENIED = """
import ctypes, sys
if ctypes.CDLL(None).prctl(65, 1, 0, 0, 0):  # PR_SET_MDWE, as systemd's MemoryDenyWriteExecute
    print("cannot be denied", end="")
    sys.exit()
from outgate.app.yara_rules import BadRules, load
try:
    load(sys.argv[1:])
except BadRules as error:
    print(error)
"""
MAIL = b"Subject: s\r\n\r\nabout Project Falcon\r\n"
CONTEXT = Context("ada@alpha.example", ("bob@beta.example",))


def rules(tmp_path: Path, text: str = FALCON, name: str = "a.yar") -> str:
    path = tmp_path / name
    path.write_text(text)
    return str(path)


def test_rules_of_several_files_match(tmp_path: Path) -> None:
    yara = load([rules(tmp_path), rules(tmp_path, FALCON.replace("phishing", "malware"), "b.yar")])
    findings = list(yara.scan(take_apart(MAIL), CONTEXT))
    assert {(finding.category, finding.name, finding.detail, finding.place) for finding in findings} == {
        (Category.PHISHING, "Falcon", "names the project", "1"),
        (Category.MALWARE, "Falcon", "names the project", "1"),
    }
    assert not list(yara.scan(take_apart(b"Subject: s\r\n\r\nhello\r\n"), CONTEXT))


def test_version_changes_with_the_rules(tmp_path: Path) -> None:
    assert load([rules(tmp_path)]).version != load([rules(tmp_path, FALCON + "\n")]).version


def test_rule_that_takes_too_long_makes_the_message_unscannable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(yara_rules, "PART_SECONDS", 1)
    loop = "rule Loop { condition: for all i in (0..1000000000000): (uint8(i % filesize) != 0) }"
    report = Pipeline((load([rules(tmp_path, loop)]),)).scan(MAIL, CONTEXT)
    assert [(finding.category, finding.name) for finding in report.findings] == [
        (Category.UNSCANNABLE, "scan-too-long")
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("rule X { condition: y }", "unknown identifier `y`"),
        ('include "/etc/passwd"', "include"),
        ("nonsense", "a.yar"),
    ],
    ids=["identifier", "include", "syntax"],
)
def test_bad_rules_are_named(tmp_path: Path, text: str, words: str) -> None:
    path = rules(tmp_path, text)
    with pytest.raises(BadRules) as caught:
        load([path])
    assert str(caught.value).startswith(path)
    assert words in str(caught.value)
    with pytest.raises(ConfigurationError, match=r"scanning\.yara_rules: .*a\.yar"):
        check(Configuration(state=str(tmp_path / "state"), scanning=Scanning(yara_rules=(path,))))


def test_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BadRules, match="cannot be read"):
        load([str(tmp_path / "absent.yar")])


def test_without_yara_x_it_is_said_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original: Callable[..., Any] = builtins.__import__

    def without(name: str, *more: Any) -> Any:
        if name == "yara_x":
            raise ImportError(name)
        return original(name, *more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(BadRules, match=r"pip install outgate\[yara\]"):
        load([rules(tmp_path)])


def test_where_memory_cannot_be_made_executable_it_is_said_what_to_do(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", DENIED, rules(tmp_path)], capture_output=True, text=True, timeout=60, env=os.environ
    )
    if done.stdout == "cannot be denied":
        pytest.skip("this kernel knows no PR_SET_MDWE")
    assert "MemoryDenyWriteExecute=no" in done.stdout, done.stderr
    assert not done.stderr


@in_loop
async def test_scanner_process_looks_for_the_rules_within_its_bounds(tmp_path: Path) -> None:
    loop = asyncio.get_running_loop()
    log = LogFile(tmp_path / "log", "test")
    pool = ScannerPool(1, snapshot=Snapshot(), loop=loop, log=log, command=(*PROGRAM, rules(tmp_path)))
    try:
        future: asyncio.Future[ScanReport] = loop.create_future()
        pool.scan(ScanRequest("1", "ada@alpha.example", (), "192.0.2.1"), MAIL, future.set_result)
        report = await future
    finally:
        pool.close()
        log.close()
    assert ("yara", "Falcon") in [(finding.scanner, finding.name) for finding in report.findings]
    assert " yara/" in report.version
