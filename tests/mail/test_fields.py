"""All fields of a header block."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outgate.mail.fields import FIELDS_MAX, VALUE_MAX, WORDS_MAX, Fields, decoded, fields_of


def test_fields_in_their_order_unfolded_and_decoded() -> None:
    head = b"Subject: =?utf-8?q?gr=C3=BC=C3=9Fe?=\r\nX-A :  one\r\n two\r\n\tthree\r\nsubject: again\r\n"
    read = (("subject", "gr\u00fc\u00dfe"), ("x-a", "one two\tthree"), ("subject", "again"))
    assert fields_of(head, {"subject", "x-a", "x-b"}) == read
    assert fields_of(head, {"x-a"}) == read[1:2]


def test_what_is_no_field_is_passed_over() -> None:
    assert fields_of(b"no colon here\r\nA: b\r\n: nameless\r\nwith space: c\r\n", {"a", "", "with space", "with"}) == (
        ("a", "b"),
    )


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"=?no-such-charset?q?a?=", "=?no-such-charset?q?a?="),
        (b"=?utf-8?b?w7w=?= =?utf-8?b?w58=?=", "\u00fc\u00df"),
        (b"\xff\xfe", "\ufffd\ufffd"),
        (b"=?unfinished", "=?unfinished"),
        (b"=?utf-8?b?a?=", "=?utf-8?b?a?="),
    ],
)
def test_values_that_cannot_be_decoded_stay_as_they_are(value: bytes, expected: str) -> None:
    assert decoded(value) == expected


def test_both_bounds() -> None:
    assert len(fields_of(b"A: b\r\n" * (FIELDS_MAX + 1), {"a"})) == FIELDS_MAX
    assert len(fields_of(b"A: " + b"x" * (VALUE_MAX * 2), {"a"})[0][1]) <= VALUE_MAX
    assert Fields(b"A: b\r\n" * FIELDS_MAX + b"B: c\r\n").first("b") == ""
    assert Fields(b"A: b\r\n" * (FIELDS_MAX - 1) + b"B: c\r\n").first("b") == "c"


def test_encoded_words_are_decoded_up_to_a_bound() -> None:
    word = b"=?utf-8?q?a?="
    fields = fields_of(b"A:\r\n " + word + b"\r\n" + (b"B: " + word + b"\r\n") * WORDS_MAX, {"b"})
    assert fields == (("b", "a"),) * WORDS_MAX
    fields = fields_of((b"A: " + word + b"\r\n") * WORDS_MAX + b"A:\r\n " + word, {"a"})
    assert fields == (*[("a", "a")] * WORDS_MAX, ("a", word.decode()))


def test_a_field_by_its_name() -> None:
    fields = Fields(b"Subject: =?utf-8?q?gr=C3=BC=C3=9Fe?=\r\nX-A :  one\r\n two\r\nSUBJECT: again\r\n")
    expected = {"subject": "gr\u00fc\u00dfe", "x-a": "one two", "to": ""}
    for _ in range(2):
        assert {name: fields.first(name) for name in expected} == expected


@given(st.lists(st.sampled_from([b"a", b"A", b"b", b":", b" ", b"\t", b"\r\n", b"\n", b"=?q", b"\xff"])).map(b"".join))
def test_a_field_by_its_name_is_the_first_of_all(head: bytes) -> None:
    fields = Fields(head)
    for name in ("a", "b", "aa"):
        assert fields.first(name) == next((value for _, value in fields_of(head, {name})), "")


@given(st.binary(max_size=300))
def test_any_octets(octets: bytes) -> None:
    fields_of(octets, {"a", "b"})
    decoded(octets)
