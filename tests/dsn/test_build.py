"""Notices as a whole, kept as golden files, and what holds for every one of them.

`REGENERATE=1 pytest tests/dsn` writes the golden files anew; review the difference.
"""

import email
import email.message
import email.policy
import os
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outgate.dsn.build import Failure, Notice, build
from outgate.mail.address import NULL_REVERSE_PATH, ForwardPath, ReversePath
from outgate.mail.message import ContentNeeds, Message
from outgate.mail.reply import Reply

GOLDEN = Path(__file__).parents[1] / "golden" / "dsn"
HEADER = b"From: Alice <alice@alpha.example>\r\nTo: bob@receiver.example\r\nSubject: Lunch\r\n"
WHY = "The next hop refused the recipient or the message for good (a reply that begins with 5)."
REMEDY = "Read the next hop's reply: it says why. Only the recipient's side can change its mind."


def original(reverse_path: str = "alice@alpha.example", subject: str = "Lunch", message_id: str = "") -> Message:
    local_part, _, domain = reverse_path.rpartition("@")
    path = ReversePath(reverse_path, local_part, domain) if reverse_path else NULL_REVERSE_PATH
    bob = ForwardPath.parse("bob@receiver.example")
    return Message(
        queue_id="1A2B3C4D5E6F7",
        customer_id="alpha",
        received_at=1_795_600_000.0,
        reverse_path=path,
        forward_paths=(bob,),
        size_octets=1000,
        needs=0,
        trace=b"",
        reason="domain-own",
        message_id_field=message_id or "<1@alpha.example>",
        subject=subject,
    )


def failure(
    address: str = "bob@receiver.example",
    reply: Reply | None = None,
    peer: str = "mx.receiver.example [192.0.2.1]",
    why: str = WHY,
    remedy: str = REMEDY,
) -> Failure:
    local_part, _, domain = address.rpartition("@")
    reply = reply or Reply(550, "5.1.1", "no such user")
    return Failure(ForwardPath(address, local_part, domain), reply, peer, why, remedy)


def notice(message: Message | None = None, *failures: Failure, header: bytes = HEADER, is_held: bool = False) -> Notice:
    failures = failures or (failure(),)
    return Notice(message or original(), failures, header, "outgate.example", 1_795_603_600.0, "9Z", is_held)


CASES = {
    "one-recipient": notice(),
    "several-fates": notice(
        None,
        failure("bob@receiver.example"),
        failure("carol@receiver.example"),
        failure(
            "dave@gone.example",
            Reply(550, "5.1.2", "domain-not-found: there is no mail domain gone.example"),
            "",
            "DNS says that the recipient's domain does not exist, or has neither MX nor address records.",
            "Check the spelling of the address.",
        ),
        failure("erin@other.example", Reply(554, "", "first line", "second line"), "[192.0.2.9]:2525"),
    ),
    "eight-bit-header": notice(
        original(subject="Grüße aus Köln"),
        header="From: alice@alpha.example\r\nSubject: Grüße aus Köln\r\nX-Long: ".encode() + b"y" * 2000 + b"\r\n",
    ),
    "bare-line-endings": notice(header=b"From: alice@alpha.example\nSubject: bare\r\nX: a\rb\x00\r\n"),
    "held": notice(
        None,
        failure("bob@receiver.example", Reply(450, "4.7.1", "content-rule: see Policies"), "", "A rule fits.", "Ask."),
        failure(
            "carol@receiver.example", Reply(450, "4.7.1", "content-rule: see Policies"), "", "A rule fits.", "Ask."
        ),
        is_held=True,
    ),
    "international": notice(
        original("älice@alpha.example"),
        failure("dörte+x@receiver.example", Reply(550, "5.6.7", "next-hop-lacks-extension: needs SMTPUTF8"), ""),
    ),
}


def parsed(content: bytes) -> tuple[email.message.EmailMessage, list[email.message.EmailMessage]]:
    """The notice and its parts; the standard library must find nothing wrong with it."""
    message = email.message_from_bytes(content, policy=email.policy.default)
    assert isinstance(message, email.message.EmailMessage)
    parts = [part for part in message.iter_parts() if isinstance(part, email.message.EmailMessage)]
    for part in (message, *message.walk()):
        assert not part.defects, part.defects
    return message, parts


def text_of(part: email.message.EmailMessage) -> bytes:
    payload = part.get_payload(decode=True)
    assert isinstance(payload, bytes)
    return payload


@pytest.mark.parametrize("name", CASES)
def test_golden(name: str) -> None:
    content, _ = build(CASES[name])
    path = GOLDEN / f"{name}.eml"
    if os.environ.get("REGENERATE"):
        path.write_bytes(content)
    assert content == path.read_bytes()


@pytest.mark.parametrize("name", CASES)
def test_every_notice_is_well_formed(name: str) -> None:
    """RFC 3464 §2, RFC 6522 §3, RFC 3834."""
    content, _ = build(CASES[name])
    assert content.endswith(b"\r\n")
    assert b"\n" not in content.replace(b"\r\n", b"")
    assert b"\r" not in content.replace(b"\r\n", b"")
    assert max(len(line) for line in content.split(b"\r\n")) <= 998
    message, parts = parsed(content)
    assert message.get_content_type() == "multipart/report"
    assert message.get_param("report-type") == "delivery-status"
    assert message["Auto-Submitted"] == "auto-replied"
    assert message["From"] == "Mail Delivery System <MAILER-DAEMON@outgate.example>"
    assert message["Message-ID"] == "<9Z@outgate.example>"
    assert message["In-Reply-To"] == "<1@alpha.example>"
    assert message["MIME-Version"] == "1.0"
    assert [part.get_content_type() for part in parts] == [
        "text/plain",
        "message/delivery-status",
        "text/rfc822-headers",
    ]
    blocks = parts[1].get_payload()
    assert isinstance(blocks, list)
    assert len(blocks) == len(CASES[name].failures) + 1
    assert text_of(parts[2]) == CASES[name].header


def status_block(name: str, place: int) -> email.message.Message:
    _, parts = parsed(build(CASES[name])[0])
    block = parts[1].get_payload()[place]  # type: ignore[index]
    assert isinstance(block, email.message.Message)
    return block


def test_fields_of_the_message() -> None:
    block = status_block("one-recipient", 0)
    assert block["Reporting-MTA"] == "dns; outgate.example"
    assert block["Arrival-Date"] == "Wed, 25 Nov 2026 09:46:40 +0000"


def test_fields_of_a_recipient_refused_by_the_next_hop() -> None:
    block = status_block("one-recipient", 1)
    assert dict(block.items()) == {
        "Final-Recipient": "rfc822; bob@receiver.example",
        "Action": "failed",
        "Status": "5.1.1",
        "Remote-MTA": "dns; mx.receiver.example",
        "Diagnostic-Code": "smtp; 550 5.1.1 no such user",
        "Last-Attempt-Date": "Wed, 25 Nov 2026 10:46:40 +0000",
    }


def test_our_own_word_is_not_passed_off_as_a_next_hops() -> None:
    block = status_block("several-fates", 3)
    assert block["Remote-MTA"] is None
    assert block["Diagnostic-Code"].startswith("x-outgate; 550 5.1.2 domain-not-found")


def test_a_reply_without_enhanced_status_code_gets_its_class() -> None:
    block = status_block("several-fates", 4)
    assert block["Status"] == "5.0.0"
    assert block["Remote-MTA"] == "dns; [192.0.2.9]"


def test_international_addresses() -> None:
    """RFC 6533 §3; the sender's address makes the notice need SMTPUTF8, a recipient's does not."""
    assert status_block("international", 1)["Final-Recipient"] == "utf-8; d\\x{F6}rte\\x{2B}x@receiver.example"
    assert build(CASES["international"])[1] == ContentNeeds.UTF8 | ContentNeeds.EIGHT_BIT
    content, needs = build(notice(None, failure("dörte@receiver.example")))
    assert needs == ContentNeeds.NOTHING
    assert content.isascii()


def test_recipients_with_the_same_fate_are_told_once() -> None:
    _, parts = parsed(build(CASES["several-fates"])[0])
    text = text_of(parts[0]).decode()
    assert text.count("550 5.1.1 no such user") == 1
    assert "    bob@receiver.example\r\n    carol@receiver.example\r\n" in text


@pytest.mark.parametrize("message_id", ["none", "<a b@c>", "<a@b>\r\nX: y", "<" + "a" * 300 + "@b>", "<ä@b>"])
def test_a_message_id_that_is_none_is_not_answered_to(message_id: str) -> None:
    message, _ = parsed(build(notice(original(message_id=message_id)))[0])
    assert message["In-Reply-To"] is None
    assert message["X"] is None


def test_a_header_that_knows_the_boundary_does_not_break_out() -> None:
    header = b"X: y\r\n--=_9Z\r\nContent-Type: text/html\r\n--=_9Z--\r\n"
    _, parts = parsed(build(notice(header=header))[0])
    assert len(parts) == 3
    assert text_of(parts[2]) == header


def test_what_a_next_hop_says_stays_on_its_line() -> None:
    reply = Reply(550, "5.1.1", "no\r\nX-Injected: yes", "x" * 5000)
    message, parts = parsed(build(notice(None, failure(reply=reply)))[0])
    assert message["X-Injected"] is None
    assert b"X-Injected" not in parts[1].as_bytes().replace(b"no  X-Injected: yes", b"")
    assert len(parts) == 3


@settings(deadline=None, max_examples=100)
@given(header=st.binary(max_size=300), subject=st.text(max_size=40), said=st.text(max_size=40))
def test_whatever_the_header_holds_comes_out_again(header: bytes, subject: str, said: str) -> None:
    content, needs = build(notice(original(subject=subject), failure(reply=Reply(550, "", said)), header=header))
    assert needs == ContentNeeds.NOTHING
    assert content.isascii()
    assert b"\0" not in content
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)", content)
    assert max(len(line) for line in content.split(b"\r\n")) <= 998
    _, parts = parsed(content)
    assert len(parts) == 3
    assert text_of(parts[2]).rstrip(b"\r\n") == header.rstrip(b"\r\n")
