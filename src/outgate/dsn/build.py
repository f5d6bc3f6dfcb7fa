"""Builds the notice that tells a sender what could not be delivered. RFC 3464, RFC 6522, RFC 6533. Pure.

Three parts: plain words for people, fields for programs, and the header of the message that it is about. Every part is
7-bit whatever it is about, so that the notice itself can be delivered everywhere; only a sender whose own address is
international needs SMTPUTF8 for it, as for all mail to that address.
"""

import re
import textwrap
from binascii import b2a_qp
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Final

from outgate.mail.address import ForwardPath, ReversePath
from outgate.mail.message import ContentNeeds, Message
from outgate.mail.reply import Reply

LINE_MAX: Final = 998  # octets without CR LF, RFC 5322 §2.1.1
DIAGNOSTIC_MAX: Final = 800  # characters of a next hop's reply that are shown
SHOWN_MAX: Final = 200  # characters of subject and Message-ID in the text for people
TEXT_COLUMNS: Final = 76  # of the text for people

# How the text begins, what stands above the recipients, and how it ends.
_FAILED_WORDS: Final = (
    "A message of yours could not be delivered to all recipients.",
    "Not delivered to:",
    "Nothing more is tried for these recipients; others, if there are any, are not concerned.",
)
_HELD_WORDS: Final = (
    "A message of yours has not gone to all recipients: for some of them it is held until your administrator decides.",
    "Held for:",
    "Do not send it again: if it is released it leaves as you wrote it. Its other recipients are not concerned.",
)
_MESSAGE_ID: Final = re.compile(r"<[!-;=?-~]{1,250}>")


@dataclass(frozen=True, slots=True)
class Failure:
    """One recipient that will not get the message, or not before somebody has decided.

    reply: the last one about it. peer: who gave it, as "host [address]"; empty: it is our own word. why, remedy: whole
    sentences for people.
    """

    forward_path: ForwardPath
    reply: Reply
    peer: str
    why: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Notice:
    """What a DSN is made of. original: the message that it is about. header: its header's octets, see `header_of`.

    host_name: ours. at: seconds since the epoch. queue_id: of the DSN itself, for its Message-ID and boundary.
    is_held: nothing has failed; the message waits for a person of the sender's organisation.
    """

    original: Message
    failures: Sequence[Failure]
    header: bytes
    host_name: str
    at: float
    queue_id: str
    is_held: bool = False

    @property
    def subject(self) -> str:
        return "Your message is held" if self.is_held else "Your message could not be delivered"


def build(notice: Notice) -> tuple[bytes, int]:
    """The content, lines ended by CR LF, and what it needs (bits of `ContentNeeds`)."""
    parts = (
        _part("text/plain; charset=utf-8", _text(notice)),
        _part("message/delivery-status", _status(notice)),
        _part("text/rfc822-headers", notice.header),
    )
    boundary = f"=_{notice.queue_id}"
    while any(boundary.encode() in part for part in parts):
        boundary += "_"
    delimiter = f"--{boundary}\r\n".encode()
    content = b"".join(
        (
            _header(notice, boundary),
            b"\r\nThis is a delivery status notification in MIME format (RFC 3464).\r\n\r\n",
            *(delimiter + part for part in parts),
            f"--{boundary}--\r\n".encode(),
        )
    )
    if notice.original.reverse_path.is_utf8:
        return content, ContentNeeds.UTF8 | ContentNeeds.EIGHT_BIT
    return content, ContentNeeds.NOTHING


def _header(notice: Notice, boundary: str) -> bytes:
    original = notice.original
    fields = [
        f"Date: {_date(notice.at)}",
        f"From: Mail Delivery System <MAILER-DAEMON@{notice.host_name}>",
        f"To: {_as_field(original.reverse_path)}",
        f"Subject: {notice.subject}",
        f"Message-ID: <{notice.queue_id}@{notice.host_name}>",
    ]
    if _MESSAGE_ID.fullmatch(original.message_id_field):
        fields += (f"In-Reply-To: {original.message_id_field}", f"References: {original.message_id_field}")
    fields += (
        "Auto-Submitted: auto-replied",  # RFC 3834 §5: nobody's robot is to answer this
        "MIME-Version: 1.0",
        f'Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary="{boundary}"',
    )
    return "".join(f"{field}\r\n" for field in fields).encode()


def _as_field(path: ReversePath) -> str:
    """The envelope's address is made for the wire; as an address of a header it is the same."""
    return f"<{path.text}>"


# For people


def _text(notice: Notice) -> bytes:
    original = notice.original
    greeting, label, end = _HELD_WORDS if notice.is_held else _FAILED_WORDS
    paragraphs = [f"This is the mail server {notice.host_name}. {greeting}", _about(original)]
    for failures in _alike(notice.failures):
        paragraphs.append(f"{label}\n" + "\n".join(f"    {one.forward_path.text}" for one in failures))
        first = failures[0]
        paragraphs.append(f"Why: {first.why}")
        said = _shown(str(first.reply), DIAGNOSTIC_MAX)
        paragraphs.append(f"The mail server {first.peer} said: {said}" if first.peer else f"Code: {said}")
        paragraphs.append(f"What you can do: {first.remedy}")
    paragraphs.append(
        f"{end} What follows below is for mail administrators. The message is known here as {original.queue_id}."
    )
    return "\n\n".join(_wrapped(paragraph) for paragraph in paragraphs).replace("\n", "\r\n").encode() + b"\r\n"


def _about(original: Message) -> str:
    lines = [f"    received:   {_date(original.received_at)}"]
    if original.subject:
        lines.insert(0, f"    subject:    {_shown(original.subject, SHOWN_MAX)}")
    if original.message_id_field:
        lines.append(f"    message-id: {_shown(original.message_id_field, SHOWN_MAX)}")
    return "\n".join(lines)


def _alike(failures: Sequence[Failure]) -> list[list[Failure]]:
    """Recipients with the same fate, so that it is told once."""
    groups: dict[tuple[str, str, str, str], list[Failure]] = {}
    for failure in failures:
        groups.setdefault((str(failure.reply), failure.peer, failure.why, failure.remedy), []).append(failure)
    return list(groups.values())


def _wrapped(paragraph: str) -> str:
    """Prose is wrapped, what is indented stays as it is."""
    if "\n" in paragraph or paragraph.startswith(" "):
        return paragraph
    return textwrap.fill(paragraph, TEXT_COLUMNS, break_long_words=False, break_on_hyphens=False)


def _shown(text: str, most: int) -> str:
    """One line without control characters."""
    line = "".join(character if character.isprintable() else " " for character in text)
    return line if len(line) <= most else f"{line[: most - 3]}..."


# For programs: RFC 3464 §2


def _status(notice: Notice) -> bytes:
    original = notice.original
    blocks = [
        [
            f"Reporting-MTA: dns; {notice.host_name}",
            f"X-Outgate-Queue-ID: {original.queue_id}",
            f"Arrival-Date: {_date(original.received_at)}",
        ]
    ]
    for failure in notice.failures:
        fields = [
            f"Final-Recipient: {_final_recipient(failure.forward_path)}",
            f"Action: {'delayed' if notice.is_held else 'failed'}",
            f"Status: {_enhanced_status(failure.reply)}",
        ]
        if failure.peer:
            fields.append(f"Remote-MTA: dns; {_host(failure.peer)}")
        kind = "smtp" if failure.peer else "x-outgate"
        fields.append(f"Diagnostic-Code: {kind}; {_ascii(_shown(str(failure.reply), DIAGNOSTIC_MAX))}")
        if not notice.is_held:
            fields.append(f"Last-Attempt-Date: {_date(notice.at)}")
        blocks.append(fields)
    return "\r\n".join("".join(f"{field}\r\n" for field in block) for block in blocks).encode("ascii")


def _final_recipient(path: ForwardPath) -> str:
    """RFC 3464 §2.3.2; for international addresses RFC 6533 §3, in its form for 7-bit parts."""
    if not path.is_utf8:
        return f"rfc822; {path.text}"
    encoded = "".join(
        character if "!" <= character <= "~" and character not in "\\+=" else f"\\x{{{ord(character):X}}}"
        for character in path.text
    )
    return f"utf-8; {encoded}"


def _enhanced_status(reply: Reply) -> str:
    return reply.status or f"{reply.code // 100}.0.0"


def _host(peer: str) -> str:
    """The name in "host [address]:port", or the bracketed address if there is no name."""
    first = peer.partition(" ")[0]
    return first.partition("]")[0] + "]" if first.startswith("[") else first


def _ascii(text: str) -> str:
    return text.encode("ascii", "replace").decode("ascii")


def _date(at: float) -> str:
    return format_datetime(datetime.fromtimestamp(int(at), UTC))


# MIME


def _part(content_type: str, octets: bytes) -> bytes:
    """As it is if it is harmless 7-bit lines, else quoted-printable, which every reader can undo."""
    if _is_plain(octets):
        return f"Content-Type: {content_type}\r\n\r\n".encode() + octets + b"\r\n"
    encoded = b"\r\n".join(b2a_qp(line, istext=False).replace(b"=\n", b"=\r\n") for line in octets.split(b"\r\n"))
    return (
        f"Content-Type: {content_type}\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n".encode()
        + encoded
        + b"\r\n"
    )


def _is_plain(octets: bytes) -> bool:
    bare = octets.replace(b"\r\n", b"")
    return (
        octets.isascii()
        and b"\0" not in bare
        and b"\r" not in bare
        and b"\n" not in bare
        and all(len(line) <= LINE_MAX for line in octets.split(b"\r\n"))
    )
