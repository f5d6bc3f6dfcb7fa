"""What is read of a header, strictly and as lenient readers would, and how much time it may take."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outgate.policy.from_field import FROM_VALUE_MAX, read_from
from outgate.policy.header import FROM_FIELDS_MAX, HEADER_MAX, NAMES_MAX, TEXT_MAX, HeaderFacts, read_header

ORDINARY = (
    b"Received: from a by b;\r\n\tMon, 23 Nov 2026 12:00:00 +0000\r\n"
    b"Received: from c by d; Mon, 23 Nov 2026 12:00:00 +0000\r\n"
    b"From: Alice <alice@alpha.example>\r\n"
    b"To: <bob@receiver.example>\r\n"
    b"Subject: Figures\r\n for\tthe quarter\r\n"
    b"Message-ID: <1@alpha.example>\r\n"
)


def read(content: bytes) -> HeaderFacts:
    return read_header(content, is_complete=True)


def test_an_ordinary_header() -> None:
    assert read(ORDINARY + b"\r\nFrom: nobody\r\n\r\nReceived: x\r\n") == HeaderFacts(
        from_fields=(b" Alice <alice@alpha.example>",),
        received_count=2,
        from_text="Alice <alice@alpha.example>",
        subject="Figures for the quarter",
        message_id="<1@alpha.example>",
        header_octets=len(ORDINARY),
        has_end=True,
    )


def test_a_content_without_an_empty_line_is_all_header() -> None:
    facts = read(ORDINARY)
    assert not facts.has_end
    assert facts.header_octets == len(ORDINARY)
    assert facts.from_fields == (b" Alice <alice@alpha.example>",)


def test_a_last_line_without_its_end_is_read() -> None:
    assert read(b"Subject: x\r\nFrom: a@b.example").from_fields == (b" a@b.example",)


@pytest.mark.parametrize("content", [b"", b"\r\n", b"\r\nFrom: a@b.example\r\n\r\n"])
def test_an_empty_header_says_nothing(content: bytes) -> None:
    facts = read(content)
    assert facts.from_fields == ()
    assert facts.received_count == 0


@pytest.mark.parametrize(
    "field",
    [
        b"From: a@b.example",
        b"from: a@b.example",
        b"FROM: a@b.example",
        b"fRoM: a@b.example",
        b"From : a@b.example",
        b"From \t : a@b.example",
        b"From:a@b.example",
        b"From:\r\n a@b.example",
        b"From:\r\n\t a@b.example",
        b"From:\r\n \r\n a@b.example",
        b"From\r\n : a@b.example",
    ],
)
@pytest.mark.parametrize("place", ["first", "middle", "last", "alone"])
def test_a_from_field_is_found_however_it_is_spelt(field: bytes, place: str) -> None:
    before = b"" if place in ("first", "alone") else b"Subject: x\r\n"
    after = b"" if place in ("last", "alone") else b"To: y\r\n"
    facts = read(before + field + b"\r\n" + after + b"\r\nbody\r\n")
    assert [value.strip() for value in facts.from_fields] == [b"a@b.example"]


@pytest.mark.parametrize(
    "field",
    [
        b"X-From: a@b.example",
        b"Fromm: a@b.example",
        b"From-Too: a@b.example",
        b"From me: a@b.example",
        b"From a@b.example Mon Nov 23",
        b"Subject: x\r\n From: a@b.example",
        b"Subject: x\r\n\tFrom: a@b.example",
        b"Subject: From: a@b.example",
        b"Resent-From: a@b.example",
    ],
)
def test_what_only_resembles_a_from_field_is_none(field: bytes) -> None:
    assert read(field + b"\r\nTo: y\r\n\r\n").from_fields == ()


OWN = b"From: <alice@alpha.example>\r\n"


@pytest.mark.parametrize(
    "content",
    [
        OWN + OWN,
        OWN + b"from : <ceo@beta.example>\r\n",
        OWN + b"Subject: x\nFrom: <ceo@beta.example>\r\n",
        OWN + b"Subject: x\rFrom: <ceo@beta.example>\r\n",
        OWN + b"Subject: x\n\rfrom\t: <ceo@beta.example>\r\n",
        OWN + b"Subject: x\n\nFrom: <ceo@beta.example>\r\n",
        OWN + b"Not a field\r\nFrom: <ceo@beta.example>\r\n",
        OWN + b" \r\nFrom: <ceo@beta.example>\r\n",
        OWN + b"From\x00: <ceo@beta.example>\r\n",
        OWN + b"From\x0b: <ceo@beta.example>\r\n",
        OWN + b"\x00From: <ceo@beta.example>\r\n",
        OWN + b"\x7fFrom: <ceo@beta.example>\r\n",
        OWN + b"\xef\xbb\xbfFrom: <ceo@beta.example>\r\n",
        OWN + b"From\xc2\xa0: <ceo@beta.example>\r\n",
        OWN + b"From\xe2\x80\x8b: <ceo@beta.example>\r\n",
        OWN + b"Subject: x\x0cFrom: <ceo@beta.example>\r\n",
        OWN + "Subject: x\u2028From: <ceo@beta.example>\r\n".encode(),
        OWN + "Subject: x\u0085From: <ceo@beta.example>\r\n".encode(),
        OWN + b"Subject: x\x85From: <ceo@beta.example>\r\n",
        b" From: <ceo@beta.example>\r\n" + OWN,
        b"\xef\xbb\xbfFrom: <ceo@beta.example>\r\n" + OWN,
        b"\nFrom: <ceo@beta.example>\r\n" + OWN,
        b"\r\r\n\nFrom: <ceo@beta.example>\r\n" + OWN,
    ],
)
def test_what_any_reader_would_take_for_a_second_from_field_counts(content: bytes) -> None:
    assert len(read(content + b"\r\nbody\r\n").from_fields) == 2


def test_a_bare_line_end_stands_within_the_value() -> None:
    """So that the From rule sees it: one reader shows what stands before it, another what stands behind."""
    facts = read(b"From: <alice@alpha.example>\n <ceo@beta.example>\r\nTo: x\r\n\r\n")
    assert facts.from_fields == (b" <alice@alpha.example>\n <ceo@beta.example>",)


def test_no_more_from_fields_are_kept_than_needed() -> None:
    assert len(read(OWN * 1000 + b"\r\n").from_fields) == FROM_FIELDS_MAX
    assert len(read(b"\x00: x\r\n" + OWN * 1000 + b"\r\n").from_fields) == FROM_FIELDS_MAX


@pytest.mark.parametrize(
    ("content", "count"),
    [
        (b"Received: a\r\n" * 7, 7),
        (b"received: a\r\nRECEIVED: b\r\n", 2),
        (b"Received-SPF: pass\r\nX-Received: a\r\nReceived: b\r\n", 1),
        (b"Received: a\r\n\tReceived: b\r\n", 1),
        (b"Received: a\r\n" * 30_000, 30_000),
    ],
)
def test_hops_are_counted(content: bytes, count: int) -> None:
    assert read(content + b"\r\nReceived: not I\r\n").received_count == count


def test_the_first_subject_counts_and_what_is_not_printable_is_replaced() -> None:
    facts = read(b"Subject: a\x00b\x1bc\xffd\r\nSubject: second\r\n\r\n")
    assert facts.subject == "a?b?c\ufffdd"
    assert read("Subject: grün \u202egnp\r\n\r\n".encode()).subject == "grün ?gnp"


def test_an_empty_subject_is_the_first_one() -> None:
    assert read(b"Subject:\r\nSubject: second\r\nMessage-ID: \r\nMessage-ID: 2\r\n") == HeaderFacts(
        header_octets=len(b"Subject:\r\nSubject: second\r\nMessage-ID: \r\nMessage-ID: 2\r\n")
    )


def test_texts_for_people_are_bounded() -> None:
    facts = read(
        b"From: " + b"f" * 5000 + b"\r\nSubject: " + b"s" * 5000 + b"\r\nMessage-ID: " + b"m" * 5000 + b"\r\n\r\n"
    )
    assert all(len(text) <= TEXT_MAX for text in (facts.from_text, facts.subject, facts.message_id))
    assert facts.subject.startswith("sss")


def test_encoded_words_are_left_as_they_are() -> None:
    assert read(b"Subject: =?utf-8?q?gr=C3=BCn?=\r\n\r\n").subject == "=?utf-8?q?gr=C3=BCn?="


def test_octets_above_127_in_the_header_are_seen_and_in_the_body_not() -> None:
    assert read("Subject: grün\r\n\r\n".encode()).has_non_ascii
    assert not read("Subject: gruen\r\n\r\ngrün\r\n".encode()).has_non_ascii


FILLER = b"X-Filler: " + b"x" * 88 + b"\r\n"


@pytest.mark.parametrize("over", [0, 1])
def test_a_header_is_too_large_above_its_limit_and_not_at_it(over: int) -> None:
    header = b"From: <a@b.example>\r\n"
    header += b"X: " + b"x" * (HEADER_MAX - 4 - len(header) - 3 + over) + b"\r\n\r\n"
    assert len(header) == HEADER_MAX + over
    assert read(header + b"body" * 10).is_too_large == bool(over)
    assert read_header(header[: HEADER_MAX + 1], is_complete=False).is_too_large == bool(over)


def test_a_header_without_an_end_in_its_first_mebibyte_is_too_large() -> None:
    content = FILLER * (HEADER_MAX // len(FILLER) + 2)
    assert read_header(content[: HEADER_MAX + 1], is_complete=False) == HeaderFacts(is_too_large=True)
    assert read(content[: HEADER_MAX + 1]).is_too_large
    assert not read(content[:HEADER_MAX]).is_too_large


@pytest.mark.parametrize("first", [b"", b"X: \xff\r\n"], ids=["plain", "read by anybody"])
def test_where_a_from_field_may_hide_in_too_many_places_the_header_is_too_large(first: bytes) -> None:
    place = b"From-x:\r\n" if not first else b"X: from:\r\n"
    last = b"From: a@b.example\r\n"
    assert read(first + place * (NAMES_MAX - 1) + last).from_fields == (b" a@b.example",)
    assert read(first + place * NAMES_MAX + last) == HeaderFacts(is_too_large=True)
    repeated = read(first + last * NAMES_MAX * 2)
    assert len(repeated.from_fields) == FROM_FIELDS_MAX
    assert not repeated.is_too_large


@pytest.mark.parametrize("after", [b"", b"\r\nX: \xff"], ids=["plain", "read by anybody"])
def test_a_from_value_is_cut_where_it_is_unreadable_anyway(after: bytes) -> None:
    value = b"a@b.example".rjust(FROM_VALUE_MAX)
    assert read(b"From:" + value + after).from_fields == (value,)
    for longer in (value + b"\r\n ", value + b"\r\n (more)", b" " + value, value * 9):
        (cut,) = read(b"From:" + longer + after).from_fields
        assert len(cut) <= FROM_VALUE_MAX + 3
        assert read_from(cut) is None


@pytest.mark.parametrize(
    "unit",
    [b"\r\n From", b"\nfrom", b"\rfrom ", b"from\x00", b"\x00\xff", b"From\r\n ", b"\xc2\x85", b"Received:", b" \r\n"],
)
def test_no_header_takes_long(unit: bytes) -> None:
    content = b"X: y" + unit * (HEADER_MAX // len(unit) - 2)
    before = time.process_time()
    read(content)
    assert time.process_time() - before < 1.0  # linear takes about 0.02 s; quadratic would take minutes


_pieces = st.sampled_from(
    [
        b"From",
        b"from",
        b"fr",
        b"om",
        b":",
        b" ",
        b"\t",
        b"\r\n",
        b"\r",
        b"\n",
        b"\x00",
        b"a@b.example",
        b"Subject",
        b"\xff",
    ]
)


@settings(deadline=None, max_examples=500)
@given(st.lists(_pieces, max_size=30).map(b"".join))
def test_no_lenient_reading_has_a_from_field_that_was_not_seen(content: bytes) -> None:
    """Three plain readers, each with its own line ends, never see a field that we do not count."""
    facts = read(content)
    for line_ends in ((b"\r\n",), (b"\r\n", b"\n"), (b"\r\n", b"\n", b"\r")):
        assert _from_lines(content, line_ends) <= len(facts.from_fields) or len(facts.from_fields) == FROM_FIELDS_MAX


def _from_lines(content: bytes, line_ends: tuple[bytes, ...]) -> int:
    """How many From fields a reader sees that ends its lines with any of `line_ends`."""
    for line_end in line_ends:
        content = content.replace(line_end, b"\n" if len(line_ends) > 1 else b"\xfe")
    lines = content.split(b"\n" if len(line_ends) > 1 else b"\xfe")
    count = 0
    for line in lines:
        if not line:
            break
        name, colon, _ = line.partition(b":")
        count += bool(colon) and name.rstrip(b" \t").lower() == b"from"
    return count


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=200))
def test_reading_is_total(content: bytes) -> None:
    facts = read(content)
    assert facts.header_octets <= len(content)
    assert all(text.isprintable() for text in (facts.from_text, facts.subject, facts.message_id))
