"""Relaxed blanks, and which fields a signature is about."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.signing import canonical_field

from outgate.dkim.canonical import HeaderFields, compress, relaxed_field


@given(st.lists(st.sampled_from([b" ", b"\t", b"  ", b" " * 9, b" " * 100, b"a", b"\r\n", b"\r", b"\x0b", b"\xff"])))
def test_each_run_of_blanks_becomes_one_space(parts: list[bytes]) -> None:
    octets = b"".join(parts)
    assert compress(octets) == re.sub(rb"[ \t]+", b" ", octets)


@given(st.lists(st.sampled_from([b" ", b"\t", b"\r\n ", b"\r\n\t", b"a", b"B", b":", b"\xff", b"\x0c"])))
def test_relaxed_fields_as_the_rfc_says(parts: list[bytes]) -> None:
    field = b"SubJect \t:" + b"".join(parts)
    assert relaxed_field(field) == canonical_field(field, "relaxed")


HEAD = b"A: 1\r\nb : x\r\n  y\r\na: 2\r\nDKIM-Signature: p\r\nno field\r\nA:3\r\ndkim-signature: q\r\n"


@pytest.mark.parametrize(
    ("names", "relaxed", "expected"),
    [
        ([], True, b""),
        ([b"a"], False, b"A:3\r\n"),
        ([b"a", b"b", b"a", b"c", b"a", b"a"], False, b"A:3\r\nb : x\r\n  y\r\na: 2\r\nA: 1\r\n"),
        ([b"a", b"b", b"a", b"c", b"a", b"a"], True, b"a:3\r\nb:x y\r\na:2\r\na:1\r\n"),
        ([b"no field"], True, b""),
    ],
)
def test_fields_are_chosen_from_the_bottom(names: list[bytes], relaxed: bool, expected: bytes) -> None:
    fields = HeaderFields(HEAD)
    assert fields.selected(names, relaxed=relaxed, own=0) == expected
    assert fields.selected(names, relaxed=relaxed, own=0) == expected  # nothing is used up


@pytest.mark.parametrize(("own", "expected"), [(0, b"dkim-signature: q\r\n"), (1, b"DKIM-Signature: p\r\n")])
def test_the_signature_itself_is_not_among_them(own: int, expected: bytes) -> None:
    assert HeaderFields(HEAD).selected([b"dkim-signature"] * 2, relaxed=False, own=own) == expected


def test_fields_are_counted_by_name_in_any_case() -> None:
    fields = HeaderFields(HEAD)
    assert [fields.count(name) for name in (b"a", b"b", b"dkim-signature", b"no field", b"A")] == [3, 1, 2, 0, 0]


def test_a_bare_line_end_begins_no_field() -> None:
    fields = HeaderFields(b"A: 1\nFrom: x\rFrom: y\r\n")
    assert (fields.count(b"a"), fields.count(b"from")) == (1, 0)
    assert fields.selected([b"a"], relaxed=False, own=0) == b"A: 1\nFrom: x\rFrom: y\r\n"
