"""The compiled modules: taken only where they are of this source, and the same as Python."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from msgspec import Struct

from outgate import compiled
from outgate.smtp.replies import ReplyReader

# Whose structs nobody looks up in a set or dictionary: compiled they have no hash.
WITH_STRUCTS = {
    "outgate.app.record",
    "outgate.policy.header",
    "outgate.policy.limits",
    "outgate.policy.snapshot",
    "outgate.reception.split",
    "outgate.smtp.replies",
}
WHERE = "import outgate.smtp.server; print(outgate.smtp.server.__file__)"


def where(**environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", WHERE],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(Path(compiled.__file__).parents[1]), **environment},
    )
    return done.stdout.strip()


def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(compiled, "MANIFEST", tmp_path / "manifest.json")
    monkeypatch.delenv(compiled.PURE_VARIABLE, raising=False)
    (tmp_path / "manifest.json").write_text(text)


def test_modules_of_this_source_are_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made(tmp_path, monkeypatch, json.dumps(compiled.manifest()))
    assert compiled.are_usable()


@pytest.mark.parametrize("value", ["1", "yes"])
def test_who_wants_none_gets_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    made(tmp_path, monkeypatch, json.dumps(compiled.manifest()))
    monkeypatch.setenv(compiled.PURE_VARIABLE, value)
    assert not compiled.are_usable()


@pytest.mark.parametrize("change", ["python", "recipe", "outgate.smtp.server"])
def test_modules_of_other_source_or_for_another_python_are_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    made(tmp_path, monkeypatch, json.dumps({**compiled.manifest(), change: "another"}))
    assert not compiled.are_usable()


@pytest.mark.parametrize("text", ["", "{", "[]", "{}"])
def test_what_is_no_manifest_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    made(tmp_path, monkeypatch, text)
    assert not compiled.are_usable()


def test_source_is_imported_where_that_is_wanted() -> None:
    assert where(OUTGATE_PURE="1").endswith("smtp/server.py")


@pytest.mark.skipif(not compiled.are_in_use(), reason="nothing is compiled here")
def test_compiled_modules_are_imported_where_they_stand() -> None:
    assert Path(where(OUTGATE_PURE="")).is_relative_to(compiled.DIRECTORY)
    for module in compiled.MODULES:
        __import__(module)
        assert Path(str(sys.modules[module].__file__)).is_relative_to(compiled.DIRECTORY)


@pytest.mark.parametrize("module", compiled.MODULES)
def test_no_module_defines_structs_that_would_lose_their_hash(module: str) -> None:
    source = compiled.source_of(module).read_text()
    assert bool(re.search(r"class \w+\(.*\bStruct\b", source)) is (module in WITH_STRUCTS)
    __import__(module)
    for thing in vars(sys.modules[module]).values():
        if isinstance(thing, type) and issubclass(thing, Struct) and thing.__module__ == module:
            assert not thing.__struct_config__.order


def test_slice_that_ends_before_it_begins_is_empty() -> None:
    reader = ReplyReader()
    reader.receive(b"250\r\n")
    reply = reader.next_reply()
    assert reply is not None
    assert (reply.code, reply.texts) == (250, (b"",))
