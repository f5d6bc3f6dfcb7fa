"""Content, sealed piece by piece with a key that seals nothing else, so that the largest message needs no more memory
than one piece, and any part of it can be read.

Each piece of `PIECE_OCTETS` (the last one may be shorter) is ChaCha20-Poly1305 (RFC 8439) with its number as nonce, and
whether it is the last. So pieces can be neither swapped, nor left out at the end or elsewhere, nor taken from another
content. Even empty content has one piece.
"""

from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from outgate.sealing.keys import Unopenable

PIECE_OCTETS: Final = 64 * 1024  # of content in one piece
TAG_OCTETS: Final = 16  # that a piece is longer sealed
SEALED_PIECE_OCTETS: Final = PIECE_OCTETS + TAG_OCTETS  # of a whole piece


def pieces_of(size_octets: int) -> int:
    """How many pieces content of this size has."""
    return max(1, -(-size_octets // PIECE_OCTETS))


def sealed_octets(size_octets: int) -> int:
    """How long content of this size is when it is sealed."""
    return size_octets + pieces_of(size_octets) * TAG_OCTETS


class ContentSealer:
    """Seals one content, or opens it. key: `CONTENT_KEY_OCTETS`, of this content alone. size_octets: of the content as
    it came. Raises: ValueError, if the key is none."""

    __slots__ = ("_cipher", "_last")

    def __init__(self, key: bytes, size_octets: int) -> None:
        self._cipher = ChaCha20Poly1305(key)
        self._last = pieces_of(size_octets) - 1

    def seal(self, first: int, octets: bytes) -> bytes:
        """Whole pieces from number `first` on; only the last one of the content may be shorter."""
        return b"".join(
            [
                self._cipher.encrypt(self._nonce(first + index), octets[start : start + PIECE_OCTETS], None)
                for index, start in enumerate(range(0, len(octets) or 1, PIECE_OCTETS))
            ]
        )

    def open(self, first: int, octets: bytes) -> bytes:
        """The content of these sealed pieces from number `first` on. Raises: Unopenable."""
        try:
            return b"".join(
                [
                    self._cipher.decrypt(self._nonce(first + index), octets[start : start + SEALED_PIECE_OCTETS], None)
                    for index, start in enumerate(range(0, len(octets), SEALED_PIECE_OCTETS))
                ]
            )
        except (InvalidTag, ValueError) as error:
            raise Unopenable(f"a piece from number {first} on is not what was sealed") from error

    def _nonce(self, number: int) -> bytes:
        return number.to_bytes(11, "big") + bytes((number == self._last,))
