import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outgate.mail.address import NULL_REVERSE_PATH, ForwardPath, ReversePath, canonical_domain
from outgate.mail.reply import Reply
from outgate.smtp import answers
from outgate.smtp.events import Body, MailReceived
from outgate.smtp.grammar import canonical_literal, read_chunk, read_hello_name, read_mail, read_recipient

ATEXT = "abcXYZ019!#$%&'*+/=?^_`{|}~-"
ATOMS = st.text(ATEXT, min_size=1, max_size=8)
DOT_STRINGS = st.lists(ATOMS, min_size=1, max_size=4).map(".".join)
QUOTED_STRINGS = st.lists(
    st.one_of(
        st.characters(min_codepoint=32, max_codepoint=126, exclude_characters='"\\'),
        st.characters(min_codepoint=32, max_codepoint=126).map("\\{}".format),
    ),
    max_size=20,
).map(lambda parts: '"{}"'.format("".join(parts)))
LABELS = st.from_regex(r"[a-zA-Z0-9]([a-zA-Z0-9_-]{0,8}[a-zA-Z0-9])?", fullmatch=True).filter(
    lambda label: label[2:4] != "--"
)
DOMAINS = st.lists(LABELS, min_size=1, max_size=4).map(".".join)
LITERALS = st.one_of(
    st.ip_addresses(v=4).map("[{}]".format), st.ip_addresses(v=6).map(lambda address: f"[IPv6:{address.compressed}]")
)
LOCAL_PARTS = st.one_of(DOT_STRINGS, QUOTED_STRINGS)
ROUTES = st.sampled_from(["", "@hop.example:", "@one.example,@two.example:", "@[192.0.2.1]:"])
PRINTABLE = st.text(st.characters(exclude_categories=["C", "Z"]), max_size=40)


def mail(argument: str) -> MailReceived | Reply:
    return read_mail(argument, is_extended=True)


def recipient(argument: str) -> ForwardPath | Reply:
    return read_recipient(argument, smtputf8=False)


@settings(deadline=None, max_examples=300)
@given(LOCAL_PARTS, st.one_of(DOMAINS, LITERALS), ROUTES)
def test_parsing_undoes_formatting(local_part: str, domain: str, route: str) -> None:
    text = f"{local_part}@{domain}"
    canonical = domain if domain.startswith("[") else canonical_domain(domain)
    assert recipient(f"TO:<{route}{text}>") == ForwardPath(text, local_part, canonical)
    found = mail(f"FROM:<{route}{text}> SIZE=1")
    assert isinstance(found, MailReceived)
    assert found.reverse_path == ReversePath(text, local_part, canonical)


@settings(deadline=None, max_examples=300)
@given(st.sampled_from(["", "FROM:", "TO:", "FROM:<", "TO:<", 'TO:<"', "TO:<a@[", "FROM:<a@b> "]), PRINTABLE)
def test_any_argument_is_read_or_refused(beginning: str, rest: str) -> None:
    for found in (mail(beginning + rest), read_recipient(beginning + rest, smtputf8=True)):
        if isinstance(found, Reply):
            assert found.is_permanent
            assert found.status.startswith("5.")
    name = read_hello_name(rest)
    assert name is None or rest.startswith(name)
    read_chunk(rest)


@settings(deadline=None, max_examples=200)
@given(st.text('<>@:,."\\[] aA1', max_size=20))
def test_what_is_accepted_is_found_again_in_what_came(argument: str) -> None:
    found = recipient(f"TO:{argument}")
    if isinstance(found, ForwardPath):
        assert f"{found.text}>" in argument
        assert found.text == f"{found.local_part}@{found.text.rpartition('@')[2]}"
        assert recipient(f"TO:<{found.text}>") == found


def test_domain_is_canonical_and_text_is_as_written() -> None:
    assert recipient("TO:<Bob@There.EXAMPLE>") == ForwardPath("Bob@There.EXAMPLE", "Bob", "there.example")
    found = read_mail("FROM:<jörg@Bücher.example> SMTPUTF8", is_extended=True)
    assert isinstance(found, MailReceived)
    assert found.reverse_path == ReversePath("jörg@Bücher.example", "jörg", "xn--bcher-kva.example")


def test_look_alike_domains_are_no_domains() -> None:
    """A name that must be folded first could be read as somebody else's."""
    for domain in ("\uff43lient.example", "client\u3002example", "xn--a.example", "client.example."):
        found = read_recipient(f"TO:<a@{domain}>", smtputf8=True)
        assert isinstance(found, Reply), domain
        assert (found.code, found.status) == (501, "5.1.3")


def test_postmaster_alone_has_no_domain() -> None:
    assert recipient("TO:<PostMaster>") == ForwardPath("PostMaster", "PostMaster", "")
    assert recipient("TO:<po\u017ftmaster>") == answers.FORWARD_PATH_SHAPE  # a long s is no s


def test_null_reverse_path() -> None:
    assert mail("FROM:<>") == MailReceived(NULL_REVERSE_PATH, None, Body.SEVEN_BIT, smtputf8=False)
    assert mail("from: <> size=7") == MailReceived(NULL_REVERSE_PATH, 7, Body.SEVEN_BIT, smtputf8=False)


def test_mail_parameters_are_read_in_any_order() -> None:
    expected = MailReceived(ReversePath("a@b", "a", "b"), 12, Body.EIGHT_BIT_MIME, smtputf8=True)
    for parameters in ("SIZE=12 BODY=8BITMIME SMTPUTF8", "smtputf8  body=8bitmime  Size=12"):
        assert mail(f"FROM:<a@b> {parameters}") == expected


def test_limits_count_octets() -> None:
    umlauts = "ü" * 32  # 64 octets
    assert isinstance(read_recipient(f"TO:<{umlauts}@b.example>", smtputf8=True), ForwardPath)
    assert isinstance(read_recipient(f"TO:<{umlauts}x@b.example>", smtputf8=True), Reply)
    domain = ".".join(["d" * 60] * 4)
    assert isinstance(recipient(f"TO:<{'l' * 10}@{domain}>"), ForwardPath)  # 256 with brackets
    assert isinstance(recipient(f"TO:<{'l' * 11}@{domain}>"), Reply)


@pytest.mark.parametrize(
    ("literal", "canonical"),
    [
        ("[192.0.2.1]", "[192.0.2.1]"),
        ("[ipv6:2001:DB8:0::1]", "[IPv6:2001:db8::1]"),
        ("[tag:what.ever]", "[tag:what.ever]"),
        ("[192.0.2.01]", ""),
        ("[0x7f.1]", ""),
        ("[2130706433]", ""),
        ("[IPv6:1.2.3.4]", ""),
        ("[IPv6:::1%lo]", ""),
        ("[]", ""),
        ("[tag:]", ""),
        ("[-:x-]", ""),
    ],
)
def test_address_literals_have_one_form(literal: str, canonical: str) -> None:
    assert canonical_literal(literal) == canonical


@pytest.mark.parametrize(
    "name", ["client.example", "[192.0.2.1]", "[IPv6:::1]", "DESKTOP_1", "localhost", "a.b.", "x" * 255]
)
def test_hello_names_that_are_seen_in_the_wild_are_taken(name: str) -> None:
    assert read_hello_name(name) == name


def test_text_behind_a_literal_is_dropped() -> None:
    """RFC 5321 §4.1.1.1"""
    assert read_hello_name("[192.0.2.1] some (client)") == "[192.0.2.1]"
    assert read_hello_name("[ 192.0.2.1]") is None


@pytest.mark.parametrize("name", ["", "two words", "a(b)", 'a"b', "a;b", "a<b>", "a\\b", "grüße.example", "x" * 256])
def test_hello_names_that_could_forge_a_trace_line_are_not(name: str) -> None:
    assert read_hello_name(name) is None


@pytest.mark.parametrize(
    ("argument", "chunk"),
    [
        ("0", (0, False)),
        ("0 LAST", (0, True)),
        ("00012  last", (12, True)),
        ("99999999999999999999", (99_999_999_999_999_999_999, False)),
        ("100000000000000000000", None),
        ("", None),
        ("LAST", None),
        ("-1", None),
        ("1 LAST LAST", None),
        ("1LAST", None),
        ("1 FIRST", None),
        ("0x10", None),
        ("\u0661", None),  # a digit, but not one of ours
    ],
)
def test_chunk_sizes(argument: str, chunk: tuple[int, bool] | None) -> None:
    assert read_chunk(argument) == chunk
