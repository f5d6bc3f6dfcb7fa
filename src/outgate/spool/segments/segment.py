"""One segment of the log in use, and what stands in it."""

import re
import threading
from pathlib import Path
from typing import Final

from msgspec import Struct

from outgate.mail.message import Progress, QueueId
from outgate.spool.records import Generation, LargeReference

_NAME: Final = re.compile(r"([0-9]{16})-([0-9a-f]{16})\.segment").fullmatch


class Segment:
    """A file in one generation. The writer thread owns it; readers pin it from any thread.

    entries: the live messages whose record stands here, in the order of the log. is_worn: some of it could not be read,
    so that the file is kept for a person when the log lets go of it. The descriptor is closed by whoever
    comes last: the log, when it retires the segment, or the last reader.
    """

    __slots__ = (
        "_is_retired",
        "_lock",
        "_pins",
        "descriptor",
        "entries",
        "generation",
        "is_worn",
        "live_octets",
        "path",
        "size_octets",
    )

    def __init__(self, generation: Generation, path: Path, descriptor: int, size_octets: int) -> None:
        self.generation = generation
        self.path = path
        self.descriptor = descriptor
        self.size_octets = size_octets
        self.entries: dict[Entry, None] = {}
        self.live_octets = 0
        self.is_worn = False
        self._lock = threading.Lock()
        self._pins = 0
        self._is_retired = False

    def pin(self) -> bool:
        """Keep the octets as they are until `unpin`. False if the log has let go of them: they are elsewhere now."""
        with self._lock:
            self._pins += not self._is_retired
            return not self._is_retired

    def unpin(self) -> bool:
        """Returns whether the descriptor is the caller's to close."""
        with self._lock:
            self._pins -= 1
            return self._is_retired and not self._pins

    def retire(self) -> bool:
        """No pins from now on. Returns whether file and descriptor are the caller's: False if readers have them."""
        with self._lock:
            self._is_retired = True
            return not self._pins


class Location(Struct, frozen=True, eq=False, gc=False):
    """Where a message's record stands. octets: with alignment. content_octets: at the end of the record, if inline."""

    segment: Segment
    offset: int
    octets: int
    content_octets: int


class Entry(Struct, eq=False, gc=False):
    """A message that is not finished.

    The loop's thread makes it and reads `location` and `reference`; the rest belongs to the writer thread, which sets
    `location` once the record is written, and again when it has been copied forward. progress: the latest that was
    *written*, which is what a copy must carry; None is fresh.
    """

    queue_id: QueueId
    location: Location | None = None
    reference: LargeReference | None = None
    progress: Progress | None = None


def segment_name(generation: Generation) -> str:
    return f"{generation.number:016}-{generation.tag.hex()}.segment"


def generation_of(name: str) -> Generation | None:
    """The generation that a file's name declares, None for other files."""
    match = _NAME(name)
    return Generation(int(match[1]), bytes.fromhex(match[2])) if match else None
