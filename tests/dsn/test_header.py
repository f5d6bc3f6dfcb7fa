"""The header that a DSN shows."""

import pytest

from outgate.dsn.header import HEADER_SHOWN_MAX, header_of


@pytest.mark.parametrize(
    ("content", "header"),
    [
        (b"A: 1\r\nB: 2\r\n\r\nbody\r\n\r\nmore\r\n", b"A: 1\r\nB: 2\r\n"),
        (b"A: 1\r\n\r\n", b"A: 1\r\n"),
        (b"A: 1\r\nB: 2\r\n", b"A: 1\r\nB: 2\r\n"),
        (b"A: 1\nB: 2\n\nbody", b"A: 1\nB: 2\r\n"),
        (b"A: 1\rB: 2\r\rbody", b"A: 1\rB: 2\r\n"),
        (b"A: 1\r\n\nbody", b"A: 1\r\n"),
        (b"A: 1\n\rbody", b"A: 1\r\n"),
        (b"A: 1\r\r\nbody", b"A: 1\r\n"),
        (b"\r\nbody", b""),
        (b"\nbody", b""),
        (b"", b""),
    ],
)
def test_the_header_ends_at_the_empty_line(content: bytes, header: bytes) -> None:
    assert header_of(content) == header


def test_a_header_that_is_too_long_ends_with_its_last_whole_line() -> None:
    line = b"X-Filler: " + b"x" * 60 + b"\r\n"
    header = header_of(line * 2000)
    assert HEADER_SHOWN_MAX - len(line) < len(header) <= HEADER_SHOWN_MAX
    assert header == line * (len(header) // len(line))
    assert header_of(b"X: " + b"x" * 2 * HEADER_SHOWN_MAX) == b""
