"""Texts and links of a message."""

import re
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.scanning.test_archives import zipped

from outgate.scanning import guards
from outgate.scanning import readable as readable_module
from outgate.scanning.kinds import kind_of
from outgate.scanning.message import Link, Part
from outgate.scanning.readable import LINKS_MAX, bare_links, host_of, office_text, page_text, readable


def test_page_without_its_tags_and_scripts() -> None:
    text, links = page_text(
        "<html><style>p{}</style><script>var a='<p>';</script><p>one&nbsp;&amp; two<br>three</p><!-- gone -->"
        '<a href="https://x.example/?a=1&amp;b=2">click <b>here</b></a><img src=https://y.example/p.png>'
    )
    assert text == "one & two\nthree\n click here"
    assert links == (Link("https://x.example/?a=1&b=2", "click here"), Link("https://y.example/p.png"))


def test_unfinished_pages_are_read_to_their_end() -> None:
    assert page_text("<p>one<script>never ended")[0] == "one"
    assert page_text("<p>one<!-- never ended")[0] == "one"
    assert page_text("one <b")[0] == "one <b"


def test_links_in_plain_text_without_what_ends_a_sentence() -> None:
    assert bare_links("See https://a.example/x, (http://b.example/y). https://a.example/x,") == [
        "https://a.example/x",
        "http://b.example/y",
    ]


@given(
    st.lists(
        st.sampled_from(
            ["http", "https", "HTTPS", "ftp", "http\u017f", "://", "a", "abc", " ", ".", "<", "\u00e4", ":", "_"]
        )
        | st.just("x" * 2_000),
        max_size=30,
    ).map("".join)
)
def test_links_are_those_that_their_pattern_finds(text: str) -> None:
    found = [match[0].rstrip(".,;:!?)]}") for match in readable_module._BARE_LINK.finditer(text)]
    assert bare_links(text) == list(dict.fromkeys(found))


@pytest.mark.parametrize(
    ("link", "host"),
    [
        ("https://A.Example./x", "a.example"),
        ("mailto:a@b", ""),
        ("http://[bad", ""),
        ("https://u:p@h.example:8/", "h.example"),
    ],
)
def test_host(link: str, host: str) -> None:
    assert host_of(link) == host


PIECES = "http://|x:|://|a|A.example.|@|:|80|/|\\|?|#|%|[|]|..|_|-|+|\u00e4|\u212a|\t|\n| "


@given(st.lists(st.sampled_from(PIECES.split("|")), max_size=12).map("".join))
def test_ordinary_hosts_are_read_as_all_others(link: str) -> None:
    with mock.patch.object(readable_module, "_ORDINARY_HOST", re.compile("(?!)")):
        read_by_its_parts = host_of.__wrapped__(link)
    assert host_of.__wrapped__(link) == read_by_its_parts


def test_office_documents_are_read() -> None:
    octets = zipped(
        ("[Content_Types].xml", b"<x/>"),
        ("word/document.xml", "<w:p><w:t>Gr\u00fc</w:t><w:t>\u00dfe</w:t></w:p><w:p>two</w:p>".encode()),
        ("word/_rels/document.xml.rels", b'<R Target="https://x.example/?a&amp;b" TargetMode="External"/>'),
    )
    assert office_text(octets, 1_000) == ("Gr\u00fc\u00dfe\ntwo\n", (Link("https://x.example/?a&b"),))
    assert office_text(b"PK\x03\x04damaged", 1_000) == ("", ())


def test_both_bounds() -> None:
    long = "https://x.example/%d " * 1
    page = " ".join(long % number for number in range(LINKS_MAX * 2)) + "x" * guards.TEXT_MAX * 2
    parts = [Part(str(n), "text/plain", "", page.encode(), "text") for n in range(3)]
    texts = list(readable(parts))
    assert sum(len(text.text) for text in texts) <= guards.TEXT_MAX
    assert sum(len(text.links) for text in texts) <= LINKS_MAX


@given(st.text(alphabet="<>a/ =\"'!-scriptyle&;#", max_size=200))
def test_any_page(page: str) -> None:
    page_text(page)


@pytest.mark.parametrize(
    "page",
    [
        "://" * 200_000,
        "https://" * 100_000,
        "<" * 200_000,
        "<a href=" * 50_000,
        "<!--" * 100_000,
        "<script" * 50_000,
        "<a href='x'>" * 20_000,
    ],
)
def test_made_pages_cost_little(page: str) -> None:
    octets = page.encode()
    assert list(readable([Part("1", "text/html", "", octets, kind_of(octets, "", "text/html"))]))
