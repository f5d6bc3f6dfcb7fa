"""The conversation and the scanners: what is promised only after they have spoken, and what they change."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from msgspec import structs
from tests.reception.test_conversation import ENVELOPE, HEAD, Peer, customer

from outgate.contract.events import MessageAccepted, MessageRefused
from outgate.contract.policy import CustomerDocument, PolicyItem
from outgate.contract.scanning import ContentAction, Degraded, ScanPolicy
from outgate.mail.findings import Category, Finding, ScanReport
from outgate.mail.message import Lane
from outgate.reception.interface import ScanRequest
from outgate.spool.interface import INLINE_MAX, Health

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
