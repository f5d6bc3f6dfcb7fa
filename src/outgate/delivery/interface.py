"""What delivery asks of the world: connections to next hops, DNS, threads, time. `net` implements.

The hot path uses callbacks, not tasks: `send` ends with one call of `done` on the event loop's thread.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol, TypeVar

from msgspec import Struct

from outgate.contract.policy import Login, RelayTls
from outgate.mail.address import ForwardPath, ReversePath
from outgate.mail.message import QueueId
from outgate.mail.reply import Reply
from outgate.policy.reasons import Reason
from outgate.spool.interface import ContentReader


class Lookup(Enum):
    """How a DNS question ended. Only these two end a delivery for good: the name does not exist, or says it takes no
    mail. REFUSED, SERVFAIL, a time-out or nonsense are TROUBLE: come again. RFC 5321 §5.1, RFC 7505."""

    FOUND = "found"
    NO_SUCH_NAME = "no-such-name"  # NXDOMAIN, or neither MX nor address records
    NULL_MX = "null-mx"
    TROUBLE = "trouble"


@dataclass(frozen=True, slots=True)
class MailExchangers:
    """hosts: names in the order to try, equal preferences shuffled; the name itself when there is no MX record."""

    lookup: Lookup
    hosts: tuple[str, ...] = ()
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Addresses:
    lookup: Lookup
    addresses: tuple[str, ...] = ()
    detail: str = ""


class Resolver(Protocol):
    """DNS, cached by TTL. Never raises for what DNS may answer."""

    async def mail_exchangers(self, domain: str) -> MailExchangers: ...

    async def addresses(self, host: str) -> Addresses:
        """A and AAAA of `host`; an IP address stands for itself."""


@dataclass(frozen=True, slots=True)
class NextHop:
    """Where connections go: one key of the connection pool. Candidates are tried in order.

    name: what people read, such as "mx.example" or "relay.example:2525". hosts: names or addresses to look up.
    from_operator: configured by customer or operator (sender relay), not found by DNS. login: said on each connection.
    """

    name: str
    hosts: tuple[str, ...]
    port: int
    tls: RelayTls
    from_operator: bool = False
    login: Login | None = None


class Unreachable(Exception):
    """No connection that is ready for MAIL could be had. reply: the peer's greeting or EHLO reply, if it came so far,
    or a local one (4yz, or 5yz when it can never be) with a reason code in its text. next_hop: whose it is, if known.
    """

    def __init__(self, reply: Reply, next_hop: str = "", reason: Reason = Reason.NEXT_HOP_UNREACHABLE) -> None:
        super().__init__(str(reply))
        self.reply = reply
        self.next_hop = next_hop
        self.reason = reason


class Transaction(Struct, frozen=True):
    """One message to one hop. trace goes out in front of the content; content: its octets, or a reader for large or
    cold ones, which the connection reads off the loop and does not close. needs: bits of `ContentNeeds`. fingerprint:
    of the content as it came; where it is given, no next hop gets other content to its end."""

    reverse_path: ReversePath
    forward_paths: Sequence[ForwardPath]
    trace: bytes
    content: bytes | ContentReader
    needs: int
    fingerprint: bytes = b""


class TransactionResult(Struct, frozen=True):
    """One reply for each forward-path, in order: the peer's, or a local one where the connection ended or the peer
    lacks what the content needs (5.6.3, 5.6.7, 5.6.1). A positive reply means: the next hop has taken responsibility.

    peer: "host [address]". tls: protocol and cipher, or empty. reason: code of the catalogue where a reply is local,
    else empty. is_heard: False if the connection ended before the peer said anything to this transaction, or anything
    but 421, as when it had enough of a kept connection; then a new connection at once is right.
    """

    replies: tuple[Reply, ...]
    peer: str
    tls: str
    reason: str = ""
    is_heard: bool = True


class HopConnection(Protocol):
    """A connection after EHLO (and TLS, as far as wanted), which takes one transaction at a time."""

    @property
    def is_usable(self) -> bool:
        """Idle, open, and not told 421; only then may `send` be called."""

    @property
    def transactions(self) -> int:
        """How many were begun on it."""

    def send(self, transaction: Transaction, done: Callable[[TransactionResult], None]) -> None:
        """Relay it. `done` is called exactly once, whatever happens; never from within `send`."""

    def close(self) -> None:
        """QUIT if idle, else drop. Idempotent."""

    def when_closed(self, callback: Callable[[], None]) -> None:
        """`callback` is called once when the connection is gone for whatever reason, after any `done`."""


class Connector(Protocol):
    async def connect(self, next_hop: NextHop) -> HopConnection:
        """Raises: Unreachable."""


ResultT = TypeVar("ResultT")


class Threads(Protocol):
    """For what blocks, such as reading cold content."""

    def run(self, work: Callable[[], ResultT]) -> Awaitable[ResultT]: ...


class Tries(Protocol):
    """Notes which messages are being tried, so that it survives the end of this process, however that comes, but not
    necessarily of the machine. Costs no flush and no system call."""

    def begin(self, queue_id: QueueId) -> int:
        """Note it; returns the slot to be given to `end`, -1 if there is none left."""

    def end(self, slot: int) -> None:
        """Its end was seen. -1 does nothing."""

    def left(self) -> dict[QueueId, int]:
        """What an earlier process had not ended, with its slots; these stay noted until `end`."""


class Clock(Protocol):
    def now(self) -> float:
        """Seconds since the epoch."""

    def monotonic(self) -> float: ...

    def stopwatch(self) -> float:
        """Seconds from some point, exact within one callback too, where `monotonic` may stand still."""

    def call_at(self, monotonic: float, callback: Callable[[], None]) -> Callable[[], None]:
        """Call back once at that time; returns what cancels it."""
