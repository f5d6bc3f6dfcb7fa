"""EHLO replies."""

import pytest

from outgate.smtp.extensions import NO_EXTENSIONS, Extensions, read_extensions


def test_all_that_concern_a_relay() -> None:
    texts = (b"mx.example", b"PIPELINING", b"SIZE 1000", b"8BITMIME", b"SMTPUTF8", b"CHUNKING", b"STARTTLS", b"VRFY")
    assert read_extensions(texts) == Extensions(
        pipelining=True,
        size=True,
        size_max=1000,
        eight_bit_mime=True,
        smtputf8=True,
        chunking=True,
        starttls=True,
    )


def test_keywords_know_no_case_and_bear_blanks() -> None:
    assert read_extensions((b"mx.example", b" pipelining ", b"Size  7")) == Extensions(
        pipelining=True, size=True, size_max=7
    )


def test_the_greeting_line_is_no_keyword() -> None:
    assert read_extensions((b"PIPELINING",)) == NO_EXTENSIONS


@pytest.mark.parametrize("text", [b"SIZE", b"SIZE 0", b"SIZE many", b"SIZE -5", b"SIZE " + b"9" * 21])
def test_size_without_a_limit(text: bytes) -> None:
    assert read_extensions((b"mx.example", text)) == Extensions(size=True)


def test_a_word_that_only_begins_like_a_keyword_is_none() -> None:
    assert read_extensions((b"mx.example", b"CHUNKINGX", b"X-PIPELINING")) == NO_EXTENSIONS
