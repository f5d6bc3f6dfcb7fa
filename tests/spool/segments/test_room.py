"""What the disk can take, and the spool's health."""

import pytest
from tests.support.disk import SimulatedDisk
from tests.support.spool import SPOOL

from outgate.spool.interface import Health
from outgate.spool.segments.room import Room

OVERHEAD = 64 * 1024


def room_of(octets: int, reserve_octets: int = 1000) -> tuple[Room, SimulatedDisk, list[bool]]:
    disk = SimulatedDisk()
    disk.capacity_octets = octets
    failed: list[bool] = []
    return Room(disk, SPOOL, reserve_octets, failed=lambda: failed.append(True)), disk, failed


def test_reserve_and_what_is_under_way_are_left_out() -> None:
    room, _, _ = room_of(1000 + OVERHEAD + 500)
    assert room.has_for(500)
    assert not room.has_for(501)
    room.under_way_octets = 200
    assert room.has_for(300)
    assert not room.has_for(301)


def test_full_room_is_good_again_after_the_next_look() -> None:
    room, disk, _ = room_of(500)
    seen = [room.health]
    disk.capacity_octets = 10**6
    seen.append(room.health)
    room.check()
    seen.append(room.health)
    assert seen == [Health.FULL, Health.FULL, Health.GOOD]


def test_missing_segment_is_full() -> None:
    room, _, _ = room_of(10**6)
    room.no_segment = True
    assert not room.has_for(0)
    assert room.health is Health.FULL


def test_first_failure_is_for_good_and_told_once(caplog: pytest.LogCaptureFixture) -> None:
    room, _, failed = room_of(10**6)
    first = room.fail(OSError("first"))
    assert room.fail(OSError("second")) is first
    assert failed == [True]
    assert room.health is Health.FAILED
    assert not room.has_for(0)
    assert "first" in caplog.text
    assert "second" not in caplog.text
