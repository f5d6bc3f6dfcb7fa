"""Builds the notification of failure: multipart/report with a text for people, the fields of RFC 3464 for programs, and
the header of the message that could not be relayed (RFC 6522).

Every octet of it is 7-bit but an internationalised address in To, which the envelope has too: a DSN must reach whoever
the message came from, also over next hops that offer nothing.
"""

import base64
import quopri
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Final

from outgate.mail.address import ForwardPath, ReversePath
from outgate.mail.message import ContentNeeds

HEADER_MAX: Final = 64 * 1024  # octets of the original header that are given back; enough to know the message by
LINE_MAX: Final = 998  # octets without CR LF, RFC 5322 §2.1.1
DIAGNOSTIC_MAX: Final = 2_000  # characters of a next hop's reply

_STATUS: Final = re.compile(r"[245]\.\d{1,3}\.\d{1,3}")


@dataclass(frozen=True, slots=True)
class FailedRecipient:
    """One recipient that was given up.

    reply: the last reply, one line, as "550 5.1.1 no such user". status: its enhanced status code, "" if it had none.
    next_hop: who gave the reply; "" if we did. remedy: what the sender may do, a sentence for people.
    """

    forward_path: ForwardPath
    reply: str
    status: str
    next_hop: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Failure:
    """A message of which recipients were given up. header: its header's octets as they came; times in seconds, UTC."""

    reverse_path: ReversePath
    received_at: float
    queue_id: str
    header: bytes
    recipients: Sequence[FailedRecipient]


@dataclass(frozen=True, slots=True)
class Notification:
    """content: complete, every line ended by CR LF. needs: bits of `ContentNeeds`."""

    content: bytes
    needs: int


def build(failure: Failure, *, host_name: str, at: float, queue_id: str) -> Notification:
    """The notification that `failure` deserves. The caller sees to it that its reverse-path is not null.

    queue_id: of the notification itself; makes its Message-ID and boundary, which no original can know beforehand.
    """
    boundary = f"=_{queue_id}"  # at most 70 characters, RFC 2046 §5.1.1
    address = failure.reverse_path.text
    date = format_datetime(datetime.fromtimestamp(int(at), UTC))
    head = (
        f"From: Mail Delivery System <MAILER-DAEMON@{host_name}>\r\n"
        f"To: <{address}>\r\n"
        "Subject: Undelivered mail: your message could not be delivered\r\n"
        f"Date: {date}\r\n"
        f"Message-ID: <{queue_id}@{host_name}>\r\n"
        "Auto-Submitted: auto-replied\r\n"
        "MIME-Version: 1.0\r\n"
        "Content-Type: multipart/report; report-type=delivery-status;\r\n"
        f'\tboundary="{boundary}"\r\n'
        "\r\n"
        "This is a notification in the format of RFC 3464.\r\n"
    ).encode()
    parts = (
        _text_part(failure, host_name),
        _status_part(failure, host_name),
        _header_part(failure.header),
    )
    separator = f"\r\n--{boundary}\r\n".encode()
    content = head + b"".join(separator + part for part in parts) + f"\r\n--{boundary}--\r\n".encode()
    return Notification(content, int(ContentNeeds.UTF8) if failure.reverse_path.is_utf8 else 0)


def _text_part(failure: Failure, host_name: str) -> bytes:
    lines = [
        f"This is the mail system at {host_name}.",
        "",
        "Your message could not be delivered to these recipients. It will not be tried again;",
        "if you still want it to arrive, cure the cause and send it once more.",
    ]
    for recipient in failure.recipients:
        said = f"{recipient.next_hop} said" if recipient.next_hop else "because"
        lines += ["", f"<{recipient.forward_path.text}>", f"    {said}: {_one_line(recipient.reply)}"]
        if recipient.remedy:
            lines.append(f"    {_one_line(recipient.remedy)}")
    received = format_datetime(datetime.fromtimestamp(int(failure.received_at), UTC))
    lines += ["", f"We received it on {received} and knew it as {failure.queue_id}.", "Its header is attached.", ""]
    text = "\r\n".join(lines).encode("utf-8", "replace")
    encoding, body = (
        ("7bit", text) if text.isascii() and _has_short_lines(text) else ("quoted-printable", _quoted(text))
    )
    return (
        f"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: {encoding}\r\n"
        "Content-Description: Notification\r\n\r\n"
    ).encode() + body


def _status_part(failure: Failure, host_name: str) -> bytes:
    """RFC 3464 §2: fields of the message, then a group for each recipient."""
    arrived = format_datetime(datetime.fromtimestamp(int(failure.received_at), UTC))
    groups = [
        f"Reporting-MTA: dns; {host_name}\r\nX-Outgate-Queue-ID: {failure.queue_id}\r\nArrival-Date: {arrived}\r\n"
    ]
    for recipient in failure.recipients:
        fields = [
            f"Final-Recipient: {_address_field(recipient.forward_path.text)}",
            "Action: failed",
            f"Status: {_status(recipient)}",
        ]
        if recipient.next_hop:
            name, _, address = recipient.next_hop.partition(" ")
            fields.append(f"Remote-MTA: dns; {_ascii(name)}{f' ({_ascii(address)})' if address else ''}")
        if recipient.reply:
            kind = "smtp" if recipient.next_hop else "x-outgate"
            fields.append(_folded(f"Diagnostic-Code: {kind}; {_ascii(_one_line(recipient.reply))}"))
        groups.append("".join(f"{field}\r\n" for field in fields))
    return (
        "Content-Type: message/delivery-status\r\nContent-Description: Delivery report\r\n\r\n" + "\r\n".join(groups)
    ).encode()


def _header_part(header: bytes) -> bytes:
    kept = header[:HEADER_MAX]
    if len(header) > HEADER_MAX:
        kept = kept[: kept.rfind(b"\r\n") + 2] or kept
    if not kept.endswith(b"\r\n"):
        kept += b"\r\n"
    is_plain = kept.isascii() and b"\0" not in kept and _has_short_lines(kept) and _has_whole_lines(kept)
    encoding = "7bit" if is_plain else "base64"
    body = kept if is_plain else base64.encodebytes(kept).replace(b"\n", b"\r\n")
    return (
        f"Content-Type: text/rfc822-headers\r\nContent-Transfer-Encoding: {encoding}\r\n"
        "Content-Description: Header of the undelivered message\r\n\r\n"
    ).encode() + body


def _status(recipient: FailedRecipient) -> str:
    """An enhanced status code of the permanent class: what failed for good after many 4yz, failed for good."""
    if _STATUS.fullmatch(recipient.status):
        return f"5{recipient.status[1:]}"
    return "5.0.0"


def _address_field(text: str) -> str:
    """`rfc822; ...`, or for an internationalised address the 7-bit form of RFC 6533 §3."""
    if text.isascii():
        return f"rfc822; {_one_line(text)}"
    escaped = "".join(
        character if " " < character <= "~" and character not in "\\+=" else f"\\x{{{ord(character):X}}}"
        for character in text
    )
    return f"utf-8; {escaped}"


def _one_line(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text[:DIAGNOSTIC_MAX])


def _ascii(text: str) -> str:
    return text.encode("ascii", "replace").decode("ascii")


def _folded(field: str) -> str:
    """Folded at blanks to lines of some 78 octets. RFC 5322 §2.2.3"""
    lines, line = [], ""
    for word in field.split(" "):
        if line and len(line) + 1 + len(word) > 76:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}" if line else word
        while len(line) > LINE_MAX - 10:
            lines.append(line[: LINE_MAX - 10])
            line = line[LINE_MAX - 10 :]
    lines.append(line)
    return "\r\n ".join(lines)


def _quoted(text: bytes) -> bytes:
    return quopri.encodestring(text.replace(b"\r\n", b"\n")).replace(b"\n", b"\r\n")


def _has_short_lines(octets: bytes) -> bool:
    return all(len(line) <= LINE_MAX for line in octets.split(b"\r\n"))


def _has_whole_lines(octets: bytes) -> bool:
    return octets.count(b"\n") == octets.count(b"\r") == octets.count(b"\r\n")
