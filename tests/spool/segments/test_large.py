"""Large content on its way to its file, step by step."""

import errno
import random
import struct
from collections.abc import Callable
from pathlib import Path
from zlib import crc32

import pytest
from tests.support.disk import FailingCalls, SimulatedDisk

from outgate.spool.interface import SpoolError, SpoolFailed, SpoolFull
from outgate.spool.records import CHECKSUM_OCTETS, LargeReference
from outgate.spool.segments.jobs import JobThread
from outgate.spool.segments.large import FLUSH_OCTETS, WRITE_OCTETS, LargeFile
from outgate.spool.segments.room import Room

LARGE = Path("/spool/large")


class Driven:
    """A large file whose jobs run when the test says so."""

    def __init__(self) -> None:
        self.disk = SimulatedDisk()
        self.disk.add_directory(LARGE)
        self.jobs: list[Callable[[], None]] = []
        self.calls: list[str] = []
        self.over: list[LargeFile] = []
        self.ready: list[tuple[LargeReference | None, SpoolError | None]] = []
        self.room = Room(self.disk, LARGE, 0, failed=lambda: None)
        thread = JobThread("test", lambda error: None)
        thread.submit = self.jobs.append  # type: ignore[method-assign,assignment]
        self.disk.before = self.calls.append
        self.file = LargeFile(
            self.disk, LARGE / "name", thread=thread, post=lambda call: call(), room=self.room, over=self.over.append
        )

    def run_jobs(self) -> None:
        while self.jobs:
            self.jobs.pop(0)()

    def complete(self) -> None:
        self.file.complete(lambda reference, error: self.ready.append((reference, error)))
        self.run_jobs()


def test_reference_has_size_and_a_checksum_for_each_block() -> None:
    driven = Driven()
    content = random.Random(1).randbytes(2 * CHECKSUM_OCTETS + 5)
    for start in range(0, len(content), 77_777):
        driven.file.write(content[start : start + 77_777])
        driven.run_jobs()
    driven.complete()
    ((reference, error),) = driven.ready
    assert error is None
    blocks = [content[start : start + CHECKSUM_OCTETS] for start in range(0, len(content), CHECKSUM_OCTETS)]
    checksums = b"".join(struct.pack("<I", crc32(block)) for block in blocks)
    assert reference == LargeReference("name", len(content), checksums)
    assert driven.disk.after_crash(lambda: False).read(LARGE / "name") == content
    assert driven.disk.open_files == 0


def test_file_is_flushed_as_it_grows() -> None:
    driven = Driven()
    for _ in range(3 * FLUSH_OCTETS // WRITE_OCTETS):
        driven.file.write(bytes(WRITE_OCTETS))
    driven.run_jobs()
    assert driven.calls.count("fdatasync") == 3
    driven.complete()
    assert driven.calls[-2:] == ["fdatasync", "fsync_directory"]


def test_long_content_is_written_in_steps_that_let_others_in_between() -> None:
    driven = Driven()
    for _ in range(5):
        driven.file.write(bytes(WRITE_OCTETS))
    driven.jobs.pop(0)()
    assert driven.calls.count("pwritev") == 1
    assert driven.file.unwritten_octets == 4 * WRITE_OCTETS
    assert len(driven.jobs) == 1
    driven.run_jobs()
    assert driven.file.unwritten_octets == 0


def test_octets_count_as_under_way_until_they_are_given_up() -> None:
    driven = Driven()
    driven.file.write(bytes(5000))
    assert driven.room.under_way_octets == 5000
    driven.file.abandon()
    assert driven.room.under_way_octets == 0
    assert driven.over == [driven.file]
    driven.run_jobs()
    assert driven.disk.paths(LARGE) == []


def test_abandoned_file_is_removed_even_if_it_was_written() -> None:
    driven = Driven()
    driven.file.write(bytes(5000))
    driven.run_jobs()
    assert driven.disk.paths(LARGE)
    driven.file.write(bytes(5000))
    driven.file.abandon()
    driven.run_jobs()
    assert driven.disk.paths(LARGE) == []
    assert driven.disk.open_files == 0


def test_whoever_waits_goes_on_when_the_file_is_abandoned() -> None:
    driven = Driven()
    resumed: list[bool] = []
    driven.file.write(bytes(5000))
    driven.file.on_drained(1000, lambda: resumed.append(True))
    assert not resumed
    driven.file.abandon()
    driven.run_jobs()
    assert resumed == [True]


@pytest.mark.parametrize(("number", "kind"), [(errno.ENOSPC, SpoolFull), (errno.EIO, SpoolFailed)])
def test_failure_at_any_call_shows_at_accept_and_drains_the_rest(number: int, kind: type[SpoolError]) -> None:
    for first in (1, 2, 3, 4):
        driven = Driven()
        driven.disk.before = FailingCalls(number, first, first)
        resumed: list[bool] = []
        for _ in range(3):
            driven.file.write(bytes(WRITE_OCTETS))
        driven.file.on_drained(1, lambda resumed=resumed: resumed.append(True))  # type: ignore[misc]
        driven.run_jobs()
        driven.file.write(bytes(100))
        driven.complete()
        assert resumed == [True]
        assert driven.file.unwritten_octets == 0
        ((reference, error),) = driven.ready
        assert reference is None
        assert type(error) is kind
        assert driven.disk.paths(LARGE) == []
        assert driven.disk.open_files == 0


def test_job_that_comes_after_the_end_does_nothing() -> None:
    driven = Driven()
    for _ in range(3):
        driven.file.write(bytes(WRITE_OCTETS))
    driven.jobs.pop(0)()
    late = driven.jobs.pop(0)
    driven.complete()
    late()
    assert driven.disk.open_files == 0
    assert len(driven.ready) == 1
