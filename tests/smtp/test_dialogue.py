"""What the driver relies on, and the ends of a session. The commands are in `test_server`."""

import pytest
from tests.support.smtp import Driven

from outgate.mail.reply import Reply
from outgate.smtp import answers
from outgate.smtp.dialogue import BUFFERED_MAX
from outgate.smtp.events import MailReceived, RecipientReceived, TlsRequested
from outgate.smtp.server import ServerSession, ServerSettings

SETTINGS = ServerSettings("mx.example", tls_available=True)
OK = Reply(250, "2.0.0", "fine")
TLS_READY = Reply(220, "2.0.0", "go ahead with TLS")


def waiting_session() -> ServerSession:
    """The reply to MAIL is due."""
    session = ServerSession(SETTINGS)
    session.greet()
    session.receive(b"HELO client.example\r\nMAIL FROM:<a@client.example>\r\n")
    assert isinstance(session.next_event(), MailReceived)
    session.outgoing()
    return session


def deaf_session() -> ServerSession:
    """The handshake is under way."""
    session = ServerSession(SETTINGS)
    session.greet()
    session.outgoing()
    session.receive(b"STARTTLS\r\nHELO injected.example\r\n")
    assert isinstance(session.next_event(), TlsRequested)
    session.reply(TLS_READY)
    assert session.outgoing() == TLS_READY.octets
    return session


# The greeting


def test_who_talks_before_the_greeting_is_cut_off() -> None:
    session = ServerSession(SETTINGS)
    session.receive(b"EHLO client.example\r\n")
    assert session.next_event() is None
    assert session.outgoing() == b""
    assert session.buffered_octets
    session.greet()
    assert session.outgoing() == answers.TALKED_EARLY.octets
    assert session.finished
    assert session.next_event() is None


def test_early_talk_costs_no_memory() -> None:
    session = ServerSession(SETTINGS)
    for _ in range(1000):
        session.receive(b"x" * 1000)
    assert session.buffered_octets == 1000


def test_greeting_of_421_ends_the_session() -> None:
    session = ServerSession(SETTINGS)
    session.greet(Reply(421, "4.3.2", "not now"))
    assert session.outgoing() == b"421 4.3.2 not now\r\n"
    assert session.finished


def test_greeting_of_554_waits_for_quit() -> None:
    """RFC 5321 §3.1; without a driver that asks for events, as there can be none."""
    session = ServerSession(SETTINGS)
    session.greet(Reply(554, "5.7.1", "not you"))
    assert session.outgoing() == b"554 5.7.1 not you\r\n"
    session.receive(b"EHLO client.example\r\nMAIL FROM:<a@client.example>\r\nQU")
    assert session.outgoing() == answers.QUIT_ONLY.octets * 2
    session.receive(b"IT\r\nNOOP\r\n")
    assert session.outgoing() == answers.BYE.octets
    assert session.finished
    assert session.hello_name == ""


def test_greeting_of_554_counts_errors_too() -> None:
    session = ServerSession(ServerSettings("mx.example", errors_max=2))
    session.greet(Reply(554, "5.7.1", "not you"))
    session.outgoing()
    session.receive(b"NOOP\r\n" * 5)
    assert session.outgoing() == answers.QUIT_ONLY.octets * 2 + answers.TOO_MANY_ERRORS.octets
    assert session.finished


def test_peer_that_closes_after_a_554_greeting_ends_the_session() -> None:
    session = ServerSession(SETTINGS)
    session.greet(Reply(554, "5.7.1", "not you"))
    session.receive_end()
    assert session.finished


# Waiting


def test_nothing_is_processed_while_a_reply_is_due() -> None:
    session = waiting_session()
    session.receive(b"RCPT TO:<b@there.example>\r\nNOOP\r\n")
    assert session.is_waiting_for_reply
    assert session.next_event() is None
    assert session.outgoing() == b""
    assert session.buffered_octets == 33
    session.reply(OK)
    assert isinstance(session.next_event(), RecipientReceived)
    assert session.outgoing() == OK.octets


def test_who_sends_too_much_ahead_is_cut_off_after_the_reply_that_is_due() -> None:
    session = waiting_session()
    for _ in range(BUFFERED_MAX // 65_536 + 10):
        session.receive(b"NOOP\r\n".ljust(65_536, b"x"))
        assert session.buffered_octets <= BUFFERED_MAX
    assert not session.finished
    session.reply(OK)
    session.next_event()
    assert session.outgoing() == OK.octets + answers.TOO_MUCH_AHEAD.octets
    assert session.finished


def test_reply_without_an_event_is_a_bug() -> None:
    session = ServerSession(SETTINGS)
    session.greet()
    with pytest.raises(AssertionError):
        session.reply(OK)


def test_replies_of_a_group_leave_together() -> None:
    """RFC 2920 §3.2"""
    driven = Driven.introduced()
    driven.session.receive(b"NOOP\r\nRSET\r\nNOOP\r\n")
    assert driven.session.next_event() is None
    assert driven.session.outgoing() == answers.NOTHING_DONE.octets + answers.RESET.octets + answers.NOTHING_DONE.octets
    assert driven.session.outgoing() == b""


# Ends


def test_421_of_the_driver_ends_the_session() -> None:
    session = waiting_session()
    session.receive(b"RCPT TO:<b@there.example>\r\n")
    session.reply(Reply(421, "4.3.0", "enough"))
    assert session.finished
    assert session.next_event() is None
    assert session.outgoing() == b"421 4.3.0 enough\r\n"
    session.receive(b"NOOP\r\n")
    assert session.next_event() is None
    assert session.outgoing() == b""


def test_421_in_a_transaction_voids_it() -> None:
    driven = Driven.introduced()
    driven.say("MAIL FROM:<a@client.example>", "RCPT TO:<goodbye@there.example>")
    assert driven.receiver.ended == [""]


def test_shut_down_of_an_idle_session_is_at_once() -> None:
    driven = Driven.introduced()
    driven.say("MAIL FROM:<a@client.example>")
    driven.session.shut_down()
    assert driven.session.finished
    assert driven.replies() == ["421 4.3.2 shutting-down: this server is about to restart; try again in a minute"]
    driven.advance()
    assert driven.receiver.ended == [""]


def test_shut_down_waits_for_the_reply_that_is_due() -> None:
    session = waiting_session()
    session.shut_down()
    session.receive(b"RCPT TO:<b@there.example>\r\n")
    assert session.outgoing() == b""
    assert not session.finished
    session.reply(OK)
    session.next_event()
    assert session.outgoing() == OK.octets + answers.SHUTTING_DOWN.octets
    assert session.finished


@pytest.mark.parametrize("command", ["DATA", "BDAT 5 LAST"])
def test_shut_down_begins_no_content(command: str) -> None:
    driven = Driven.introduced()
    driven.say("MAIL FROM:<a@client.example>", "RCPT TO:<b@there.example>")
    session = driven.session
    session.receive(f"{command}\r\n".encode())
    assert session.next_event() is not None
    session.shut_down()
    session.reply(Reply(354, "", "go on"))
    driven.receiver.content = None
    driven.advance()
    assert driven.replies() == ["421 4.3.2 shutting-down: this server is about to restart; try again in a minute"]
    assert session.finished


def test_shut_down_between_chunks_waits_for_the_last() -> None:
    driven = Driven.introduced()
    driven.say("MAIL FROM:<a@client.example>", "RCPT TO:<b@there.example>")
    driven.receive(b"BDAT 3\r\n1\r\n")
    assert driven.session.is_receiving_content
    driven.session.shut_down()
    driven.receive(b"BDAT 3 LAST\r\n2\r\nNOOP\r\n")
    assert driven.replies() == [
        "250 2.0.0 3 octets received",
        "250 2.0.0 queued",
        "421 4.3.2 shutting-down: this server is about to restart; try again in a minute",
    ]
    assert driven.session.finished


@pytest.mark.parametrize("content", [b"DATA\r\nhalf of it", b"BDAT 100\r\nhalf of it"])
def test_shut_down_cuts_content_that_there_is_no_time_for(content: bytes) -> None:
    driven = Driven.introduced()
    driven.say("MAIL FROM:<a@client.example>", "RCPT TO:<b@there.example>")
    driven.receive(content)
    driven.replies()
    driven.session.shut_down()
    assert driven.replies() == []
    driven.session.shut_down(cuts_content=True)
    assert driven.session.finished
    assert driven.replies() == ["421 4.3.2 shutting-down: this server is about to restart; try again in a minute"]
    driven.advance()
    assert driven.receiver.ended == [""]


def test_shut_down_that_cuts_content_still_waits_for_the_reply_that_is_due() -> None:
    session = waiting_session()
    session.shut_down(cuts_content=True)
    assert not session.finished
    session.reply(OK)
    session.next_event()
    assert session.outgoing() == OK.octets + answers.SHUTTING_DOWN.octets


def test_shut_down_of_a_finished_session_says_nothing_more() -> None:
    driven = Driven.introduced()
    driven.say("QUIT")
    driven.session.shut_down()
    driven.session.time_out()
    assert driven.session.outgoing() == b""


def test_shut_down_before_the_greeting_stands_in_for_it() -> None:
    session = ServerSession(SETTINGS)
    session.shut_down()
    session.greet()
    assert session.outgoing() == answers.SHUTTING_DOWN.octets
    assert session.finished


def test_time_out_ends_the_session_but_not_while_a_reply_is_due() -> None:
    session = waiting_session()
    session.time_out()
    assert not session.finished
    session.reply(OK)
    session.time_out()
    assert session.outgoing() == OK.octets + answers.TIMED_OUT.octets
    assert session.finished


def test_who_is_too_slow_is_told_so() -> None:
    driven = Driven.introduced()
    driven.session.receive(b"NO")
    driven.session.time_out(is_slow=True)
    assert driven.session.outgoing() == answers.TOO_SLOW.octets
    assert driven.session.last_reply is answers.TOO_SLOW


def test_memory_is_freed_of_who_holds_it_but_a_message_that_is_complete_gets_its_reply() -> None:
    session = waiting_session()
    session.receive(b"NOOP\r\n" * 1000)
    session.shed()
    assert session.buffered_octets == 0
    session.receive(b"NOOP\r\n" * 1000)
    assert session.buffered_octets == 0
    session.reply(OK)
    assert session.next_event() is not None  # the end of the transaction
    assert session.outgoing() == OK.octets + answers.OVERLOADED.octets
    assert session.finished


def test_memory_is_freed_of_who_sends_content() -> None:
    driven = Driven.introduced()
    driven.say("MAIL FROM:<a@client.example>", "RCPT TO:<b@there.example>", "DATA")
    driven.receive(b"x" * 1000)
    driven.session.shed()
    assert driven.session.outgoing() == answers.OVERLOADED.octets
    assert driven.session.finished
    assert driven.session.buffered_octets == 0


def test_peer_that_closes_still_gets_the_replies_that_are_due() -> None:
    session = waiting_session()
    session.receive(b"NOOP\r\nNOO")
    session.receive_end()
    assert session.next_event() is None
    assert session.is_waiting_for_reply
    session.reply(OK)
    while session.next_event() is not None:
        pass
    assert session.finished
    assert session.outgoing() == OK.octets + answers.NOTHING_DONE.octets


def test_message_that_waits_for_its_reply_is_not_voided_by_the_peer_s_close() -> None:
    driven = Driven.introduced()
    driven.say("MAIL FROM:<a@client.example>", "RCPT TO:<b@there.example>", "DATA")
    session = driven.session
    session.receive(b"hi\r\n.\r\n")
    assert session.next_event() is not None
    session.receive_end()
    assert session.next_event() is None
    session.reply(OK)
    assert session.next_event() is None
    assert session.finished
    assert session.outgoing() == OK.octets


# The TLS handshake, RFC 3207 §4.2


def test_session_is_deaf_and_dumb_in_the_handshake() -> None:
    session = deaf_session()
    session.receive(b"NOOP\r\nMAIL FROM:<a@client.example>\r\n")
    assert session.next_event() is None
    assert session.outgoing() == b""
    assert session.buffered_octets == 0
    session.tls_established()
    assert session.next_event() is None
    assert session.outgoing() == b""
    assert session.tls_active
    assert session.hello_name == ""
    session.receive(b"NOOP\r\n")
    assert session.next_event() is None
    assert session.outgoing() == answers.NOTHING_DONE.octets


@pytest.mark.parametrize("end", [ServerSession.shut_down, ServerSession.time_out, ServerSession.receive_end])
def test_nothing_is_said_in_clear_when_the_handshake_is_broken_off(end: object) -> None:
    session = deaf_session()
    assert callable(end)
    end(session)
    assert session.finished
    assert session.outgoing() == b""


def test_refused_starttls_changes_nothing() -> None:
    session = ServerSession(SETTINGS)
    session.greet()
    session.receive(b"HELO client.example\r\nSTARTTLS\r\nNOOP\r\n")
    assert isinstance(session.next_event(), TlsRequested)
    session.outgoing()
    session.reply(Reply(454, "4.7.0", "not now"))
    assert session.next_event() is None
    assert session.outgoing() == b"454 4.7.0 not now\r\n" + answers.NOTHING_DONE.octets
    assert session.hello_name == "client.example"
    assert not session.tls_active


def test_session_under_tls_from_the_start_offers_no_starttls() -> None:
    session = ServerSession(SETTINGS, tls_active=True)
    session.greet()
    session.receive(b"EHLO client.example\r\n")
    assert session.next_event() is None
    assert b"STARTTLS" not in session.outgoing()
