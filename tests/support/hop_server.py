"""`Hop` on a loopback port, in the event loop of the test; with TLS if it is given a context."""

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

from tests.support.hop import Hop


@dataclass
class HopServer:
    """make_hop: one for each connection. hops: those of all connections so far."""

    make_hop: Callable[[], Hop] = Hop
    context: ssl.SSLContext | None = None
    behind_starttls: bytes = b""  # sent in clear right behind the 220
    hops: list[Hop] = field(default_factory=list)
    port: int = 0
    _server: asyncio.AbstractServer | None = None
    _connections: set["_Connection"] = field(default_factory=set)

    async def start(self, address: str = "127.0.0.1", port: int = 0) -> "HopServer":
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), address, port)
        self.port = self._server.sockets[0].getsockname()[1]
        _running.append(self)
        return self

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        self.drop_all()
        while self._connections:  # noqa: ASYNC110
            await asyncio.sleep(0)

    def drop_all(self) -> None:
        for connection in tuple(self._connections):
            connection.drop()

    def pause_all(self) -> None:
        """Read no more from anybody."""
        for connection in tuple(self._connections):
            if connection.transport is not None:
                connection.transport.pause_reading()

    def say_to_all(self, octets: bytes) -> None:
        for connection in tuple(self._connections):
            connection.say(octets)


class _Connection(asyncio.Protocol):
    def __init__(self, server: HopServer) -> None:
        self.server = server
        self.hop = server.make_hop()
        if server.context is not None:
            self.hop.offer_tls()
        self.transport: asyncio.Transport | None = None
        self.is_starting_tls = False
        self.early = b""
        self.tasks: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if self.is_starting_tls:
            return
        self.transport = cast("asyncio.Transport", transport)  # uvloop's are none by inheritance
        self.server._connections.add(self)
        self.server.hops.append(self.hop)
        self.say(self.hop.greet())

    def data_received(self, octets: bytes) -> None:
        if self.is_starting_tls:
            self.early += octets  # decrypted already, before the task that does the handshake goes on
            return
        said = self.hop.receive(octets)
        if self.hop.commands[-1:] == ["STARTTLS"] and said.startswith(b"220") and not self.hop.is_tls:
            self.say(said + self.server.behind_starttls)
            self.is_starting_tls = self.hop.is_tls = True
            self.hop.commands.append("(TLS)")
            task = asyncio.get_running_loop().create_task(self.start_tls())
            self.tasks.add(task)
            return
        self.say(said)

    async def start_tls(self) -> None:
        assert self.server.context is not None
        assert self.transport is not None
        loop = asyncio.get_running_loop()
        try:
            self.transport = await loop.start_tls(self.transport, self, self.server.context, server_side=True)
        except (OSError, asyncio.CancelledError):
            self.transport = None
            self.server._connections.discard(self)  # nobody may tell of its end
        self.hop.withdraw_tls()
        self.is_starting_tls = False
        early, self.early = self.early, b""
        self.data_received(early)

    def connection_lost(self, error: Exception | None) -> None:
        self.server._connections.discard(self)
        for task in self.tasks:
            task.cancel()

    def say(self, octets: bytes) -> None:
        if self.transport is None:
            return
        if octets:
            self.transport.write(octets)
        if self.hop.is_dropped:
            self.transport.abort()

    def drop(self) -> None:
        for task in self.tasks:
            task.cancel()  # a handshake that the peer has left may last until its time-out
        if self.transport is not None:
            self.transport.abort()


_running: list[HopServer] = []


async def stop_all() -> None:
    while _running:
        await _running.pop().stop()
