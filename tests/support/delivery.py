"""A world for tests of delivery: time that a test moves, next hops that answer as it says, a spool in memory."""

import asyncio
import heapq
import itertools
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from tests.support.relay import DirectThreads

from outgate.contract.events import DeliveryAttempted, Event
from outgate.contract.policy import SenderRelay
from outgate.delivery.interface import (
    Addresses,
    Lookup,
    MailExchangers,
    NextHop,
    Transaction,
    TransactionResult,
    Unreachable,
)
from outgate.delivery.manager import DeliveryManager
from outgate.delivery.means import Means
from outgate.delivery.settings import DeliverySettings
from outgate.mail.address import NULL_REVERSE_PATH, ForwardPath, ReversePath
from outgate.mail.message import Message, Progress, QueueId
from outgate.mail.reply import Reply
from outgate.policy.limits import Limiter
from outgate.policy.schedule import RetrySchedule
from outgate.spool.interface import SpoolError
from outgate.spool.memory import MemoryDisk, MemorySpool

T = TypeVar("T")

START = 1_795_600_000.0
CONTENT = b"From: alice@alpha.example\r\nSubject: hello\r\n\r\nHello\r\n"
OK = Reply(250, "2.0.0", "taken")
LATER = Reply(451, "4.3.0", "later")
NO = Reply(550, "5.1.1", "no such user")
RELAY = SenderRelay("alpha.example", "relay.example", 2525)

Answer = TransactionResult | Reply | Sequence[Reply] | None
"""What a next hop makes of a transaction: a reply for all, one for each, a whole result, or None: it never answers."""


class Clock:
    """Wall time and monotonic time in step; moved by `World.pass_seconds`."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.timers: list[tuple[float, int, Callable[[], None]]] = []
        self.cancelled: set[int] = set()
        self.numbers = itertools.count()

    def now(self) -> float:
        return START + self.seconds

    def monotonic(self) -> float:
        return self.seconds

    def stopwatch(self) -> float:
        return self.seconds

    def call_at(self, monotonic: float, callback: Callable[[], None]) -> Callable[[], None]:
        number = next(self.numbers)
        heapq.heappush(self.timers, (monotonic, number, callback))
        return lambda: self.cancelled.add(number)


class Connection:
    """A `HopConnection` of the fake connector."""

    def __init__(self, hops: "Hops", next_hop: NextHop) -> None:
        self.hops = hops
        self.next_hop = next_hop
        self.is_open = True
        self.done: Callable[[TransactionResult], None] | None = None
        self.closed: Callable[[], None] | None = None
        self.transactions = 0

    @property
    def peer(self) -> str:
        return f"{self.next_hop.hosts[0]} [192.0.2.1]"

    @property
    def is_usable(self) -> bool:
        return self.is_open and self.done is None

    def send(self, transaction: Transaction, done: Callable[[TransactionResult], None]) -> None:
        assert self.is_usable
        assert transaction.forward_paths
        self.done = done
        self.transactions += 1
        content = transaction.content
        octets = content if isinstance(content, bytes) else content.read(0, content.size_octets)
        self.hops.sent.append((self.next_hop.name, transaction, octets))
        answer = self.hops.answer(transaction, self)
        if answer is not None:
            asyncio.get_running_loop().call_soon(self.reply, transaction, answer)

    def reply(self, transaction: Transaction, answer: TransactionResult | Reply | Sequence[Reply]) -> None:
        if isinstance(answer, Reply):
            answer = (answer,) * len(transaction.forward_paths)
        if not isinstance(answer, TransactionResult):
            answer = TransactionResult(tuple(answer), self.peer, "TLSv1.3 X")
        self.end(answer)

    def end(self, result: TransactionResult) -> None:
        done, self.done = self.done, None
        if done is not None:
            done(result)

    def lose(self, *, is_heard: bool = True) -> None:
        """The connection is cut."""
        self.is_open = False
        if self.done is not None:
            transaction = self.hops.sent[-1][1]
            reply = Reply(451, "4.4.2", "connection-lost: the connection to the next hop ended at MAIL")
            count = len(transaction.forward_paths)
            self.end(TransactionResult((reply,) * count, self.peer, "", "connection-lost", is_heard))
        self.tell_closed()

    def close(self) -> None:
        self.lose()

    def when_closed(self, callback: Callable[[], None]) -> None:
        self.closed = callback
        if not self.is_open:
            asyncio.get_running_loop().call_soon(self.tell_closed)

    def tell_closed(self) -> None:
        closed, self.closed = self.closed, None
        if closed is not None:
            self.hops.connections.discard(self)
            closed()


@dataclass
class Hops:
    """A `Connector`. answer: for each transaction. refuse: what connecting ends with, None for a connection; `hang`:
    next hops that take for ever to connect to."""

    answer: Callable[[Transaction, Connection], Answer] = lambda transaction, connection: OK
    refuse: Callable[[NextHop], Unreachable | None] = lambda next_hop: None
    hang: Callable[[NextHop], bool] = lambda next_hop: False
    connects: list[NextHop] = field(default_factory=list)
    connections: set[Connection] = field(default_factory=set)
    sent: list[tuple[str, Transaction, bytes]] = field(default_factory=list)
    most_connections: int = 0

    async def connect(self, next_hop: NextHop) -> Connection:
        self.connects.append(next_hop)
        await asyncio.sleep(0)
        if self.hang(next_hop):
            await asyncio.Event().wait()
        refusal = self.refuse(next_hop)
        if refusal is not None:
            raise refusal
        connection = Connection(self, next_hop)
        self.connections.add(connection)
        self.most_connections = max(self.most_connections, len(self.connections))
        return connection

    def recipients(self) -> list[str]:
        """All that was sent, in order."""
        return [path.text for _, transaction, _ in self.sent for path in transaction.forward_paths]


@dataclass
class Names:
    """A `Resolver`: every domain has one mail host, but for `known`."""

    known: dict[str, MailExchangers] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    async def mail_exchangers(self, domain: str) -> MailExchangers:
        self.asked.append(domain)
        await asyncio.sleep(0)
        return self.known.get(domain) or MailExchangers(Lookup.FOUND, (f"mx.{domain}",))

    async def addresses(self, host: str) -> Addresses:
        return Addresses(Lookup.FOUND, ("192.0.2.1",))


class Table:
    """`Tries` in memory; `noted` is what would outlive the process."""

    def __init__(self, noted: dict[int, QueueId] | None = None) -> None:
        self.noted = {} if noted is None else noted
        self._left = {queue_id: slot for slot, queue_id in self.noted.items()}
        self._numbers = itertools.count(max(self.noted, default=-1) + 1)

    def begin(self, queue_id: QueueId) -> int:
        slot = next(self._numbers)
        self.noted[slot] = queue_id
        return slot

    def end(self, slot: int) -> None:
        self.noted.pop(slot, None)

    def left(self) -> dict[QueueId, int]:
        return dict(self._left)


class World:
    """One worker's delivery, on the running loop. relay: the sender relay of all messages, None for MX."""

    def __init__(
        self,
        *,
        disk: MemoryDisk | None = None,
        noted: dict[int, QueueId] | None = None,
        relay: SenderRelay | None = RELAY,
        schedule: RetrySchedule | None = None,
        is_started: bool = True,
        limiter: Limiter | None = None,
        **settings: Any,
    ) -> None:
        self.clock = Clock()
        self.spool = MemorySpool(post=asyncio.get_running_loop().call_soon, disk=disk)
        self.hops = Hops()
        self.names = Names()
        self.events: list[DeliveryAttempted] = []
        self.relay = relay
        self.ids = itertools.count(1)
        self.tries = Table(noted)
        self.faults: list[tuple[QueueId, Exception]] = []
        self.means = Means(
            spool=self.spool,
            connector=self.hops,
            resolver=self.names,
            clock=self.clock,
            threads=DirectThreads(),
            tries=self.tries,
            router=lambda message: self.route(message),  # noqa: PLW0108  # a test may replace it
            schedule=schedule or RetrySchedule(jitter=0.0),
            settings=DeliverySettings(**{"worker": "test/1", "host_name": "outgate.example", **settings}),
            random=lambda: 0.5,
            new_queue_id=self.next_id,
            emit=lambda event: self.emit(event),  # noqa: PLW0108
            fault=lambda queue_id, error: self.faults.append((queue_id, error)),
            limiter=limiter or Limiter.of_nobody(),
        )
        self.manager = DeliveryManager(self.means)
        for message, progress in self.spool.recover():
            self.manager.recovered(message, progress)
        if is_started:
            self.manager.start()

    def route(self, message: Message) -> SenderRelay | None:
        return None if message.reverse_path.is_null else self.relay

    def next_id(self) -> str:
        return f"{next(self.ids):013d}"

    def emit(self, event: Event) -> None:
        if isinstance(event, DeliveryAttempted):
            self.events.append(event)

    async def accept(self, *recipients: str, content: bytes = CONTENT, is_hot: bool = True, **fields: Any) -> Message:
        """A message is received: durable, then submitted."""
        message = make_message(self.next_id(), *recipients, size_octets=len(content), **fields)
        answered: asyncio.Future[SpoolError | None] = asyncio.get_running_loop().create_future()
        self.spool.accept(message, content, answered.set_result)
        assert await answered is None
        self.manager.submit(message, content if is_hot else None)
        return message

    async def settle(self) -> None:
        """Let everything happen that can happen without time."""
        for _ in range(60):
            await asyncio.sleep(0)

    async def pass_seconds(self, seconds: float) -> None:
        """Move time, timer by timer."""
        clock = self.clock
        end = clock.seconds + seconds
        await self.settle()
        while clock.timers and clock.timers[0][0] <= end:
            at, number, callback = heapq.heappop(clock.timers)
            if number in clock.cancelled:
                clock.cancelled.discard(number)
                continue
            clock.seconds = max(clock.seconds, at)
            callback()
            await self.settle()
        clock.seconds = end
        await self.settle()

    def stored(self) -> dict[str, Progress]:
        """What a process that started now would find."""
        return {message.queue_id: progress for message, progress in self.spool.recover()}

    def outcomes(self) -> list[tuple[str, str, str]]:
        """(recipient, outcome, reason) of all events in order."""
        return [
            (outcome.forward_path, outcome.outcome, event.reason) for event in self.events for outcome in event.outcomes
        ]


def make_message(queue_id: str, *recipients: str, reverse_path: str = "alice@alpha.example", **fields: Any) -> Message:
    return Message(
        **{
            "queue_id": queue_id,
            "customer_id": "alpha",
            "received_at": START,
            "reverse_path": ReversePath.parse(reverse_path) if reverse_path else NULL_REVERSE_PATH,
            "forward_paths": tuple(forward_path(text) for text in recipients or ("bob@receiver.example",)),
            "size_octets": len(CONTENT),
            "needs": 0,
            "trace": b"Received: by outgate.example\r\n",
            "reason": "domain-own",
            **fields,
        }
    )


def forward_path(text: str) -> ForwardPath:
    local_part, _, domain = text.rpartition("@")
    return ForwardPath(text, local_part, domain)


def play(scenario: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a scenario, which makes its own `World`."""

    async def whole() -> T:
        try:
            return await asyncio.wait_for(scenario(), 20)
        finally:
            tasks = asyncio.all_tasks() - {asyncio.current_task()}
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    return asyncio.run(whole())


def unreachable(code: int = 451, reason: str = "next-hop-unreachable") -> Unreachable:
    from outgate.policy.reasons import Reason

    return Unreachable(Reply(code, f"{code // 100}.4.1", f"{reason}: no connection"), "relay.example", Reason(reason))
