"""A worker's limits: kept on disk, told to the clerk and the record, shown to people."""

import asyncio
from pathlib import Path

import pytest
from msgspec import structs
from tests.support.clerk import Lines

from outgate.app.senders import Senders
from outgate.contract.events import Event, SenderLocked
from outgate.contract.policy import (
    Counted,
    CustomerDocument,
    Limit,
    LimitScope,
    Outbound,
    PolicyItem,
    SenderLimits,
)
from outgate.contract.wire import CountsTold, SendersAsk
from outgate.policy.limits import Charge
from outgate.policy.sender import Sender
from outgate.policy.snapshot import Snapshot

NOW = 1_795_600_000.0
ALICE = Sender("alpha", "alice@alpha.example", "alpha.example", "192.0.2.1")


class Scene:
    def __init__(self, directory: Path, workers: int = 1, lock_factor: float = 10.0) -> None:
        self.events: list[Event] = []
        snapshot = Snapshot()
        limits = SenderLimits(limits=(Limit(LimitScope.MAILBOX, Counted.RECIPIENTS, 300, 10),), lock_factor=lock_factor)
        snapshot.apply(PolicyItem("customer:alpha", 1, CustomerDocument("alpha", "A", Outbound.ACTIVE, limits=limits)))
        self.senders = Senders(
            path=directory / "senders",
            worker="test/1",
            workers=workers,
            snapshot=snapshot,
            feed_is_current=lambda: True,
            emit=self.events.append,
            now=lambda: NOW,
            log=Lines(),
        )
        self.senders.load()

    def send(self, recipients: int = 1) -> Charge:
        return self.senders.limiter.charge(ALICE, recipients, 100, NOW)

    def save(self) -> None:
        asyncio.run(self.senders.save())


def test_a_restart_forgets_nothing_that_was_saved(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.send(10)
    scene.save()
    again = Scene(tmp_path)
    assert again.send().is_slow


def test_a_lock_survives_too(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    assert scene.send(101).refusal is not None
    scene.save()
    assert Scene(tmp_path).send().refusal is not None


@pytest.mark.parametrize("damage", [b"", b"OGSENDERS1", b"OGSENDERS1abcdefgh", b"x" * 1_000])
def test_a_damaged_copy_is_as_good_as_none(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "senders").write_bytes(damage)
    assert Scene(tmp_path).send().refusal is None


def test_nothing_new_is_not_written(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.send()
    scene.save()
    (tmp_path / "senders").unlink()
    scene.save()
    assert not (tmp_path / "senders").exists()


def test_a_lock_is_recorded(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.send(101)
    assert scene.events == [
        SenderLocked("test/1", NOW, "alpha", "alice@alpha.example", NOW + 3_600, 86_400, "over-limit")
    ]


def test_the_clerk_is_told_and_what_it_says_counts(tmp_path: Path) -> None:
    scene = Scene(tmp_path, workers=2)
    assert scene.senders.used() is None
    scene.send(4)
    used = scene.senders.used()
    assert used is not None
    assert scene.senders.used() is None
    (count,) = used.counts
    others = {part: amount + 5 for part, amount in count.parts.items()}
    scene.senders.told(CountsTold(used.number, 2, (structs.replace(count, parts=others),)))
    assert scene.send(1).refusal is None
    assert scene.send(1).is_slow


def test_who_is_near_a_limit_is_shown_fullest_first(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.send(6)
    scene.senders.limiter.charge(Sender("alpha", "bob@alpha.example", "alpha.example", "192.0.2.1"), 9, 100, NOW)
    scene.senders.limiter.charge(Sender("alpha", "low@alpha.example", "alpha.example", "192.0.2.1"), 1, 100, NOW)
    listed = asyncio.run(scene.senders.listed(SendersAsk()))
    assert [(use.subject, use.used, use.maximum, use.seconds) for use in listed.senders] == [
        ("bob@alpha.example", 9, 10, 300),
        ("alice@alpha.example", 6, 10, 300),
    ]
    assert asyncio.run(scene.senders.listed(SendersAsk("beta"))).senders == ()
    assert len(asyncio.run(scene.senders.listed(SendersAsk(limit=1))).senders) == 1
