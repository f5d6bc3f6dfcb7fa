import email
import email.message
import email.policy
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outgate.dsn.build import HEADER_MAX, LINE_MAX, FailedRecipient, Failure, build
from outgate.mail.address import ForwardPath, ReversePath
from outgate.mail.message import ContentNeeds

GOLDEN = Path(__file__).parents[1] / "golden" / "dsn"
HEADER = b"From: <alice@alpha.example>\r\nTo: <bob@receiver.example>\r\nSubject: hello\r\n"


def forward_path(text: str) -> ForwardPath:
    local_part, _, domain = text.rpartition("@")
    return ForwardPath(text, local_part, domain)


def recipient(text: str = "bob@receiver.example", reply: str = "550 5.1.1 no such user") -> FailedRecipient:
    return FailedRecipient(forward_path(text), reply, "5.1.1", "mx.receiver.example [192.0.2.1]")


def failure(*recipients: FailedRecipient, header: bytes = HEADER, sender: str = "alice@alpha.example") -> Failure:
    return Failure(
        ReversePath(sender, *sender.split("@")), 1_700_000_000.5, "06C0000000001", header, recipients or (recipient(),)
    )


def notify(case: Failure) -> bytes:
    return build(case, host_name="outgate.example", at=1_700_000_100.0, queue_id="06C0000000002").content


CASES = {
    "one-recipient": failure(),
    "several": failure(
        recipient(),
        FailedRecipient(
            forward_path("carol@gone.example"),
            "451 4.4.1 next-hop-unreachable: mx.gone.example does not answer",
            "4.4.1",
            "",
            "It was tried for two days. Ask the recipient's administrator.",
        ),
    ),
    "internationalised": failure(
        recipient("jörg@empfänger.example", "550 5.1.1 Empfänger unbekannt"),
        header="Subject: Grüße\r\n".encode(),
        sender="änne@alpha.example",
    ),
    "long-reply": failure(recipient(reply="550 5.7.1 " + "refused by policy, see the page of our postmaster " * 20)),
    "bare-line-ends": failure(header=b"Subject: one\nX: two\r\n"),
}


@pytest.mark.parametrize("name", CASES)
def test_the_notification_is_what_it_was(name: str) -> None:
    """Golden files; `OUTGATE_GOLDEN=write` makes them anew, for a person to look at."""
    path = GOLDEN / f"{name}.eml"
    content = notify(CASES[name])
    if os.environ.get("OUTGATE_GOLDEN") == "write":
        path.write_bytes(content)
    assert path.read_bytes() == content


def subparts(message: email.message.Message) -> list[email.message.Message]:
    parts = [part for part in message.get_payload() if isinstance(part, email.message.Message)]
    assert parts
    return parts


def parts_of(content: bytes) -> list[email.message.Message]:
    message = email.message_from_bytes(content)
    assert not message.defects
    assert message.get_content_type() == "multipart/report"
    assert message.get_param("report-type") == "delivery-status"
    parts = subparts(message)
    assert [part.get_content_type() for part in parts] == [
        "text/plain",
        "message/delivery-status",
        "text/rfc822-headers",
    ]
    return parts


@pytest.mark.parametrize("name", CASES)
def test_programs_can_read_it(name: str) -> None:
    case = CASES[name]
    _, status, header = parts_of(notify(case))
    groups = subparts(status)
    assert groups[0]["Reporting-MTA"] == "dns; outgate.example"
    for group, failed in zip(groups[1:], case.recipients, strict=True):
        assert group["Action"] == "failed"
        assert group["Status"].startswith("5.")
        if failed.forward_path.text.isascii():
            assert group["Final-Recipient"] == f"rfc822; {failed.forward_path.text}"
        else:
            assert group["Final-Recipient"].startswith("utf-8; ")
    assert header.get_payload(decode=True) == case.header


def test_what_was_transient_to_the_last_is_permanent_now() -> None:
    groups = subparts(parts_of(notify(CASES["several"]))[1])
    assert groups[2]["Status"] == "5.4.1"


def test_a_reply_without_enhanced_code_has_the_general_one() -> None:
    case = failure(FailedRecipient(forward_path("b@r.example"), "550 no", "", "mx.example"))
    groups = subparts(parts_of(notify(case))[1])
    assert groups[1]["Status"] == "5.0.0"


def test_it_can_go_over_any_next_hop() -> None:
    for case in CASES.values():
        notification = build(case, host_name="outgate.example", at=0.0, queue_id="06C0000000002")
        needs_utf8 = not case.reverse_path.text.isascii()
        assert notification.needs == (ContentNeeds.UTF8 if needs_utf8 else 0)
        assert needs_utf8 or notification.content.isascii()


@settings(deadline=None, max_examples=150)
@given(
    header=st.binary(max_size=3000),
    reply=st.text(max_size=3000),
    local_part=st.text(min_size=1, max_size=20).filter(lambda text: text.isprintable()),
)
def test_whatever_was_said_the_notification_is_well_formed(header: bytes, reply: str, local_part: str) -> None:
    content = notify(failure(recipient(f"{local_part}@receiver.example", reply), header=header))
    assert content.count(b"\n") == content.count(b"\r") == content.count(b"\r\n")
    assert content.endswith(b"\r\n")
    assert all(len(line) <= LINE_MAX for line in content.split(b"\r\n"))
    assert len(parts_of(content)) == 3


def test_a_huge_header_is_cut_at_a_line() -> None:
    header = b"X-Long: y\r\n" * 20_000
    part = parts_of(notify(failure(header=header)))[2].get_payload(decode=True)
    assert isinstance(part, bytes)
    assert len(part) <= HEADER_MAX
    assert part.endswith(b"X-Long: y\r\n")
