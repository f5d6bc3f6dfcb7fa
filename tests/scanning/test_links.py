"""Links that lead elsewhere than they seem to."""

import re
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.scanned import attached, found

from outgate.scanning import links
from outgate.scanning.links import Links, address_of, findings_of, target_of
from outgate.scanning.message import Link
from outgate.scanning.names import lookalikes

SAFE = "https://eur03.safelinks.protection.outlook.com/?url="
DEFENSE = "https://urldefense.com/v3/__"
OWN = frozenset(("alpha-mill.example",))


def of(target: str, shown: str = "") -> list[tuple[str, int]]:
    return [(name, weight) for name, weight, _ in findings_of(Link(target, shown), lookalikes(OWN))]


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("https://www.beta.example/x?y=1", []),
        ("https://www.alpha-mill.example/", []),
        ("https://a1pha-mill.example/", [("look-alike-host", 90)]),
        ("https://xn--lpha-mill-zyh.example/", [("look-alike-host", 90)]),
        ("https://paypa1.com/", [("look-alike-host", 85)]),
        ("https://paypal.com.evil.example/", [("misleading-host", 85)]),
        ("https://alpha-mill.example.agency.example/", [("misleading-host", 60)]),
        ("https://www.google.com.au/", []),
        ("https://paypal-login.example/", [("brand-in-host", 50)]),
        ("https://www.paypal.com/x", []),
        ("https://\u0430bc.example/", [("mixed-scripts", 75)]),
        ("https://xn--mller-kva.example/", []),
        ("http://198.51.100.7/", []),  # not a global address
        ("http://8.8.8.8/", [("host-is-address", 50)]),
        ("http://192.168.1.1/", []),
        ("http://10.1/", []),
        ("http://134744072/", [("host-is-address", 85)]),
        ("http://0x08.8.0x8.010/", [("host-is-address", 85)]),
        ("http://[2001:4860:4860::8888]/", [("host-is-address", 50)]),
        ("https://paypal.com@evil.example/", [("user-in-link", 85)]),
        ("https://ada:pw@git.example/", [("user-in-link", 40)]),
        ("https://x.example/@ada", []),
        ("https://x.example/setup.exe", [("link-to-program", 40)]),
        ("https://x.example/invoice.pdf.scr", [("link-to-program", 85)]),
        ("http://8.8.8.8/a.exe", [("host-is-address", 50), ("link-to-program", 85)]),
        ("https://x.example/cgi.com", []),
        ("ms-msdt:/id PCWDiagnostic", [("link-starts-program", 90)]),
        ("search-ms:query=x&crumb=location:\\\\x", [("link-starts-program", 90)]),
        ("file://files.evil.example/x", [("link-to-share", 60)]),
        ("file://files.evil.example@ssl/x", [("link-to-share", 80)]),
        ("file://8.8.8.8@80/x", [("link-to-share", 80)]),
        ("\\\\server\\share", [("link-to-share", 30)]),
        ("file:///C:/x", []),
        ("file://nas.alpha-mill.example/x", []),
        ("mailto:ada@paypa1.com", []),
        ("http://[bad", []),
        ("https://", []),
    ],
)
def test_where_it_leads(target: str, expected: list[tuple[str, int]]) -> None:
    assert of(target) == expected


@pytest.mark.parametrize(
    ("shown", "target", "weight"),
    [
        ("https://www.alpha-mill.example/login", "https://evil.example/", 60),
        ("alpha-mill.example", "https://evil.example/", 60),
        ("www.paypal.com", "https://evil.example/", 80),
        ("paypal.com", "https://track.paypal.com/", 0),
        ("https://news.example/", "https://clicks.test/x", 30),
        ("https://www.news.example/", "https://links.news.example/x", 0),
        ("README.md", "https://evil.example/", 0),
        ("click here", "https://evil.example/", 0),
        ("https://www.alpha-mill.example/x", SAFE + "https%3A%2F%2Fwww.alpha-mill.example%2Fx&d=1", 0),
        ("https://www.alpha-mill.example/x", DEFENSE + "https://www.alpha-mill.example/x__;!!a!b$", 0),
        ("https://www.alpha-mill.example/x", SAFE + "https%3A%2F%2Fevil.example%2Fx", 60),
        ("https://www.alpha-mill.example/x", "https://protect-eu.mimecast.com/s/abc", 0),
    ],
)  # fmt: skip
def test_what_is_shown(shown: str, target: str, weight: int) -> None:
    assert of(target, shown) == ([("shows-other-host", weight)] if weight else [])


@pytest.mark.parametrize(
    ("host", "address"),
    [("1.2.3.4", "1.2.3.4"), ("1.2.772", "1.2.3.4"), ("0x1020304", "1.2.3.4"), ("1.2.3.400", "None"), ("a.b", "None"),
     ("08.1.1.1", "None"), ("", "None"), ("::1", "::1"), ("1.2.3.4.5", "None")],
)  # fmt: skip
def test_addresses_as_browsers_read_them(host: str, address: str) -> None:
    assert str(address_of(host)) == address


def test_each_host_counts_once_and_says_where() -> None:
    page = "<a href='https://paypa1.com/1'>x</a><a href='https://paypa1.com/2'>y</a>"
    [finding] = found(Links(), attached(page=page))
    assert (finding.name, finding.detail, finding.place) == ("look-alike-host", "paypa1.com for paypal.com", "2")
    [finding] = found(Links(), attached(("a.txt", b"https://paypa1.com/1")))
    assert finding.place == "2"


@given(st.text(alphabet="htps:/@.[]%0x12\\abc?=&-\u0430", max_size=60), st.text(alphabet="htps:/@.wabc ", max_size=40))
def test_any_link(target: str, shown: str) -> None:
    of(target, shown)
    of("https://" + target, shown)
    target_of("https://t.co/" + target)


PIECES = "http://|https://|HTTP://|ftp://|a|b.example|B.Example.|@|:|80|/|//|\\|?|#|%|%41|[|]|..|_|t.co|\u00e4"
MORE_PIECES = "\t|\n| |google.com/url|url="


@given(st.lists(st.sampled_from([*PIECES.split("|"), *MORE_PIECES.split("|")]), max_size=12).map("".join))
def test_ordinary_links_are_read_as_all_others(link: str) -> None:
    with mock.patch.object(links, "_ORDINARY", re.compile("(?!)")):
        read_by_its_parts = target_of(link)
    assert target_of(link) == read_by_its_parts
