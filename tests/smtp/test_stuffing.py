"""Dots doubled, and nothing else, however the content is cut."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outgate.smtp.stuffing import DotStuffer, stuff


def slowly(content: bytes) -> bytes:
    """The plain meaning of RFC 5321 §4.5.2: line by line."""
    return b"\r\n".join(b"." + line if line.startswith(b".") else line for line in content.split(b"\r\n"))


@pytest.mark.parametrize(
    ("content", "stuffed"),
    [
        (b"", b""),
        (b"a\r\n", b"a\r\n"),
        (b".\r\n", b"..\r\n"),
        (b"..\r\n.a\r\n", b"...\r\n..a\r\n"),
        (b"a.\r\n. \r\n", b"a.\r\n.. \r\n"),
        (b"\r\n.\r\n.\r\n", b"\r\n..\r\n..\r\n"),
    ],
)
def test_dots_that_begin_a_line(content: bytes, stuffed: bytes) -> None:
    assert stuff(content) == stuffed


def test_content_without_such_dots_is_not_copied() -> None:
    content = b"a.b\r\nc\r\n"
    assert stuff(content) is content


lines = st.lists(st.sampled_from([b".", b"..", b".a", b"a", b"", b" .", b"x" * 30]), max_size=12).map(
    lambda found: b"".join(line + b"\r\n" for line in found)
)


@settings(deadline=None, max_examples=200)
@given(lines, st.lists(st.integers(0, 5), min_size=1, max_size=40))
def test_cutting_never_matters(content: bytes, cuts: list[int]) -> None:
    expected = slowly(content)
    assert stuff(content) == expected
    stuffer = DotStuffer()
    pieces = []
    rest = content
    for cut in cuts:
        pieces.append(stuffer.feed(rest[:cut]))
        rest = rest[cut:]
    pieces.append(stuffer.feed(rest))
    assert b"".join(pieces) == expected
