"""Who owns the directory, which format it has, and what is set aside in it."""

from pathlib import Path

import pytest
from tests.support.disk import SimulatedDisk
from tests.support.spool import SPOOL

from outgate.spool import directory as module
from outgate.spool.directory import SpoolDirectory, lock_if_drained
from outgate.spool.files import Files
from outgate.spool.interface import SpoolError, SpoolFailed
from outgate.spool.records import FORMAT_VERSION

FORMAT = SPOOL / "format"


def new_spool() -> SimulatedDisk:
    disk = SimulatedDisk()
    SpoolDirectory.open(disk, SPOOL).close()
    return disk


def test_new_directory_gets_the_present_format(tmp_path: Path) -> None:
    directory = SpoolDirectory.open(Files(), tmp_path / "deep" / "spool")
    assert (directory.path / "format").read_text() == f"outgate spool, format {FORMAT_VERSION}\n"
    assert all(part.is_dir() for part in (directory.segments, directory.large, directory.events, directory.damaged))
    directory.close()
    SpoolDirectory.open(Files(), tmp_path / "deep" / "spool").close()


def test_directory_in_use_is_refused() -> None:
    disk = SimulatedDisk()
    first = SpoolDirectory.open(disk, SPOOL)
    with pytest.raises(SpoolError, match="in use by another process"):
        SpoolDirectory.open(disk, SPOOL)
    first.close()
    SpoolDirectory.open(disk, SPOOL).close()


def test_later_format_is_refused_and_not_touched() -> None:
    disk = new_spool()
    disk.copy_file(FORMAT, b"outgate spool, format 7\n")
    with pytest.raises(SpoolError, match=r"has format 7, this version of Outgate knows up to 2: start the version"):
        SpoolDirectory.open(disk, SPOOL)
    assert disk.read(FORMAT) == b"outgate spool, format 7\n"
    assert disk.open_files == 0


@pytest.mark.parametrize("text", [b"", b"outgate spool, format \n", b"outgate spool, format 1a", b"\xff\xfe", b"2\n"])
def test_format_file_that_makes_no_sense_is_refused(text: bytes) -> None:
    disk = new_spool()
    disk.copy_file(FORMAT, text)
    with pytest.raises(SpoolError, match="not touched"):
        SpoolDirectory.open(disk, SPOOL)


def test_segments_without_a_format_file_are_not_touched() -> None:
    disk = new_spool()
    disk.copy_file(SPOOL / "segments" / "something", b"")
    disk.unlink(FORMAT)
    with pytest.raises(SpoolError, match="no format file"):
        SpoolDirectory.open(disk, SPOOL)


def test_drained_spool_is_told_and_locked_until_somebody_opens_it_again() -> None:
    disk = SimulatedDisk()
    directory = SpoolDirectory.open(disk, SPOOL)
    assert lock_if_drained(SPOOL, disk) is None
    assert directory.mark_drained()
    assert lock_if_drained(SPOOL, disk) is None, "its worker has the lock"
    directory.close()
    survivor = disk.after_crash(lambda: False)
    lock = lock_if_drained(SPOOL, survivor)
    assert lock is not None
    with pytest.raises(SpoolError, match="in use"):
        SpoolDirectory.open(survivor, SPOOL)
    survivor.close(lock)
    SpoolDirectory.open(survivor, SPOOL).close()
    assert lock_if_drained(SPOOL, survivor.after_crash(lambda: False)) is None


def test_spool_with_damaged_octets_is_not_called_drained() -> None:
    disk = SimulatedDisk()
    directory = SpoolDirectory.open(disk, SPOOL)
    directory.set_aside("a", b"123")
    assert not directory.mark_drained()
    assert lock_if_drained(SPOOL, disk) is None


def test_older_format_is_upgraded_step_by_step() -> None:
    disk = new_spool()
    disk.copy_file(FORMAT, b"outgate spool, format 3\n")
    disk.copy_file(SPOOL / "segments" / "a", b"of format 3")
    steps: list[int] = []

    def upgrade(files: Files, path: Path) -> None:
        steps.append(int(disk.read(FORMAT).split()[-1]))
        files.rename(path / "segments" / "a", path / "segments" / "a")

    directory = SpoolDirectory.open(disk, SPOOL, version=5, upgrades={3: upgrade, 4: upgrade})
    assert steps == [3, 4]
    assert disk.read(FORMAT) == b"outgate spool, format 5\n"
    directory.close()


def test_interrupted_upgrade_is_taken_up_where_it_stopped() -> None:
    disk = new_spool()
    disk.copy_file(FORMAT, b"outgate spool, format 3\n")
    steps: list[int] = []

    def good(files: Files, path: Path) -> None:
        steps.append(3)

    def bad(files: Files, path: Path) -> None:
        raise OSError("crash")

    with pytest.raises(SpoolFailed):
        SpoolDirectory.open(disk, SPOOL, version=5, upgrades={3: good, 4: bad})
    survivor = disk.after_crash(lambda: False)
    SpoolDirectory.open(survivor, SPOOL, version=5, upgrades={4: good}).close()
    assert steps == [3, 3]
    assert survivor.read(FORMAT) == b"outgate spool, format 5\n"


def test_format_without_an_upgrade_is_refused() -> None:
    disk = new_spool()
    disk.copy_file(FORMAT, b"outgate spool, format 0\n")
    with pytest.raises(SpoolError, match="cannot upgrade"):
        SpoolDirectory.open(disk, SPOOL)


def test_damage_of_which_a_crash_left_half_is_set_aside_again() -> None:
    disk = new_spool()
    disk.copy_file(SPOOL / "damaged" / "a", b"123")
    directory = SpoolDirectory.open(disk, SPOOL)
    directory.set_aside("a", b"123456")
    assert disk.after_crash(lambda: False).read(directory.damaged / "a") == b"123456"


def test_damaged_octets_are_set_aside_once_and_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "DAMAGED_MAX", 10)
    disk = SimulatedDisk()
    directory = SpoolDirectory.open(disk, SPOOL)
    for name, octets in (("a", b"123456"), ("a", b"again."), ("b", b"1234"), ("c", b"one too many")):
        directory.set_aside(name, octets)
    assert {path.name: disk.read(path) for path in disk.paths(directory.damaged)} == {"a": b"123456", "b": b"1234"}
    survivor = disk.after_crash(lambda: False)
    assert survivor.read(directory.damaged / "a") == b"123456"
