"""Replies of next hops, friendly, odd and hostile."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outgate.smtp.replies import ENDLESS_LINE_MAX, REPLY_LINE_MAX, REPLY_LINES_MAX, PeerReply, ReplyReader


def read(octets: bytes, chunk_octets: int = 0) -> tuple[list[PeerReply], bytes]:
    reader = ReplyReader()
    replies = []
    step = chunk_octets or len(octets) or 1
    for start in range(0, len(octets), step):
        reader.receive(octets[start : start + step])
        while (reply := reader.next_reply()) is not None:
            replies.append(reply)
    return replies, reader.garbled


def one(octets: bytes) -> PeerReply:
    replies, garbled = read(octets)
    assert not garbled
    assert len(replies) == 1
    return replies[0]


def test_single_line() -> None:
    assert one(b"250 2.1.0 fine\r\n") == PeerReply(250, (b"2.1.0 fine",))


def test_code_alone_is_a_reply() -> None:
    assert one(b"250\r\n") == PeerReply(250, (b"",))


def test_lines_of_one_reply_stay_together() -> None:
    assert one(b"250-a\r\n250-\r\n250 c\r\n").texts == (b"a", b"", b"c")


def test_several_replies_in_one_read() -> None:
    assert [reply.code for reply in read(b"250 a\r\n550 b\r\n354 c\r\n")[0]] == [250, 550, 354]


def test_bare_line_feed_ends_a_line() -> None:
    assert one(b"250-a\n250 b\n").texts == (b"a", b"b")


def test_the_last_line_has_the_code_that_counts() -> None:
    assert one(b"250-yes\r\n550 no\r\n").code == 550


@pytest.mark.parametrize(
    "octets",
    [b"hello\r\n", b"150 a\r\n", b"650 a\r\n", b"099 a\r\n", b"25\r\n", b"\r\n", b"250_a\r\n", b"2500\r\n", b"\n"],
)
def test_what_is_no_reply_garbles(octets: bytes) -> None:
    replies, garbled = read(b"250 a\r\n" + octets + b"250 b\r\n")
    assert [reply.texts for reply in replies] == [(b"a",)]
    assert garbled


def test_a_garbled_reader_reads_nothing_more() -> None:
    reader = ReplyReader()
    reader.receive(b"what?\r\n")
    assert reader.next_reply() is None
    reader.receive(b"250 fine\r\n")
    assert reader.next_reply() is None


@pytest.mark.parametrize("chunk_octets", [0, 1000, 4096])
def test_a_line_that_is_too_long_is_cut(chunk_octets: int) -> None:
    replies, garbled = read(b"250 " + b"x" * 100_000 + b"\r\n550 no\r\n", chunk_octets)
    assert not garbled
    assert [len(reply.texts[0]) for reply in replies] == [REPLY_LINE_MAX - 4, 2]


@pytest.mark.parametrize("chunk_octets", [0, 1000, 4096])
@pytest.mark.parametrize("end", [b"\r\n", b""])
def test_a_line_without_end_garbles(chunk_octets: int, end: bytes) -> None:
    line = b"250 " + b"x" * (ENDLESS_LINE_MAX - 6)  # and a CR, which may come before its LF
    replies, garbled = read((line + b"\r\n") * 3, chunk_octets)
    assert not garbled
    assert len(replies) == 3
    replies, garbled = read(b"250 fine\r\n" + line + b"xxx" + end, chunk_octets)
    assert garbled == b"(a line without end)"
    assert len(replies) == 1


def test_what_is_buffered_is_bounded_however_long_a_line_goes_on() -> None:
    reader = ReplyReader()
    for _ in range(ENDLESS_LINE_MAX // 10_000):
        reader.receive(b"2" * 10_000)
        assert reader.next_reply() is None
        assert len(reader._unread) <= REPLY_LINE_MAX


def test_a_reply_without_end_garbles() -> None:
    replies, garbled = read(b"250-more\r\n" * (REPLY_LINES_MAX + 1))
    assert not replies
    assert garbled


def test_enhanced_status_code_is_taken_out_of_every_line() -> None:
    reply = one(b"550-5.1.1 no such user\r\n550 5.1.1 here\r\n").reply()
    assert (reply.code, reply.status, reply.lines) == (550, "5.1.1", ("no such user", "here"))


@pytest.mark.parametrize(
    ("octets", "text"),
    [
        (b"550 4.1.1 other class\r\n", "4.1.1 other class"),
        (b"550 5.1 two numbers\r\n", "5.1 two numbers"),
        (b"550 5.1111.1 too large\r\n", "5.1111.1 too large"),
        (b"250 5.1.1 other class\r\n", "5.1.1 other class"),
        (b"354 3.0.0 no such class\r\n", "3.0.0 no such class"),
        ("550 5.\u0661.1 other digits\r\n".encode(), "5.\u0661.1 other digits"),
        (b"550 no code\r\n", "no code"),
    ],
)
def test_what_is_no_enhanced_status_code_stays_text(octets: bytes, text: str) -> None:
    reply = one(octets).reply()
    assert (reply.status, reply.lines) == ("", (text,))


def test_enhanced_status_code_alone() -> None:
    reply = one(b"250 2.0.0\r\n").reply()
    assert (reply.status, reply.lines) == ("2.0.0", ("",))


def test_text_is_made_fit_to_be_shown() -> None:
    reply = one(b"550 \x1b[31mred\x00\xff \xc3\xa4 a\rb\r\n").reply()
    assert reply.lines == ("[31mred \ufffd \u00e4 a b",)


@settings(deadline=None, max_examples=100)
@given(st.binary(max_size=200), st.integers(1, 7))
def test_cutting_never_matters(octets: bytes, chunk_octets: int) -> None:
    octets = b"250-a\r\n" + octets + b"\r\n250 b\r\n354 c\n"
    assert read(octets, chunk_octets)[0] == read(octets)[0]
    assert bool(read(octets, chunk_octets)[1]) == bool(read(octets)[1])


def test_unread_octets_are_seen() -> None:
    reader = ReplyReader()
    reader.receive(b"220 go ahead\r\n250 injected\r\n")
    seen = []
    while reader.next_reply() is not None:
        seen.append(reader.has_unread)
    reader.receive(b"250-more to come\r\n")
    assert reader.next_reply() is None
    assert [*seen, reader.has_unread] == [True, False, True]


def test_what_turns_or_breaks_lines_is_never_shown() -> None:
    ((reply,), _) = read("550 5.1.1 a\u202eb\u2028c\u200bd\x1b[2J\r\n".encode())
    assert str(reply.reply()) == "550 5.1.1 a b c d [2J"
