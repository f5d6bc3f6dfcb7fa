"""The client session around its transactions: greeting, EHLO, STARTTLS, QUIT, time."""

from base64 import b64decode

import pytest
from tests.support.hop import Hop

from outgate.contract.policy import Login, RelayTls
from outgate.mail.address import ForwardPath, ReversePath
from outgate.mail.message import ContentNeeds
from outgate.smtp import client
from outgate.smtp.client import ClientSession
from outgate.smtp.client_events import Event, Ready, Rejected, TlsAgreed, TransactionEnded
from outgate.smtp.client_transaction import (
    BLOCK_SECONDS,
    DATA_SECONDS,
    END_OF_DATA_SECONDS,
    MAIL_SECONDS,
    RCPT_SECONDS,
    RESET_SECONDS,
)
from outgate.smtp.extensions import NO_EXTENSIONS

ALICE = ReversePath.parse("alice@alpha.example")
BOB = (ForwardPath.parse("bob@receiver.example"),)
EHLO_PLAIN = b"250 mx.example\r\n"
EHLO_TLS = b"250-mx.example\r\n250-SIZE 100\r\n250-CHUNKING\r\n250 STARTTLS\r\n"


def talk(session: ClientSession, *replies: bytes) -> Event | None:
    """Each reply in turn; the last event."""
    event = None
    for reply in replies:
        session.receive(reply)
        event = session.next_event() or event
    return event


def rejection(event: Event | None) -> str:
    assert isinstance(event, Rejected)
    return f"{event.reason}|{event.reply}"


def ready(*keywords: str) -> ClientSession:
    session = ClientSession("b.example")
    lines = ["mx.example", *keywords]
    ehlo = "".join(f"250{'-' if place < len(lines) - 1 else ' '}{line}\r\n" for place, line in enumerate(lines))
    assert talk(session, b"220 mx.example\r\n", ehlo.encode()) == Ready()
    session.outgoing()
    return session


def begin(session: ClientSession, *, path: ReversePath = ALICE, needs: int = 0, octets: int = 2) -> None:
    session.begin(path, BOB, b"", None, content_octets=octets, needs=needs)


# Greeting and EHLO


def test_greeting_then_ehlo_then_ready() -> None:
    session = ClientSession("b.example")
    assert session.outgoing() == b""
    assert talk(session, b"220-mx.example\r\n220 welcome\r\n") is None
    assert session.outgoing() == b"EHLO b.example\r\n"
    assert talk(session, b"250-mx.example\r\n250 PIPELINING\r\n") == Ready()
    assert session.is_idle
    assert session.extensions.pipelining


@pytest.mark.parametrize("name", ["", "a b", "a\r\nQUIT", "a\tb", "ä.example"])
def test_a_name_that_ehlo_cannot_say_is_our_mistake(name: str) -> None:
    with pytest.raises(ValueError, match="EHLO"):
        ClientSession(name)


@pytest.mark.parametrize("greeting", [b"554 5.7.1 go away\r\n", b"421 4.3.2 busy\r\n", b"450 4.7.1 greylisted\r\n"])
def test_a_greeting_that_is_a_refusal(greeting: bytes) -> None:
    session = ClientSession("b.example")
    assert rejection(talk(session, greeting)) == f"|{greeting.decode().strip()}"
    assert session.is_ended
    assert session.outgoing() == b""


@pytest.mark.parametrize("greeting", [b"354 what\r\n", b"SSH-2.0-x\r\n", b"199 hm\r\n"])
def test_a_greeting_that_is_none_is_transient(greeting: bytes) -> None:
    assert rejection(talk(ClientSession("b.example"), greeting)).startswith("connection-lost|451 4.5.0 ")


def test_ehlo_refused_for_good_means_helo() -> None:
    session = ClientSession("b.example")
    talk(session, b"220 mx\r\n")
    session.outgoing()
    assert talk(session, b"502 5.5.1 what is EHLO\r\n") is None
    assert session.outgoing() == b"HELO b.example\r\n"
    assert talk(session, b"250 mx\r\n") == Ready()
    assert session.extensions == NO_EXTENSIONS


@pytest.mark.parametrize(
    ("replies", "expected"),
    [
        ((b"220 mx\r\n", b"450 4.7.0 later\r\n"), "|450 4.7.0 later"),
        ((b"220 mx\r\n", b"421 4.7.0 bye\r\n"), "|421 4.7.0 bye"),
        ((b"220 mx\r\n", b"550 5.7.1 no\r\n", b"550 5.7.1 no\r\n"), "|550 5.7.1 no"),
        ((b"220 mx\r\n", b"550 5.7.1 no\r\n", b"421 4.0.0 no\r\n"), "|421 4.0.0 no"),
    ],
)
def test_hello_refused(replies: tuple[bytes, ...], expected: str) -> None:
    assert rejection(talk(ClientSession("b.example"), *replies)) == expected


@pytest.mark.parametrize(
    ("replies", "stage"),
    [((), "before the greeting"), ((b"220 mx\r\n",), "at EHLO"), ((b"220 mx\r\n", b"500 no\r\n"), "at HELO")],
)
def test_a_connection_that_is_lost_before_it_is_ready(replies: tuple[bytes, ...], stage: str) -> None:
    session = ClientSession("b.example")
    talk(session, *replies)
    session.receive_end()
    expected = f"connection-lost|451 4.4.2 connection-lost: the connection to the next hop ended {stage}"
    assert rejection(session.next_event()) == expected


def test_a_tide_of_greetings_ends_the_connection() -> None:
    """A second reply to nothing that was asked is no reply to the next command."""
    session = ClientSession("b.example")
    session.receive(b"220 mx\r\n250 mx\r\n250 what else\r\n")
    assert session.next_event() == Ready()
    assert session.is_ended


# STARTTLS


def test_tls_forgets_all_that_was_said_in_clear() -> None:
    session = ClientSession("b.example", RelayTls.OPPORTUNISTIC)
    talk(session, b"220 mx\r\n", EHLO_TLS)
    assert session.outgoing().endswith(b"STARTTLS\r\n")
    assert talk(session, b"220 2.0.0 go\r\n") == TlsAgreed()
    assert session.outgoing() == b""
    session.tls_established()
    assert session.outgoing() == b"EHLO b.example\r\n"
    assert session.extensions == NO_EXTENSIONS
    assert talk(session, b"250 mx\r\n") == Ready()
    assert not session.extensions.chunking


def test_tls_is_not_asked_for_twice() -> None:
    session = ClientSession("b.example", RelayTls.VERIFIED)
    talk(session, b"220 mx\r\n", EHLO_TLS, b"220 go\r\n")
    session.tls_established()
    assert talk(session, EHLO_TLS) == Ready()


def test_tls_is_left_alone_where_it_is_not_wanted() -> None:
    assert talk(ClientSession("b.example", None), b"220 mx\r\n", EHLO_TLS) == Ready()


@pytest.mark.parametrize("reply", [b"454 4.7.0 not now\r\n", b"502 5.5.1 no\r\n"])
def test_opportunistic_tls_goes_on_in_clear(reply: bytes) -> None:
    session = ClientSession("b.example", RelayTls.OPPORTUNISTIC)
    assert talk(session, b"220 mx\r\n", EHLO_TLS, reply) == Ready()
    assert talk(ClientSession("b.example", RelayTls.OPPORTUNISTIC), b"220 mx\r\n", EHLO_PLAIN) == Ready()


@pytest.mark.parametrize("tls", [RelayTls.REQUIRED, RelayTls.VERIFIED])
def test_required_tls_never_goes_on_in_clear(tls: RelayTls) -> None:
    refused = talk(ClientSession("b.example", tls), b"220 mx\r\n", EHLO_TLS, b"454 4.7.0 not now\r\n")
    assert rejection(refused).startswith("next-hop-tls|451 4.7.4 ")
    missing = talk(ClientSession("b.example", tls), b"220 mx\r\n", EHLO_PLAIN)
    assert rejection(missing).startswith("next-hop-tls|451 4.7.4 ")
    ancient = talk(ClientSession("b.example", tls), b"220 mx\r\n", b"502 no\r\n", b"250 mx\r\n")
    assert rejection(ancient).startswith("next-hop-tls|451 4.7.4 ")


@pytest.mark.parametrize("tls", [RelayTls.OPPORTUNISTIC, RelayTls.VERIFIED])
@pytest.mark.parametrize("injected", [b"250 mx\r\n", b"250-mx", b"\r\n", b"x"])
@pytest.mark.parametrize("is_in_one_read", [True, False])
def test_plain_text_behind_starttls_is_an_injection(tls: RelayTls, injected: bytes, is_in_one_read: bool) -> None:
    session = ClientSession("b.example", tls)
    talk(session, b"220 mx\r\n", EHLO_TLS)
    session.outgoing()
    if is_in_one_read:
        session.receive(b"220 go\r\n" + injected)
    else:
        session.receive(b"220 go\r\n")
        assert session.next_event() == TlsAgreed()
        session.receive(injected)
    assert rejection(session.next_event()).startswith("next-hop-tls|451 4.7.5 ")
    assert session.is_ended
    assert session.outgoing() == b""


def test_a_connection_lost_in_the_handshake() -> None:
    session = ClientSession("b.example", RelayTls.REQUIRED)
    talk(session, b"220 mx\r\n", EHLO_TLS, b"220 go\r\n")
    session.receive_end()
    assert "in the TLS handshake" in rejection(session.next_event())


# Idle and QUIT


@pytest.mark.parametrize("octets", [b"421 4.4.2 idle too long\r\n", b"250 hm\r\n", b"nonsense\r\n"])
def test_whatever_is_said_to_an_idle_connection_ends_it(octets: bytes) -> None:
    session = ready()
    session.receive(octets)
    assert session.is_ended
    assert session.next_event() is None


def test_an_idle_connection_that_is_closed_ends_quietly() -> None:
    session = ready()
    session.receive_end()
    assert session.is_ended
    assert session.next_event() is None


def test_quit_waits_for_its_reply() -> None:
    session = ready()
    session.quit()
    assert session.outgoing() == b"QUIT\r\n"
    assert not session.is_ended
    assert not session.is_idle
    session.receive(b"221 bye\r\n")
    assert session.is_ended


# What is refused before it is sent


def refusal(session: ClientSession) -> str:
    assert session.outgoing() == b""
    assert session.is_idle
    ended = session.next_event()
    assert isinstance(ended, TransactionEnded)
    assert ended.is_heard
    return f"{ended.reason}|{ended.replies[0]}"


def test_size_above_the_limit_is_not_sent() -> None:
    session = ready("SIZE 1000")
    begin(session, octets=1001)
    assert refusal(session).startswith("next-hop-refused|552 5.3.4 ")
    begin(session, octets=1000)
    assert session.outgoing() == b"MAIL FROM:<alice@alpha.example> SIZE=1000\r\n"


@pytest.mark.parametrize(
    ("needs", "status"),
    [(ContentNeeds.EIGHT_BIT, "5.6.3"), (ContentNeeds.UTF8, "5.6.7"), (ContentNeeds.CHUNKING, "5.6.1")],
)
def test_what_the_next_hop_does_not_offer_is_not_sent(needs: ContentNeeds, status: str) -> None:
    session = ready("PIPELINING", "SIZE")
    begin(session, needs=needs)
    assert refusal(session).startswith(f"next-hop-lacks-extension|550 {status} ")


@pytest.mark.parametrize("text", ["a\r\nRSET", "a\nb", "a\rb"])
@pytest.mark.parametrize("keywords", [(), ("PIPELINING", "CHUNKING")])
def test_no_cr_or_lf_ever_leaves_in_an_address(text: str, keywords: tuple[str, ...]) -> None:
    session = ready(*keywords)
    begin(session, path=ReversePath(f"{text}@alpha.example", text, "alpha.example"))
    assert refusal(session).startswith("next-hop-refused|553 5.1.3 ")
    session.begin(ALICE, (ForwardPath(text, text, "x.example"),), b"", None, content_octets=2, needs=0)
    assert refusal(session).startswith("next-hop-refused|553 5.1.3 ")


def test_an_international_address_never_goes_without_smtputf8() -> None:
    session = ready("SMTPUTF8", "8BITMIME")
    path = ReversePath("älice@alpha.example", "älice", "alpha.example")
    begin(session, path=path)
    assert refusal(session).startswith("next-hop-lacks-extension|550 5.6.7 ")
    begin(session, path=path, needs=ContentNeeds.UTF8)
    assert session.outgoing() == "MAIL FROM:<älice@alpha.example> SMTPUTF8\r\n".encode()


# Time


def test_patience_follows_what_is_awaited() -> None:
    """RFC 5321 §4.5.3.2."""
    session = ClientSession("b.example", RelayTls.OPPORTUNISTIC)
    assert session.patience_seconds == client.GREETING_SECONDS == 300
    talk(session, b"220 mx\r\n")
    assert session.patience_seconds == client.HELLO_SECONDS
    talk(session, b"250-mx\r\n250 STARTTLS\r\n")
    assert session.patience_seconds == client.STARTTLS_SECONDS
    talk(session, b"454 not now\r\n")
    seconds = []
    for replies in ((b"250 ok\r\n", b"550 no\r\n"), (b"250 ok\r\n",) * 3 + (b"354 go\r\n",)):
        begin(session)
        for reply in replies:
            seconds.append(session.patience_seconds)
            session.receive(reply)
        while session.next_event() is not None:
            pass
    assert seconds == [MAIL_SECONDS, RCPT_SECONDS, RESET_SECONDS, MAIL_SECONDS, RCPT_SECONDS, DATA_SECONDS]
    assert session.patience_seconds == BLOCK_SECONDS == 180
    session.send_content(b"\r\n", is_last=True)
    assert session.patience_seconds == END_OF_DATA_SECONDS == 600
    session.receive(b"250 ok\r\n")
    session.quit()
    assert session.patience_seconds == client.QUIT_SECONDS


def test_only_whole_replies_count_as_progress() -> None:
    session = ClientSession("b.example")
    assert not session.receive(b"220-mx\r\n22")
    assert session.receive(b"0 hello\r\n")


def test_a_whole_dialogue_with_a_hop_that_speaks_no_extension() -> None:
    hop = Hop(())
    session = ClientSession("b.example")
    session.receive(hop.greet())
    session.receive(hop.receive(session.outgoing()))
    session.begin(ALICE, BOB, b"X: 1\r\n", b".\r\n", content_octets=3, needs=0)
    while out := session.outgoing():
        session.receive(hop.receive(out))
    assert hop.taken[0].content == b"X: 1\r\n.\r\n"


# AUTH, RFC 4954

LOGIN = Login("relay-user", "s3cret-\u00fc")


def secured(*keywords: str) -> ClientSession:
    session = ClientSession("outgate.example", RelayTls.OPPORTUNISTIC, LOGIN)
    talk(session, b"220 hi\r\n", b"250-hop\r\n250 STARTTLS\r\n", b"220 go\r\n")
    session.tls_established()
    session.outgoing()
    session.receive(b"".join(b"250-%b\r\n" % each.encode() for each in ("hop", *keywords)) + b"250 SIZE\r\n")
    return session


def test_login_by_plain_waits_for_the_challenge() -> None:
    session = secured("AUTH LOGIN PLAIN")
    assert session.outgoing() == b"AUTH PLAIN\r\n"
    assert session.is_logging_in
    assert session.next_event() is None
    session.receive(b"334 \r\n")
    assert b64decode(session.outgoing()) == "\0relay-user\0s3cret-\u00fc".encode()
    session.receive(b"235 2.7.0 welcome\r\n")
    assert isinstance(session.next_event(), Ready)
    assert session.is_idle


def test_login_by_login_where_it_is_all_there_is() -> None:
    session = secured("AUTH LOGIN CRAM-MD5")
    assert session.outgoing() == b"AUTH LOGIN\r\n"
    session.receive(b"334 VXNlcm5hbWU6\r\n")
    assert b64decode(session.outgoing()) == b"relay-user"
    session.receive(b"334 UGFzc3dvcmQ6\r\n")
    assert b64decode(session.outgoing()) == "s3cret-\u00fc".encode()
    session.receive(b"235 ok\r\n")
    assert isinstance(session.next_event(), Ready)


@pytest.mark.parametrize(
    "replies",
    [
        (b"250-hop\r\n250 AUTH PLAIN\r\n",),  # no TLS offered
        (b"250-hop\r\n250-STARTTLS\r\n250 AUTH PLAIN\r\n", b"454 not now\r\n"),
    ],
)
def test_no_password_ever_goes_in_clear(replies: tuple[bytes, ...]) -> None:
    session = ClientSession("outgate.example", RelayTls.OPPORTUNISTIC, LOGIN)
    sent = b""
    for reply in (b"220 hi\r\n", *replies):
        session.receive(reply)
        sent += session.outgoing()
    assert b"AUTH" not in sent
    assert "451 4.7.4 next-hop-tls" in rejection(session.next_event())


def test_login_without_any_tls_at_all_is_refused_by_ourselves() -> None:
    session = ClientSession("outgate.example", None, LOGIN)
    session.receive(b"220 hi\r\n")
    session.receive(b"250-hop\r\n250 AUTH PLAIN\r\n")
    assert b"AUTH" not in session.outgoing()
    assert "451 4.7.4" in rejection(session.next_event())


def test_relay_that_offers_no_login_defers() -> None:
    session = secured("AUTH GSSAPI")
    assert "451 4.7.0 relay-login" in rejection(session.next_event())


@pytest.mark.parametrize("reply", [b"535 5.7.8 bad credentials\r\n", b"454 4.7.0 later\r\n", b"504 no\r\n"])
def test_refused_login_is_a_setting_to_be_mended_and_defers(reply: bytes) -> None:
    session = secured("AUTH PLAIN")
    session.receive(b"334 \r\n")
    session.receive(reply)
    assert "451 4.7.8 relay-login" in rejection(session.next_event())


def test_password_that_is_said_back_is_in_no_reply() -> None:
    session = secured("AUTH PLAIN")
    session.receive(b"334 \r\n")
    session.receive("535 no: s3cret-\u00fc is wrong\r\n".encode())
    assert "s3cret" not in rejection(session.next_event())


def test_endless_challenges_end_the_connection() -> None:
    session = secured("AUTH PLAIN")
    session.receive(b"334 \r\n")
    session.receive(b"334 \r\n")
    assert "451 4.5.0 connection-lost" in rejection(session.next_event())
    assert session.is_ended


def test_password_is_in_no_text_that_a_login_makes_of_itself() -> None:
    assert "s3cret" not in f"{LOGIN} {LOGIN!r} {[LOGIN]}"
