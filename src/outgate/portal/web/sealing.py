"""Secrets of second factors, sealed before they go into the database: who gets a copy of the database alone, such as
an old disk or a dump, can make no codes of it. AES-256 in GCM (NIST SP 800-38D) with a key that HKDF (RFC 5869) derives
from the installation's secret key.

What was written before there was this is read as it stands, and sealed when it is next used.
"""

import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

MARK: Final = "sealed-1:"  # neither base32 nor hexadecimal, as what was not sealed is
NONCE_OCTETS: Final = 12
_PURPOSE: Final = b"outgate second factors 1"


class Unreadable(Exception):
    """It was sealed with another secret key, or changed."""


def seal(text: str, secret_key: str) -> str:
    nonce = os.urandom(NONCE_OCTETS)
    return MARK + urlsafe_b64encode(nonce + _cipher(secret_key).encrypt(nonce, text.encode(), None)).decode()


def unseal(text: str, secret_keys: Sequence[str]) -> str:
    """secret_keys: the one that is in force, and former ones. Raises: Unreadable."""
    if not is_sealed(text):
        return text
    octets = urlsafe_b64decode(text.removeprefix(MARK))
    for secret_key in secret_keys:
        try:
            return _cipher(secret_key).decrypt(octets[:NONCE_OCTETS], octets[NONCE_OCTETS:], None).decode()
        except InvalidTag:
            continue
    raise Unreadable


def is_sealed(text: str) -> bool:
    return text.startswith(MARK)


@lru_cache(maxsize=4)
def _cipher(secret_key: str) -> AESGCM:
    return AESGCM(HKDF(SHA256(), length=32, salt=None, info=_PURPOSE).derive(secret_key.encode()))
