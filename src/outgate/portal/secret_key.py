"""The installation's secret, which signs what the portal gives out: made on first use, kept in the state directory."""

import os
import secrets
from pathlib import Path
from typing import Final

FILE_NAME: Final = "secret-key"
ENTROPY_OCTETS: Final = 48


def secret_key(directory: Path) -> str:
    """The secret of the installation whose state is in `directory`. Losing it ends all sessions, nothing else.

    Raises: OSError, if it can neither be read nor made.
    """
    path = directory / FILE_NAME
    try:
        return path.read_text("ascii")
    except FileNotFoundError:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Written aside and linked: of two processes that start together the first one's secret becomes that of both, and
    # none reads a half-written one.
    draft = directory / f"{FILE_NAME}.{os.getpid()}"
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_urlsafe(ENTROPY_OCTETS))
            file.flush()
            os.fsync(file.fileno())
        path.hardlink_to(draft)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
    return path.read_text("ascii")
