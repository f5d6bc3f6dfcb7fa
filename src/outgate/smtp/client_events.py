"""What the client session tells its driver, and the replies that it makes up itself where the next hop gives none.

Reasons are codes of the catalogue (`policy.reasons`), as plain strings: this package does not import that one.
"""

from typing import Final

from msgspec import Struct

from outgate.mail.message import ContentNeeds
from outgate.mail.reply import Reply
from outgate.smtp.extensions import Extensions

CONNECTION_LOST: Final = "connection-lost"
LACKS_EXTENSION: Final = "next-hop-lacks-extension"
NEXT_HOP_REFUSED: Final = "next-hop-refused"
NEXT_HOP_TLS: Final = "next-hop-tls"
RELAY_LOGIN: Final = "relay-login"


class Ready(Struct, frozen=True):
    """Greeted, EHLO done, TLS as far as wanted: transactions may begin."""


class TlsAgreed(Struct, frozen=True):
    """The next hop has answered STARTTLS with 220. The driver reads nothing more in clear, does the handshake and calls
    `tls_established`, or drops the connection."""


class Rejected(Struct, frozen=True):
    """There will be no transaction; the driver drops the connection. reason: empty if `reply` is the next hop's."""

    reply: Reply
    reason: str = ""


class ContentWanted(Struct, frozen=True):
    """A transaction that was begun without its content is ready for it: the driver calls `send_content`."""


class TransactionEnded(Struct, frozen=True):
    """One reply for each forward-path, in order.

    reason: empty if all replies are the next hop's, else why they are not. is_heard: False if the connection ended
    before the next hop said anything to this transaction, or anything but 421, as when it had enough of a kept one.
    """

    replies: tuple[Reply, ...]
    reason: str = ""
    is_heard: bool = True


Event = Ready | TlsAgreed | Rejected | ContentWanted | TransactionEnded


def connection_lost(stage: str) -> Reply:
    """RFC 5321 §3.8: a connection that ends counts as 451."""
    return Reply(451, "4.4.2", f"{CONNECTION_LOST}: the connection to the next hop ended {stage}")


def silent(stage: str) -> Reply:
    """RFC 5321 §4.5.3.2: the wait is over."""
    return Reply(451, "4.4.2", f"{CONNECTION_LOST}: the next hop fell silent {stage}")


def no_reply(garbled: bytes, stage: str) -> Reply:
    shown = garbled.decode("ascii", "replace")
    shown = "".join(character if character.isprintable() else "?" for character in shown)
    return Reply(451, "4.5.0", f"{CONNECTION_LOST}: the next hop sent no SMTP reply {stage}, but: {shown}")


def too_large(size_octets: int, size_max: int) -> Reply:
    """RFC 1870 §6.1: what the next hop would refuse is not sent."""
    return Reply(
        552, "5.3.4", f"{NEXT_HOP_REFUSED}: the message has {size_octets} octets, the next hop takes {size_max}"
    )


UNSENDABLE_PATH: Final = Reply(553, "5.1.3", f"{NEXT_HOP_REFUSED}: an address has control characters in it")
TLS_NOT_OFFERED: Final = Reply(451, "4.7.4", f"{NEXT_HOP_TLS}: TLS is required and the next hop does not offer it")
TLS_REFUSED: Final = Reply(451, "4.7.4", f"{NEXT_HOP_TLS}: TLS is required and the next hop refused to begin it")
TLS_INJECTION: Final = Reply(451, "4.7.5", f"{NEXT_HOP_TLS}: plain text came behind the reply to STARTTLS")

# A login is a setting to be mended, no reason to return anybody's mail: always for now. RFC 4954 §6.
LOGIN_NOT_OFFERED: Final = Reply(
    451, "4.7.0", f"{RELAY_LOGIN}: a login is set for the relay, and it offers neither AUTH PLAIN nor AUTH LOGIN"
)


def login_refused(reply: Reply) -> Reply:
    """reply: the next hop's, which may say anything."""
    return Reply(451, "4.7.8", f"{RELAY_LOGIN}: the relay does not take the login: {reply}")


LACKS_SMTPUTF8: Final = Reply(
    550, "5.6.7", f"{LACKS_EXTENSION}: the message needs SMTPUTF8, which the next hop does not offer"
)
LACKS_CHUNKING: Final = Reply(
    550,
    "5.6.1",
    f"{LACKS_EXTENSION}: the content has bare line endings, or a NUL before a dot, and so needs CHUNKING, which the "
    "next hop does not offer",
)
LACKS_8BITMIME: Final = Reply(
    550, "5.6.3", f"{LACKS_EXTENSION}: the content is 8-bit and needs 8BITMIME, which the next hop does not offer"
)


def lacking(needs: int, extensions: Extensions) -> Reply | None:
    """The refusal of content whose `needs` (bits of `ContentNeeds`) are not met; nothing is ever converted."""
    if needs & ContentNeeds.UTF8 and not extensions.smtputf8:
        return LACKS_SMTPUTF8
    if needs & ContentNeeds.CHUNKING and not extensions.chunking:
        return LACKS_CHUNKING
    if needs & ContentNeeds.EIGHT_BIT and not extensions.eight_bit_mime:
        return LACKS_8BITMIME
    return None
