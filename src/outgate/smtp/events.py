"""What the server session tells its driver, which decides and gives one `Reply` for each event that asks for one.

The session answers by itself all that needs no decision: HELO, EHLO, NOOP, RSET, VRFY, HELP, QUIT, and every error of
syntax or order.
"""

from dataclasses import dataclass
from enum import Enum

from outgate.mail.address import ForwardPath, ReversePath


class Body(Enum):
    """RFC 6152 §2. BINARYMIME is not offered."""

    SEVEN_BIT = "7BIT"
    EIGHT_BIT_MIME = "8BITMIME"


@dataclass(slots=True)
class MailReceived:
    """MAIL with good syntax, in order. Wants a reply; a positive one opens the transaction.

    size_octets: what SIZE declared (RFC 1870), already held against the session's limit; None if it was not given.
    """

    reverse_path: ReversePath
    size_octets: int | None
    body: Body
    smtputf8: bool


@dataclass(slots=True)
class RecipientReceived:
    """RCPT within the limit of recipients. Wants a reply; the session remembers whether it was positive."""

    forward_path: ForwardPath


@dataclass(slots=True)
class ContentRequested:
    """DATA, or the first BDAT, after at least one accepted recipient. Wants a reply: 354 lets the content come (BDAT
    has no 354 on the wire; the session knows), anything else refuses it, and a refused chunk is read and dropped."""

    chunking: bool


@dataclass(slots=True)
class ContentReceived:
    """The next octets of the content, dots un-stuffed (RFC 5321 §4.5.2), exactly as they came otherwise.

    is_last: the content is complete and wants a reply; then `bare_line_ending` says that a CR or LF stood alone
    (only by BDAT: in DATA the session refuses it by itself), `ends_with_crlf` that its last line is complete.
    A large message comes in many events; none but the last wants a reply.
    """

    octets: bytes
    is_last: bool
    bare_line_ending: bool = False
    ends_with_crlf: bool = True


@dataclass(slots=True)
class TransactionEnded:
    """Whatever was under way is void: RSET, EHLO, a refused or broken content, the peer went away. Wants no reply.

    reason: empty, or the code of the catalogue for which the session itself refused the content
    ("bare-line-ending", "message-too-large").
    """

    reason: str = ""


@dataclass(slots=True)
class TlsRequested:
    """STARTTLS. Wants a reply; after a 220 the session is deaf and dumb until `tls_established`, and forgets every
    octet that came in clear behind the command. RFC 3207 §4.2."""


Event = MailReceived | RecipientReceived | ContentRequested | ContentReceived | TransactionEnded | TlsRequested
