"""Puts a log aside when it has grown: outgate.log becomes outgate.log.1, that .2, and so on; the oldest is dropped.

Several processes write to one log, and any of them may be the one that puts it aside: who does it holds the lock of the
file, and the others find at their next line that another file stands under its name (`log`). A line that they write to
the old one before that stands in .1; none is lost.
"""

import contextlib
import fcntl
import itertools
import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Rotation:
    """octets: size from which on a file is put aside. kept: how many that were put aside are kept, at least 1.

    All files together take at most `octets * (kept + 1)`, and what the processes write in one `log.FLUSH_SECONDS`.
    """

    octets: int
    kept: int

    def look_after(self, path: Path, descriptor: int) -> None:
        """Put the file behind `descriptor`, which was opened as `path`, aside if it is time. Blocking, for some system
        calls. Raises: OSError; the log goes on in the file as it is."""
        if os.fstat(descriptor).st_size < self.octets:
            return
        with contextlib.suppress(BlockingIOError):  # another process is just doing it
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            try:
                if os.path.samestat(os.fstat(descriptor), path.stat()):
                    self._put_aside(path)
            finally:
                fcntl.flock(descriptor, fcntl.LOCK_UN)

    def _put_aside(self, path: Path) -> None:
        for number in itertools.count(self.kept):  # more than one, if fewer are to be kept than before
            try:
                _numbered(path, number).unlink()
            except FileNotFoundError:
                if number > self.kept:
                    break
        for number in range(self.kept - 1, 0, -1):
            with contextlib.suppress(FileNotFoundError):
                _numbered(path, number).rename(_numbered(path, number + 1))
        path.rename(_numbered(path, 1))


def _numbered(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.{number}")
