"""The conversation and the scanners: what is promised only after they have spoken, and what they change."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from msgspec import structs
from tests.reception.test_conversation import ENVELOPE, HEAD, Peer, customer

from outgate.contract.events import MessageAccepted, MessageRefused
from outgate.contract.policy import Counted, CustomerDocument, Limit, LimitScope, PolicyItem, SenderLimits
from outgate.contract.scanning import Comparison, Condition, ContentAction, CustomRule, Degraded, Field, ScanPolicy
from outgate.mail.findings import Category, Finding, ScanReport
from outgate.mail.message import ContentNeeds, Lane
from outgate.policy.limits import Limiter
from outgate.reception.interface import ScanRequest
from outgate.spool.interface import INLINE_MAX, Health, SpoolFull

MALWARE = ScanReport((Finding(Category.MALWARE, "x", "y", place="2/a.exe"),))
SPAM = ScanReport((Finding(Category.SPAM, "spam", "model", 950),))


@dataclass
class Asked:
    request: ScanRequest
    content: bytes | Path
    done: Callable[[ScanReport], None]
    is_abandoned: bool = False

    def abandon(self) -> None:
        self.is_abandoned = True


@dataclass
class FakeScanning:
    """Answers when the test says so; or at once with `answer`."""

    answer: ScanReport | None = None
    asked: list[Asked] = field(default_factory=list)

    def scan(self, request: ScanRequest, content: bytes | Path, done: Callable[[ScanReport], None]) -> Asked:
        self.asked.append(Asked(request, content, done))
        if self.answer is not None:
            done(self.answer)
        return self.asked[-1]


def peer(policy: ScanPolicy, scanning: FakeScanning | None) -> Peer:
    peer = Peer()
    item = customer("1", "alpha.example", "192.0.2.1/32")
    assert isinstance(item.document, CustomerDocument)
    document = structs.replace(item.document, scanning=policy)
    peer.snapshot.apply_all([PolicyItem(item.key, 2, document)], revision=2)
    peer.reception.scanning = scanning
    return peer


def send(peer: Peer, body: bytes = b"hello\r\n") -> bytes:
    peer.session.receive(ENVELOPE + b"DATA\r\n")
    peer.advance()
    peer.session.outgoing()
    peer.session.receive(HEAD + b"\r\n" + body + b".\r\n")
    peer.advance()
    peer.run_loop()
    return peer.session.outgoing()


ON = ScanPolicy(is_on=True)


def test_nobody_is_asked_for_a_customer_without_scanning() -> None:
    scanning = FakeScanning()
    here = peer(ScanPolicy(), scanning)
    assert send(here).startswith(b"250 ")
    assert not scanning.asked


def test_reply_waits_for_the_scanners_and_nothing_is_spooled_before() -> None:
    scanning = FakeScanning()
    here = peer(ON, scanning)
    assert send(here) == b""
    assert not here.submitted
    asked = scanning.asked[0]
    assert asked.request == ScanRequest("1", "alice@alpha.example", ("bob@receiver.example",), "192.0.2.1")
    assert asked.content == HEAD + b"\r\nhello\r\n"
    asked.done(ScanReport(version="v"))
    here.run_loop()
    assert here.session.outgoing().startswith(b"250 2.0.0")
    accepted = here.events[-1]
    assert isinstance(accepted, MessageAccepted)
    assert (accepted.report.version, accepted.report.action, accepted.lane) == ("v", "deliver", "")


def test_scanner_that_answers_at_once_is_no_trouble() -> None:
    here = peer(ON, FakeScanning(ScanReport()))
    assert send(here).startswith(b"250 ")
    assert len(here.submitted) == 1


def test_refused_content_is_in_no_spool_and_on_record() -> None:
    here = peer(ON, FakeScanning(MALWARE))
    assert send(here).startswith(b"550 5.7.1 content-malware: 2/a.exe")
    assert not here.submitted
    refused = here.events[-1]
    assert isinstance(refused, MessageRefused)
    assert (refused.reason, refused.stage, refused.report.findings) == ("content-malware", "content", MALWARE.findings)


def test_held_content_is_accepted_and_waits() -> None:
    here = peer(ON, FakeScanning(SPAM))
    assert send(here).startswith(b"250 ")
    message = here.submitted[0][0]
    assert (message.lane, message.lane_reason) == (Lane.HELD, "content-spam")
    assert message.report.action == "hold"


@pytest.mark.parametrize(
    ("mode", "reply", "lane"),
    [
        (Degraded.DEFER, b"451 4.7.1 scanner-unavailable", ""),
        (Degraded.HOLD, b"250", "held"),
        (Degraded.PASS, b"250", ""),
    ],
)
def test_silent_scanner_gives_the_degraded_mode(mode: Degraded, reply: bytes, lane: str) -> None:
    for scanning in (FakeScanning(ScanReport(failed=("clamd",))), None):
        here = peer(ScanPolicy(is_on=True, degraded=mode), scanning)
        assert send(here).startswith(reply)
        last = here.events[-1]
        if isinstance(last, MessageAccepted):
            assert (last.lane, last.report.reason) == (lane, "scanner-unavailable")


def test_peer_that_leaves_while_its_message_is_scanned_has_sent_nothing() -> None:
    scanning = FakeScanning()
    here = peer(ON, scanning)
    send(here)
    here.conversation.closed()
    assert scanning.asked[0].is_abandoned
    scanning.asked[0].done(ScanReport())
    here.run_loop()
    assert not here.submitted
    assert here.reception.room.held_octets == 0


def test_large_content_is_looked_at_where_it_lies() -> None:
    scanning = FakeScanning()
    here = peer(ON, scanning)
    body = b"x" * 70 + b"\r\n"
    assert send(here, body * (INLINE_MAX // len(body) + 10)) == b""
    assert scanning.asked[0].content == HEAD + b"\r\n" + body * (INLINE_MAX // len(body) + 10)
    scanning.asked[0].done(MALWARE)
    here.run_loop()
    assert here.session.outgoing().startswith(b"550 5.7.1 content-malware")
    assert not here.submitted


def test_policy_of_the_moment_of_proof_holds_though_it_changes_meanwhile() -> None:
    scanning = FakeScanning()
    here = peer(ON, scanning)
    send(here)
    item = customer("1", "alpha.example", "192.0.2.1/32")
    here.snapshot.apply_all([PolicyItem(item.key, 3, item.document)], revision=3)
    scanning.asked[0].done(MALWARE)
    here.run_loop()
    assert here.session.outgoing().startswith(b"550 5.7.1 content-malware")


@pytest.mark.pure
def test_fault_in_judging_ends_the_message_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("bug")

    scanning = FakeScanning()
    here = peer(ON, scanning)
    send(here)
    monkeypatch.setattr("outgate.reception.conversation.judge_content", broken)
    scanning.asked[0].done(ScanReport())
    assert here.session.outgoing().startswith(b"451 ")
    assert here.faults
    monkeypatch.undo()
    scanning.answer = ScanReport()
    assert send(here).startswith(b"250 ")


def test_held_by_a_pool_stays_held_whatever_scanning_says() -> None:
    policy = ScanPolicy(is_on=True, spam=(), malware=ContentAction.DELIVER)
    here = peer(policy, FakeScanning(MALWARE))
    assert send(here).startswith(b"250 ")
    assert here.spool.health is Health.GOOD


# Recipients that fare differently


def for_recipient(value: str, action: ContentAction, priority: int) -> CustomRule:
    return CustomRule(value, priority, action, ((Condition(Field.RECIPIENT, Comparison.ENDS, value),),))


MIXED = ScanPolicy(
    is_on=True,
    rules=(
        for_recipient("@hold.example", ContentAction.HOLD, 1),
        for_recipient("@reject.example", ContentAction.REJECT, 2),
    ),
)
MANY = (
    b"EHLO c\r\nMAIL FROM:<alice@alpha.example>\r\n"
    b"RCPT TO:<a@pass.example>\r\nRCPT TO:<b@reject.example>\r\nRCPT TO:<c@hold.example>\r\n"
    b"RCPT TO:<d@pass.example>\r\nRCPT TO:<e@hold.example>\r\n"
)


def shares(here: Peer) -> list[tuple[str, str, list[str]]]:
    """Lane, action and recipients of each message that was submitted."""
    return [
        (Lane(message.lane).name, message.report.action, [path.text for path in message.forward_paths])
        for message, _ in here.submitted
    ]


def test_recipients_that_fare_differently_have_a_message_each() -> None:
    here = peer(MIXED, FakeScanning(ScanReport()))
    reply = here.say(MANY + b"DATA\r\n" + HEAD + b"\r\nhello\r\n.\r\n")[-1].rstrip()
    assert shares(here) == [
        ("DIRECT", "deliver", ["a@pass.example", "d@pass.example"]),
        ("HELD", "hold", ["c@hold.example", "e@hold.example"]),
        ("HELD", "reject", ["b@reject.example"]),
    ]
    messages = [message for message, _ in here.submitted]
    ids = [message.queue_id for message in messages]
    assert reply == (
        f"250 2.0.0 queued as {ids[0]}, for 2 of the recipients held as {ids[1]}, "
        f"for 1 of the recipients held as {ids[2]}"
    )
    assert len(set(ids)) == 3
    for message in messages:
        assert set(message.copies) == set(ids) - {message.queue_id}
        assert f"id {message.queue_id}".encode() in message.trace
        assert here.spool.disk.messages[message.queue_id][2] == HEAD + b"\r\nhello\r\n"
    accepted = [event for event in here.events if isinstance(event, MessageAccepted)]
    assert [(event.queue_id, event.copies) for event in accepted] == [(one.queue_id, one.copies) for one in messages]
    assert here.reception.counters.accepted == 1
    assert here.reception.counters.scanned == {"deliver": 1, "hold": 1, "reject": 1}


def test_message_that_is_refused_for_all_is_refused() -> None:
    here = peer(MIXED, FakeScanning(ScanReport()))
    envelope = b"EHLO c\r\nMAIL FROM:<alice@alpha.example>\r\nRCPT TO:<b@reject.example>\r\n"
    assert here.say(envelope + b"DATA\r\n" + HEAD + b"\r\n.\r\n")[-1].startswith("550 5.7.1 content-rule")
    assert not here.submitted


def test_first_of_held_messages_has_the_id_of_the_transaction() -> None:
    here = peer(MIXED, FakeScanning(ScanReport()))
    envelope = (
        b"EHLO c\r\nMAIL FROM:<alice@alpha.example>\r\nRCPT TO:<b@reject.example>\r\nRCPT TO:<c@hold.example>\r\n"
    )
    reply = here.say(envelope + b"DATA\r\n" + HEAD + b"\r\n.\r\n")[-1]
    assert shares(here) == [("HELD", "hold", ["c@hold.example"]), ("HELD", "reject", ["b@reject.example"])]
    assert reply.startswith(f"250 2.0.0 queued as {here.submitted[0][0].queue_id}, for 1 of")


def test_copy_needs_what_its_own_recipients_need() -> None:
    here = peer(MIXED, FakeScanning(ScanReport()))
    envelope = (
        "EHLO c\r\nMAIL FROM:<alice@alpha.example> SMTPUTF8\r\nRCPT TO:<a@pass.example>\r\n"
        "RCPT TO:<ä@hold.example>\r\n".encode()
    )
    assert here.say(envelope + b"DATA\r\n" + HEAD + b"\r\n.\r\n")[-1].startswith("250")
    passed, held = (message for message, _ in here.submitted)
    assert not passed.needs & ContentNeeds.UTF8
    assert held.needs & ContentNeeds.UTF8


def test_spool_without_room_for_one_of_them_takes_none() -> None:
    here = peer(MIXED, FakeScanning(ScanReport()))
    here.spool.fail_next(SpoolFull("no room"))
    assert here.say(MANY + b"DATA\r\n" + HEAD + b"\r\n.\r\n")[-1].startswith("452 4.3.1")
    assert not here.spool.disk.messages
    assert not here.submitted
    assert not [event for event in here.events if isinstance(event, MessageAccepted)]


def test_large_content_that_cannot_be_sealed_stays_one_message() -> None:
    here = peer(MIXED, FakeScanning(ScanReport()))
    body = b"all work and no play\r\n" * (INLINE_MAX // 20)
    assert here.say(MANY + b"DATA\r\n" + HEAD + b"\r\n" + body + b".\r\n")[-1].startswith("250")
    assert [(lane, action, len(paths)) for lane, action, paths in shares(here)] == [("HELD", "hold", 5)]


def test_all_recipients_are_charged_once_and_only_what_is_delivered_is_slow() -> None:
    here = peer(MIXED, FakeScanning(ScanReport()))
    item = customer("1", "alpha.example", "192.0.2.1/32")
    assert isinstance(item.document, CustomerDocument)
    limits = SenderLimits((Limit(LimitScope.MAILBOX, Counted.RECIPIENTS, 3600, 7),))
    document = structs.replace(item.document, limits=limits)
    here.reception.limiter = Limiter(document={"1": document}.get, locked=lambda lock: None)
    for _ in range(2):
        assert here.say(MANY + b"DATA\r\n" + HEAD + b"\r\n.\r\n")[-1].startswith("250")
    assert [lane for lane, _, _ in shares(here)] == ["DIRECT", "HELD", "HELD", "SLOW", "HELD", "HELD"]
    assert here.reception.limiter.counters.charged == 1
