"""What the server session tells its driver, which decides and gives one `Reply` for each event that asks for one.

The session answers by itself all that needs no decision: HELO, EHLO, NOOP, RSET, VRFY, HELP, QUIT, and every error of
syntax or order.

Each has its `__init__` by hand: the one that a dataclass writes is never compiled, and takes four times as long.
"""

from dataclasses import dataclass
from enum import Enum

from outgate.mail.address import ForwardPath, ReversePath


class Body(Enum):
    """RFC 6152 §2. BINARYMIME is not offered."""

    SEVEN_BIT = "7BIT"
    EIGHT_BIT_MIME = "8BITMIME"


@dataclass(slots=True, init=False)
class MailReceived:
    """MAIL with good syntax, in order. Wants a reply; a positive one opens the transaction.

    size_octets: what SIZE declared (RFC 1870), already held against the session's limit; None if it was not given.
    """

    reverse_path: ReversePath
    size_octets: int | None
    body: Body
    smtputf8: bool

    def __init__(self, reverse_path: ReversePath, size_octets: int | None, body: Body, smtputf8: bool) -> None:
        self.reverse_path = reverse_path
        self.size_octets = size_octets
        self.body = body
        self.smtputf8 = smtputf8


@dataclass(slots=True, init=False)
class RecipientReceived:
    """RCPT within the limit of recipients. Wants a reply; the session remembers whether it was positive."""

    forward_path: ForwardPath

    def __init__(self, forward_path: ForwardPath) -> None:
        self.forward_path = forward_path


@dataclass(slots=True, init=False)
class ContentRequested:
    """DATA, or the first BDAT, after at least one accepted recipient. Wants a reply: 354 lets the content come (BDAT
    has no 354 on the wire; the session knows), anything else refuses it, and a refused chunk is read and dropped."""

    chunking: bool

    def __init__(self, chunking: bool) -> None:
        self.chunking = chunking


@dataclass(slots=True, init=False)
class ContentReceived:
    """The next octets of the content, dots un-stuffed (RFC 5321 §4.5.2), exactly as they came otherwise.

    is_last: the content is complete and wants a reply; then `bare_line_ending` says that a CR or LF stood alone
    (only by BDAT: in DATA the session refuses it by itself), `ends_with_crlf` that its last line is complete.
    A large message comes in many events; none but the last wants a reply.
    """

    octets: bytes
    is_last: bool
    bare_line_ending: bool
    ends_with_crlf: bool

    def __init__(
        self,
        octets: bytes,
        is_last: bool,
        bare_line_ending: bool = False,
        ends_with_crlf: bool = True,
    ) -> None:
        self.octets = octets
        self.is_last = is_last
        self.bare_line_ending = bare_line_ending
        self.ends_with_crlf = ends_with_crlf


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
