"""The conversation over a real session and a spool in memory: what is promised, recorded, refused."""

import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from outgate.contract.events import Event, MessageAccepted, MessageRefused
from outgate.contract.policy import CustomerDocument, Outbound, OutboundSource, PolicyItem, SendingDomain
from outgate.mail.address import ForwardPath
from outgate.mail.message import ContentNeeds, Message
from outgate.mail.reply import Reply
from outgate.policy.snapshot import Snapshot
from outgate.reception.conversation import (
    LARGE_AHEAD_MAX,
    STRANGER_EVENTS_BURST,
    Reception,
    ReceptionConversation,
)
from outgate.reception.identity import QueueIds
from outgate.smtp.server import ServerSession, ServerSettings
from outgate.spool.interface import INLINE_MAX, SpoolFailed, SpoolFull
from outgate.spool.memory import MemorySpool

HEAD = b"From: <alice@alpha.example>\r\nMessage-ID: <1@alpha.example>\r\nSubject: s\r\n"
ENVELOPE = b"EHLO client.example\r\nMAIL FROM:<alice@alpha.example>\r\nRCPT TO:<bob@receiver.example>\r\n"


def customer(number: str, domain: str, source: str, outbound: Outbound = Outbound.ACTIVE) -> PolicyItem:
    document = CustomerDocument(
        number, number, outbound, domains=(SendingDomain(domain),), sources=(OutboundSource(source),)
    )
    return PolicyItem(f"customer:{number}", 1, document)


@dataclass
class Peer:
    """A peer in front of a session, a conversation and a spool; `posted` is the event loop."""

    address: str = "192.0.2.1"
    is_current: bool = True
    postmaster: ForwardPath | None = None
    events: list[Event] = field(default_factory=list)
    submitted: list[tuple[Message, bytes | None]] = field(default_factory=list)
    posted: deque[Callable[[], None]] = field(default_factory=deque)
    paused: int = 0
    resumed: int = 0

    def __post_init__(self) -> None:
        self.session = ServerSession(ServerSettings("outgate.example", size_max_octets=50_000_000))
        self.spool = MemorySpool(post=self.posted.append)
        self.snapshot = Snapshot()
        self.snapshot.apply_all(
            [
                customer("1", "alpha.example", "192.0.2.1/32"),
                customer("2", "beta.example", "192.0.2.2/32"),
                customer("3", "soon.example", "192.0.2.1/32", Outbound.ACTIVATING),
            ],
            revision=1,
        )
        self.reception = Reception(
            snapshot=self.snapshot,
            spool=self.spool,
            worker="test/1",
            host_name="outgate.example",
            hops_max=3,
            next_queue_id=QueueIds(1, lambda: 1.7e9).next,
            now=lambda: 1.7e9,
            feed_is_current=lambda: self.is_current,
            tls_available=lambda: False,
            emit=self.events.append,
            submit=lambda message, content: self.submitted.append((message, content)),
            postmaster=self.postmaster,
        )
        self.conversation = ReceptionConversation(self.reception, self)
        self.session.greet()
        self.session.outgoing()

    def reply_later(self, reply: Reply) -> None:
        if self.session.is_waiting_for_reply:
            self.session.reply(reply)
            self.advance()

    def pause_reading(self) -> None:
        self.paused += 1

    def resume_reading(self) -> None:
        self.resumed += 1

    def advance(self) -> None:
        while (event := self.session.next_event()) is not None:
            reply = self.conversation.answer(event)
            if reply is not None:
                self.session.reply(reply)

    def run_loop(self) -> None:
        while self.posted:
            self.posted.popleft()()

    def say(self, octets: bytes) -> list[str]:
        """Send, let the loop run, and return the replies' last lines."""
        self.session.receive(octets)
        self.advance()
        self.run_loop()
        return re.findall(r"^\d{3} .*$", self.session.outgoing().decode(), re.MULTILINE)


def test_250_comes_only_after_the_spool_has_spoken() -> None:
    peer = Peer()
    peer.spool.hold_answers()
    assert peer.say(ENVELOPE + b"DATA\r\n" + HEAD + b"\r\n.\r\n")[-1].startswith("354")
    assert not peer.submitted
    peer.spool.give_answers()
    peer.run_loop()
    assert re.match(rb"250 2\.0\.0 queued as [0-9A-Z]{13}", peer.session.outgoing())
    assert [message.customer_id for message, _ in peer.submitted] == ["1"]


def test_a_message_is_recorded_with_what_people_look_for() -> None:
    peer = Peer()
    peer.say(ENVELOPE + b"DATA\r\n" + HEAD + b"\r\nbody\r\n.\r\n")
    (event,) = peer.events
    assert isinstance(event, MessageAccepted)
    assert (event.customer_id, event.reason, event.source) == ("1", "domain-own", "192.0.2.1")
    assert (event.message_id_field, event.subject) == ("<1@alpha.example>", "s")
    ((message, content),) = peer.submitted
    assert message.queue_id == event.queue_id
    assert content == HEAD + b"\r\nbody\r\n"
    assert message.trace.startswith(b"Received: from client.example ([192.0.2.1])")


def test_the_promise_stands_though_the_peer_is_gone() -> None:
    peer = Peer()
    peer.spool.hold_answers()
    peer.say(ENVELOPE + b"DATA\r\n" + HEAD + b"\r\n.\r\n")
    peer.conversation.closed()
    peer.session.receive_end()
    peer.advance()
    peer.spool.give_answers()
    peer.run_loop()
    assert len(peer.submitted) == 1


@pytest.mark.parametrize(
    ("error", "reply"), [(SpoolFull("full"), "452 4.3.1 spool-full"), (SpoolFailed("EIO"), "451 4.3.0 spool-failed")]
)
def test_what_the_spool_does_not_take_is_not_promised(error: SpoolFull | SpoolFailed, reply: str) -> None:
    peer = Peer()
    peer.spool.fail_next(error)
    assert peer.say(ENVELOPE + b"DATA\r\n" + HEAD + b"\r\n.\r\n")[-1].startswith(reply)
    assert not peer.submitted
    assert not any(isinstance(event, MessageAccepted) for event in peer.events)


def test_a_full_spool_is_said_before_anything_is_sent() -> None:
    peer = Peer()
    peer.spool.disk.available_octets = 10
    assert peer.say(b"EHLO c\r\nMAIL FROM:<alice@alpha.example> SIZE=1000000\r\n")[-1].startswith(
        "452 4.3.1 spool-full"
    )


def test_refused_recipients_are_one_event_for_each_reason() -> None:
    peer = Peer(address="198.51.100.9")
    replies = peer.say(
        b"EHLO c\r\nMAIL FROM:<alice@alpha.example>\r\n" + b"RCPT TO:<bob@receiver.example>\r\n" * 150 + b"RSET\r\n"
    )
    assert sum(reply.startswith("550 5.7.1 source-unknown") for reply in replies) > 90
    (event,) = [event for event in peer.events if isinstance(event, MessageRefused)]
    assert (event.reason, event.stage, len(event.forward_paths)) == ("source-unknown", "rcpt", 100)


def test_identity_is_refused_for_good_only_while_the_feed_is_current() -> None:
    peer = Peer(is_current=False)
    assert peer.say(b"EHLO c\r\nMAIL FROM:<x@gamma.example>\r\nRCPT TO:<b@r.example>\r\n")[-1].startswith(
        "451 4.7.1 policy-stale"
    )
    assert peer.say(b"RSET\r\n" + ENVELOPE + b"DATA\r\n" + HEAD + b"\r\n.\r\n")[-1].startswith("250")


def test_a_customer_that_is_activating_is_told_to_come_again() -> None:
    peer = Peer()
    assert peer.say(b"EHLO c\r\nMAIL FROM:<x@soon.example>\r\nRCPT TO:<b@r.example>\r\n")[-1].startswith(
        "451 4.7.1 activating"
    )


def test_policy_that_changes_between_envelope_and_content_counts_at_the_end() -> None:
    peer = Peer()
    peer.say(ENVELOPE + b"DATA\r\n")
    peer.snapshot.apply_all([customer("1", "alpha.example", "192.0.2.1/32", Outbound.OFF)], revision=2)
    assert peer.say(HEAD + b"\r\n.\r\n")[-1].startswith("550 5.7.1 outbound-off")
    assert not peer.submitted
    assert isinstance(peer.events[-1], MessageRefused)


@pytest.mark.parametrize(
    ("content", "needs"),
    [
        (HEAD + b"\r\nascii\r\n", 0),
        (HEAD + b"\r\n\xff\r\n", ContentNeeds.EIGHT_BIT),
        (HEAD + b"\r\nbare\nlf\r\n", ContentNeeds.CHUNKING),
        (HEAD + b"\r\nno end", ContentNeeds.CHUNKING),
        (HEAD + b"\r\n\xff\n", ContentNeeds.CHUNKING | ContentNeeds.EIGHT_BIT),
    ],
)
def test_what_the_next_hop_must_offer_is_found_out(content: bytes, needs: int) -> None:
    peer = Peer()
    peer.say(ENVELOPE + b"BDAT %d LAST\r\n" % len(content) + content)
    assert peer.submitted[0][0].needs == needs


def test_utf8_in_the_envelope_needs_smtputf8() -> None:
    peer = Peer()
    peer.say(
        "EHLO c\r\nMAIL FROM:<alice@alpha.example> SMTPUTF8\r\nRCPT TO:<jörg@receiver.example>\r\nDATA\r\n".encode()
        + HEAD
        + b"\r\n.\r\n"
    )
    assert peer.submitted[0][0].needs & ContentNeeds.UTF8
    assert b"with UTF8SMTP id" in peer.submitted[0][0].trace


def test_large_content_streams_past_memory_and_holds_its_sender_back() -> None:
    peer = Peer()
    peer.say(ENVELOPE + b"DATA\r\n")
    body = b"x" * 998 + b"\r\n"
    peer.session.receive(HEAD + b"\r\n")
    sent = len(HEAD) + 2
    while sent < LARGE_AHEAD_MAX + INLINE_MAX:
        peer.session.receive(body * 64)
        peer.advance()
        sent += len(body) * 64
    replies = peer.say(b".\r\n")
    assert replies[-1].startswith("250")
    message, content = peer.submitted[0]
    assert content is None
    assert message.size_octets == sent
    reader = peer.spool.content(message.queue_id)
    assert reader.size_octets == sent
    assert reader.read(0, len(HEAD)) == HEAD


def test_a_loop_is_ended() -> None:
    peer = Peer()
    content = b"Received: x\r\n" * 4 + HEAD
    assert peer.say(ENVELOPE + b"DATA\r\n" + content + b"\r\n.\r\n")[-1].startswith("554 5.4.6 hop-limit")


def test_mail_for_the_postmaster_goes_where_the_operator_says() -> None:
    peer = Peer(address="198.51.100.9", postmaster=ForwardPath.parse("ops@operator.example"))
    replies = peer.say(
        b"EHLO c\r\nMAIL FROM:<x@gamma.example>\r\nRCPT TO:<Postmaster>\r\nRCPT TO:<bob@receiver.example>\r\nDATA\r\n"
        b"From: <x@gamma.example>\r\n\r\nhelp\r\n.\r\n"
    )
    assert replies[-1].startswith("250")
    message, _ = peer.submitted[0]
    assert [path.text for path in message.forward_paths] == ["ops@operator.example"]
    assert message.customer_id == ""


def test_nobody_begins_a_message_while_the_worker_ends() -> None:
    peer = Peer()
    peer.reception.is_stopping = True
    assert peer.say(b"EHLO c\r\nMAIL FROM:<alice@alpha.example>\r\n")[-1].startswith("421 4.3.2 shutting-down")


def test_strangers_cannot_fill_the_record() -> None:
    peer = Peer(address="198.51.100.9")
    for _ in range(700):
        peer.say(b"EHLO c\r\nMAIL FROM:<a@alpha.example>\r\nRCPT TO:<bob@receiver.example>\r\nRSET\r\n")
        if peer.session.finished:  # so many commands that bring no mail
            peer.session = ServerSession(ServerSettings("outgate.example"))
            peer.session.greet()
            peer.session.outgoing()
    assert len(peer.events) == STRANGER_EVENTS_BURST
    assert peer.reception.counters.refused["source-unknown"] > STRANGER_EVENTS_BURST


def test_each_refusal_of_a_transaction_is_an_event_of_its_own() -> None:
    peer = Peer()
    peer.say(
        b"EHLO c\r\nMAIL FROM:<>\r\nRCPT TO:<postmaster>\r\nRCPT TO:<bob@receiver.example>\r\nDATA\r\n"
        b"From: <x@gamma.example>\r\n\r\n.\r\n"
    )
    ids = [event.event_id for event in peer.events]
    assert len(ids) == len(set(ids)) == 2
