"""Opens compound files, the containers of older Office documents and of macros: [MS-CFB], by olefile with bounds.

What a file claims of itself is compared with its length before anything is read by it: chains of sectors may lead in
circles, and sizes may say anything.
"""

import io
import struct
from typing import Final, Self

import olefile

SIGNATURE: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
STREAMS_MAX: Final = 2_000  # streams of one compound file that are looked at
_HEADER_OCTETS: Final = 512
_FAILURES: Final = (
    *(OSError, ValueError, IndexError, KeyError, TypeError, AttributeError),
    *(ArithmeticError, struct.error, RecursionError, MemoryError),
)


class DamagedCompound(Exception):
    """It cannot be read."""


class Compound:
    """An open compound file. names: of its streams, each the path of its storages and its own."""

    def __init__(self, octets: bytes) -> None:
        """Raises: DamagedCompound."""
        self._length = len(octets)
        if len(octets) < _HEADER_OCTETS or not _is_plausible(octets):
            raise DamagedCompound
        try:
            self._file = olefile.OleFileIO(io.BytesIO(octets))
            self.names: list[tuple[str, ...]] = [tuple(path) for path in self._file.listdir()][:STREAMS_MAX]
            self.class_id = str(self._file.root.clsid).upper()
            claimed = self._file.num_mini_fat_sectors * self._file.sector_size
        except _FAILURES:
            raise DamagedCompound from None
        self._may_read_small = self._file.root.size <= len(octets) and claimed <= len(octets)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def named(self, *names: str) -> list[tuple[str, ...]]:
        """Paths of the streams that bear one of these names, whatever storage they are in; without case."""
        wanted = {name.lower() for name in names}
        return [path for path in self.names if path[-1].lower() in wanted]

    def has_storage(self, name: str) -> bool:
        return any(name.lower() in [each.lower() for each in path[:-1]] for path in self.names)

    def read(self, path: tuple[str, ...], octets_max: int) -> bytes:
        """A stream's beginning. Raises: DamagedCompound."""
        try:
            if not self._may_read_small or self._file.get_size(list(path)) > self._length:
                raise DamagedCompound
            return bytes(self._file.openstream(list(path)).read(octets_max))
        except _FAILURES:
            raise DamagedCompound from None


def _is_plausible(octets: bytes) -> bool:
    """Does its table of sectors fit into it? [MS-CFB] §2.2."""
    if not octets.startswith(SIGNATURE):
        return False
    shift, small_shift = struct.unpack_from("<HH", octets, 30)
    (table_sectors,) = struct.unpack_from("<I", octets, 44)
    return shift in (9, 12) and small_shift == 6 and (table_sectors - 1) << shift <= len(octets)
