"""The installation's secret, which signs what the portal gives out, and seals second factors and the customers' keys of
held mail: made on first use and kept in the state directory, or given by the operator, the same for all nodes that
share a database."""

import os
import secrets
from pathlib import Path
from typing import Final

from outgate.portal.environment import BadEnvironment

FILE_NAME: Final = "secret-key"
ENTROPY_OCTETS: Final = 48
GIVEN_MIN: Final = 32  # characters


def installation_secret(directory: Path, given: str) -> str:
    """given: path of the operator's own; empty is that of the state directory. Raises: OSError, BadEnvironment."""
    return given_secret_key(Path(given)) if given else secret_key(directory)


def former_secret_keys(directory: Path, given: str) -> list[str]:
    """What was in force before the operator gave one. Raises: OSError."""
    former = former_secret_key(directory) if given else ""
    return [former] if former else []


def former_secret_key(directory: Path) -> str:
    """What is in the state directory beside a secret of the operator's; empty if nothing is."""
    try:
        return (directory / FILE_NAME).read_text("ascii")
    except FileNotFoundError:
        return ""


def given_secret_key(path: Path) -> str:
    """The operator's own. Raises: OSError, BadEnvironment."""
    secret = path.read_text("utf-8").strip()
    if len(secret) < GIVEN_MIN:
        raise BadEnvironment(f"{path} holds {len(secret)} characters. Write at least {GIVEN_MIN} random ones into it.")
    return secret


def secret_key(directory: Path) -> str:
    """The secret of the installation whose state is in `directory`. Losing it ends all sessions, and makes
    authenticator apps, recovery codes and held mail unreadable; passwords and passkeys stay good.

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
