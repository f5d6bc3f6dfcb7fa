"""Against a reference that works line by line, on octets chosen to be nasty, cut anywhere."""

import re
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outgate.smtp.content import CONTENT_PIECE_MAX, PIECES_MAX, ChunkedContent, DataContent

NASTY = st.lists(
    st.sampled_from([b"\r\n", b"\r", b"\n", b".", b"a", b"\0", b"\xff", b"\r\n.", b"\r\n.\r", b"\r\n..\r\n", b"line"]),
    max_size=30,
).map(b"".join)
CUTS = st.lists(st.integers(1, 9), max_size=40)
UNLIMITED = 1 << 40


def cut(octets: bytes, lengths: list[int]) -> list[bytes]:
    """Pieces of these lengths, in turn; what is left is the last piece."""
    pieces = []
    start = 0
    for length in lengths:
        pieces.append(octets[start : start + length])
        start += length
    pieces.append(octets[start:])
    return pieces


def stuff(content: bytes) -> bytes:
    """As a client does it, RFC 5321 §4.5.2; `content` ends with CR LF or is empty."""
    return (
        b"".join(b"." + line if line.startswith(b".") else line for line in re.split(rb"(?<=\r\n)", content)) + b".\r\n"
    )


def has_stray(octets: bytes) -> bool:
    return re.search(rb"\r(?!\n)|(?<!\r)\n", octets) is not None


@dataclass
class Read:
    content: bytes
    rest: bytes
    has_ended: bool
    is_too_large: bool
    has_stray: bool


def reference(octets: bytes, size_max_octets: int) -> Read:
    """The end found once in all the octets; then line by line."""
    end = (b"\r\n" + octets).find(b"\r\n.\r\n")
    raw, rest = octets[:end], octets[end + 3 :]
    lines = raw.split(b"\r\n")
    content = b"\r\n".join(line[1:] if line.startswith(b".") else line for line in lines)
    return Read(content, rest, end >= 0, len(content) > size_max_octets, has_stray(content))


def read(pieces: list[bytes], size_max_octets: int = UNLIMITED, prefix: bytes = b"") -> Read:
    """`prefix` stands in front of each piece, as what the session has processed already."""
    content = DataContent(size_max_octets)
    taken = b""
    for number, piece in enumerate(pieces):
        behind = content.receive(prefix + piece, len(prefix))
        taken += content.take()
        if behind >= 0:
            assert behind >= len(prefix)
            rest = (prefix + piece)[behind:] + b"".join(pieces[number + 1 :])
            return Read(taken, rest, True, content.is_too_large, content.has_stray_line_ending)
    return Read(taken, b"", False, content.is_too_large, content.has_stray_line_ending)


@settings(deadline=None, max_examples=400)
@given(NASTY, NASTY, CUTS, st.sampled_from([b"", b"DATA\r\n", b"\r\n."]))
def test_content_and_rest_are_the_reference_s_however_cut(
    body: bytes, rest: bytes, cuts: list[int], prefix: bytes
) -> None:
    octets = body + b"\r\n.\r\n" + rest
    expected = reference(octets, UNLIMITED)
    found = read(cut(octets, cuts), prefix=prefix)
    assert found.has_ended
    assert found.rest == expected.rest
    assert found.has_stray == expected.has_stray
    if not expected.has_stray:
        assert found.content == expected.content


@settings(deadline=None, max_examples=300)
@given(NASTY, CUTS, st.integers(0, 30))
def test_size_limit_is_exact_and_outweighs_stray_line_endings(
    body: bytes, cuts: list[int], size_max_octets: int
) -> None:
    octets = body + b"\r\n.\r\nQUIT\r\n"
    expected = reference(octets, size_max_octets)
    found = read(cut(octets, cuts), size_max_octets)
    assert found.rest == expected.rest
    assert found.is_too_large == expected.is_too_large
    if not expected.is_too_large:
        assert found.has_stray == expected.has_stray


@settings(deadline=None, max_examples=200)
@given(st.lists(st.sampled_from([b"", b".", b"..", b".a", b"text", b"\0", b"\xff."]), max_size=20), CUTS)
def test_un_stuffing_undoes_stuffing(lines: list[bytes], cuts: list[int]) -> None:
    content = b"".join(line + b"\r\n" for line in lines)
    found = read(cut(stuff(content) + b"NOOP\r\n", cuts))
    assert found == Read(content, b"NOOP\r\n", True, False, False)


@pytest.mark.parametrize(
    "beginning",
    [
        b"",
        b".",
        b".\r",
        b"\r",
        b"\r\n",
        b"\r\n.",
        b"\r\n.\r",
        b"text\r\n.",
        b"text\r\n..",
        b".\n",
        b"\n.\r\n",
        b"\r\n.\n",
    ],
)
def test_nothing_short_of_the_whole_end_is_an_end(beginning: bytes) -> None:
    assert not read([beginning]).has_ended
    assert not read(cut(beginning, [1] * len(beginning))).has_ended


def test_end_may_follow_at_once() -> None:
    assert read([b".\r\nNOOP"]) == Read(b"", b"NOOP", True, False, False)
    assert read([b"", b".", b"\r", b"\n"]) == Read(b"", b"", True, False, False)


def test_empty_first_line_is_content() -> None:
    assert read([b"\r\n.\r\n"]).content == b"\r\n"


def test_large_content_costs_bounded_memory_once_it_is_refused() -> None:
    content = DataContent(size_max_octets=100)
    for _ in range(1000):
        assert content.receive(b"x" * 1000 + b"\r\n") < 0
        assert content.collected_octets <= 100
    assert content.is_too_large
    assert content.receive(b".\r\n") == 3


def test_stray_line_ending_drops_what_was_collected() -> None:
    content = DataContent(UNLIMITED)
    assert content.receive(b"good\r\n" * 1000) < 0
    assert content.collected_octets == 5998  # the last CR LF may begin the end
    assert content.receive(b"bad\n" + b"good\r\n" * 1000) < 0
    assert content.has_stray_line_ending
    assert content.collected_octets == 0
    assert content.size_octets == 12_002


def test_tiny_reads_are_joined() -> None:
    content = DataContent(UNLIMITED)
    for _ in range(CONTENT_PIECE_MAX):
        assert content.receive(b"x") < 0
        assert len(content._pieces) <= PIECES_MAX + 1
    assert content.take() == b"x" * CONTENT_PIECE_MAX
    assert content.collected_octets == 0


@settings(deadline=None, max_examples=200)
@given(NASTY, CUTS)
def test_chunks_are_put_together_octet_for_octet(octets: bytes, cuts: list[int]) -> None:
    content = ChunkedContent()
    for piece in cut(octets, cuts):
        content.add(piece)
    assert content.size_octets == content.collected_octets == len(octets)
    assert content.has_stray_line_ending() == has_stray(octets)
    assert content.ends_with_crlf == (octets.endswith(b"\r\n") or not octets)
    assert content.take() == octets


def test_parts_taken_in_between_do_not_change_what_is_said_of_the_whole() -> None:
    content = ChunkedContent()
    content.add(b"a\r")
    assert content.take() == b"a\r"
    content.add(b"\n")
    assert content.take() == b"\n"
    assert content.ends_with_crlf
    assert not content.has_stray_line_ending()
    assert content.size_octets == 3
