"""The store of held mail of one worker: what it takes up, what it tells the record, what it delivers."""

import asyncio
from dataclasses import replace
from pathlib import Path

from tests.support.delivery import CONTENT, OK, Table, World, make_message, play
from tests.support.spool import all_events

from outgate.app.held_store import CONNECTIONS_MAX, SEGMENT_OCTETS, HeldStore, settings_of
from outgate.app.log import LogFile
from outgate.app.record import Record
from outgate.contract.commands import QueueAction, QueueCommand
from outgate.contract.events import DeliveryAttempted, MessageAccepted, decode_event
from outgate.mail.message import Lane, Message
from outgate.reception.holding import seal_for
from outgate.sealing.keys import new_private_key, open_key, public_key_of
from outgate.spool.files import Files
from outgate.spool.interface import SpoolError
from outgate.spool.segments import SegmentSettings, SegmentSpool

SETTINGS = SegmentSettings(segment_octets=64 * 1024, reserve_octets=0)
PRIVATE = new_private_key()


def open_store(directory: Path, world: World) -> HeldStore:
    spool = SegmentSpool(
        directory / "spool", post=asyncio.get_running_loop().call_soon_threadsafe, settings=settings_of(SETTINGS)
    )
    record = Record(world.spool, LogFile(directory / "log", "worker-1"))
    store = HeldStore.over(spool, means=world.means, tries=Table(), record=record)
    store.take_up(store.sealed.recover())
    store.delivery.start()
    return store


async def hold(store: HeldStore, number: int) -> Message:
    message = make_message(f"{number:013d}", lane=int(Lane.HELD), lane_reason="content-spam")
    message, key = seal_for(message, public_key_of(PRIVATE))
    answered: asyncio.Future[SpoolError | None] = asyncio.get_running_loop().create_future()
    store.holding.store.hold(message, CONTENT, key, answered.set_result)
    assert await answered is None
    store.holding.submit(message, CONTENT)
    return message


def test_held_mail_survives_and_leaves_when_it_is_released(tmp_path: Path) -> None:
    async def scenario() -> None:
        world = World()
        world.hops.answer = lambda transaction, connection: OK
        store = open_store(tmp_path, world)
        message = await hold(store, 1)
        assert store.delivery.queued == 1
        store.spool.close()

        store = open_store(tmp_path, world)
        assert store.delivery.queued == 1
        await world.pass_seconds(3600)
        assert not world.hops.recipients()
        key = open_key(message.sealed_key, PRIVATE)
        command = QueueCommand(QueueAction.RELEASE, (message.queue_id,), keys={message.queue_id: key})
        assert store.delivery.command(command).done == (message.queue_id,)
        async with asyncio.timeout(20):
            while store.delivery.queued:
                await world.pass_seconds(1)
                await asyncio.sleep(0.001)
        assert world.hops.recipients() == ["bob@receiver.example"]
        store.spool.close()

        accepted, attempted = [decode_event(body) for body in all_events(Files(), tmp_path / "spool" / "events")]
        assert isinstance(accepted, MessageAccepted)
        assert (accepted.queue_id, accepted.lane, accepted.sealed_key) == (
            message.queue_id,
            "held",
            message.sealed_key,
        )
        assert isinstance(attempted, DeliveryAttempted)
        assert (attempted.queue_id, attempted.reason) == (message.queue_id, "relayed")
        assert CONTENT not in b"".join(path.read_bytes() for path in (tmp_path / "spool").rglob("*") if path.is_file())

    play(scenario)


def test_store_takes_little_of_what_the_worker_has(tmp_path: Path) -> None:
    async def scenario() -> None:
        world = World(connections=500)
        store = open_store(tmp_path, world)
        assert store.delivery._rounds._settings.connections == CONNECTIONS_MAX
        assert not store.has_failed
        store.spool.close()
        assert settings_of(replace(SETTINGS, segment_octets=1 << 30)).segment_octets == SEGMENT_OCTETS
        assert settings_of(SETTINGS).segment_octets == SETTINGS.segment_octets

    play(scenario)
