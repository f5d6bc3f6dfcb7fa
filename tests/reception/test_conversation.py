"""The conversation over a real session and a spool in memory: what is promised, recorded, refused."""

import asyncio
import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from tests.support.lookups import KEY, FakeLookups, prover, settle
from tests.support.signing import sign_by_hand

from outgate.contract.events import Event, MessageAccepted, MessageRefused
from outgate.contract.policy import (
    Counted,
    CustomerDocument,
    Limit,
    LimitScope,
    Outbound,
    OutboundSource,
    Platform,
    PolicyItem,
    SenderLimits,
    SendingDomain,
)
from outgate.mail.address import ForwardPath
from outgate.mail.fingerprint import fingerprint_of
from outgate.mail.message import ContentNeeds, Lane, Message
from outgate.mail.reply import Reply
from outgate.policy.failures import FAILED_PROOFS_MAX
from outgate.policy.limits import Limiter
from outgate.policy.locks import Lock
from outgate.policy.snapshot import Snapshot
from outgate.reception import conversation
from outgate.reception.conversation import LARGE_AHEAD_MAX, ReceptionConversation
from outgate.reception.identity import QueueIds
from outgate.reception.interface import Answered, Names
from outgate.reception.shared import STRANGER_EVENTS_BURST, Reception
from outgate.smtp.server import ServerSession, ServerSettings
from outgate.spool.interface import INLINE_MAX, LargeContent, SpoolFailed, SpoolFull
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
    lookups: FakeLookups | None = None
    events: list[Event] = field(default_factory=list)
    submitted: list[tuple[Message, bytes | None]] = field(default_factory=list)
    faults: list[tuple[str, str]] = field(default_factory=list)
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
            fault=lambda queue_id, error: self.faults.append((queue_id, str(error))),
            postmaster=self.postmaster,
            prover=prover(self.lookups) if self.lookups is not None else None,
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


@pytest.mark.parametrize(
    ("address", "sender", "customer_id"),
    [
        ("192.0.2.2", "x@gamma.example", "2"),  # nobody's domain, one customer's source
        ("192.0.2.1", "x@gamma.example", ""),  # two customers' source
        ("198.51.100.9", "x@gamma.example", ""),
        ("192.0.2.2", "x@alpha.example", "1"),  # the owner is told who uses its domain
        ("198.51.100.9", "x@alpha.example", "1"),
    ],
)
def test_refusal_is_shown_to_whom_it_concerns(address: str, sender: str, customer_id: str) -> None:
    peer = Peer(address=address)
    replies = peer.say(f"EHLO c\r\nMAIL FROM:<{sender}>\r\nRCPT TO:<b@r.example>\r\nRSET\r\n".encode())
    assert replies[-2].startswith("550 5.7.1")
    (event,) = [event for event in peer.events if isinstance(event, MessageRefused)]
    assert event.customer_id == customer_id


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


@dataclass
class SlowLarge:
    """Large content of which nothing is written before `drain`."""

    inner: LargeContent
    unwritten_octets: int = 0
    waiting: tuple[int, Callable[[], None]] | None = None

    @property
    def size_octets(self) -> int:
        return self.inner.size_octets

    def write(self, octets: bytes) -> None:
        self.unwritten_octets += len(octets)
        self.inner.write(octets)

    def on_drained(self, below_octets: int, resume: Callable[[], None]) -> None:
        self.waiting = below_octets, resume

    def abandon(self) -> None:
        self.inner.abandon()

    def drain(self) -> None:
        self.unwritten_octets = 0
        assert self.waiting is not None
        self.waiting[1]()


def slow_large(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> list[SlowLarge]:
    made: list[SlowLarge] = []
    large = peer.spool.large

    def make() -> SlowLarge:
        made.append(SlowLarge(large()))
        return made[-1]

    monkeypatch.setattr(peer.spool, "large", make)
    return made


def test_content_goes_to_a_file_when_memory_is_short() -> None:
    peer = Peer()
    peer.reception.room.octets_max = 0
    content = HEAD + b"\r\n" + b"x" * 140_000 + b"\r\n"
    peer.say(ENVELOPE + b"DATA\r\n" + content[:135_000])
    replies = peer.say(content[135_000:] + b".\r\n")
    assert replies[-1].startswith("250")
    message, hot = peer.submitted[0]
    assert hot is None
    assert message.subject == "s"
    assert peer.spool.content(message.queue_id).read(0, len(content)) == content
    assert peer.reception.room.held_octets == 0


def test_large_content_comes_in_no_faster_than_it_is_written_when_memory_is_short(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    peer = Peer()
    made = slow_large(peer, monkeypatch)
    peer.say(ENVELOPE + b"DATA\r\n" + HEAD + b"\r\n")
    peer.say(b"x" * 300_000)
    assert peer.paused == 0
    peer.reception.room.octets_max = 1
    peer.say(b"x" * 150_000)
    assert peer.paused == 1
    assert made[0].waiting is not None
    assert made[0].waiting[0] == 1
    assert peer.reception.room.held_octets >= 450_000
    made[0].drain()
    assert peer.resumed == 1
    assert peer.reception.room.held_octets == len(HEAD) + 2  # the header waits to be judged
    peer.conversation.closed()
    assert peer.reception.room.held_octets == 0


def test_a_long_header_is_not_kept_when_memory_is_short() -> None:
    peer = Peer()
    peer.reception.room.octets_max = 1
    peer.say(ENVELOPE + b"DATA\r\n" + HEAD + b"X-Long: ")
    for _ in range(5):
        peer.say(b"x" * 100_000)
    assert peer.reception.room.held_octets == 0
    assert peer.say(b"\r\n\r\n.\r\n")[-1].startswith("421 4.3.2 overloaded")
    assert peer.reception.counters.refused == {"overloaded": 1}


@pytest.mark.parametrize(
    "end", [b"x\n\r\n.\r\n", b"x" * 60_000_000 + b"\r\n.\r\n", b"\r\nFrom: <b@beta.example>\r\n.\r\n"]
)
def test_whatever_ends_a_message_frees_its_memory(end: bytes) -> None:
    peer = Peer()
    peer.say(ENVELOPE + b"DATA\r\nX-Long: " + b"x" * 150_000)
    assert peer.reception.room.held_octets > 150_000
    assert peer.say(end)[-1].startswith("55")
    assert peer.reception.room.held_octets == 0


def test_a_header_that_streams_past_is_read_up_to_its_end() -> None:
    peer = Peer()
    long_field = b"X-Long: " + b"x" * 400_000 + b"\r\n"
    peer.say(ENVELOPE + b"DATA\r\n")
    for octets in (long_field, HEAD + b"\r\n", b"Subject: no field\r\n" * 20_000):
        peer.say(octets)
    assert peer.say(b".\r\n")[-1].startswith("250")
    assert peer.submitted[0][0].subject == "s"


@pytest.mark.parametrize(
    ("body", "hidden"),
    [
        (b"\0.\r\n", True),
        (b"x\r\n\0\0.\0\r\n", True),
        (b"a\0b.\r\n", False),
        (b".\0\r\n", False),  # a dot at the start of a line is stuffed
    ],
)
def test_a_dot_behind_a_nul_leaves_by_bdat_only(body: bytes, hidden: bool) -> None:
    """Who drops NULs on the way would take such a line for the end of the content: SMTP smuggling."""
    peer = Peer()
    content = HEAD + b"\r\n" + body
    assert peer.say(ENVELOPE + b"BDAT %d LAST\r\n" % len(content) + content)[-1].startswith("250")
    assert peer.submitted[0][0].needs == (ContentNeeds.CHUNKING if hidden else 0)


def test_a_nul_and_its_dot_in_two_pieces_of_content_are_found() -> None:
    peer = Peer()
    peer.say(ENVELOPE + b"BDAT 200000 LAST\r\n" + HEAD + b"\r\n" + b"x" * (150_000 - len(HEAD) - 3) + b"\0")
    assert peer.say(b"." + b"x" * 49_997 + b"\r\n")[-1].startswith("250")
    assert peer.submitted[0][0].needs == ContentNeeds.CHUNKING


def test_a_loop_is_ended() -> None:
    peer = Peer()
    content = b"Received: x\r\n" * 4 + HEAD
    assert peer.say(ENVELOPE + b"DATA\r\n" + content + b"\r\n.\r\n")[-1].startswith("554 5.4.6 hop-limit")


def letter(postmaster: str) -> Message:
    """What a stranger's mail for our postmaster, whose mailbox this is, becomes; its other recipient is refused."""
    peer = Peer(address="198.51.100.9", postmaster=ForwardPath.parse(postmaster))
    replies = peer.say(
        b"EHLO c\r\nMAIL FROM:<x@gamma.example>\r\nRCPT TO:<Postmaster>\r\nRCPT TO:<bob@receiver.example>\r\nDATA\r\n"
        b"From: <x@gamma.example>\r\n\r\nhelp\r\n.\r\n"
    )
    assert replies[-1].startswith("250")
    message, _ = peer.submitted[0]
    return message


def test_mail_for_the_postmaster_goes_where_the_operator_says() -> None:
    message = letter("ops@operator.example")
    assert [path.text for path in message.forward_paths] == ["ops@operator.example"]
    assert message.customer_id == ""


def test_an_internationalised_postmaster_asks_for_a_next_hop_that_takes_it() -> None:
    """Though the sender, who wrote `postmaster`, asked for no SMTPUTF8."""
    assert letter("jörg@operator.example").needs & ContentNeeds.UTF8


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
    # What the content showed is told last: of two events the later one is believed.
    assert [(event.ordinal, event.stage) for event in peer.events] == [(1, "rcpt"), (2, "content")]  # type: ignore[union-attr]
    assert peer.events[-1].header_from  # type: ignore[union-attr]


# Faults of our own


def oops(*_: object, **__: object) -> None:
    raise RuntimeError("oops")


def good_message(peer: Peer) -> None:
    """The connection goes on as if nothing had been."""
    assert peer.say(ENVELOPE + b"DATA\r\n" + HEAD + b"\r\n.\r\n")[-1].startswith("250")


@pytest.mark.pure
@pytest.mark.parametrize(
    ("name", "octets"),
    [
        ("stand_sender", 0),
        ("decide_recipient", 0),
        *[(name, octets) for name in ("read_header", "settle", "received_line") for octets in (0, INLINE_MAX + 10)],
    ],
)
def test_a_fault_over_one_message_ends_that_message_only(
    name: str, octets: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    peer = Peer()
    with monkeypatch.context() as patch:
        patch.setattr(conversation, name, oops)
        replies = peer.say(ENVELOPE + b"DATA\r\n" + HEAD + b"\r\n" + b"x" * octets + b"\r\n.\r\n")
    assert any(reply.startswith("451 4.3.0 internal-error: ") for reply in replies)
    assert not peer.spool.disk.messages
    assert peer.reception.room.held_octets == 0
    assert [text for _, text in peer.faults] == ["oops"]
    peer.say(b"RSET\r\n")
    good_message(peer)


def test_a_fault_in_the_middle_of_content_is_told_at_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    peer = Peer()
    peer.say(ENVELOPE + b"DATA\r\n")
    with monkeypatch.context() as patch:
        patch.setattr(peer.spool, "large", oops)
        assert peer.say(HEAD + b"\r\n" + b"x\r\n" * 2 * INLINE_MAX + b"\r\n") == []
    (reply,) = peer.say(b"x\r\n.\r\n")
    assert reply.startswith("451 4.3.0 internal-error: ")
    assert len(peer.faults) == 1
    assert peer.reception.room.held_octets == 0
    good_message(peer)


def test_a_durable_message_stands_though_its_event_cannot_be_told() -> None:
    peer = Peer()
    peer.reception.emit = oops
    good_message(peer)
    assert len(peer.submitted) == 1
    assert peer.faults == [(peer.submitted[0][0].queue_id, "oops")]


@pytest.mark.pure
def test_a_fault_over_one_recipient_harms_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    peer = Peer()
    peer.say(ENVELOPE)
    with monkeypatch.context() as patch:
        patch.setattr(conversation, "decide_recipient", oops)
        (reply,) = peer.say(b"RCPT TO:<carol@receiver.example>\r\n")
    assert reply.startswith("451 4.3.0 internal-error: ")
    assert peer.say(b"DATA\r\n" + HEAD + b"\r\n.\r\n")[-1].startswith("250")
    ((message, _),) = peer.submitted
    assert [path.text for path in message.forward_paths] == ["bob@receiver.example"]


# Limits of senders

TWO = SenderLimits(limits=(Limit(LimitScope.MAILBOX, Counted.RECIPIENTS, 60, 2),), slow_messages_max=1, lock_factor=4.0)
MESSAGE = b"DATA\r\n" + HEAD + b"\r\n.\r\n"


def limited(limits: SenderLimits = TWO, address: str = "192.0.2.1") -> tuple[Peer, list[Lock]]:
    peer = Peer(address=address)
    locked: list[Lock] = []
    document = CustomerDocument("1", "1", Outbound.ACTIVE, limits=limits)
    peer.reception.limiter = Limiter(document={"1": document}.get, locked=locked.append)
    return peer, locked


def send(peer: Peer, content: bytes = MESSAGE, envelope: bytes = ENVELOPE) -> str:
    """The last reply; on a connection of its own, since one that brings no mail is ended."""
    peer.session = ServerSession(ServerSettings("outgate.example"))
    peer.session.greet()
    peer.session.outgoing()
    return peer.say(envelope + content)[-1]


def test_what_is_over_a_limit_is_accepted_slow_then_deferred_with_the_time_then_locked() -> None:
    peer, locked = limited()
    assert send(peer).startswith("250")
    assert send(peer).startswith("250")
    assert send(peer).startswith("250 2.0.0 queued as ")
    assert [message.lane for message, _ in peer.submitted] == [Lane.DIRECT, Lane.DIRECT, Lane.SLOW]
    accepted = peer.events[-1]
    assert isinstance(accepted, MessageAccepted)
    assert (accepted.lane, accepted.lane_reason) == ("slow", "over-limit")
    full = [send(peer) for _ in range(7)]
    assert re.match(r"451 4\.7\.1 slow-lane-full: alice@alpha.example may send again at \d\d:\d\d:\d\d UTC; ", full[0])
    refused = peer.events[-1]
    assert isinstance(refused, MessageRefused)
    lock = [reply for reply in full if reply.startswith("550")]
    assert re.match(r"550 5\.7\.1 sender-locked: alice@alpha.example is locked until \d\d:\d\d:\d\d UTC; ", lock[0])
    assert [each.mailbox for each in locked] == ["alice@alpha.example"]
    assert refused.reason == "sender-locked"
    assert refused.customer_id == "1"


def test_the_accepted_event_of_a_direct_message_names_no_lane() -> None:
    peer, _ = limited()
    send(peer)
    (event,) = peer.events
    assert isinstance(event, MessageAccepted)
    assert (event.lane, event.lane_reason) == ("", "")


@pytest.mark.parametrize("error", [SpoolFull("no room"), SpoolFailed("EIO")])
def test_a_slow_message_that_the_spool_does_not_take_gives_its_place_back(
    error: SpoolFull | SpoolFailed, monkeypatch: pytest.MonkeyPatch
) -> None:
    peer, _ = limited()
    send(peer)
    send(peer)
    monkeypatch.setattr(peer.spool, "accept", lambda message, content, done: done(error))
    assert send(peer).startswith("4")
    assert peer.reception.limiter.slow_room.of("1").messages == 0


def test_mail_that_is_not_proven_charges_nobody_and_locks_nobody() -> None:
    """Whatever a stranger, or another customer, claims to be."""
    stranger, locked = limited(address="198.51.100.9")
    for _ in range(100):
        assert send(stranger).startswith(("5", "4", "503"))
    other, locked_other = limited(address="192.0.2.2")
    for _ in range(20):
        assert not send(other).startswith("250")
    rightful, locked_rightful = limited()
    wrong = MESSAGE.replace(b"alice@alpha.example", b"eve@beta.example")
    for _ in range(20):
        assert send(rightful, wrong).startswith("550 5.7.1 from-mismatch")
    for peer in (stranger, other, rightful):
        assert not [meter.key for meter in peer.reception.limiter.meters if meter.key[0]]
        assert peer.reception.limiter.counters.locked == 0
    assert locked + locked_other + locked_rightful == []


def test_a_source_that_fails_many_proofs_is_told_to_come_later() -> None:
    peer, _ = limited(address="192.0.2.2")
    envelope = ENVELOPE.replace(b"alice@alpha.example", b"eve@beta.example")
    for _ in range(FAILED_PROOFS_MAX - 1):
        assert send(peer, envelope=envelope).startswith("550 5.7.1 from-mismatch")
    reply = send(peer, envelope=envelope)
    assert reply.startswith("451 4.7.1 too-many-failures: too many messages from 192.0.2.2 before ")
    assert peer.reception.counters.refused["too-many-failures"] == 1
    proven = MESSAGE.replace(b"alice@alpha.example", b"eve@beta.example")
    assert send(peer, proven, envelope).startswith("250")


def test_a_source_of_several_customers_is_not_slowed_for_one_of_them() -> None:
    peer, _ = limited()  # also soon.example's
    wrong = MESSAGE.replace(b"alice@alpha.example", b"eve@beta.example")
    for _ in range(FAILED_PROOFS_MAX + 1):
        assert send(peer, wrong).startswith("550 5.7.1 from-mismatch")
    assert send(peer).startswith("250")


# DKIM on entry

SIGNED_FIELDS = [b"From: <alice@alpha.example>", b"Subject: s"]
KEY_NAME = "rsa._domainkey.alpha.example"


def signed(body: bytes) -> bytes:
    signature = sign_by_hand(SIGNED_FIELDS, body, algorithm="rsa-sha256", domain=b"alpha.example")
    return signature + b"".join(field + b"\r\n" for field in SIGNED_FIELDS) + b"\r\n" + body


def deliver(peer: Peer, content: bytes) -> str:
    return peer.say(ENVELOPE + b"DATA\r\n" + content + b".\r\n")[-1]


@pytest.mark.parametrize("size_octets", [10, 1000, INLINE_MAX + 5000, 3 * INLINE_MAX])
@pytest.mark.parametrize("verdict", ["pass", "fail", "none"])
def test_each_message_is_kept_with_what_its_signature_said(size_octets: int, verdict: str) -> None:
    peer = Peer(lookups=FakeLookups({KEY_NAME: KEY}, is_known=True))
    body = b"0123456789abcde\r\n" * (size_octets // 17 + 1)
    content = signed(body) if verdict != "none" else HEAD + b"\r\n" + body
    if verdict == "fail":
        content = content[:-5] + b"x" + content[-4:]
    assert deliver(peer, content).startswith("250")
    ((message, _),) = peer.submitted
    (event,) = peer.events
    assert isinstance(event, MessageAccepted)
    assert message.evidence.dkim == event.evidence.dkim == verdict
    assert [one.domain for one in message.evidence.signatures] == ([] if verdict == "none" else ["alpha.example"])
    assert message.fingerprint == fingerprint_of(content)
    assert peer.reception.counters.dkim == {verdict: 1}
    assert peer.reception.room.held_octets == 0


@pytest.mark.parametrize("size_octets", [1000, INLINE_MAX + 5000])
def test_a_key_that_must_be_asked_for_delays_the_250_and_nothing_else(size_octets: int) -> None:
    async def scenario() -> None:
        lookups = FakeLookups({KEY_NAME: KEY})
        peer = Peer(lookups=lookups)
        content = signed(b"x" * 70 + b"\r\n" * (size_octets // 72))
        assert deliver(peer, content).startswith("354")
        await settle()
        assert not peer.submitted
        assert peer.reception.room.held_octets
        lookups.opened.set()
        await settle()
        peer.run_loop()
        assert peer.session.outgoing().startswith(b"250 ")
        assert peer.submitted[0][0].evidence.dkim == "pass"
        assert peer.reception.room.held_octets == 0

    asyncio.run(scenario())


@pytest.mark.parametrize("size_octets", [1000, INLINE_MAX + 5000])
def test_a_peer_that_is_gone_before_the_proof_has_sent_nothing(size_octets: int) -> None:
    async def scenario() -> None:
        lookups = FakeLookups({KEY_NAME: KEY})
        peer = Peer(lookups=lookups)
        deliver(peer, signed(b"x" * size_octets + b"\r\n"))
        await settle()
        peer.conversation.closed()
        lookups.opened.set()
        await settle()
        peer.run_loop()
        assert not peer.submitted
        assert not peer.spool.recover()
        assert peer.reception.room.held_octets == 0

    asyncio.run(scenario())


@pytest.mark.pure
def test_a_fault_of_ours_behind_the_wait_is_451(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        lookups = FakeLookups({KEY_NAME: KEY})
        peer = Peer(lookups=lookups)
        deliver(peer, signed(b"Hello\r\n"))

        def fail(*_: object, **__: object) -> None:
            raise ZeroDivisionError

        monkeypatch.setattr(conversation, "settle", fail)
        lookups.opened.set()
        await settle()
        assert peer.session.outgoing().startswith(b"451 4.3.0 internal-error")
        assert len(peer.faults) == 1
        assert peer.reception.room.held_octets == 0
        monkeypatch.undo()
        assert peer.say(ENVELOPE[21:] + b"DATA\r\n" + HEAD + b"\r\n.\r\n")[-1].startswith("250")

    asyncio.run(scenario())


def test_a_stranger_may_be_microsofts_while_its_list_is_old() -> None:
    """Here the list has never been confirmed, so it is stale: RCPT is told to come again while the name of the address
    is not known, and if the name is Microsoft's. Only an address of the Internet, and only where somebody sends from
    there, has the benefit of the doubt."""
    command = b"EHLO c\r\nMAIL FROM:<alice@alpha.example>\r\nRCPT TO:<bob@receiver.example>\r\n"
    address = "9.9.9.9"
    names = {address: Names(Answered.FOUND, ("mail-x.outbound.protection.outlook.com",), 300.0)}
    unknown, microsofts = FakeLookups(is_known=True), FakeLookups({}, names, is_known=True)

    def told(lookups: FakeLookups, address: str = address, platform: Platform = Platform.MICROSOFT_365) -> str:
        peer = Peer(address=address, lookups=lookups)
        document = CustomerDocument("9", "9", Outbound.ACTIVE, platform=platform)
        peer.snapshot.apply(PolicyItem("customer:9", 2, document))
        return peer.say(command)[-1]

    assert told(unknown).startswith("550 5.7.1 source-unknown")
    assert told(microsofts).startswith("451 4.7.1 ranges-stale")
    trouble = FakeLookups({}, {address: Names(Answered.TROUBLE, (), 30.0)}, is_known=True)
    assert told(trouble).startswith("451 4.7.1 ranges-stale")
    assert told(microsofts, platform=Platform.OTHER).startswith("550 5.7.1 source-unknown")
    assert told(microsofts, address="198.51.100.9").startswith("550 5.7.1 source-unknown")

    async def pending() -> None:
        peer_told = told(FakeLookups())
        assert peer_told.startswith("451 4.7.1 ranges-stale")

    asyncio.run(pending())
