"""A worker's copy of the policy on its own disk, to start from when the control plane is away.

One file of checked frames, replaced as a whole by a rename. A copy that is damaged is as good as none: the worker then
waits for the feed and answers 451.
"""

import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec
from msgspec import Struct

from outgate.contract.policy import FORMAT, PolicyItem
from outgate.mail.encoding import UNDECODABLE

_MAGIC: Final = b"OGPOLICY1"


class _Copy(Struct, frozen=True):
    format: int
    revision: int
    items: tuple[PolicyItem, ...]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Copy)


def save(path: Path, items: Iterable[PolicyItem], revision: int) -> None:
    """Replace the copy. Blocking. Raises: OSError, leaving the old copy."""
    body = _encoder.encode(_Copy(FORMAT, revision, tuple(items)))
    temporary = path.with_suffix(".new")
    temporary.write_bytes(_MAGIC + zlib.crc32(body).to_bytes(4, "big") + body)
    temporary.replace(path)


def load(path: Path) -> tuple[tuple[PolicyItem, ...], int]:
    """Items and revision; nothing and 0 if there is no usable copy. Blocking; never raises for what a disk may hold."""
    try:
        octets = path.read_bytes()
    except OSError:
        return (), 0
    head = len(_MAGIC)
    body = octets[head + 4 :]
    if octets[:head] != _MAGIC or zlib.crc32(body) != int.from_bytes(octets[head : head + 4], "big"):
        return (), 0
    try:
        copy = _decoder.decode(body)
    except UNDECODABLE:
        return (), 0
    return (copy.items, copy.revision) if copy.format == FORMAT else ((), 0)
