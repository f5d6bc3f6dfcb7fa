"""Delivery as the worker sees it: takes durable messages, and answers what people ask about the queue.

What is done with the messages stands in `rounds`.
"""

import asyncio
from collections.abc import Callable, Sequence
from itertools import chain

from msgspec import structs

from outgate.contract.commands import CommandResult, QueueAction, QueueCommand
from outgate.contract.wire import QueueList, QueueListed, QueueSelect, QueueSelected
from outgate.delivery import listing
from outgate.delivery.item import Item, Wish
from outgate.delivery.means import Means
from outgate.delivery.rounds import Rounds
from outgate.delivery.waiting import Waiting
from outgate.mail.message import Message, Progress, QueueId
from outgate.sealing.keys import CONTENT_KEY_OCTETS


class DeliveryManager:
    """Everything on the event loop's thread.

    adopted: those of spools whose own worker is gone. held: of the store of held mail. Their mail is shown, counted and
    commanded here too.
    """

    def __init__(self, means: Means) -> None:
        self.adopted: list[DeliveryManager] = []
        self.held: DeliveryManager | None = None
        self._schedule = means.schedule
        self._rounds = Rounds(means)
        self.submit: Callable[[Message, bytes | None], None] = self._rounds.take
        """A message that has just become durable; its octets, if they are in memory, else None."""

    @property
    def queued(self) -> int:
        """Messages that are not finished."""
        own = len(self._rounds.items) + len(self._rounds.waiting)
        return own + sum(manager.queued for manager in self._others())

    def recovered(self, message: Message, progress: Progress) -> None:
        """A message of an earlier process; tried from `start` on, when it is due."""
        self._rounds.take_up(message, progress)

    def start(self) -> None:
        """Begin with what is due."""
        self._rounds.start()

    async def drain(self, time_is_up: asyncio.Event) -> None:
        """Begin nothing more, and wait for what is under way until `time_is_up`. What is left stays in the spool."""
        await asyncio.gather(*(each._rounds.drain(time_is_up) for each in self._with_others()))

    # For people

    async def list(self, question: QueueList) -> QueueListed:
        return await listing.listed(self._all(), question, self._schedule, self._expected())

    async def select(self, question: QueueSelect) -> QueueSelected:
        return await listing.selected(self._all(), question)

    def show(self, queue_id: QueueId) -> QueueListed:
        """One message, or none if it is not in the queue (any more)."""
        queued = self._find(queue_id)
        if queued is None:
            return QueueListed((), 0)
        return QueueListed((listing.shown(queued, self._schedule, self._expected()),), 1)

    def _expected(self) -> listing.Expected:
        lanes = [(each._rounds.waiting, each._rounds.slow.estimates()) for each in self._with_others()]

        def expected(waiting: Waiting) -> float:
            for room, estimate in lanes:
                if room.get(waiting.queue_id) is waiting:
                    return estimate(waiting)
            return 0.0  # it has just left

        return expected

    def _others(self) -> "Sequence[DeliveryManager]":
        return self.adopted if self.held is None else [self.held, *self.adopted]

    def _with_others(self) -> "tuple[DeliveryManager, ...]":
        return (self, *self._others())

    def _all(self) -> tuple[listing.Queued, ...]:
        return tuple(
            chain.from_iterable((*each._rounds.items.values(), *each._rounds.waiting) for each in self._with_others())
        )

    def _find(self, queue_id: QueueId) -> listing.Queued | None:
        for each in self._with_others():
            queued = each._rounds.items.get(queue_id) or each._rounds.waiting.get(queue_id)
            if queued is not None:
                return queued
        return None

    def command(self, command: QueueCommand) -> CommandResult:
        """What a connection has in its hands at this moment ends first; the command takes effect behind it."""
        done: list[QueueId] = []
        absent: list[QueueId] = []
        sealed: list[QueueId] = []
        for queue_id in command.queue_ids:
            queued = self._rounds.items.get(queue_id) or self._rounds.waiting.get(queue_id)
            if queued is None or (command.customer_id and queued.message.customer_id != command.customer_id):
                absent.append(queue_id)
                continue
            if command.action is QueueAction.RELEASE and _lacks_key(command, queued):
                sealed.append(queue_id)
                continue
            if isinstance(queued, Waiting):
                self._change(command, queued)
            else:
                self._wish(command, queued)
            done.append(queue_id)
        for each in self._others():
            if not absent:
                break
            result = each.command(structs.replace(command, queue_ids=tuple(absent)))
            done += result.done
            sealed += result.sealed
            absent = list(result.absent)
        return CommandResult(tuple(done), tuple(absent), tuple(sealed))

    def _change(self, command: QueueCommand, waiting: Waiting) -> None:
        match command.action:
            case QueueAction.RETRY:
                self._rounds.retry(waiting)
            case QueueAction.HOLD:
                self._rounds.hold(waiting)
            case QueueAction.RELEASE:
                self._rounds.release(waiting, command.keys.get(waiting.queue_id, b""))
            case QueueAction.DELETE:
                self._rounds.delete(waiting, command.actor)

    def _wish(self, command: QueueCommand, item: Item) -> None:
        match command.action:
            case QueueAction.RETRY:
                pass  # it is being tried
            case QueueAction.HOLD:
                self._rounds.wish(item, Wish.HOLD)
            case QueueAction.RELEASE:
                self._rounds.release_wish(item)
            case QueueAction.DELETE:
                self._rounds.wish(item, Wish.DELETE, command.actor)

    def statistics(self) -> dict[str, float]:
        """Counters and gauges, named as in docs/metrics.md."""
        rounds = self._rounds
        return {
            "queued": float(self.queued),
            "active": float(rounds.active),
            "lanes": float(len(rounds.lanes)),
            "connections": float(rounds.lanes.connections),
            "connects": float(rounds.lanes.connects),
            "connects_failed": float(rounds.lanes.connects_failed),
            "hot_octets": float(rounds.hot_octets),
            "notices": float(rounds.notices_sent),
            "set_aside": float(rounds.suspects.set_aside),
            "adopted": float(len(self.adopted)),
        }


def _lacks_key(command: QueueCommand, queued: listing.Queued) -> bool:
    """Is its content sealed, and was its key never told?"""
    if not queued.message.sealed_key or queued.progress.content_key:
        return False
    return len(command.keys.get(queued.message.queue_id, b"")) != CONTENT_KEY_OCTETS
