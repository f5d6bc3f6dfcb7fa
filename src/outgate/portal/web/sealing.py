"""Secrets of second factors are sealed in the database, see `sealed_secrets`.

What was written before there was this is read as it stands, and sealed when it is next used: it is base32 or
hexadecimal, which no sealed secret is.
"""

from collections.abc import Sequence
from typing import Final

from outgate.portal import sealed_secrets
from outgate.portal.sealed_secrets import Unreadable, is_sealed

__all__ = ("Unreadable", "is_sealed", "seal", "unseal")

_PURPOSE: Final = b"outgate second factors 1"


def seal(text: str, secret_key: str) -> str:
    return sealed_secrets.seal(text.encode(), secret_key, _PURPOSE)


def unseal(text: str, secret_keys: Sequence[str]) -> str:
    """secret_keys: the one that is in force, and former ones. Raises: Unreadable."""
    return sealed_secrets.unseal(text, secret_keys, _PURPOSE).decode() if is_sealed(text) else text
