"""Keys: each content has one of its own, which is sealed for the customer whose mail it is.

A customer has a key pair. The public key is in the customer's policy document, so every worker has it and can seal; the
private key is the control plane's, which opens the key of a content when somebody decides to release it. No worker ever
learns more than the keys of released mail.

HPKE in base mode (RFC 9180) with DHKEM(X25519, HKDF-SHA256), HKDF-SHA256 and ChaCha20-Poly1305.
"""

import secrets
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

PUBLIC_KEY_OCTETS: Final = 32  # RFC 7748 §6.1
PRIVATE_KEY_OCTETS: Final = 32  # the same
CONTENT_KEY_OCTETS: Final = 32  # RFC 8439 §2.8
SEALED_KEY_OCTETS: Final = 80  # the encapsulated key, the content's key, the tag

_SUITE: Final = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)
_PURPOSE: Final = b"outgate held content 1"


class Unopenable(Exception):
    """It was sealed for another key, or changed since."""


def new_private_key() -> bytes:
    return X25519PrivateKey.generate().private_bytes_raw()


def public_key_of(private_key: bytes) -> bytes:
    """Raises: ValueError, if it has not `PRIVATE_KEY_OCTETS`."""
    return X25519PrivateKey.from_private_bytes(private_key).public_key().public_bytes_raw()


def new_content_key() -> bytes:
    return secrets.token_bytes(CONTENT_KEY_OCTETS)


def seal_key(content_key: bytes, public_key: bytes) -> bytes:
    """`SEALED_KEY_OCTETS` that only the private key opens. Raises: ValueError, if `public_key` is none."""
    return _SUITE.encrypt(content_key, X25519PublicKey.from_public_bytes(public_key), _PURPOSE)


def open_key(sealed_key: bytes, private_key: bytes) -> bytes:
    """The content's key. Raises: Unopenable."""
    try:
        return _SUITE.decrypt(sealed_key, X25519PrivateKey.from_private_bytes(private_key), _PURPOSE)
    except (InvalidTag, ValueError) as error:
        raise Unopenable("the key does not open it") from error
