"""Nothing is read that has not the checksum that was kept with it."""

import random
import struct
from collections.abc import Callable
from pathlib import Path
from zlib import crc32

import pytest
from tests.support.disk import SimulatedDisk
from tests.support.spool import message

from outgate.spool.framing import frame, message_head
from outgate.spool.interface import ContentReader, SpoolError
from outgate.spool.records import CHECKSUM_OCTETS, Generation, Kind, LargeReference
from outgate.spool.segments.readers import InlineReader, LargeReader
from outgate.spool.segments.segment import Location, Segment

GENERATION = Generation(1, b"8 octets")
LOG, LARGE = Path("/spool/segments/one"), Path("/spool/large/one")


def inline(disk: SimulatedDisk, content: bytes) -> ContentReader:
    prefix, padding = frame(GENERATION.tag, GENERATION.seed, Kind.MESSAGE, 1, message_head(message(1)), content)
    record = prefix + content + padding
    disk.copy_file(LOG, bytes(4096) + record)
    segment = Segment(GENERATION, LOG, disk.open(LOG), 4096 + len(record))
    assert segment.pin()
    segment.retire()
    return InlineReader(disk, Location(segment, 4096, len(record), len(content)))


def large(disk: SimulatedDisk, content: bytes) -> ContentReader:
    disk.copy_file(LARGE, content)
    blocks = [content[start : start + CHECKSUM_OCTETS] for start in range(0, len(content), CHECKSUM_OCTETS)]
    checksums = b"".join(struct.pack("<I", crc32(block)) for block in blocks)
    return LargeReader(disk, LARGE.parent, LargeReference(LARGE.name, len(content), checksums))


Make = Callable[[SimulatedDisk, bytes], ContentReader]


@pytest.mark.parametrize("make", [inline, large])
def test_any_part_is_read_as_it_was_written(make: Make) -> None:
    content = random.Random(1).randbytes(600_000)
    reader = make(SimulatedDisk(), content)
    source = random.Random(2)
    for _ in range(30):
        offset, length = source.randrange(len(content) + 10), source.randrange(400_000)
        assert reader.read(offset, length) == content[offset : offset + length]
    reader.close()


@pytest.mark.parametrize("make", [inline, large])
def test_closed_reader_reads_no_more_and_holds_no_file(make: Make) -> None:
    disk = SimulatedDisk()
    reader = make(disk, b"content")
    reader.close()
    reader.close()
    assert disk.open_files == 0
    with pytest.raises(SpoolError, match="closed"):
        reader.read(0, 1)


@pytest.mark.parametrize("make", [inline, large])
def test_flipped_bit_is_an_error(make: Make) -> None:
    disk = SimulatedDisk()
    reader = make(disk, b"content" * 100)
    path = LOG if make is inline else LARGE
    place = len(disk.read(path)) - 100
    disk.damage(path, place, bytes([disk.read(path)[place] ^ 4]))
    with pytest.raises(SpoolError, match="damaged"):
        reader.read(0, 1)


@pytest.mark.parametrize("make", [inline, large])
def test_unreadable_sector_is_an_error(make: Make) -> None:
    disk = SimulatedDisk()
    reader = make(disk, b"content" * 100)

    def fail(call: str) -> None:
        raise OSError(5, "Input/output error")

    disk.before = fail
    with pytest.raises(SpoolError, match="cannot be read"):
        reader.read(0, 1)


def test_large_file_that_was_cut_short_is_an_error() -> None:
    disk = SimulatedDisk()
    reader = large(disk, bytes(300_000))
    disk.allocate(disk.open(LARGE), 0)
    disk._names[LARGE].octets[299_999:] = b""
    assert reader.read(0, 1000) == bytes(1000)
    with pytest.raises(SpoolError, match="damaged"):
        reader.read(299_000, 10)


def test_missing_large_file_is_an_error() -> None:
    with pytest.raises(SpoolError, match="cannot be opened"):
        LargeReader(SimulatedDisk(), LARGE.parent, LargeReference("none", 5, b"1234"))
