"""Read a message's content back, checked. Blocking; may be used from any one thread at a time."""

import struct
from pathlib import Path
from typing import Final
from zlib import crc32

from outgate.spool.files import Files, read_all
from outgate.spool.interface import SpoolError
from outgate.spool.records import CHECKSUM_OCTETS, LargeReference, record_in
from outgate.spool.segments.segment import Location

_CHECKSUM: Final = struct.Struct("<I")


class InlineReader:
    """Content that stands in the log. The record is read and checked as a whole, once."""

    def __init__(self, files: Files, location: Location) -> None:
        """location: pinned for this reader, who ends that."""
        self._files = files
        self._location = location
        self._content: bytes | None = None
        self._is_closed = False

    @property
    def size_octets(self) -> int:
        return self._location.content_octets

    def read(self, offset: int, length: int) -> bytes:
        if self._content is None:
            self._content = self._load()
        return self._content[offset : offset + length]

    def _load(self) -> bytes:
        if self._is_closed:
            raise SpoolError("the reader is closed")
        location = self._location
        segment = location.segment
        try:
            octets = read_all(self._files, segment.descriptor, location.octets, location.offset)
        except OSError as error:
            raise SpoolError(f"{segment.path} cannot be read at {location.offset}: {error}") from error
        record = record_in(octets, segment.generation)
        if record is None:
            raise SpoolError(f"{segment.path} is damaged at {location.offset}")
        return bytes(record.body[len(record.body) - location.content_octets :])

    def close(self) -> None:
        if not self._is_closed:
            self._is_closed = True
            if self._location.segment.unpin():
                self._files.close(self._location.segment.descriptor)


class LargeReader:
    """Content in a file of its own, opened at once, so that it stays readable when the name is gone."""

    def __init__(self, files: Files, directory: Path, reference: LargeReference) -> None:
        """Raises: SpoolError."""
        self._files = files
        self._path = directory / reference.name
        self._reference = reference
        self._block_number = -1
        self._block = b""
        try:
            self._descriptor = files.open(self._path)
        except OSError as error:
            raise SpoolError(f"{self._path} cannot be opened: {error}") from error

    @property
    def size_octets(self) -> int:
        return self._reference.size_octets

    def read(self, offset: int, length: int) -> bytes:
        end = min(offset + length, self._reference.size_octets)
        pieces = []
        while offset < end:
            number, start = divmod(offset, CHECKSUM_OCTETS)
            piece = self._checked_block(number)[start : start + end - offset]
            pieces.append(piece)
            offset += len(piece)
        return b"".join(pieces)

    def _checked_block(self, number: int) -> bytes:
        if number != self._block_number:
            start = number * CHECKSUM_OCTETS
            length = min(CHECKSUM_OCTETS, self._reference.size_octets - start)
            if self._descriptor == -1:
                raise SpoolError("the reader is closed")
            try:
                block = read_all(self._files, self._descriptor, length, start)
            except OSError as error:
                raise SpoolError(f"{self._path} cannot be read at {start}: {error}") from error
            (checksum,) = _CHECKSUM.unpack_from(self._reference.checksums, number * _CHECKSUM.size)
            if len(block) != length or crc32(block) != checksum:
                raise SpoolError(f"{self._path} is damaged at {start}")
            self._block_number, self._block = number, block
        return self._block

    def close(self) -> None:
        if self._descriptor != -1:
            self._files.close(self._descriptor)
            self._descriptor = -1
