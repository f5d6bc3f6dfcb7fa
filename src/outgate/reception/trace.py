"""The Received line that goes out in front of each message. RFC 5321 §4.4, RFC 3848, RFC 6531 §3.7.3. Pure.

There is no `for` clause: it would show a blind copy's recipient to others (RFC 5321 §7.6).
"""

from datetime import UTC, datetime
from email.utils import format_datetime
from functools import lru_cache

from outgate.mail.message import QueueId


@lru_cache(maxsize=64)
def date_time(second: int) -> str:
    """RFC 5322 §3.3 date-time, UTC, of a whole second since the epoch. One second's messages share one."""
    return format_datetime(datetime.fromtimestamp(second, UTC))


def protocol(*, is_extended: bool, tls: str, is_utf8: bool) -> str:
    """The `with` keyword: SMTP, ESMTP, ESMTPS, UTF8SMTP, UTF8SMTPS."""
    if is_utf8:
        return "UTF8SMTPS" if tls else "UTF8SMTP"
    if not is_extended:
        return "SMTP"
    return "ESMTPS" if tls else "ESMTP"


def received_line(
    *, hello_name: str, address: str, host_name: str, with_protocol: str, tls: str, queue_id: QueueId, at: float
) -> bytes:
    """One folded Received field with its CR LF. `hello_name` has passed the session's grammar: no control octets."""
    literal = f"[IPv6:{address}]" if ":" in address else f"[{address}]"
    secured = f"\r\n\t({tls})" if tls else ""
    line = (
        f"Received: from {hello_name} ({literal}){secured}\r\n"
        f"\tby {host_name} with {with_protocol} id {queue_id};\r\n\t{date_time(int(at))}\r\n"
    )
    return line.encode("utf-8")
