import re

from outgate.mail.reply import Reply
from outgate.policy.reasons import CATALOGUE, Reason, reply_of
from outgate.smtp import answers

REPLIES = {name: value for name, value in vars(answers).items() if isinstance(value, Reply)}
WITHOUT_STATUS = {"HELLO_SHAPE"}  # answers to HELO and EHLO, RFC 2034 §4


def test_each_reply_has_an_enhanced_status_code_of_its_class() -> None:
    for name, reply in REPLIES.items():
        assert bool(reply.status) == (name not in WITHOUT_STATUS), name
        if reply.status:
            assert re.fullmatch(r"[245]\.\d\.\d", reply.status), name
            assert reply.status[0] == str(reply.code)[0], name


def test_reply_lines_are_short_and_plain() -> None:
    for name, reply in REPLIES.items():
        for line in reply.octets.decode("ascii").splitlines(keepends=True):
            assert len(line) <= 512, name  # RFC 5321 §4.5.3.1.5
            assert line.strip("\r\n").isprintable()


def test_reason_codes_stand_as_in_the_catalogue() -> None:
    for reply, reason in (
        (answers.BARE_LINE_ENDING, Reason.BARE_LINE_ENDING),
        (answers.TOO_LARGE, Reason.MESSAGE_TOO_LARGE),
        (answers.TLS_UNAVAILABLE, Reason.TLS_UNAVAILABLE),
        (answers.TOO_MANY_RECIPIENTS, Reason.RECIPIENT_LIMIT),
        (answers.TALKED_EARLY, Reason.TALKED_EARLY),
        (answers.TOO_MANY_ERRORS, Reason.ERROR_LIMIT),
        (answers.TOO_MANY_IDLE, Reason.IDLE_LIMIT),
        (answers.TOO_MUCH_AHEAD, Reason.SENT_AHEAD),
        (answers.ENDLESS_LINE, Reason.LINE_LIMIT),
        (answers.NOT_SMTP, Reason.NOT_SMTP),
        (answers.TIMED_OUT, Reason.TIMED_OUT),
        (answers.TOO_SLOW, Reason.TOO_SLOW),
        (answers.SHUTTING_DOWN, Reason.SHUTTING_DOWN),
    ):
        entry = CATALOGUE[reason]
        assert reply == Reply(entry.code, entry.status, entry.text)
    assert reply_of(Reason.OVERLOADED) == answers.OVERLOADED


def test_greeting_names_the_host_first() -> None:
    assert answers.greeting("mx.example").octets == b"220 mx.example ESMTP Outgate\r\n"


def test_extensions_are_these_and_no_others() -> None:
    reply = answers.extensions("mx.example", 42, offers_tls=True)
    assert reply.octets.split(b"\r\n") == [
        b"250-mx.example",
        b"250-PIPELINING",
        b"250-SIZE 42",
        b"250-8BITMIME",
        b"250-SMTPUTF8",
        b"250-CHUNKING",
        b"250-ENHANCEDSTATUSCODES",
        b"250 STARTTLS",
        b"",
    ]
    assert b"STARTTLS" not in answers.extensions("mx.example", 42, offers_tls=False).octets


def test_commands_that_are_not_offered_are_named() -> None:
    assert answers.not_offered("EXPN").octets == b"502 5.5.1 EXPN is not offered here\r\n"


def test_chunk_is_answered_with_its_size() -> None:
    assert answers.chunk_received(86).octets == b"250 2.0.0 86 octets received\r\n"
