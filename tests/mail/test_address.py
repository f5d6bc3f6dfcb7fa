"""One canonical form for each domain, and paths as people write them."""

import idna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outgate.mail.address import (
    DOMAIN_MAX,
    LABEL_MAX,
    LOCAL_PART_MAX,
    NULL_REVERSE_PATH,
    AddressError,
    ForwardPath,
    Path,
    ReversePath,
    canonical_domain,
)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("example.com", "example.com"),
        ("EXAMPLE.Com", "example.com"),
        ("a-b.c_d.example", "a-b.c_d.example"),
        ("_dmarc.example", "_dmarc.example"),
        ("localhost", "localhost"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("XN--BCHER-KVA.Example", "xn--bcher-kva.example"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("BÜCHER.example", "xn--bcher-kva.example"),
        ("faß.example", "xn--fa-hia.example"),
        ("例え.テスト", "xn--r8jz45g.xn--zckzah"),
        ("a" * LABEL_MAX + ".example", "a" * LABEL_MAX + ".example"),
    ],
)
def test_spellings_of_a_domain_have_one_form(text: str, name: str) -> None:
    assert canonical_domain(text) == name


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        ".example",
        "example.",
        "a..b",
        " example.com",
        "example.com ",
        "exa mple.com",
        "example.com\n",
        "example.com\x00",
        "-a.example",
        "a-.example",
        "a/b.example",
        "a@b.example",
        "[192.0.2.1]",
        "a" * (LABEL_MAX + 1) + ".example",
        "a." * (DOMAIN_MAX // 2) + "aa",
        # No A-label, or one of something that may not be in a name
        "xn--.example",
        "xn--a.example",
        "xn--a-.example",
        # Look-alikes that would have to be folded
        "\uff45xample.com",
        "example\u3002com",
        "\u212aelvin.example",
        "KELVIN\u212a.example",
        "\u212bngstrom.example",
        "bu\u0308cher.example",
        "exam\u00adple.com",
        "exam\u200bple.com",
        "exam\u200dple.com",
        "\u017fhort.example",
        "\ud800.example",
    ],
)
def test_what_is_no_domain_or_only_looks_like_one_is_refused(text: str) -> None:
    with pytest.raises(AddressError):
        canonical_domain(text)


def test_a_refusal_says_what_is_wrong() -> None:
    with pytest.raises(AddressError, match=r"'a\.\.b' is not a domain name: '' is not a label"):
        canonical_domain("a..b")


def test_a_name_of_the_greatest_length_is_taken() -> None:
    name = ".".join(["a" * 63] * 3 + ["b" * 63])
    assert len(name) == DOMAIN_MAX
    assert canonical_domain(name) == name
    with pytest.raises(AddressError):
        canonical_domain(f"{name}c")


_texts = st.one_of(
    st.text("abAB01-_.xnéßжЖ漢\u212aİ", max_size=20),
    st.text(max_size=20),
    st.text("abcdefghijklmnopqrstuvwxyz0123456789-", max_size=10).map("xn--{}.example".format),
)


@settings(deadline=None, max_examples=500)
@given(_texts)
def test_the_canonical_form_is_its_own_canonical_form(text: str) -> None:
    try:
        name = canonical_domain(text)
    except AddressError:
        return
    assert canonical_domain(name) == name
    assert canonical_domain(name.upper()) == name
    assert name.isascii()
    assert len(name) <= DOMAIN_MAX


@settings(deadline=None, max_examples=300)
@given(st.text("abcäöüßéжшя漢字", min_size=1, max_size=10))
def test_a_name_in_letters_and_its_a_label_are_one(label: str) -> None:
    try:
        name = canonical_domain(f"{label}.example")
    except AddressError:
        return
    assert idna.decode(name) == f"{label}.example"


def test_a_path_keeps_what_was_written() -> None:
    path = ReversePath.parse("Alice.Example@ALPHA.Example")
    assert path.text == "Alice.Example@ALPHA.Example"
    assert path.local_part == "Alice.Example"
    assert path.domain == "alpha.example"
    assert isinstance(path, ReversePath)
    assert not path.is_null


@pytest.mark.parametrize(
    "text",
    [
        "",
        "alice",
        "@alpha.example",
        "alice@",
        "a b@alpha.example",
        "a@b@alpha.example",
        "a\x00@alpha.example",
        "a\n@alpha.example",
        "alice@alpha..example",
        "a" * (LOCAL_PART_MAX + 1) + "@alpha.example",
        "ж" * 33 + "@alpha.example",
    ],
)
def test_what_is_no_mailbox_is_refused(text: str) -> None:
    with pytest.raises(AddressError):
        Path.parse(text)


def test_a_local_part_of_the_greatest_length_is_taken() -> None:
    assert Path.parse("a" * LOCAL_PART_MAX + "@alpha.example").domain == "alpha.example"


@pytest.mark.parametrize(
    ("text", "is_utf8"), [("a@b.example", False), ("ж@b.example", True), ("a@bücher.example", True)]
)
def test_a_path_knows_whether_it_needs_smtputf8(text: str, is_utf8: bool) -> None:
    assert ForwardPath.parse(text).is_utf8 is is_utf8


def test_the_null_reverse_path_is_null() -> None:
    assert NULL_REVERSE_PATH.is_null
    assert not NULL_REVERSE_PATH.is_address_literal
    assert not NULL_REVERSE_PATH.is_utf8


def test_an_address_literal_is_told_from_a_domain() -> None:
    assert ForwardPath("a@[192.0.2.1]", "a", "[192.0.2.1]").is_address_literal
    assert not ForwardPath.parse("a@b.example").is_address_literal


@pytest.mark.parametrize("local_part", ["postmaster", "Postmaster", "POSTMASTER"])
def test_postmaster_is_known_in_any_case(local_part: str) -> None:
    assert ForwardPath(local_part, local_part, "").is_postmaster
    assert not ForwardPath("postmasters", "postmasters", "").is_postmaster
