"""The drawings of the guides: nothing overlaps, nothing is outside, no text is wider than its box."""

import re
from itertools import pairwise
from typing import Any

import pytest
from django.template import Context, Template
from hypothesis import given
from hypothesis import strategies as st

from outgate.portal.web.templatetags.mail_flow import LETTER, LINES_MAX, Box, Drawn, Way, narrow, wide, wrapped

HOST = "outbound-gateway.eu-central-1.smarthost.example.net"
LONGEST = ".".join(["x" * 63] * 3 + ["y" * 61])  # RFC 1035 §2.3.4
PEOPLE, PLATFORM, RECIPIENTS = Box("Your people", "mail to outside"), Box("Google Workspace", "rule"), Box("Recipients")


def ways() -> list[Way]:
    return [
        Way((*before,), Box("Outgate", host, is_ours=True), RECIPIENTS, past, detour, "another rule")
        for before in ((PEOPLE,), (PEOPLE, PLATFORM))
        for host in ("mx.example", HOST, LONGEST)
        for past in ("", "what the rule leaves out")
        for detour in (None, Box("Exclaimer", "adds the signature"))
    ]


@pytest.mark.parametrize("draw", [wide, narrow], ids=lambda draw: draw.__name__)
@pytest.mark.parametrize("way", ways(), ids=lambda way: way.told()[-60:])
def test_drawing_is_whole(draw: Any, way: Way) -> None:
    drawn: Drawn = draw(way)
    for box in drawn.boxes:
        assert 0 < box["x"] < box["x"] + box["width"] < drawn.width
        assert 0 < box["y"] < box["y"] + box["height"] < drawn.height
        for line in box["lines"]:
            assert len(line["text"]) * LETTER <= box["width"]
            assert box["name_y"] < line["y"] < box["y"] + box["height"]
    for one, other in pairwise(drawn.boxes):
        assert (
            one["x"] + one["width"] < other["x"]
            or one["y"] + one["height"] < other["y"]
            or other["y"] + other["height"] < one["y"]
        )
    for path in (*drawn.arrows, *(drawn.past or ())):
        x, y = map(int, re.findall(r"\d+", path)[:2])
        assert 0 < x < drawn.width
        assert 0 < y < drawn.height
    assert bool(drawn.past) is bool(drawn.label) is bool(way.past)


def test_detour_is_between_the_platform_and_the_platform() -> None:
    names = [box["name"] for box in narrow(ways()[-1]).boxes]
    assert names == ["Your people", "Google Workspace", "Exclaimer", "Google Workspace", "Outgate", "Recipients"]
    assert len([path for path in wide(ways()[-1]).arrows if "V" in path]) == 2  # there and back


def test_who_does_not_see_it_is_told_the_same() -> None:
    assert ways()[0].told() == (
        "Your people: mail to outside goes to Outgate (mx.example), and on to its recipients."
    )  # fmt: skip
    text = Way((PEOPLE, PLATFORM), Box("Outgate", HOST), RECIPIENTS, "what is left", Box("Signer", "signs")).told()
    assert f"through Google Workspace to Outgate ({HOST})" in text
    assert "hands it to Signer, which signs, and takes it back." in text
    assert "What is left goes from Google Workspace to its recipients directly." in text


@given(st.text("ab.- ", min_size=1, max_size=40), st.integers(1, 30))
def test_lines_have_all_of_a_text_that_has_room(text: str, letters: int) -> None:
    lines = wrapped(text, letters * 10, 10.0)
    assert all(0 < len(line) <= letters for line in lines)
    whole = "".join(text.split())
    shown = "".join("".join(lines).split())
    assert shown == whole if len(lines) < LINES_MAX else whole.startswith(shown.rstrip("…"))


def test_host_name_is_parted_behind_its_dots() -> None:
    assert wrapped(HOST, 160, 7.3) == ["outbound-gateway.eu-", "central-1.smarthost.", "example.net"]
    assert wrapped(LONGEST, 160, 7.3)[-1].endswith("…")


def test_text_of_a_host_is_escaped() -> None:
    page = Template('{% load mail_flow %}{% mail_flow host "A" "B" past="c" %}').render(Context({"host": "<b>&"}))
    assert "<b>" not in page
    assert page.count("&lt;b&gt;&amp;") == 4  # what is seen and what is told, of each drawing
    empty = Template('{% load mail_flow %}{% mail_flow "" "A" %}').render(Context())
    assert ">no name yet</text>" in empty
