"""Tags of pages."""

from collections.abc import Iterable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outgate.scanning import tags as module
from outgate.scanning.tags import TELLING, TELLING_ATTRIBUTES, Tag, tags, telling


def named(page: str) -> list[tuple[str, dict[str, str]]]:
    return [(tag.name, tag.attributes) for tag in tags(page)]


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        ("<A HREF='x&amp;y' b>1</a>", [("a", {"href": "x&y", "b": ""}), ("/a", {})]),
        ('<a title="1>2" href=x>', [("a", {"title": "1>2", "href": "x"})]),
        ("<a href = x href=y/>", [("a", {"href": "x"})]),
        ("<img/src=x/onerror=y>", [("img", {"src": "x/onerror=y"})]),
        ("<a\nhref\n=\n'x'>", [("a", {"href": "x"})]),
        ("<!-- <a> --><b>", [("b", {})]),
        ("<!--[if mso]><a href=x><![endif]-->", [("a", {"href": "x"})]),
        ("<!--><a>", [("a", {})]),
        ("<!doctype html><?xml x?><p>", [("p", {})]),
        ("<style>a{b:'<a>'}</style><p>", [("style", {}), ("/style", {}), ("p", {})]),
        ("a < b <3 <", []),
        ("<a href='never ended", [("a", {"href": "'never", "ended": ""})]),
        ("<!-- never ended <a>", []),
    ],
)
def test_tags(page: str, expected: list[tuple[str, dict[str, str]]]) -> None:
    assert named(page) == expected


def test_scripts_are_content() -> None:
    script, end = tags("<script type=a>if (1<b) '</scripts>'</SCRIPT >")
    assert (script.content, end.name) == ("if (1<b) '</scripts>'", "/script")
    [open_ended] = tags("<script>x<p>")
    assert open_ended.content == "x<p>"


def test_where_a_tag_stands() -> None:
    page = "ab<i c=d>"
    [tag] = tags(page)
    assert page[tag.start : tag.end] == "<i c=d>"


def test_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TAGS_MAX", 10)
    assert len(named("<p>" * 100)) == 10
    [(_, attributes)] = named("<p " + " ".join(f"a{number}" for number in range(1_000)) + ">")
    assert len(attributes) == module.ATTRIBUTES_MAX


@given(st.text(alphabet="<>a/ =\"'!-scriptyle&;#?\n", max_size=200))
def test_any_page(page: str) -> None:
    found = list(tags(page))
    assert all(left.end <= right.start for left, right in pairwise(found))


TAG_PIECES = (
    "<a|<A|</a|<lin\u212a|<link/|<td|<script|</script|<style|</style>|<title>|<textarea|</textarea|<!--|-->|<!|<?|<"
)
ATTRIBUTE_PIECES = "on|onclick=|ONX|srcdoc|SrcDoc='|srcdo|href=|/|>|=|\"|'|a|o|\u0130|&amp;|<!--[if mso]>| "
_pieces = st.lists(
    st.sampled_from(
        [*TAG_PIECES.split("|"), *ATTRIBUTE_PIECES.split("|"), "<" + "x" * 40, "</" + "x" * 41, "b " * 30],
    ),
    max_size=40,
).map("".join)


@given(_pieces)
def test_what_tells_is_passed_over_nowhere(page: str) -> None:
    def those_that_tell(found: Iterable[Tag]) -> list[Tag]:
        return [
            tag
            for tag in found
            if tag.name in TELLING or any(name.startswith(TELLING_ATTRIBUTES) for name in tag.attributes)
        ]

    assert list(telling(page)) == those_that_tell(tags(page))


def test_what_tells_of_more_tags_than_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TAGS_MAX", 10)
    assert [tag.name for tag in telling("<p>" * 9 + "<a><p><a>")] == ["a"]


@pytest.mark.parametrize("name", ["a", "p"])
def test_what_tells_among_very_many_attributes(name: str) -> None:
    page = f"<{name} {'b ' * module.ATTRIBUTES_SKIMMED}onclick=1>"
    assert [tag.attributes for tag in telling(page)] == [{"b": "", "onclick": "1"}]
    assert telling(f"<p {'b ' * module.ATTRIBUTES_SKIMMED}c>") == ()


@pytest.mark.parametrize(
    "page",
    [
        "<" * 300_000,
        "<!--" * 300_000,
        "<a href=" * 100_000,
        "<a href=a " + "href=a " * 100_000,
        "<a " + " " * 300_000,
        "<a b" + "\n" * 300_000,
        "<a " + "b='" * 100_000,
        "<a " + 'b="' * 100_001 + "'" * 100_000,
        "<script>" * 100_000,
        "<script></script" * 100_000,
        "<!--[if" * 100_000,
        "<a" + "/" * 300_000,
    ],
)
def test_made_pages_cost_little(page: str) -> None:
    list(tags(page))
    telling(page)
