"""What reception asks of the world beyond the spool: DNS answers that prove a sender, scanners, and threads. `net` and
`app` implement.

A caller that finds its answer in the cache needs no task: `known_texts` and `known_names` never wait.
"""

from collections.abc import Awaitable, Callable
from enum import Enum
from pathlib import Path
from typing import Protocol, TypeVar

from msgspec import Struct

from outgate.mail.findings import ScanReport


class Answered(Enum):
    """How a question ended. Only DNS itself can say NONE (the name does not exist, or has no such record); REFUSED,
    SERVFAIL, a time-out or nonsense are TROUBLE, which proves nothing and passes."""

    FOUND = "found"
    NONE = "none"
    TROUBLE = "trouble"


class Texts(Struct, frozen=True, gc=False):
    """TXT records of a name, each with its strings joined; one or more with FOUND, else none.

    holds_seconds: for how long from now this may be taken for true. detail: for people, where it is not FOUND.
    """

    answered: Answered
    texts: tuple[bytes, ...] = ()
    holds_seconds: float = 0.0
    detail: str = ""


class Names(Struct, frozen=True, gc=False):
    """Forward-confirmed names of an address: lower case, A-labels, without a trailing dot, in the order of DNS.

    FOUND: at least one name is confirmed. TROUBLE: none is, and one might be once DNS answers again.
    """

    answered: Answered
    names: tuple[str, ...] = ()
    holds_seconds: float = 0.0
    detail: str = ""


class Lookups(Protocol):
    """DNS, cached by TTL. Never raises for what DNS may answer."""

    async def texts(self, name: str) -> Texts: ...

    async def confirmed_names(self, address: str) -> Names:
        """The names that PTR has for `address`, an IP address, and that have this address themselves (RFC 8601
        §2.7.3)."""

    def known_texts(self, name: str) -> Texts | None:
        """What the cache has, or None."""

    def known_names(self, address: str) -> Names | None:
        """What the cache has, or None."""


class ScanRequest(Struct, frozen=True, gc=False):
    """A message that is to be scanned, beside its content. customer_id: whose policy holds."""

    customer_id: str
    reverse_path: str
    forward_paths: tuple[str, ...]
    source: str


class Scan(Protocol):
    """One message on its way through the scanners."""

    def abandon(self) -> None:
        """Nobody waits for it any more. Idempotent, at any time."""


class Scanning(Protocol):
    """All scanners together. Never raises for what a message holds."""

    def scan(self, request: ScanRequest, content: bytes | Path, done: Callable[[ScanReport], None]) -> Scan:
        """`done` comes exactly once, unless abandoned: from within this call, or later on the loop's thread, at the
        latest after the deadline of all scanning; who has not answered then is named in `ScanReport.failed`.
        content: the octets, or the file that holds them."""


ResultT = TypeVar("ResultT")


class Threads(Protocol):
    """For what would keep the event loop too long."""

    def run(self, work: Callable[[], ResultT]) -> Awaitable[ResultT]: ...
