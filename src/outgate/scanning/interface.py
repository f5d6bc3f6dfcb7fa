"""What a scanner gets and gives.

A scanner looks at a message that has been taken apart (`scanning.message`), and yields findings. It takes no decision,
keeps nothing from one message to the next, reads no clock, no disk and no network; what it needs of the customer is in
its `Context`. It may raise `Unscannable`, and only that: whatever else it raises is our bug, which the process that
runs it reports as `Category.UNSCANNABLE`. A peer chooses every octet that it sees.
"""

from collections.abc import Iterable
from typing import Protocol

from msgspec import Struct

from outgate.contract.scanning import NO_SCANNING, ScanPolicy
from outgate.mail.findings import Finding
from outgate.scanning.message import Part, Readable, ScannedMessage


class Unscannable(Exception):
    """This cannot be looked into. name, detail, place: as of a `Finding`."""

    def __init__(self, name: str, detail: str = "", place: str = "") -> None:
        super().__init__(name)
        self.name, self.detail, self.place = name, detail, place


class Context(Struct, frozen=True):
    """What is known of the message beside its content. domains: all of the customer's, canonical. source: the address
    that it came from."""

    reverse_path: str
    forward_paths: tuple[str, ...]
    domains: frozenset[str] = frozenset()
    source: str = ""
    policy: ScanPolicy = NO_SCANNING


class Reader(Protocol):
    """Is asked before all scanners, and gives them more to look at: links that stand where no text does, and the files
    in a document. name, version: as of a scanner."""

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str: ...

    def read(self, message: ScannedMessage, context: Context) -> Iterable[Finding | Readable | Part]: ...


class Scanner(Protocol):
    """name: stable, such as "office"; it stands in findings. version: changes with what it finds."""

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> str: ...

    def scan(self, message: ScannedMessage, context: Context) -> Iterable[Finding]: ...
