"""Letters that any mail program reads, and no program answers."""

import email
import email.policy

import pytest

from outgate.dsn.letter import letter
from outgate.mail.address import ForwardPath


def made(subject: str = "alice is locked", text: str = "Hello\nworld\n") -> bytes:
    return letter(
        recipient=ForwardPath.parse("admin@alpha.example"),
        subject=subject,
        text=text,
        host_name="outgate.example",
        at=1_795_600_000.5,
        queue_id="0123456789ABC",
    )


@pytest.mark.parametrize("text", ["Hello\nworld\n", "Zoë ist gesperrt\n" * 40])
def test_it_says_what_it_was_given_in_seven_bits(text: str) -> None:
    octets = made(text=text)
    assert octets.isascii()
    assert all(len(line) <= 998 for line in octets.split(b"\r\n"))
    assert octets.count(b"\n") == octets.count(b"\r\n")
    read = email.message_from_bytes(octets, policy=email.policy.default)
    assert read.get_content().replace("\r\n", "\n") == text
    assert read["to"] == "admin@alpha.example"
    assert read["message-id"] == "<0123456789ABC@outgate.example>"
    assert read["from"] == "Outgate <postmaster@outgate.example>"


def test_no_program_answers_it() -> None:
    assert b"\r\nAuto-Submitted: auto-generated\r\n" in made()


def test_a_subject_cannot_break_the_header() -> None:
    read = email.message_from_bytes(made("a\r\nBcc: eve@evil.example\r\n\r\nzoë"))
    assert "bcc" not in read
    assert read["subject"] == "a  Bcc: eve@evil.example    zo?"
