"""The page on set-up guides: it has each guide, its figures are the code's, its links lead somewhere."""

import re
from pathlib import Path

from outgate.portal.guides.kinds import GUIDES
from outgate.portal.guides.proof import WAIT_SECONDS
from outgate.portal.guides.script import ScriptValues, send_connector, set_up_script
from outgate.portal.reason_pages import reason_pages

DOCS = Path(__file__).parents[2] / "docs"
TEXT = (DOCS / "guides.md").read_text()


def test_each_guide_is_named_as_the_portal_names_it() -> None:
    assert [guide.title for guide in GUIDES if f"| {guide.title} |" not in TEXT] == []


def test_figures_are_the_codes() -> None:
    assert WAIT_SECONDS == 15 * 60
    assert "a quarter of an hour" in TEXT
    assert "150 MB" in TEXT
    assert "-MaxMessageSize 150MB" in send_connector("h")


def test_parameters_are_the_scripts() -> None:
    script = set_up_script(ScriptValues("h", "c", "C"))
    named = set(re.findall(r"-(Except\w+)", TEXT))
    assert len(named) == 3
    assert all(re.search(rf"\]\${name}\b", script) for name in named)


def test_reasons_are_there() -> None:
    codes = re.findall(r"\[([a-z-]+)\]\(reasons\.md#\1\)", TEXT)
    assert len(codes) > 8
    assert set(codes) <= set(reason_pages())
