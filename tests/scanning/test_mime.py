"""Messages taken apart: ordinary ones, malformed ones, and made ones that want to cost much."""

import base64
import email
import email.policy
import re
from email.message import EmailMessage
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.corpus import mails

from outgate.mail.findings import Category
from outgate.scanning import guards
from outgate.scanning.message import ScannedMessage
from outgate.scanning.mime import DELIMITERS_MISSED_MAX, delimiters, parse_value, take_apart


def made(*attachments: tuple[str, bytes]) -> bytes:
    message = EmailMessage(policy=email.policy.SMTP)
    message["From"], message["Subject"] = "ada@alpha.example", "gr\u00fc\u00dfe"
    message.set_content("plain text\r\n")
    message.add_alternative("<p>page</p>", subtype="html")
    for name, octets in attachments:
        message.add_attachment(octets, maintype="application", subtype="octet-stream", filename=name)
    return message.as_bytes()


def names(message: ScannedMessage) -> list[str]:
    return [finding.name for finding in message.findings]


def test_ordinary_message() -> None:
    message = take_apart(made(("a.bin", b"\0\1\2"), ("\u00fcber.pdf", b"%PDF-1.7")))
    assert message.header("subject") == "gr\u00fc\u00dfe"
    assert [(part.place, part.media_type, part.name) for part in message.parts] == [
        ("1.1", "text/plain", ""),
        ("1.2", "text/html", ""),
        ("2", "application/octet-stream", "a.bin"),
        ("3", "application/octet-stream", "\u00fcber.pdf"),
    ]
    assert message.parts[2].octets == b"\0\1\2"
    assert message.parts[3].kind == "pdf"
    assert [part.place for part in message.texts()] == ["1.1", "1.2"]
    assert message.parts[0].text().strip() == "plain text"
    assert not message.findings


def test_no_header_at_all_and_nothing_at_all() -> None:
    assert take_apart(b"\r\nbody").parts[0].octets == b"body"
    assert take_apart(b"").parts[0].octets == b""
    assert take_apart(b"Subject: only a header\r\n").header("subject") == "only a header"


def test_bare_line_feeds_are_line_ends_too() -> None:
    message = take_apart(made(("a.bin", b"abc")).replace(b"\r\n", b"\n"))
    assert [part.name for part in message.parts] == ["", "", "a.bin"]


def test_attached_message_is_looked_into() -> None:
    inner = made(("inner.exe", b"MZ\x90"))
    outer = b"Content-Type: message/rfc822\r\n\r\n" + inner
    assert [part.name for part in take_apart(outer).parts] == ["", "", "inner.exe"]


def test_multipart_that_is_cut_short_shows_what_is_there() -> None:
    octets = b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\n\r\none\r\n--b\r\n\r\ntwo'
    assert [part.octets.strip() for part in take_apart(octets).parts] == [b"one", b"two"]


def test_multipart_whose_boundary_never_comes_is_text() -> None:
    octets = b'Content-Type: multipart/mixed; boundary="b"\r\n\r\nhidden'
    assert take_apart(octets).parts[0].octets == b"hidden"


def test_first_content_type_counts_when_there_are_two() -> None:
    octets = b"Content-Type: text/html\r\nContent-Type: text/plain\r\n\r\n<p>"
    assert take_apart(octets).parts[0].media_type == "text/html"


@pytest.mark.parametrize(
    ("value", "parameter", "expected"),
    [
        ('attachment; filename="a b.exe"', "filename", "a b.exe"),
        ("attachment; filename=a.exe; x=y", "filename", "a.exe"),
        ("attachment; filename*=UTF-8''a%20b.exe", "filename", "a b.exe"),
        ("attachment; filename*0=a; filename*1=.exe", "filename", "a.exe"),
        ("attachment; filename*1*=%2Eexe; filename*0*=utf-8''a", "filename", "a.exe"),
        ('attachment; filename="=?utf-8?q?a=2Eexe?="', "filename", "a.exe"),
        ('attachment; filename="a\\"b.exe"', "filename", 'a"b.exe'),
        ('attachment; FileName="unended.exe', "filename", "unended.exe"),
    ],
)
def test_parameters_as_people_write_them(value: str, parameter: str, expected: str) -> None:
    assert parse_value(value)[1][parameter] == expected


def test_name_is_the_last_component_and_keeps_its_end() -> None:
    octets = made(("..\\..\\x.exe", b"MZ")).replace(b"..\\..\\", b"..\\\\..\\\\")
    assert take_apart(octets).parts[-1].name == "x.exe"
    long = take_apart(made(("a" * 400 + ".exe", b"MZ"))).parts[-1].name
    assert len(long) == guards.NAME_MAX
    assert long.endswith(".exe")


def test_uuencoded_file_in_a_text_is_a_part() -> None:
    octets = b"Subject: s\r\n\r\nsee below\r\nbegin 644 a.exe\r\n#35J0\r\n`\r\nend\r\n"
    part = take_apart(octets).parts[-1]
    assert (part.name, part.octets, part.kind) == ("a.exe", b"MZ\x90", "windows-program")


def test_base64_with_rubbish_is_decoded_as_mail_programs_do() -> None:
    encoded = base64.b64encode(b"MZ" + bytes(100))
    octets = (
        b"Content-Type: application/x\r\nContent-Transfer-Encoding: BASE64 \r\n\r\n!!"
        + encoded[:20]
        + b"*\r\n"
        + encoded[20:]
    )
    assert take_apart(octets).parts[0].octets == b"MZ" + bytes(100)


def test_base64_that_programs_read_differently_is_a_finding() -> None:
    octets = b"Content-Transfer-Encoding: base64\r\n\r\nQUI=\r\nTVqQAAMAAAA=\r\n"
    assert names(take_apart(octets)) == ["ambiguous-encoding"]


@given(
    st.lists(st.sampled_from([b"--b", b"-", b"--", b"\r", b"\n", b"\r\n", b" ", b"\t", b"x"]), max_size=40).map(
        b"".join
    ),
    st.integers(0, 5),
    st.integers(0, 5),
)
def test_delimiters_are_those_of_a_pattern(octets: bytes, start: int, cut: int) -> None:
    end = max(0, len(octets) - cut)
    pattern = re.compile(rb"^--b(--)?[ \t]*\r?$", re.MULTILINE)
    expected = [(match.start(), match.end(), match[1] is not None) for match in pattern.finditer(octets, start, end)]
    assert list(delimiters(octets, b"--b", start, end)) == expected


def test_delimiters_behind_very_many_that_are_none() -> None:
    octets = b"--b-\n" * DELIMITERS_MISSED_MAX + b"--b\n--b--\n"
    assert [is_last for _, _, is_last in delimiters(octets, b"--b", 0, len(octets))] == [False, True]


def test_too_deep() -> None:
    octets = b"x\r\n"
    for number in range(5_000):
        boundary = b"b%d" % number
        octets = b'Content-Type: multipart/mixed; boundary="%s"\r\n\r\n--%s\r\n%s\r\n--%s--\r\n' % (
            boundary, boundary, octets, boundary,
        )  # fmt: skip
        if len(octets) > 400_000:
            break
    assert names(take_apart(octets)) == ["too-deep"]


def test_too_many_parts() -> None:
    octets = b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n' + b"--b\r\n\r\nx\r\n" * 10_000
    message = take_apart(octets)
    assert names(message) == ["too-many-parts"]
    assert len(message.parts) <= guards.PARTS_MAX


def test_too_large_a_header() -> None:
    assert names(take_apart(b"X: " + b"a" * guards.HEADER_MAX + b"\r\n\r\nbody")) == ["header-too-large"]


def test_every_finding_is_of_its_category() -> None:
    octets = b"X: " + b"a" * guards.HEADER_MAX + b"\r\n\r\nbody"
    assert {finding.category for finding in take_apart(octets).findings} == {Category.UNSCANNABLE}


@given(st.binary(max_size=400))
def test_any_octets_are_taken_apart(octets: bytes) -> None:
    take_apart(octets)


TOKENS = st.sampled_from(
    [b"\r\n", b"\n", b"\r", b"--b", b"--b--", b"Content-Type: multipart/mixed; boundary=b", b"begin 644 x",
     b"Content-Type: message/rfc822", b"Content-Transfer-Encoding: base64", b"end", b" ", b"=?", b"?=",
     b"Content-Transfer-Encoding: x-uuencode", b"QUJD", b"=", b";", b"x",
     b"Content-Disposition: attachment; filename*0*=utf-8''%"]
)  # fmt: skip


@given(st.lists(TOKENS, max_size=60))
def test_any_arrangement_of_what_means_something_is_taken_apart(tokens: list[bytes]) -> None:
    message = take_apart(b"".join(tokens))
    assert len(message.parts) <= guards.PARTS_MAX


def test_the_corpus_has_no_false_alarm_and_agrees_with_the_standard_library() -> None:
    """On how many attachments with a name there are; the library is another opinion, not the truth."""
    alarmed = differing = total = 0
    for octets in islice((mail.as_sent for mail in mails()), 0, None, 5):
        total += 1
        message = take_apart(octets)
        alarmed += bool(message.findings)
        theirs = [part.get_filename() for part in email.message_from_bytes(octets).walk() if part.get_filename()]
        differing += len(theirs) != sum(bool(part.name) and ".u" not in part.place for part in message.parts)
    assert alarmed <= total * 0.002
    assert differing <= total * 0.01
