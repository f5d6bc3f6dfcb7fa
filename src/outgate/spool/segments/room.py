"""How much the disk can still take, as it was a moment ago, and whether the spool is well."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Final

from outgate.spool.files import Files
from outgate.spool.interface import Health, SpoolFailed

_OVERHEAD_OCTETS: Final = 64 * 1024  # of a message beside its content: the record, its block, a large file's name


_log: Final = logging.getLogger(__name__)


class Room:
    """Plain attributes that one thread writes and others read.

    under_way_octets belongs to the loop's thread: content that has been taken and not been answered for.
    no_segment: the writer could not get a segment; set and cleared by the writer thread.
    """

    def __init__(self, files: Files, directory: Path, reserve_octets: int, *, failed: Callable[[], None]) -> None:
        """failed: called once, on whichever thread found it. Raises: OSError."""
        self._files = files
        self._directory = directory
        self._reserve_octets = reserve_octets
        self._failed = failed
        self.under_way_octets = 0
        self.no_segment = False
        self.failure: SpoolFailed | None = None
        self.available_octets = files.available_octets(directory)

    def check(self) -> None:
        """Look again. Raises: OSError."""
        self.available_octets = self._files.available_octets(self._directory)

    def has_for(self, size_octets: int) -> bool:
        needed = self._reserve_octets + self.under_way_octets + size_octets + _OVERHEAD_OCTETS
        return self.failure is None and not self.no_segment and self.available_octets >= needed

    @property
    def health(self) -> Health:
        if self.failure is not None:
            return Health.FAILED
        return Health.GOOD if self.has_for(0) else Health.FULL

    def fail(self, error: Exception) -> SpoolFailed:
        """For the rest of this process. The first failure is the one that is told."""
        failure = self.failure
        if failure is None:
            failure = self.failure = SpoolFailed(f"the spool {self._directory} has failed: {error!r}")
            _log.critical("%s", failure, exc_info=error)
            self._failed()
        return failure
