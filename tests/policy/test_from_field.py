"""Which From fields are readable without doubt, and whose domains they show."""

import time
from email.errors import MessageError
from email.headerregistry import Address, HeaderRegistry
from email.utils import getaddresses

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outgate.policy.from_field import COMMENT_DEPTH_MAX, DOMAINS_MAX, FROM_VALUE_MAX, TOKENS_MAX, read_from


@pytest.mark.parametrize(
    ("value", "domains"),
    [
        # One address, plainly
        (b" alice@alpha.example", ("alpha.example",)),
        (b"alice@alpha.example", ("alpha.example",)),
        (b" <alice@alpha.example>", ("alpha.example",)),
        (b" Alice Example <alice@alpha.example>", ("alpha.example",)),
        (b" Alice Example <alice@ALPHA.Example> ", ("alpha.example",)),
        (b' "Example, Alice" <alice@alpha.example>', ("alpha.example",)),
        (b' "ceo@beta.example" <alice@alpha.example>', ("alpha.example",)),
        (b' "a \\"b\\" <c@d>" <alice@alpha.example>', ("alpha.example",)),
        (b" J. R. Alice <alice@alpha.example>", ("alpha.example",)),
        (b"Alice<alice@alpha.example>", ("alpha.example",)),
        (b" =?utf-8?q?M=C3=BCller=2C_Hans?= <hans@alpha.example>", ("alpha.example",)),
        (b' "Alice" Example <alice@alpha.example>', ("alpha.example",)),
        (b" [Shop] Orders <orders@alpha.example>", ("alpha.example",)),
        (b" alice+tag=x!#$%&'*/?^_`{|}~-@alpha.example", ("alpha.example",)),
        (b" first.last@sub.alpha.example", ("sub.alpha.example",)),
        (b" dotted.@alpha.example", ("alpha.example",)),
        (b" x@xn--bcher-kva.example", ("xn--bcher-kva.example",)),
        (b" <alice@[192.0.2.1]>", ("[192.0.2.1]",)),
        (b' "alice example"@alpha.example', ("alpha.example",)),
        (b' <"alice.example"@alpha.example>', ("alpha.example",)),
        # Folds, comments, white space
        (b"\r\n Alice\r\n\t<alice@alpha.example>", ("alpha.example",)),
        (b" Alice <\r\n alice@alpha.example\r\n >", ("alpha.example",)),
        (b" alice@alpha.example (Alice Example)", ("alpha.example",)),
        (b" (a (b (c)) d) Alice (x) Example (y) <alice@alpha.example> (z)", ("alpha.example",)),
        (b' (one \\) two "three) alice@alpha.example', ("alpha.example",)),
        (b" (ceo@beta.example) alice@alpha.example", ("alpha.example",)),
        # Octets above 127
        ("Jürgen <j@alpha.example>".encode(), ("alpha.example",)),
        (b"J\xfcrgen <j@alpha.example>", ("alpha.example",)),
        ('"Jürgen" <jürgen@bücher.example>'.encode(), ("xn--bcher-kva.example",)),
        ("jürgen@BÜCHER.example".encode(), ("xn--bcher-kva.example",)),
        # Several
        (b" a@alpha.example, b@beta.example", ("alpha.example", "beta.example")),
        (b" A <a@alpha.example>,\r\n B <b@beta.example>", ("alpha.example", "beta.example")),
        (b" ,, a@alpha.example, , b@beta.example,", ("alpha.example", "beta.example")),
        (b" a@alpha.example, <c@gamma.example>", ("alpha.example", "gamma.example")),
        # Some readers show the route: its domains count
        (b" <@beta.example:alice@alpha.example>", ("beta.example", "alpha.example")),
        (
            b" A <@b.example,@c.example:a@alpha.example>, d@d.example",
            ("b.example", "c.example", "alpha.example", "d.example"),
        ),
    ],
)
def test_readable(value: bytes, domains: tuple[str, ...]) -> None:
    assert read_from(value) == domains


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b" ",
        b",",
        b" (only a comment)",
        b" alice",
        b" <>",
        b" Alice <>",
        b" <alice>",
        b" Alice Example",
        # Two readers, two addresses
        b" ceo@beta.example <alice@alpha.example>",
        b" <ceo@beta.example> <alice@alpha.example>",
        b" ceo@beta.example alice@alpha.example",
        b" <alice@alpha.example> ceo@beta.example",
        b" <alice@alpha.example> Alice",
        b" <alice@alpha.example>; ceo@beta.example",
        b" ceo@beta.example; alice@alpha.example",
        b" <alice@alpha.example<ceo@beta.example>>",
        b" <<alice@alpha.example>>",
        b" Alice <alice@alpha.example",
        b" Alice alice@alpha.example>",
        b" alice@alpha.example@beta.example",
        b" alice@beta.example@alpha.example",
        b" <alice@alpha.example,ceo@beta.example>",
        b" <@beta.example,alice@alpha.example>",
        b" <@beta.example:@alpha.example>",
        b" <:alice@alpha.example>",
        b" <beta.example:alice@alpha.example>",
        b" Example, Alice <alice@alpha.example>",
        b' "unclosed <alice@alpha.example>',
        b' ceo@beta.example" <alice@alpha.example>',
        b" (unclosed alice@alpha.example",
        b" unopened) alice@alpha.example",
        b" Alice \\<ceo@beta.example\\> <alice@alpha.example>",
        # Comments and white space within the address
        b" alice@alpha.example(comment).evil.example",
        b" alice(comment)@alpha.example",
        b" alice@(comment)alpha.example",
        b" <alice@alpha.example (comment)>",
        b" <(comment) alice@alpha.example>",
        b" alice @alpha.example",
        b" alice@ alpha.example",
        b" <alice @ alpha.example>",
        b" alice@alpha. example",
        b" ali ce@alpha.example",
        # Local parts that are read in two ways
        b' "ceo@beta.example"@alpha.example',
        b' "<ceo@beta.example>"@alpha.example',
        b' "ceo@beta.example\\"@alpha.example',
        b' "a\\"b"@alpha.example',
        b' ""@alpha.example',
        b' "a"b@alpha.example',
        b' "a"."b"@alpha.example',
        b' a."b"@alpha.example',
        b" =?utf-8?q?ceo=40beta.example?=@alpha.example",
        b" <=?utf-8?b?Y2VvQGJldGEuZXhhbXBsZT4=?=@alpha.example>",
        b' "=?utf-8?q?ceo=40beta.example?="@alpha.example',
        b" j\xfcrgen@alpha.example",
        b' "j\xfcrgen"@alpha.example',
        # Groups
        b" Undisclosed:;",
        b" Team: alice@alpha.example;",
        b" Team: alice@alpha.example, bob@alpha.example;",
        b" Info: Alice <alice@alpha.example>",
        # Domains that are none
        b" alice@",
        b" alice@.example",
        b" alice@alpha.example.",
        b" alice@alpha..example",
        b" alice@-alpha.example",
        b" alice@alpha.example/",
        b" alice@xn--a.example",
        b" alice@[192.0.2.1",
        b" alice@[192.0.2 1]",
        b" alice@192.0.2.1]",
        b' alice@"alpha.example"',
        "alice@\u212a.example".encode(),
        "alice@\uff41lpha.example".encode(),
        b" alice@alph\xe4.example",
        # Octets that some readers stop at, or take for the end of a line
        b" alice@alpha.example\x00",
        b" Alice\x00 <alice@alpha.example>",
        b" Alice\x1b$B <alice@alpha.example>",
        b' "Ali\x00ce" <alice@alpha.example>',
        b" (\x0b) <alice@alpha.example>",
        b" \x7f<alice@alpha.example>",
        b" Alice\n <alice@alpha.example>",
        b" <alice@alpha.example>\n <ceo@beta.example>",
        b" Alice\r <alice@alpha.example>",
        b" Alice\r\n<alice@alpha.example>",
        b' "Alice\r\n" <alice@alpha.example>',
        b" alice@alpha.example\r\n",
    ],
)
def test_unreadable(value: bytes) -> None:
    assert read_from(value) is None


def test_comments_nest_to_a_bound() -> None:
    for depth, domains in ((COMMENT_DEPTH_MAX, ("alpha.example",)), (COMMENT_DEPTH_MAX + 1, None)):
        assert read_from(b"(" * depth + b")" * depth + b" alice@alpha.example") == domains


def test_mailboxes_and_routes_are_bounded() -> None:
    address = b"a@alpha.example,"
    assert read_from(address * DOMAINS_MAX) == ("alpha.example",) * DOMAINS_MAX
    assert read_from(address * (DOMAINS_MAX + 1)) is None
    assert read_from(b"<" + b",".join([b"@b.example"] * (DOMAINS_MAX + 1)) + b":a@alpha.example>") is None


def test_as_many_mailboxes_with_names_as_domains_are_read() -> None:
    mailboxes = b", ".join([b'"Alice B." (Sales) <alice@alpha.example>'] * DOMAINS_MAX)
    assert read_from(mailboxes) == ("alpha.example",) * DOMAINS_MAX


@pytest.mark.parametrize("token", [b"()", b",", b'""', b"a(b)"])
def test_the_tokens_are_bounded(token: bytes) -> None:
    per_unit = 2 if token == b"a(b)" else 1
    address = b" <a@alpha.example>"  # has six; a name before it, or empty places of the list
    before = token * ((TOKENS_MAX - 6) // per_unit)
    assert read_from(before + address) == ("alpha.example",)
    assert read_from(before + token + address) is None


def test_the_value_is_bounded() -> None:
    value = b"a@alpha.example"
    assert read_from(value.rjust(FROM_VALUE_MAX)) == ("alpha.example",)
    assert read_from(value.rjust(FROM_VALUE_MAX + 1)) is None


@pytest.mark.parametrize(
    "unit",
    [
        b"(",
        b")",
        b"()",
        b",",
        b"<",
        b"<>",
        b'"',
        b'""',
        b"\\",
        b"@",
        b"a@",
        b"@a,",
        b"a@b,",
        b"[",
        b"[]",
        b" ",
        b"\r\n ",
        b":",
        b"a ",
        b"\xff",
    ],
)
@pytest.mark.parametrize("size", [FROM_VALUE_MAX, 1024 * 1024])
@pytest.mark.parametrize("head", [b"", b"<", b'"', b"("])
def test_no_value_takes_long(unit: bytes, size: int, head: bytes) -> None:
    value = head + unit * ((size - len(head)) // len(unit))
    before = time.process_time()
    read_from(value)
    assert time.process_time() - before < 0.5  # the worst takes some 0.02 s


# Against the standard library's readers

_words = st.text("abcXYZ019!#$%&'*+-/=?^_`{|}~", min_size=1, max_size=8)
_names = st.one_of(st.just(""), st.text("abc XYZ.,;:<>@()[]\\\"'-äж", max_size=15))
_domains = st.sampled_from(["alpha.example", "BETA.example", "a-b.c_d.example", "xn--bcher-kva.example"])
_addresses = st.builds(Address, display_name=_names, username=_words, domain=_domains)


@settings(deadline=None, max_examples=300)
@given(st.lists(_addresses, min_size=1, max_size=4))
def test_what_the_standard_library_writes_is_read_with_the_same_domains(addresses: list[Address]) -> None:
    value = ", ".join(str(address) for address in addresses)
    expected = tuple(address.domain.lower() for address in addresses)
    if any("=?" in address.username for address in addresses):
        expected = ()
    assert (read_from(value.encode()) or ()) == expected


_PARTS = [
    "<a@x.example>",
    "b@y.example",
    "Name ",
    '"q" ',
    "(c)",
    "@z.example:",
    "@z.example,",
    "=?utf-8?q?a?=",
    "\r\n ",
]
_pieces = st.sampled_from([*_PARTS, "a", "b.c", "x.example", *"@<>,;:\"()[]\\ '"])
_values = st.lists(_pieces, min_size=1, max_size=8).map("".join)


@settings(deadline=None, max_examples=1500)
@given(_values)
def test_no_reader_is_shown_a_domain_that_was_not_read(value: str) -> None:
    """Where we read a value, the readers of the standard library find no other domain in it."""
    domains = read_from(value.encode())
    if domains is None:
        return
    unfolded = value.replace("\r\n", "")
    shown = {address.rpartition("@")[2] for _, address in getaddresses([unfolded]) if "@" in address}
    try:
        addresses: tuple[Address, ...] = HeaderRegistry()("From", unfolded).addresses  # type: ignore[attr-defined]
    except (MessageError, IndexError, AttributeError, ValueError):
        addresses = ()  # faults of that reader, on values that only look like addresses
    shown |= {address.domain for address in addresses if address.domain}
    assert {domain.lower() for domain in shown} <= set(domains)


_mailboxes = st.tuples(
    st.sampled_from(["", "(note) ", "\r\n\t"]),
    st.one_of(
        st.tuples(st.sampled_from(["", "A. Name ", '"Q, <x@y>" ', "=?utf-8?q?a?= "]), _words, _domains).map(
            lambda parts: (f"{parts[0]}<{parts[1]}@{parts[2]}>", parts[2])
        ),
        st.tuples(_words, _domains).map(lambda parts: (f"{parts[0]}@{parts[1]}", parts[1])),
    ),
    st.sampled_from(["", " (note)", " ((nested) note)", "\r\n "]),
)


@settings(deadline=None, max_examples=300)
@given(st.lists(_mailboxes, min_size=1, max_size=4))
def test_mailboxes_are_read_in_order(mailboxes: list[tuple[str, tuple[str, str], str]]) -> None:
    value = ",".join(before + text + after for before, (text, _), after in mailboxes)
    if "=?" in value.replace("=?utf-8?q?a?= ", ""):
        return
    assert read_from(value.encode()) == tuple(domain.lower() for _, (_, domain), _ in mailboxes)


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=60))
def test_reading_is_total(value: bytes) -> None:
    domains = read_from(value)
    assert domains is None or domains
