"""Delivery as the worker sees it: takes durable messages, and answers what people ask about the queue.

What is done with the messages stands in `rounds`.
"""

from collections.abc import Callable

from outgate.contract.commands import CommandResult, QueueAction, QueueCommand
from outgate.contract.events import Event
from outgate.contract.wire import QueueList, QueueListed
from outgate.delivery import listing
from outgate.delivery.interface import Clock, Connector, Resolver, Threads
from outgate.delivery.item import Item
from outgate.delivery.rounds import Rounds
from outgate.delivery.routes import Router
from outgate.delivery.settings import DeliverySettings
from outgate.mail.message import Message, Progress, QueueId
from outgate.policy.schedule import RetrySchedule
from outgate.spool.interface import Spool

__all__ = ["DeliveryManager", "DeliverySettings"]


class DeliveryManager:
    """Everything on the event loop's thread.

    router: the sender relay of a message, None for MX; may raise RouteUnknown. random: even in [0, 1).
    emit: takes events for the record, before the spool is told what they say.
    """

    def __init__(
        self,
        *,
        spool: Spool,
        connector: Connector,
        resolver: Resolver,
        clock: Clock,
        threads: Threads,
        router: Router,
        schedule: RetrySchedule,
        settings: DeliverySettings,
        random: Callable[[], float],
        new_queue_id: Callable[[], QueueId],
        emit: Callable[[Event], None],
    ) -> None:
        self._schedule = schedule
        self._rounds = Rounds(
            spool=spool,
            connector=connector,
            resolver=resolver,
            clock=clock,
            threads=threads,
            router=router,
            schedule=schedule,
            settings=settings,
            random=random,
            new_queue_id=new_queue_id,
            emit=emit,
        )
        self.submit: Callable[[Message, bytes | None], None] = self._rounds.take
        """A message that has just become durable; its octets, if they are in memory, else None."""

    @property
    def queued(self) -> int:
        """Messages that are not finished."""
        return len(self._rounds.items)

    def recovered(self, message: Message, progress: Progress) -> None:
        """A message of an earlier process; tried from `start` on, when it is due."""
        self._rounds.take_up(message, progress)

    def start(self) -> None:
        """Begin with what is due."""
        self._rounds.start()

    async def drain(self, timeout_seconds: float) -> None:
        """Begin nothing more, and wait for what is under way, at most so long. What is left stays in the spool."""
        await self._rounds.drain(timeout_seconds)

    # For people

    def list(self, question: QueueList) -> QueueListed:
        return listing.listed(self._rounds.items.values(), question, self._schedule)

    def show(self, queue_id: QueueId) -> QueueListed:
        """One message, or none if it is not in the queue (any more)."""
        item = self._rounds.items.get(queue_id)
        return QueueListed((), 0) if item is None else QueueListed((listing.shown(item, self._schedule),), 1)

    def command(self, command: QueueCommand) -> CommandResult:
        """What a connection has in its hands at this moment ends first; the command takes effect behind it."""
        done, absent = [], []
        for queue_id in command.queue_ids:
            item = self._rounds.items.get(queue_id)
            if item is None or (command.customer_id and item.message.customer_id != command.customer_id):
                absent.append(queue_id)
            else:
                self._carry_out(command, item)
                done.append(queue_id)
        return CommandResult(tuple(done), tuple(absent))

    def _carry_out(self, command: QueueCommand, item: Item) -> None:
        match command.action:
            case QueueAction.RETRY:
                self._rounds.retry(item)
            case QueueAction.HOLD:
                self._rounds.hold(item)
            case QueueAction.RELEASE:
                self._rounds.release(item)
            case QueueAction.DELETE:
                self._rounds.delete(item, command.actor)

    def statistics(self) -> dict[str, float]:
        """Counters and gauges, named as in docs/metrics.md."""
        rounds = self._rounds
        return {
            "queued": float(len(rounds.items)),
            "active": float(rounds.active),
            "lanes": float(len(rounds.lanes)),
            "connections": float(rounds.lanes.connections),
            "connects": float(rounds.lanes.connects),
            "connects_failed": float(rounds.lanes.connects_failed),
            "hot_octets": float(rounds.hot_octets),
            "notices": float(rounds.notices_sent),
        }
