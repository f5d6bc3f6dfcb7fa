"""Targets: what a notice shows of a message that was made to break it."""

import email
import email.message
import email.policy
import re

from tests.dsn.test_build import failure, notice, original
from tests.fuzz.engine import Target, target
from tests.fuzz.policy import HEADERS

from outgate.dsn.build import build
from outgate.dsn.header import header_of
from outgate.mail.message import ContentNeeds
from outgate.mail.reply import Reply

BREAKS = [b"\r\n\r\n", b"\n\n", b"\r\r", b"\n\r\n", b"--=_9Z", b"--=_9Z--\r\n", b"=3D", b"x" * 1_100]


@target("dsn-header", seeds=HEADERS, tokens=BREAKS)
def dsn_header(octets: bytes) -> None:
    """What stands in front of the first empty line, whatever ends lines, and nothing of the body."""
    found = header_of(octets)
    if octets[:1] in (b"\r", b"\n"):
        assert found == b""
        return
    empty = re.search(rb"(?:\r\n|\n|\r(?!\n))(?=\r|\n)", octets + b"\r\r")
    assert empty is not None
    if found != octets:
        assert found == octets[: empty.start()] + b"\r\n"


@target("dsn", seeds=HEADERS, tokens=BREAKS)
def dsn(octets: bytes) -> None:
    """A notice about anything has three parts, 7-bit lines that are not too long, and the header as it came."""
    header = header_of(octets)
    text = octets[:300].decode("utf-8", "replace")
    reply = Reply(550, "5.1.1", text, text[::-1])
    content, needs = build(notice(original(subject=text, message_id=text[:40]), failure(reply=reply), header=header))
    assert needs == ContentNeeds.NOTHING
    assert content.isascii()
    assert b"\0" not in content
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)", content)
    assert max(len(line) for line in content.split(b"\r\n")) <= 998
    parsed = email.message_from_bytes(content, policy=email.policy.compat32)
    parts = parsed.get_payload()
    assert isinstance(parts, list)
    assert len(parts) == 3
    assert not parsed.defects
    assert isinstance(parts[2], email.message.Message)
    shown = parts[2].get_payload(decode=True)
    assert isinstance(shown, bytes)
    assert shown.rstrip(b"\r\n") == header.rstrip(b"\r\n")
    assert set(parsed.keys()) <= FIELDS


FIELDS = {
    *("Date", "From", "To", "Subject", "Message-ID", "In-Reply-To", "References", "Auto-Submitted"),
    *("MIME-Version", "Content-Type"),
}

TARGETS: list[Target] = [dsn_header, dsn]
