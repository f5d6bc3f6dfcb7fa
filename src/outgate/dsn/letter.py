"""Letters of Outgate's own to administrators, as plain text. RFC 5322, RFC 3834. Pure.

They go out with a null reverse-path, and say that they are made by a program, so that nothing answers them.
"""

from binascii import b2a_base64
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Final

from outgate.mail.address import ForwardPath

LETTER_LINE_OCTETS: Final = 57  # of text in one line of base64, 76 characters: RFC 2045 §6.8
_SUBJECT_MAX: Final = 200  # characters


def letter(*, recipient: ForwardPath, subject: str, text: str, host_name: str, at: float, queue_id: str) -> bytes:
    """The content, lines ended by CR LF, of seven bits whatever the text is. at: seconds since the epoch."""
    octets = text.encode()
    lines = [
        f"From: Outgate <postmaster@{host_name}>",
        f"To: <{recipient.text}>",
        f"Subject: {_one_line(subject)}",
        f"Date: {format_datetime(datetime.fromtimestamp(int(at), UTC))}",
        f"Message-ID: <{queue_id}@{host_name}>",
        "Auto-Submitted: auto-generated",
        "MIME-Version: 1.0",
        "Content-Type: text/plain; charset=utf-8",
    ]
    if text.isascii():
        body = text.replace("\r\n", "\n").replace("\r", "\n").replace("\n", "\r\n").encode()
        lines.append("Content-Transfer-Encoding: 7bit")
    else:
        pieces = range(0, len(octets), LETTER_LINE_OCTETS)
        body = b"".join(
            b2a_base64(octets[start : start + LETTER_LINE_OCTETS], newline=False) + b"\r\n" for start in pieces
        )
        lines.append("Content-Transfer-Encoding: base64")
    return "\r\n".join([*lines, "", ""]).encode() + body


def _one_line(subject: str) -> str:
    """Printable ASCII; what is not is replaced."""
    cut = subject[:_SUBJECT_MAX].encode("ascii", "replace").decode()
    return "".join(character if character.isprintable() else " " for character in cut)
