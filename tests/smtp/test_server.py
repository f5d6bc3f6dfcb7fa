"""Events and limits. The dialogues themselves are `tests/transcripts`; content alone is in `test_content`."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.smtp import DEFAULTS, Delivered, Driven

from outgate.mail.address import NULL_REVERSE_PATH
from outgate.smtp import answers, server
from outgate.smtp.content import CONTENT_PIECE_MAX
from outgate.smtp.dialogue import BUFFERED_MAX
from outgate.smtp.events import Body, MailReceived
from outgate.smtp.incoming import COMMAND_LINE_MAX, ENDLESS_LINE_MAX
from outgate.smtp.server import FOREIGN, NOT_OFFERED, RECIPIENTS_DEFAULT, SKIPPED_MAX

ENVELOPE = ("MAIL FROM:<a@client.example>", "RCPT TO:<b@there.example>")
REPLY_LINE = re.compile(r"[2-5]\d\d[ -](?:([245])\.\d+\.\d+ )?[ -~]*")


def ready_for_content(**changes: int) -> Driven:
    driven = Driven.introduced(**changes)
    assert [line[:3] for line in driven.say(*ENVELOPE)] == ["250", "250"]
    return driven


# What the driver is told


def test_mail_event_carries_the_parameters() -> None:
    driven = Driven.introduced()
    driven.say("MAIL FROM:<> SIZE=7 BODY=8BITMIME SMTPUTF8")
    assert driven.receiver.mails == [MailReceived(NULL_REVERSE_PATH, 7, Body.EIGHT_BIT_MIME, smtputf8=True)]


def test_hello_is_remembered() -> None:
    driven = Driven.greeted()
    assert (driven.session.hello_name, driven.session.is_extended) == ("", False)
    driven.say("EHLO One.example")
    assert (driven.session.hello_name, driven.session.is_extended) == ("One.example", True)
    driven.say("HELO two.example")
    assert (driven.session.hello_name, driven.session.is_extended) == ("two.example", False)
    driven.say("EHLO (bad)")
    assert (driven.session.hello_name, driven.session.is_extended) == ("two.example", False)


@pytest.mark.parametrize("end", ["RSET", "EHLO client.example", "HELO client.example", "QUIT"])
def test_transaction_that_is_given_up_is_told_once(end: str) -> None:
    driven = ready_for_content()
    driven.say(end)
    assert driven.receiver.ended == [""]
    driven.say("RSET", "QUIT")
    assert driven.receiver.ended == [""]


def test_refused_mail_and_finished_message_end_no_transaction() -> None:
    driven = Driven.introduced()
    driven.say("MAIL FROM:<refuse@client.example>", "RSET", *ENVELOPE, "DATA", "hi", ".", "RSET")
    driven.say("MAIL FROM:<a@client.example>", "RCPT TO:<reject@there.example>", "DATA", "hi", ".", "RSET")
    assert driven.receiver.ended == []


def test_refused_announcement_ends_the_transaction() -> None:
    driven = Driven.introduced()
    driven.say("MAIL FROM:<a@client.example>", "RCPT TO:<full@there.example>", "DATA")
    assert driven.receiver.ended == [""]
    driven.say("MAIL FROM:<a@client.example>", "RCPT TO:<full@there.example>", "BDAT 0 LAST")
    assert driven.receiver.ended == ["", ""]


def test_peer_that_goes_away_ends_the_transaction() -> None:
    driven = ready_for_content()
    driven.say("DATA", "half")
    driven.session.receive_end()
    driven.advance()
    assert driven.receiver.ended == [""]
    assert driven.receiver.messages == []


def test_bare_line_ending_is_told_with_its_reason() -> None:
    driven = ready_for_content()
    driven.say("DATA")
    driven.receive(b"one\ntwo\r\n")
    assert driven.receiver.ended == []
    driven.receive(b".\r\n")
    assert driven.receiver.ended == ["bare-line-ending"]
    assert driven.receiver.pieces == []


def test_too_large_content_is_told_at_once_so_that_what_was_kept_of_it_can_go() -> None:
    driven = ready_for_content(size_max_octets=100)
    driven.say("DATA")
    driven.receive(b"x" * 101)
    assert driven.receiver.ended == ["message-too-large"]
    assert driven.session.is_receiving_content
    driven.receive(b"\r\n.\r\n")
    assert driven.replies()[-1].startswith("552 5.3.4 message-too-large")
    assert driven.receiver.ended == ["message-too-large"]


@pytest.mark.pure
def test_content_without_an_end_is_not_read_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "SKIPPED_MAX", 1000)
    driven = ready_for_content(size_max_octets=100)
    driven.say("DATA")
    driven.receive(b"x" * 1100)
    assert driven.session.outgoing() == b""
    driven.receive(b"x")
    assert driven.replies() == [str(answers.TOO_LARGE)]
    assert driven.session.finished
    assert driven.receiver.ended == ["message-too-large"]


def test_a_chunk_beyond_all_measure_is_not_read() -> None:
    driven = ready_for_content(size_max_octets=100)
    driven.say(f"BDAT {100 + SKIPPED_MAX + 1}")
    assert driven.session.last_reply is answers.TOO_LARGE
    assert driven.session.finished


def test_progress_is_that_of_the_content_under_way() -> None:
    driven = ready_for_content(size_max_octets=100)
    seen = [driven.session.content_progress]
    for octets in (
        b"DATA\r\n",
        b"x" * 60,
        b"x" * 60,
        b"x" * 60,  # what is skipped counts too: it is being sent
        b"\r\n.\r\n",
        b"BDAT 70\r\n" + b"x" * 20,  # refused, there is no transaction
    ):
        driven.receive(octets)
        seen.append(driven.session.content_progress)
    assert [octets for _, octets in seen] == [0, 0, 60, 120, 180, 0, 20]
    assert len({id(content) for content, _ in seen}) == 3  # none, that of DATA, that of BDAT
    assert len({id(content) for content, _ in seen[1:5]}) == 1


def test_too_large_content_outweighs_bare_line_endings_however_it_is_cut() -> None:
    for pieces in ([b"a\n" + b"x" * 200 + b"\r\n.\r\n"], [b"a\n", b"x" * 200, b"\r\n.\r\n"]):
        driven = ready_for_content(size_max_octets=100)
        driven.say("DATA")
        for piece in pieces:
            driven.receive(piece)
        assert driven.receiver.ended == ["message-too-large"]


# Content


def test_message_that_arrives_complete_is_one_event() -> None:
    driven = ready_for_content()
    content = b"x" * 78 + b"\r\n"
    driven.say("DATA")
    driven.receive(content * 5000 + b".\r\n")
    assert driven.receiver.pieces == [400_000]


def test_small_message_in_many_reads_is_one_event() -> None:
    driven = ready_for_content()
    driven.say("DATA")
    for _ in range(100):
        driven.receive(b"x" * 998 + b"\r\n")
    driven.receive(b".\r\n")
    assert driven.receiver.pieces == [100_000]


@pytest.mark.parametrize("command", [b"DATA\r\n", b"BDAT 10000000 LAST\r\n"])
def test_large_message_comes_in_parts(command: bytes) -> None:
    driven = ready_for_content()
    driven.receive(command)
    line = b"x" * 998 + b"\r\n"
    for _ in range(10_000):
        driven.receive(line)
        assert driven.session.buffered_octets < CONTENT_PIECE_MAX + len(line)
    if command == b"DATA\r\n":
        driven.receive(b".\r\n")
    assert max(driven.receiver.pieces) < CONTENT_PIECE_MAX + len(line)
    assert len(driven.receiver.pieces) <= 10_000_000 // CONTENT_PIECE_MAX + 2
    assert driven.receiver.messages == [Delivered("a@client.example", ["b@there.example"], line * 10_000)]


def test_chunks_are_collected_into_one_event() -> None:
    driven = ready_for_content()
    driven.receive(b"BDAT 3\r\n1\r\n" * 50 + b"BDAT 0 LAST\r\n")
    assert driven.receiver.pieces == [150]


@pytest.mark.parametrize(
    ("content", "bare_line_ending", "ends_with_crlf"),
    [
        (b"a\r\n", False, True),
        (b"", False, True),
        (b"a", False, False),
        (b"a\r", True, False),
        (b"a\n", True, False),
        (b"a\nb\r\n", True, True),
        (b"a\rb\r\n", True, True),
        (b"\n\r\n", True, True),
    ],
)
def test_chunked_content_is_described_across_all_borders(
    content: bytes, bare_line_ending: bool, ends_with_crlf: bool
) -> None:
    for size in range(1, len(content) + 2):
        driven = ready_for_content()
        for start in range(0, len(content), size):
            chunk = content[start : start + size]
            driven.receive(b"BDAT %d\r\n" % len(chunk) + chunk)
        driven.receive(b"BDAT 0 LAST\r\n")
        expected = Delivered("a@client.example", ["b@there.example"], content, bare_line_ending, ends_with_crlf)
        assert driven.receiver.messages == [expected]


def test_declared_chunk_beyond_the_limit_is_swallowed_without_memory() -> None:
    driven = ready_for_content(size_max_octets=1000)
    driven.receive(b"BDAT 10000000 LAST\r\n")
    assert driven.receiver.ended == ["message-too-large"]
    for _ in range(100):
        assert driven.session.is_receiving_content
        driven.receive(b"QUIT\r\n".ljust(100_000))
        assert driven.session.buffered_octets == 0
    assert [line[:3] for line in driven.replies()] == ["552"]
    assert not driven.session.is_receiving_content
    assert not driven.session.finished


def test_data_content_is_always_whole_lines() -> None:
    driven = ready_for_content()
    driven.say("DATA", "hi", ".")
    message = driven.receiver.messages[0]
    assert message.ends_with_crlf
    assert not message.bare_line_ending


# Limits


def test_at_least_a_thousand_recipients_are_accepted() -> None:
    """RFC 5321 §4.5.3.1.8"""
    assert RECIPIENTS_DEFAULT >= 1000
    driven = Driven.introduced()
    driven.say("MAIL FROM:<a@client.example>")
    recipients = "".join(f"RCPT TO:<user{number}@there.example>\r\n" for number in range(RECIPIENTS_DEFAULT + 5))
    driven.receive(recipients.encode())
    codes = [line[:9] for line in driven.replies()]
    assert codes == ["250 2.1.5"] * RECIPIENTS_DEFAULT + ["452 4.5.3"] * 5
    assert driven.say("DATA", "hi", ".")[-1].startswith("250 ")
    assert len(driven.receiver.messages[0].forward_paths) == RECIPIENTS_DEFAULT


def test_malformed_recipients_weigh_little() -> None:
    """One list of addresses with some bad ones must not end the connection; only bad ones without end may."""
    driven = Driven.introduced()
    driven.say("MAIL FROM:<a@client.example>")
    for _ in range(DEFAULTS.errors_max + 10):
        assert driven.say("RCPT TO:<not an address>")[0].startswith("501 5.1.3")
    for _ in range(DEFAULTS.idle_commands_max):
        driven.say("RCPT TO:<not an address>")
    assert driven.session.finished


@pytest.mark.parametrize("recipient", ["refuse", "later"])
def test_harvest_of_recipients_ends(recipient: str) -> None:
    driven = Driven.introduced(idle_commands_max=5)  # EHLO was the first
    driven.say("MAIL FROM:<a@client.example>")
    for _ in range(4):
        assert driven.say(f"RCPT TO:<{recipient}@there.example>")[0][0] in "45"
    assert driven.say(f"RCPT TO:<{recipient}@there.example>") == [
        "421 4.7.0 idle-limit: too many commands without mail"
    ]
    assert driven.session.finished
    assert driven.receiver.ended == [""]


@pytest.mark.parametrize("command", ["NOOP", "RSET", "VRFY a", "HELP", "EHLO client.example", "STARTTLS"])
def test_flood_of_commands_that_bring_nothing_ends(command: str) -> None:
    driven = Driven.introduced(idle_commands_max=5)  # EHLO was the first
    for _ in range(4):
        assert not driven.say(command)[0].startswith("421")
    assert driven.say(command) == ["421 4.7.0 idle-limit: too many commands without mail"]
    assert driven.session.finished


@pytest.mark.parametrize(
    "command", ["FROB", "DATA", "MAIL FROM:x", "RCPT TO:<b@there.example>", "BDAT 0 LAST", "AUTH PLAIN"]
)
def test_errors_end_the_session_when_they_are_too_many(command: str) -> None:
    driven = Driven.introduced(errors_max=3)
    for _ in range(3):
        assert driven.say(command)[0].startswith("5")
    assert driven.say(command) == ["421 4.7.0 error-limit: too many errors"]
    assert driven.session.finished


def test_endless_line_ends_the_session() -> None:
    driven = Driven.introduced()
    for _ in range(ENDLESS_LINE_MAX // 1000 + 1):
        driven.receive(b"x" * 1000)
        assert driven.session.buffered_octets <= COMMAND_LINE_MAX
    assert driven.replies() == ["421 4.7.0 line-limit: endless command line"]
    assert driven.session.finished


def test_error_in_helo_has_no_enhanced_status_code() -> None:
    """RFC 2034 §4"""
    assert Driven.greeted().say("EHLO")[0].startswith("501 write")


@pytest.mark.parametrize("verb", sorted(NOT_OFFERED))
def test_known_commands_that_are_not_offered_are_502(verb: str) -> None:
    driven = Driven.introduced()
    assert driven.say(f"{verb.lower()} x") == [f"502 5.5.1 {verb} is not offered here"]


@pytest.mark.parametrize("verb", sorted(FOREIGN))
def test_speakers_of_http_are_cut_off(verb: str) -> None:
    driven = Driven.greeted()
    driven.receive(f"{verb} / HTTP/1.1\r\nHost: x\r\n\r\nQUIT\r\n".encode())
    assert [line[:9] for line in driven.replies()] == ["421 4.7.0"]
    assert driven.session.finished


@pytest.mark.parametrize("octets", ["MA\u0131L FROM:<a@client.example>", "\u017fTARTTLS", "R\u017fET"])
def test_letters_that_fold_to_a_verb_make_no_verb(octets: str) -> None:
    assert Driven.introduced(tls_available=True).say(octets) == ["500 5.5.1 no such command"]


# Whatever comes

FRAGMENTS = [
    *(
        b"EHLO a\r\n",
        b"HELO b\r\n",
        b"MAIL FROM:<a@b.example>\r\n",
        b"MAIL FROM:<refuse@b.example>\r\n",
        b"MAIL FROM:<",
    ),
    *(b"RCPT TO:<c@d.example>\r\n", b"RCPT TO:<later@d.example>\r\n", b"RCPT TO:<goodbye@d.example>\r\n", b"RCPT"),
    *(b"RCPT TO:<full@d.example>\r\n", b"RCPT TO:<reject@d.example>\r\n", b" SIZE=", b"99", b" SMTPUTF8", b"\xc3\xbc"),
    *(b"DATA\r\n", b".\r\n", b"\r\n.\r\n", b"..\r\n", b"text\r\n", b"x" * 700, b"\r\n", b"\r", b"\n", b"\0", b"\xff"),
    *(b"BDAT 0 LAST\r\n", b"BDAT 3\r\n", b"BDAT 7 LAST\r\n", b"BDAT x\r\n", b"BDAT 5000\r\n", b"RSET\r\n", b"QUIT\r\n"),
    *(b"NOOP\r\n", b"VRFY x\r\n", b"HELP\r\n", b"FROB\r\n", b"STARTTLS\r\n", b"GET / HTTP/1.1\r\n", b"EXPN x\r\n"),
]
STREAMS = st.lists(st.one_of(st.sampled_from(FRAGMENTS), st.binary(max_size=5)), max_size=40)
ENVELOPE_FRAGMENTS = [b"EHLO a\r\n", b"MAIL FROM:<a@b.example>\r\n", b"RCPT TO:<c@d.example>\r\n"]


def outcome(pieces: list[bytes], *, size_max_octets: int) -> tuple[bytes, list[str], list[str], bool]:
    """All that a network and a receiver can see of a session."""
    driven = Driven.greeted(size_max_octets=size_max_octets, errors_max=50)
    for piece in pieces:
        driven.receive(piece)
        assert driven.session.buffered_octets <= COMMAND_LINE_MAX + size_max_octets
    sent, driven.sent = driven.sent, b""
    for line in sent.decode("ascii").split("\r\n")[:-1]:
        match = REPLY_LINE.fullmatch(line)
        assert match, line
        assert match[1] in (None, line[0])
        assert "502 5.3.3" not in line
    return sent, [str(message) for message in driven.receiver.messages], driven.receiver.ended, driven.session.finished


@settings(deadline=None, max_examples=300)
@given(STREAMS, STREAMS, st.lists(st.integers(1, 30), max_size=100), st.sampled_from([20, 2000]))
def test_cutting_never_matters_and_nothing_raises(
    before: list[bytes], after: list[bytes], cuts: list[int], size_max_octets: int
) -> None:
    octets = b"".join([*before, *ENVELOPE_FRAGMENTS, *after])
    pieces = []
    start = 0
    for length in cuts:
        pieces.append(octets[start : start + length])
        start += length
    pieces.append(octets[start:])
    whole = outcome([octets], size_max_octets=size_max_octets)
    assert outcome(pieces, size_max_octets=size_max_octets) == whole


@settings(deadline=None, max_examples=100)
@given(STREAMS)
def test_session_holds_little_when_its_driver_answers_late(stream: list[bytes]) -> None:
    driven = Driven.introduced()
    session = driven.session
    session.receive(b"MAIL FROM:<a@client.example>\r\n")
    event = session.next_event()
    assert isinstance(event, MailReceived)
    for fragment in stream:
        session.receive(fragment * 50)
        assert session.next_event() is None
        assert session.buffered_octets <= BUFFERED_MAX
    reply = driven.receiver.answer(event)
    assert reply is not None
    session.reply(reply)
    driven.advance()
