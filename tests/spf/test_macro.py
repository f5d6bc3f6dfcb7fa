import pytest

from outgate.spf.macro import BadMacro, Macro, expand, letters_of, parse_domain_spec, parse_macros, shortened

# RFC 7208 §7.4
VALUES = {
    "s": "strong-bad@email.example.com",
    "l": "strong-bad",
    "o": "email.example.com",
    "d": "email.example.com",
    "i": "192.0.2.3",
    "v": "in-addr",
    "p": "unknown",
    "h": "mx.example.org",
}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("%{s}", "strong-bad@email.example.com"),
        ("%{o}", "email.example.com"),
        ("%{d}", "email.example.com"),
        ("%{d4}", "email.example.com"),
        ("%{d3}", "email.example.com"),
        ("%{d2}", "example.com"),
        ("%{d1}", "com"),
        ("%{dr}", "com.example.email"),
        ("%{d2r}", "example.email"),
        ("%{l}", "strong-bad"),
        ("%{l-}", "strong.bad"),
        ("%{lr}", "strong-bad"),
        ("%{lr-}", "bad.strong"),
        ("%{l1r-}", "strong"),
        ("%{ir}.%{v}._spf.%{d2}", "3.2.0.192.in-addr._spf.example.com"),
        ("%{lr-}.lp._spf.%{d2}", "bad.strong.lp._spf.example.com"),
        ("%{lr-}.lp.%{ir}.%{v}._spf.%{d2}", "bad.strong.lp.3.2.0.192.in-addr._spf.example.com"),
        ("%{ir}.%{v}.%{l1r-}.lp._spf.%{d2}", "3.2.0.192.in-addr.strong.lp._spf.example.com"),
        ("%{d2}.trusted-domains.example.net", "example.com.trusted-domains.example.net"),
        ("%{h}", "mx.example.org"),
        ("%{p}", "unknown"),
        ("a%%b%_c%-d", "a%b c%20d"),
        ("%{S}", "strong-bad%40email.example.com"),
        ("%{D2R}", "example.email"),
        ("%{d0002}", "example.com"),
        ("%{d99999999999999999999}", "email.example.com"),
    ],
)
def test_expansion(text: str, expected: str) -> None:
    assert expand(parse_macros(text), VALUES) == expected


def test_several_delimiters_split_at_each() -> None:
    assert expand(parse_macros("%{l1r+-}"), {"l": "a+b-c"}) == "a"
    assert expand(parse_macros("%{lr+-/=_,.}"), {"l": "a+b-c/d=e_f,g.h"}) == "h.g.f.e.d.c.b.a"


@pytest.mark.parametrize(
    "text", ["%", "%{d", "%{x}", "%{}", "%{d0}", "%{d00}", "%(d)", "%{dr2}", "é", "%{c}", "%{t}", "%{R}", "%{s-@}"]
)
def test_what_is_no_macro_string(text: str) -> None:
    with pytest.raises(BadMacro):
        parse_macros(text)


@pytest.mark.parametrize(
    "text", ["a.example", "a.example.", "x.a-b", "%{d}", "a.%{d}", "x%%", "%{d}.com", "a/b.com", "_spf.x1"]
)
def test_domain_specs(text: str) -> None:
    assert parse_domain_spec(text)


@pytest.mark.parametrize(
    "text", ["", "museum", "museum.", "a.123", "a.-b", "a.b-", "a..", "a.%{d}x", "a.com/24", "a.com:25"]
)
def test_what_is_no_domain_spec(text: str) -> None:
    with pytest.raises(BadMacro):
        parse_domain_spec(text)


def test_left_labels_go_until_the_name_fits() -> None:
    name = ".".join(["a" * 50] * 6)
    assert shortened(name) == ".".join(["a" * 50] * 4)
    assert shortened("a.b") == "a.b"
    assert shortened("x." + "a" * 251) == "x." + "a" * 251
    assert shortened("xy." + "a" * 251) == "a" * 251
    assert shortened("." + "a" * 253) == "a" * 253
    assert shortened("a" * 300) == ""


def test_letters_are_known() -> None:
    pieces = parse_macros("%{ir}.x.%{D}")
    assert letters_of(pieces) == {"i", "d"}
    assert pieces[0] == Macro("i", 0, True, "", False)
