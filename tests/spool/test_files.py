"""The layer to the system's files: all octets are written and read, however the calls are cut."""

import errno
import os
from pathlib import Path

import pytest
from tests.support.disk import SimulatedDisk

from outgate.spool.files import BUFFERS_MAX, Files, Point, is_full, make_directories, read_all, write_all


def test_many_buffers_are_written_in_several_calls(tmp_path: Path) -> None:
    files = Files()
    descriptor = files.open(tmp_path / "file", create=True)
    buffers = [b"%d," % number for number in range(3 * BUFFERS_MAX + 7)]
    write_all(files, descriptor, buffers, 5)
    files.fdatasync(descriptor)
    whole = b"".join(buffers)
    assert files.size(descriptor) == 5 + len(whole)
    assert read_all(files, descriptor, len(whole), 5) == whole
    files.close(descriptor)


@pytest.mark.parametrize("most", [1, 2, 7, 1000])
def test_short_writes_are_completed(most: int) -> None:
    disk = SimulatedDisk()
    disk.short_writes = lambda length: min(length, most)
    descriptor = disk.open(Path("/file"), create=True)
    write_all(disk, descriptor, [b"one", b"", memoryview(b"two"), b"three"], 0)
    assert disk.read(Path("/file")) == b"onetwothree"


def test_short_reads_are_completed() -> None:
    class Slow(SimulatedDisk):
        def pread(self, descriptor: int, length: int, offset: int) -> bytes:
            return super().pread(descriptor, min(length, 3), offset)

    disk = Slow()
    disk.copy_file(Path("/file"), b"0123456789")
    descriptor = disk.open(Path("/file"))
    assert read_all(disk, descriptor, 8, 1) == b"12345678"
    assert read_all(disk, descriptor, 100, 4) == b"456789"
    assert read_all(disk, descriptor, 1, 10) == b""


def test_full_disk_and_full_quota_are_full_and_nothing_else_is() -> None:
    assert is_full(OSError(errno.ENOSPC, ""))
    assert is_full(OSError(errno.EDQUOT, ""))
    assert is_full(OSError(errno.EMFILE, ""))
    assert is_full(OSError(errno.ENFILE, ""))
    assert not is_full(OSError(errno.EIO, ""))
    assert not is_full(OSError("no number"))


def test_created_file_must_be_new_and_is_nobody_elses(tmp_path: Path) -> None:
    files = Files()
    make_directories(files, tmp_path / "a" / "b")
    make_directories(files, tmp_path / "a" / "b")
    path = tmp_path / "a" / "b" / "file"
    files.close(files.open(path, create=True))
    with pytest.raises(FileExistsError):
        files.open(path, create=True)
    assert path.stat().st_mode & 0o777 == 0o600
    assert files.names(path.parent) == ["file"]


def test_directories_are_durable_with_their_parents_whoever_made_these() -> None:
    disk = SimulatedDisk()
    disk.make_directory(Path("/state"))
    make_directories(disk, Path("/state/workers/1/spool"))
    assert disk.after_crash(lambda: False).names(Path("/state/workers/1")) == ["spool"]


def test_parent_that_may_not_be_read_keeps_no_directory_from_being_made() -> None:
    class Closed(SimulatedDisk):
        def fsync_directory(self, directory: Path) -> None:
            if directory == Path("/"):
                raise PermissionError(errno.EACCES, "not yours")
            super().fsync_directory(directory)

    disk = Closed()
    make_directories(disk, Path("/state/spool"))
    assert disk.names(Path("/state")) == ["spool"]


def test_lock_is_exclusive_until_closed(tmp_path: Path) -> None:
    files = Files()
    first = files.open(tmp_path / "lock", create=True)
    second = files.open(tmp_path / "lock")
    assert files.lock(first)
    assert not files.lock(second)
    files.close(first)
    assert files.lock(second)
    files.close(second)


def test_allocated_file_reads_as_zeros(tmp_path: Path) -> None:
    files = Files()
    descriptor = files.open(tmp_path / "file", create=True)
    files.allocate(descriptor, 10_000)
    files.drop_cached(descriptor)
    assert read_all(files, descriptor, 20_000, 0) == bytes(10_000)
    files.close(descriptor)


def test_names_are_changed_and_removed(tmp_path: Path) -> None:
    files = Files()
    files.close(files.open(tmp_path / "old", create=True))
    files.rename(tmp_path / "old", tmp_path / "new")
    files.fsync_directory(tmp_path)
    assert files.names(tmp_path) == ["new"]
    files.unlink(tmp_path / "new")
    files.unlink(tmp_path / "new")
    assert files.names(tmp_path) == []
    files.reached(Point.BATCH_FLUSHED)


def test_available_octets_are_what_the_system_says(tmp_path: Path) -> None:
    state = os.statvfs(tmp_path)
    assert 0 < Files().available_octets(tmp_path) <= state.f_blocks * state.f_frsize
