"""Quotas of the slow lane."""

import pytest

from outgate.contract.policy import SenderLimits
from outgate.policy import slow_room as module
from outgate.policy.slow_room import SlowRoom

LIMITS = SenderLimits(slow_messages_max=2, slow_octets_max=100)


def test_messages_and_octets_are_bounded_by_customer() -> None:
    room = SlowRoom()
    assert room.has_room("alpha", 100, LIMITS)
    assert not room.has_room("alpha", 101, LIMITS)
    room.enter("alpha", 40)
    room.enter("alpha", 40)
    assert not room.has_room("alpha", 1, LIMITS)
    assert room.has_room("beta", 1, LIMITS)
    room.leave("alpha", 40)
    assert room.has_room("alpha", 60, LIMITS)
    assert not room.has_room("alpha", 61, LIMITS)


def test_each_worker_has_its_part_of_the_quota() -> None:
    room = SlowRoom(workers=2)
    room.enter("alpha", 1)
    assert not room.has_room("alpha", 1, LIMITS)


def test_all_customers_together_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SLOW_MESSAGES_MAX", 1)
    room = SlowRoom()
    room.enter("alpha", 1)
    assert not room.has_room("beta", 1, LIMITS)


def test_what_has_left_is_forgotten() -> None:
    room = SlowRoom()
    room.enter("alpha", 5)
    assert (room.of("alpha").messages, room.all.octets) == (1, 5)
    room.leave("alpha", 5)
    room.leave("alpha", 5)
    assert (room.of("alpha").messages, room.all.messages, room.all.octets) == (0, 0, 0)
