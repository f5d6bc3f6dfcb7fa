"""The fingerprint of content: taken as it comes, compared with what leaves, so that no fault of ours alters a message.

Against faults, not against attackers: who could change the spool could change the fingerprint too. Costs a few
microseconds for 64 KiB.
"""

from typing import Final

import xxhash

FINGERPRINT_OCTETS: Final = 16  # XXH3, 128 bits


def fingerprint_of(content: bytes) -> bytes:
    """Of all of the content."""
    return xxhash.xxh3_128_digest(content)


class Fingerprint:
    """Of content that comes in pieces; however it is cut, it is the same."""

    __slots__ = ("_state",)

    def __init__(self) -> None:
        self._state = xxhash.xxh3_128()

    def update(self, octets: bytes) -> None:
        self._state.update(octets)

    def octets(self) -> bytes:
        """Of all that came so far."""
        return self._state.digest()
