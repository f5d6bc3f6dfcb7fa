"""Spools of workers that are gone: who takes them, how they are worked off, what is left."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.delivery import CONTENT, LATER, OK, Table, World, make_message, play
from tests.support.spool import all_events

from outgate.app import adoption
from outgate.app.adoption import Adopter, orphans
from outgate.app.configuration import Configuration
from outgate.app.log import LogFile
from outgate.app.record import Record
from outgate.contract.commands import QueueAction, QueueCommand
from outgate.contract.events import DeliveryAttempted, MessageAccepted, decode_event
from outgate.contract.wire import QueueList
from outgate.spool.directory import DRAINED, SpoolDirectory, lock_if_drained
from outgate.spool.files import Files
from outgate.spool.interface import SpoolError
from outgate.spool.segments import SegmentSettings, SegmentSpool

SETTINGS = SegmentSettings(segment_octets=64 * 1024, reserve_octets=0)
IDS = [f"{number:013d}" for number in range(1, 4)]


@pytest.fixture(autouse=True)
def _looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adoption, "LOOK_SECONDS", 0.001)


def open_spool(directory: Path) -> SegmentSpool:
    loop = asyncio.get_running_loop()
    return SegmentSpool(directory / "spool", post=loop.call_soon_threadsafe, settings=SETTINGS)


async def left_behind(directory: Path, *queue_ids: str) -> None:
    """A worker's spool with these messages, closed."""
    spool = open_spool(directory)
    list(spool.recover())
    for queue_id in queue_ids:
        answered: asyncio.Future[SpoolError | None] = asyncio.get_running_loop().create_future()
        message = make_message(queue_id, "bob@receiver.example", size_octets=len(CONTENT))
        spool.accept(message, CONTENT, answered.set_result)
        assert await answered is None
    spool.close()


class Survivor:
    """Worker 1 of one worker, with a state directory, ready to adopt."""

    def __init__(self, state: Path) -> None:
        self.world = World()
        self.log_path = state / "log"
        self.log = LogFile(self.log_path, "worker-1")
        self.stopping = asyncio.Event()
        loop = asyncio.get_running_loop()
        self.adopter = Adopter(
            configuration=Configuration(state=str(state), node="test"),
            number=1,
            log=self.log,
            delivery=self.world.manager,
            means=self.world.means,
            record=Record(self.world.spool, self.log),
            open_spool=lambda directory: SegmentSpool(
                directory / "spool", post=loop.call_soon_threadsafe, settings=SETTINGS
            ),
            open_tries=lambda directory: Table(),
            stopping=self.stopping,
        )
        self.task = asyncio.create_task(self.adopter.run())

    async def wait_until(self, is_so: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not is_so():  # noqa: ASYNC110  # what is waited for is a state of the program, not of the test
                await asyncio.sleep(0.001)

    def logged(self) -> str:
        self.log.close()
        return self.log_path.read_text()


def configured(state: Path, workers: int) -> Configuration:
    return Configuration(state=str(state), workers=workers)


def test_each_orphan_falls_to_one_living_worker(tmp_path: Path) -> None:
    for number in range(1, 8):
        SpoolDirectory.open(Files(), tmp_path / "workers" / str(number) / "spool").close()
    (tmp_path / "workers" / "9.gone" / "spool").mkdir(parents=True)
    workers = tmp_path / "workers"
    SpoolDirectory.open(Files(), workers / "2.held" / "spool").close()
    SpoolDirectory.open(Files(), workers / "4.held" / "spool").close()
    assert orphans(configured(tmp_path, 3), 1) == [workers / "4", workers / "4.held", workers / "7"]
    assert orphans(configured(tmp_path, 3), 2) == [workers / "5"]
    assert orphans(configured(tmp_path, 3), 3) == [workers / "6"]
    assert orphans(configured(tmp_path, 7), 1) == []
    (tmp_path / "workers" / "5" / "spool" / DRAINED).touch()
    assert orphans(configured(tmp_path, 3), 2) == []


def test_orphan_is_worked_off_and_marked_and_has_its_events(tmp_path: Path) -> None:
    async def scenario() -> None:
        directory = tmp_path / "workers" / "2"
        await left_behind(directory, *IDS)
        survivor = Survivor(tmp_path)
        survivor.world.hops.answer = lambda transaction, connection: OK
        await survivor.task
        assert len(survivor.world.hops.recipients()) == 3
        assert survivor.world.manager.adopted == []
        assert survivor.world.stored() == {}, "nothing came into the own spool"
        lock = lock_if_drained(directory / "spool")
        assert lock is not None
        Files().close(lock)
        events = [decode_event(event) for event in all_events(Files(), directory / "spool" / "events")]
        assert [event.worker for event in events if isinstance(event, MessageAccepted)] == ["test/2"] * 3
        attempts = {event.queue_id for event in events if isinstance(event, DeliveryAttempted)}
        assert attempts == set(IDS)
        assert "adopted-spool-drained" in survivor.logged()

    play(scenario)


def test_mail_of_an_orphan_is_shown_and_commanded_and_stays_while_it_waits(tmp_path: Path) -> None:
    async def scenario() -> None:
        directory = tmp_path / "workers" / "2"
        await left_behind(directory, *IDS)
        survivor = Survivor(tmp_path)
        manager = survivor.world.manager
        survivor.world.hops.answer = lambda transaction, connection: LATER
        await survivor.wait_until(lambda: manager.queued == 3)
        assert manager.statistics()["adopted"] == 1
        assert (await manager.list(QueueList())).total == 3
        assert manager.show(IDS[0]).messages[0].queue_id == IDS[0]
        unknown = "0" * 12 + "Z"
        result = manager.command(QueueCommand(QueueAction.DELETE, (*IDS[:2], unknown), "operator"))
        assert (result.done, result.absent) == ((IDS[0], IDS[1]), (unknown,))
        await survivor.wait_until(lambda: manager.queued == 1)
        survivor.task.cancel()
        await asyncio.gather(survivor.task, return_exceptions=True)
        assert manager.queued == 0
        again = open_spool(directory)
        assert [message.queue_id for message, _ in again.recover()] == [IDS[2]]
        again.close()
        assert lock_if_drained(directory / "spool") is None

    play(scenario)


def test_orphan_that_is_still_in_use_is_taken_when_it_is_free(tmp_path: Path) -> None:
    async def scenario() -> None:
        directory = tmp_path / "workers" / "2"
        await left_behind(directory, IDS[0])
        ending = open_spool(directory)
        survivor = Survivor(tmp_path)
        survivor.world.hops.answer = lambda transaction, connection: OK
        await survivor.wait_until(lambda: survivor.log_path.exists() and b"in use" in survivor.log_path.read_bytes())
        assert not survivor.task.done()
        ending.close()
        await survivor.task
        assert len(survivor.world.hops.recipients()) == 1
        assert survivor.logged().count("adoption-waits") == 1

    play(scenario)


def test_orphan_with_damaged_octets_is_worked_off_and_kept(tmp_path: Path) -> None:
    async def scenario() -> None:
        directory = tmp_path / "workers" / "2"
        await left_behind(directory, *IDS)
        (segment,) = (directory / "spool" / "segments").glob("*.segment")
        octets = bytearray(segment.read_bytes())
        octets[octets.index(CONTENT)] ^= 1
        segment.write_bytes(octets)
        survivor = Survivor(tmp_path)
        survivor.world.hops.answer = lambda transaction, connection: OK
        await survivor.task
        assert len(survivor.world.hops.recipients()) == 2
        assert lock_if_drained(directory / "spool") is None
        assert "adopted-spool-kept" in survivor.logged()

    play(scenario)
