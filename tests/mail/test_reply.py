"""Replies on the wire, and how they are judged."""

import pytest

from outgate.mail.reply import REPLY_TEXT_MAX, Reply


@pytest.mark.parametrize(
    ("reply", "octets", "text"),
    [
        (Reply(250, "2.0.0", "fine"), b"250 2.0.0 fine\r\n", "250 2.0.0 fine"),
        (Reply(354, "", "go on"), b"354 go on\r\n", "354 go on"),
        (Reply(250, ""), b"250 \r\n", "250"),
        (Reply(250, "2.0.0"), b"250 2.0.0 \r\n", "250 2.0.0"),
        (
            Reply(250, "", "mx.example", "PIPELINING"),
            b"250-mx.example\r\n250 PIPELINING\r\n",
            "250 mx.example / PIPELINING",
        ),
        (
            Reply(550, "5.7.1", "one", "two", "three"),
            b"550-5.7.1 one\r\n550-5.7.1 two\r\n550 5.7.1 three\r\n",
            "550 5.7.1 one / two / three",
        ),
        (Reply(550, "5.1.1", "bücher"), b"550 5.1.1 b?cher\r\n", "550 5.1.1 bücher"),
    ],
)
def test_a_reply_as_octets_and_for_people(reply: Reply, octets: bytes, text: str) -> None:
    assert reply.octets == octets
    assert str(reply) == text
    assert repr(reply) == f"Reply({text!r})"


def test_no_line_exceeds_what_the_standard_allows() -> None:
    reply = Reply(550, "5.123.123", "x" * 5000, "y" * 5000)
    assert all(len(line) + 2 <= 512 for line in reply.octets.split(b"\r\n"))
    assert reply.octets.count(b"x") == REPLY_TEXT_MAX


@pytest.mark.parametrize(
    ("code", "positive", "transient", "permanent"),
    [
        (220, True, False, False),
        (299, True, False, False),
        (354, True, False, False),
        (421, False, True, False),
        (499, False, True, False),
        (500, False, False, True),
        (599, False, False, True),
    ],
)
def test_the_first_digit_alone_judges_a_reply(code: int, positive: bool, transient: bool, permanent: bool) -> None:
    reply = Reply(code, "", "x")
    assert (reply.is_positive, reply.is_transient, reply.is_permanent) == (positive, transient, permanent)


def test_replies_are_equal_by_what_is_sent() -> None:
    assert Reply(250, "2.0.0", "fine") == Reply(250, "", "2.0.0 fine")
    assert Reply(250, "2.0.0", "fine") != Reply(250, "2.0.0", "good")
    assert len({Reply(250, "", "a"), Reply(250, "", "a"), Reply(250, "", "b")}) == 2
    assert Reply(250, "", "a") != "250 a"
