"""Secrets, sealed before they go into the database: who gets a copy of the database alone, such as an old disk or a
dump, can do nothing with it. AES-256 in GCM (NIST SP 800-38D) with a key that HKDF (RFC 5869) derives from the
installation's secret key, another one for each purpose.
"""

import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

from outgate.portal.environment import BadEnvironment

MARK: Final = "sealed-1:"
NONCE_OCTETS: Final = 12


class Unreadable(Exception):
    """It was sealed with another secret key or for another purpose, or changed."""


class NoSecret(Exception):
    """The installation's secret key cannot be read. The text says why, and holds nothing of it."""


def secret_keys() -> list[str]:
    """The installation's: the one that is in force, then former ones. Raises: NoSecret."""
    try:
        keys = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
        return [text for each in keys if (text := str(each))]
    except UnicodeError as error:  # its own text would show a piece of the file
        raise NoSecret("the file of the secret key is no text") from error
    except (OSError, BadEnvironment) as error:
        raise NoSecret(str(error)) from error


def seal(octets: bytes, secret_key: str, purpose: bytes) -> str:
    nonce = os.urandom(NONCE_OCTETS)
    return MARK + urlsafe_b64encode(nonce + _cipher(secret_key, purpose).encrypt(nonce, octets, None)).decode()


def unseal(text: str, secret_keys: Iterable[str], purpose: bytes) -> bytes:
    """secret_keys: tried one after the other. Raises: Unreadable."""
    try:
        octets = urlsafe_b64decode(text.removeprefix(MARK))
    except ValueError as error:
        raise Unreadable from error
    for secret_key in secret_keys:
        try:
            return _cipher(secret_key, purpose).decrypt(octets[:NONCE_OCTETS], octets[NONCE_OCTETS:], None)
        except (InvalidTag, ValueError):  # ValueError: cut so short that there is no nonce
            continue
    raise Unreadable


def is_sealed(text: str) -> bool:
    return text.startswith(MARK)


@lru_cache(maxsize=8)
def _cipher(secret_key: str, purpose: bytes) -> AESGCM:
    return AESGCM(HKDF(SHA256(), length=32, salt=None, info=purpose).derive(secret_key.encode()))
