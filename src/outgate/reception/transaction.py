"""One message on its way in, as far as it has come."""

from collections.abc import Sequence, Set

from outgate.mail.address import ForwardPath
from outgate.mail.fingerprint import Fingerprint
from outgate.mail.message import ContentNeeds, QueueId
from outgate.policy.admission import SenderStanding
from outgate.policy.header import HEADER_MAX, HeaderFacts
from outgate.policy.reasons import Reason
from outgate.reception.gathering import Gathering
from outgate.reception.interface import Scan
from outgate.reception.signatures import Results
from outgate.smtp.events import ContentReceived
from outgate.spool.interface import LargeContent, SpoolError


class Transaction:
    """One message on its way in. RFC 5321 §3.3."""

    __slots__ = (
        "candidates",
        "failure",
        "fingerprint",
        "forward_paths",
        "gathering",
        "has_hidden_dot",
        "head",
        "held_octets",
        "is_ascii",
        "is_head_complete",
        "large",
        "pieces",
        "queue_id",
        "reason",
        "refused",
        "reported",
        "sender",
        "size_octets",
        "smtputf8",
    )

    def __init__(self, queue_id: QueueId, sender: SenderStanding, *, smtputf8: bool) -> None:
        self.queue_id = queue_id
        self.sender = sender
        self.smtputf8 = smtputf8
        self.forward_paths: list[ForwardPath] = []
        self.candidates: Set[str] | None = None
        self.reason = Reason.DOMAIN_OWN
        self.pieces: list[bytes] = []
        self.size_octets = 0
        self.is_ascii = True
        self.has_hidden_dot = False  # a NUL before a dot: who drops NULs would see a line with a dot alone
        self.head = b""
        self.is_head_complete = False
        self.held_octets = 0  # as the room counts them
        self.large: LargeContent | None = None
        self.failure: SpoolError | None = None  # the spool could not take it: it is read to its end and refused
        self.reported = 0  # events of refusal so far
        self.refused: dict[Reason, tuple[str, list[str]]] | None = None  # by reason: the reply, and to whom
        self.fingerprint: Fingerprint | None = None  # of large content, so far
        self.gathering: Gathering | None = None  # of large content that has to be proven or has a signature

    def add_to_head(self, octets: bytes) -> bool:
        """Keep what `read_header` wants of content that streams past: up to the empty line, and one octet too many.
        Returns whether that is all."""
        head = self.head + octets[: HEADER_MAX + 1 - len(self.head)]
        end = 0 if head.startswith(b"\r\n") else head.find(b"\r\n\r\n") + 2
        if end != 1:
            head = head[: end + 2]
        self.head = head
        self.is_head_complete = end != 1 or len(head) > HEADER_MAX
        return self.is_head_complete

    def needs(self, event: ContentReceived, header: HeaderFacts) -> int:
        """What a next hop must offer for it, as bits of `ContentNeeds`."""
        needs = 0 if self.is_ascii else int(ContentNeeds.EIGHT_BIT)
        if event.bare_line_ending or not event.ends_with_crlf or self.has_hidden_dot:
            needs |= ContentNeeds.CHUNKING
        if self.needs_utf8(header, self.forward_paths):
            needs |= ContentNeeds.UTF8
        return needs

    def needs_utf8(self, header: HeaderFacts, forward_paths: Sequence[ForwardPath]) -> bool:
        """RFC 6531 §3.4: an internationalised address in the envelope, or raw UTF-8 in a header that declared itself
        so."""
        if self.sender.reverse_path.is_utf8 or (self.smtputf8 and header.has_non_ascii):
            return True
        return any(path.is_utf8 for path in forward_paths)


class Arrived:
    """A transaction whose content is complete, until it is decided. hot: the content, if it is in memory, else in
    `transaction.large`. needs: bits of `ContentNeeds`. found: what was gathered, if that came at once. scan: its way
    through the scanners, once begun."""

    __slots__ = ("found", "head", "header", "hot", "is_answering", "needs", "scan", "transaction")

    def __init__(
        self, transaction: Transaction, header: HeaderFacts, head: bytes, hot: bytes | None, needs: int
    ) -> None:
        self.transaction = transaction
        self.header = header
        self.head = head
        self.hot = hot
        self.needs = needs
        self.is_answering = False
        self.found: tuple[Results, tuple[str, ...]] | None = None
        self.scan: Scan | None = None

    @property
    def content(self) -> bytes | LargeContent:
        if self.hot is not None:
            return self.hot
        assert self.transaction.large is not None
        return self.transaction.large


class MemoryShort(SpoolError):
    """Other than the spool's own, but the end of the message in the same way."""


class Stumbled(SpoolError):
    """The same: our own code raised over the content."""
