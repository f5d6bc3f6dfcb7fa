"""Which messages are being tried, in a file that is mapped into memory: it outlives a process that is killed.

One slot of a cache line's quarter for each try. Storing into the mapping costs no system call and no flush: the page
cache has it, whatever becomes of the process. A machine that crashes may lose it, and then no message is suspected.

Why: a message that ends the worker must be found. See `delivery.suspects`.
"""

import mmap
import os
from pathlib import Path
from typing import Final

from outgate.mail.message import QueueId

SLOTS: Final = 4096  # more than there are connections to next hops; tries beyond are not noted
SLOT_OCTETS: Final = 16
ID_OCTETS: Final = 13  # of a queue id; an empty slot begins with zero


class TryTable:
    """A `Tries` of delivery. Everything on one thread."""

    def __init__(self, path: Path) -> None:
        """Open it, or make it. Raises: OSError."""
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            # With its place on the disk: a store into a hole would end the process when the disk is full.
            os.posix_fallocate(descriptor, 0, SLOTS * SLOT_OCTETS)
            self._map = mmap.mmap(descriptor, SLOTS * SLOT_OCTETS)
        finally:
            os.close(descriptor)
        self._left = self._read()
        used = set(self._left.values())
        self._free = [slot for slot in reversed(range(SLOTS)) if slot not in used]

    def _read(self) -> dict[QueueId, int]:
        left = {}
        for slot in range(SLOTS):
            octets = self._map[slot * SLOT_OCTETS : slot * SLOT_OCTETS + ID_OCTETS]
            if octets[0] and octets.isascii():
                left[octets.decode()] = slot
        return left

    def left(self) -> dict[QueueId, int]:
        return dict(self._left)

    def begin(self, queue_id: QueueId) -> int:
        if not self._free or len(queue_id) != ID_OCTETS:
            return -1
        slot = self._free.pop()
        at = slot * SLOT_OCTETS
        self._map[at : at + ID_OCTETS] = queue_id.encode("ascii")
        return slot

    def end(self, slot: int) -> None:
        if slot >= 0:
            self._map[slot * SLOT_OCTETS] = 0
            self._free.append(slot)

    def close(self) -> None:
        self._map.close()


class NoTries:
    """Where there is no table: nothing is noted, nobody suspected."""

    def begin(self, queue_id: QueueId) -> int:  # noqa: ARG002  # the protocol's
        return -1

    def end(self, slot: int) -> None: ...

    def left(self) -> dict[QueueId, int]:
        return {}
