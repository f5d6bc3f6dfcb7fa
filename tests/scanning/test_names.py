"""Names that look like others."""

import pytest

from outgate.scanning.names import LABELS_MAX, Lookalikes, has_mixed_scripts, lookalikes, registrable, shown, skeleton

OWN = frozenset(("alpha-mill.example", "paypal.com", "mail.beta.example"))


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("paypal.com", "p\u0430yp\u0430l.com"),
        ("paypal.com", "xn--pypl-53dc.com"),
        ("paypal.com", "paypa1.com"),
        ("paypal.com", "PAYPAI.COM"),
        ("modern.example", "rnodern.example"),
        ("google.com", "g00gle.com"),
        ("wide.example", "vvide.example"),
        ("cafe.example", "caf\u00e9.example"),
    ],
)
def test_names_that_look_the_same(left: str, right: str) -> None:
    assert skeleton(left) == skeleton(right)


def test_names_that_do_not() -> None:
    assert len({skeleton(name) for name in ("paypal.com", "papal.com", "paypal.net", "pay-pal.com")}) == 4


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("paypal.com", ("", "")),
        ("www.paypal.com", ("", "")),
        ("www.paypa1.com", ("paypal.com", "look-alike")),
        ("a1pha-mill.example", ("alpha-mill.example", "look-alike")),
        ("paypal.com.evil.example", ("paypal.com", "prefix")),
        ("login.paypal.com.evil.example", ("paypal.com", "prefix")),
        ("mail.beta.example.evil.test", ("mail.beta.example", "prefix")),
        ("paypal.com.br", ("", "")),
        ("beta.example", ("", "")),
        ("evil.example", ("", "")),
        ("", ("", "")),
        (".".join(["a"] * 5_000), ("", "")),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else None,
)
def test_what_a_host_is_taken_for(host: str, expected: tuple[str, str]) -> None:
    assert lookalikes(OWN).taken_for(host) == expected


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("a.b.example", "b.example"),
        ("a.b.co.uk", "b.co.uk"),
        ("co.uk", "co.uk"),
        ("x", "x"),
        ("", ""),
        ("a.com.de", "com.de"),
    ],
)
def test_registrable(host: str, expected: str) -> None:
    assert registrable(host) in (expected, host)


def test_mixed_scripts() -> None:
    assert has_mixed_scripts("p\u0430ypal.com")
    assert not has_mixed_scripts("\u043f\u0440\u0438\u043c\u0435\u0440.com")
    assert not has_mixed_scripts("m\u00fcller.example")
    assert shown("xn--mller-kva.example") == "m\u00fcller.example"
    assert shown("xn--\u00fc.example") == "xn--\u00fc.example"


@pytest.mark.parametrize(
    "host", ["a.example", "x.a.example", "." * 30 + "a.example", "b.a.example.", "", "example", "a"]
)
def test_what_is_owned(host: str) -> None:
    labels = host.split(".")[-LABELS_MAX:]
    expected = any(".".join(labels[at:]) == "a.example" for at in range(len(labels)))
    assert Lookalikes(frozenset(("a.example",))).owns(host) == expected
