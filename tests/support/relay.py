"""What tests of connections to next hops share: event loops, a resolver that knows some names, transactions."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import uvloop
from tests.support.hop_server import stop_all

from outgate.contract.policy import RelayTls
from outgate.delivery.interface import (
    Addresses,
    HopConnection,
    Lookup,
    MailExchangers,
    NextHop,
    Transaction,
    TransactionResult,
)
from outgate.mail.address import ForwardPath, ReversePath
from outgate.net.clock import LoopClock
from outgate.net.relay import RelayConnector, RelaySettings
from outgate.spool.interface import ContentReader, SpoolError

T = TypeVar("T")

LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "uvloop": uvloop.new_event_loop,
    "asyncio": asyncio.new_event_loop,
}
TRACE = b"Received: from a.example\r\n\tby b.example; now\r\n"
CONTENT = b"Subject: hello\r\n\r\n.dot\r\n"
ALICE = ReversePath.parse("alice@alpha.example")
BOB = ForwardPath.parse("bob@receiver.example")


def run(main: Coroutine[Any, Any, T], loop: str = "uvloop") -> T:
    """In one of `LOOPS`, within 20 seconds; servers and connections are closed afterwards."""

    async def whole() -> T:
        try:
            return await asyncio.wait_for(main, 20)
        finally:
            while _connectors:
                keeper = _connectors.pop()._keeper
                for connection in tuple(keeper.connections):
                    connection.abort()
                while keeper.connections:  # noqa: ASYNC110
                    await asyncio.sleep(0)
            await stop_all()

    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        return runner.run(whole())


_connectors: list[RelayConnector] = []


@dataclass
class NamesResolver:
    """Knows `addresses`; anything else does not exist. trouble: names whose look-up fails for now."""

    known: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    trouble: tuple[str, ...] = ()

    async def mail_exchangers(self, domain: str) -> MailExchangers:
        return MailExchangers(Lookup.FOUND, (domain,))

    async def addresses(self, host: str) -> Addresses:
        if host in self.trouble:
            return Addresses(Lookup.TROUBLE)
        if host in self.known:
            return Addresses(Lookup.FOUND, self.known[host])
        return Addresses(Lookup.FOUND, (host,)) if host[0].isdigit() else Addresses(Lookup.NO_SUCH_NAME)


class DirectThreads:
    """Does at once what would block."""

    def run(self, work: Callable[[], T]) -> Awaitable[T]:
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        try:
            future.set_result(work())
        except SpoolError as error:
            future.set_exception(error)
        return future


class Reader:
    """Content as the spool gives it; damaged from `damaged_from` on."""

    def __init__(self, content: bytes, damaged_from: int | None = None) -> None:
        self.content = content
        self.damaged_from = damaged_from
        self.reads: list[tuple[int, int]] = []

    @property
    def size_octets(self) -> int:
        return len(self.content)

    def read(self, offset: int, length: int) -> bytes:
        self.reads.append((offset, length))
        if self.damaged_from is not None and offset + length > self.damaged_from:
            raise SpoolError("the checksum differs")
        return self.content[offset : offset + length]

    def close(self) -> None:
        pass


def connector(resolver: NamesResolver | None = None, **settings: Any) -> RelayConnector:
    """On the running loop; private addresses allowed."""
    made = RelayConnector(
        RelaySettings(**{"host_name": "b.example", "allow_private": True, **settings}),
        resolver=resolver or NamesResolver(),
        clock=LoopClock(asyncio.get_running_loop()),
        threads=DirectThreads(),
    )
    _connectors.append(made)
    return made


def next_hop(port: int, *hosts: str, tls: RelayTls = RelayTls.OPPORTUNISTIC, from_operator: bool = False) -> NextHop:
    return NextHop("hop.example", hosts or ("127.0.0.1",), port, tls, from_operator)


def transaction(content: bytes | ContentReader = CONTENT, *paths: ForwardPath, needs: int = 0) -> Transaction:
    return Transaction(ALICE, paths or (BOB,), TRACE, content, needs)


def begin(connection: HopConnection, what: Transaction | None = None) -> "asyncio.Future[TransactionResult]":
    """Send; the future is the result."""
    future: asyncio.Future[TransactionResult] = asyncio.get_running_loop().create_future()
    connection.send(what or transaction(), future.set_result)
    assert not future.done()
    return future


async def closed(connection: HopConnection) -> None:
    """Wait until the connection is gone."""
    event = asyncio.Event()
    connection.when_closed(event.set)
    await event.wait()


async def until(condition: Callable[[], object]) -> None:
    """Let the loop run until `condition` holds; `run` bounds it."""
    while not condition():  # noqa: ASYNC110  # what is waited for has no event to tell of it
        await asyncio.sleep(0)
