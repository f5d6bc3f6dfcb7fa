"""Files of others are those that were taken, and no page loads anything from another host."""

import hashlib
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
WEB = ROOT / "src/outgate/portal/web"
FOLDERS = [WEB / "static/vendor", ROOT / "tests/browser/vendor"]


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.parts[-2])
def test_vendored_files_are_as_they_were_taken(folder: Path) -> None:
    listed = tomllib.loads((folder / "VENDORED.toml").read_text("utf-8"))
    licences = {entry["licence"] for entry in listed.values()}
    present = {path.name for path in folder.iterdir()}

    assert present == {"VENDORED.toml", *listed, *licences}
    for name, entry in listed.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == entry["sha256"], name
        assert entry["version"] in name


def test_style_sheets_load_nothing_from_elsewhere() -> None:
    for path in WEB.glob("static/**/*.css"):
        text = path.read_text("utf-8")
        assert "@import" not in text
        assert {each[:5] for each in re.findall(r"url\(\s*[\"']?([^)]*)", text)} <= {"data:"}, path


def test_templates_hold_no_script_no_style_and_no_address_of_another_host() -> None:
    for path in WEB.glob("templates/**/*.html"):
        text = path.read_text("utf-8")
        assert not re.search(r"\sstyle=|<style|\son[a-z]+=|javascript:|https?://", text), path
        for script in re.findall(r"<script([^>]*)>", text):
            assert "src=" in script or 'type="application/json"' in script, path
