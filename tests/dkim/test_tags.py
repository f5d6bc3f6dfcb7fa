"""Tag lists: the grammar, and what it forbids."""

import pytest

from outgate.dkim.tags import Tag, TagError, from_base64, number, parts, read_tags, shown


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"a=1", {b"a": b"1"}),
        (b"a=1;", {b"a": b"1"}),
        (b"a=1; \r\n\t", {b"a": b"1"}),
        (b" a = 1 ;\r\n\tb_2 \r\n =\r\n x y\r\n z ", {b"a": b"1", b"b_2": b"x y\r\n z"}),
        (b"a=;A=x=y==", {b"a": b"", b"A": b"x=y=="}),
        (b"a=\xc3\xa4", {b"a": b"\xc3\xa4"}),
    ],
)
def test_tag_lists(text: bytes, expected: dict[bytes, bytes]) -> None:
    assert {name: tag.value for name, tag in read_tags(text).items()} == expected


def test_the_place_of_a_value_is_told_with_the_blanks_around_it() -> None:
    text = b"a=1; b= x\r\n y ;c=2"
    tag = read_tags(text)[b"b"]
    assert tag == Tag(b"x\r\n y", 7, 14)
    assert text[tag.start : tag.end] == b" x\r\n y "


@pytest.mark.parametrize(
    "text",
    [
        *(b"", b" ", b";", b"a", b"a=1;;", b";a=1", b"a=1;;b=2", b"=1", b"1a=1", b"a b=1", b"a-b=1", b"\xc3\xa4=1"),
        *(b"a=1; a=2", b"a=\x00", b"a=\r1", b"a=\n1", b"a=1\r\n", b"a=1\r\nb", b"a=\x7f"),
    ],
)
def test_what_is_no_tag_list(text: bytes) -> None:
    with pytest.raises(TagError):
        read_tags(text)


def test_base64_may_be_folded_anywhere_and_is_strict_otherwise() -> None:
    assert from_base64("b", b"Z\r\n\tm 9v") == b"foo"
    for wrong in (b"Zm9", b"Zm9v=", b"Zm9v!", b"Zg==Zg==", b"\xff\xff\xff\xff", b"="):
        with pytest.raises(TagError, match="b= is not base64"):
            from_base64("b", wrong)


def test_numbers_have_digits_only_and_not_too_many() -> None:
    assert number("t", b"012", 3) == 12
    for wrong in (b"", b"-1", b"1.0", b"0123", b"1_0", b"\xd9\xa1"):
        with pytest.raises(TagError):
            number("t", wrong, 3)


def test_parts_and_what_people_are_shown() -> None:
    assert parts(b"a : b:\r\n\tc:") == (b"a", b"b", b"c", b"")
    assert shown(b"\xff\x00" + b"x" * 100) == "'\\ufffd\\x00" + "x" * 38 + "'"
