"""The log: one JSON object a line, written behind the event loop's back.

Lines are collected and written by a thread of its own every `FLUSH_SECONDS`, so that a slow disk or a full pipe never
stops mail. A log that cannot be written is counted, never fatal. No content and no subject is ever logged.
"""

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec

from outgate.app.log_rotation import Rotation

FLUSH_SECONDS: Final = 0.2  # between two writes: what a crash may cost the log
PENDING_MAX: Final = 100_000  # lines in memory; beyond it lines are dropped and counted

_encoder = msgspec.json.Encoder()


def rounded(seconds: float, steps: int) -> float:
    """`seconds`, which are not negative, to one of so many steps a second: as `round`, in a tenth of the time."""
    return int(seconds * steps + 0.5) / steps


class Log(Protocol):
    """Where processes write what happened. `event` is a short kebab-case name; fields are plain values."""

    def write(self, event: str, **fields: Any) -> None: ...


class LogFile:
    """A log file (or standard output). The file is opened anew when it was moved away, so that rotation needs nothing
    but a rename: by `rotation`, or by logrotate."""

    def __init__(
        self,
        path: Path | None,
        process: str,
        now: Callable[[], float] = time.time,
        *,
        rotation: Rotation | None = None,
    ) -> None:
        self._path = path
        self._rotation = rotation
        self._process = process
        self._now = now
        self._lines: list[bytes] = []
        self._wake = threading.Event()
        self._is_closing = False
        self.dropped = 0
        self._writer = threading.Thread(target=self._run, name="log", daemon=True)
        self._writer.start()

    def write(self, event: str, **fields: Any) -> None:
        if len(self._lines) >= PENDING_MAX:
            self.dropped += 1
            return
        fields["at"] = rounded(self._now(), 1_000)
        fields["process"] = self._process
        fields["event"] = event
        self._lines.append(_encoder.encode(fields))

    def write_struct(self, line: msgspec.Struct) -> None:
        """The same for what is logged so often that a dictionary is too dear: `line` has `at`, `process`, `event`."""
        if len(self._lines) >= PENDING_MAX:
            self.dropped += 1
            return
        self._lines.append(_encoder.encode(line))

    def close(self) -> None:
        """Write what is there. Idempotent."""
        self._is_closing = True
        self._wake.set()
        self._writer.join()

    def _run(self) -> None:
        descriptor = -1
        while not self._is_closing:
            self._wake.wait(FLUSH_SECONDS)
            descriptor = self._flush(descriptor)
        descriptor = self._flush(descriptor)
        if descriptor >= 0 and self._path is not None:
            os.close(descriptor)

    def _flush(self, descriptor: int) -> int:
        lines = self._lines[:]  # copied and cut in two steps, each whole: what is appended between them stays
        if not lines:
            return descriptor
        del self._lines[: len(lines)]
        try:
            descriptor = self._current(descriptor)
            data = memoryview(b"\n".join(lines) + b"\n")
            while data:
                written = os.write(descriptor, data)  # within the slice's bounds mypyc would write twice
                data = data[written:]
        except OSError:
            self.dropped += len(lines)
        else:
            if self._rotation is not None and self._path is not None:
                with contextlib.suppress(OSError):
                    self._rotation.look_after(self._path, descriptor)
        return descriptor

    def _current(self, descriptor: int) -> int:
        """The descriptor of the file that stands under our path now."""
        if self._path is None:
            return sys.stdout.fileno()
        if descriptor >= 0:
            try:
                ours, theirs = os.fstat(descriptor), self._path.stat()
                if (ours.st_dev, ours.st_ino) == (theirs.st_dev, theirs.st_ino):
                    return descriptor
            except OSError:
                pass
        # Made with the first line and not before: by then the process has the account that it is to run as.
        self._path.parent.mkdir(parents=True, exist_ok=True)
        fresh = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o640)
        if descriptor >= 0:
            os.close(descriptor)  # not sooner: were there no fresh one, its number would be somebody else's next
        return fresh
