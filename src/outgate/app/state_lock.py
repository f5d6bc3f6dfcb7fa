"""Who works on a state directory: one supervisor, or one restore, and nobody beside it.

The lock is the kernel's and ends with the process that holds it, however that ends.
"""

import fcntl
import os
from typing import Final

from outgate.app.configuration import Configuration

FILE_NAME: Final = "supervisor.lock"  # in run/
_TEXT_MAX: Final = 100  # octets


class StateInUse(Exception):
    """Another process holds the lock. The text names it."""


def hold_state(configuration: Configuration, purpose: str) -> int:
    """A descriptor that holds the lock until it is closed. purpose: for the one who finds it held.

    Raises: StateInUse, OSError.
    """
    path = configuration.state_directory / "run" / FILE_NAME
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{purpose}, process {os.getpid()}".encode(), 0)
    except OSError as error:
        holder = os.pread(descriptor, _TEXT_MAX, 0).decode("utf-8", "replace")
        os.close(descriptor)
        if isinstance(error, BlockingIOError):
            raise StateInUse(f"{configuration.state_directory} is in use by {holder or 'another process'}") from error
        raise
    return descriptor
