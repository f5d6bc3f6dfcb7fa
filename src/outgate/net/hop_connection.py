"""A connection to a next hop: moves octets between a transport and the client session, and keeps time.

Callbacks all through: a small message costs no task and no future. Content that is not in memory is read off the loop,
piece by piece, no faster than the next hop takes it. One ticker (`Keeper`) watches the time of all connections.
"""

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Final, cast

from outgate.delivery.interface import Clock, Threads, Transaction, TransactionResult
from outgate.mail.fingerprint import Fingerprint, fingerprint_of
from outgate.net.outbox import Outbox
from outgate.net.tls_transport import TlsTransport
from outgate.policy.reasons import Reason, reply_of
from outgate.smtp.client import ClientSession
from outgate.smtp.client_events import ContentWanted, Event, TransactionEnded
from outgate.spool.interface import ContentReader, SpoolError

PIECE_OCTETS: Final = 256 * 1024  # of content read and sent at a time; what a large message holds in memory
TICK_SECONDS: Final = 1.0  # how often times are looked at; limits of time are that exact
ENVELOPE_SECONDS_MAX: Final = 1_800.0  # for all replies to one envelope, however patient each wait is
HANDSHAKE_SECONDS: Final = 30.0  # for TLS; then the mail goes in clear, where that is allowed

Done = Callable[[TransactionResult], None]


@dataclass(slots=True)
class Keeper:
    """What all connections share: limits, and the ticker that ends what takes too long.

    idle_seconds: how long a connection without a transaction is kept.
    reply_seconds: the longest wait for any reply, and for the next hop to take octets.
    """

    clock: Clock
    threads: Threads
    idle_seconds: float
    reply_seconds: float
    outbox: Outbox
    connections: set["SmtpHopConnection"] = field(default_factory=set)
    _is_ticking: bool = False

    def enter(self, connection: "SmtpHopConnection") -> None:
        self.connections.add(connection)
        if not self._is_ticking:
            self._is_ticking = True
            self._schedule()

    def _schedule(self) -> None:
        self.clock.call_at(self.clock.monotonic() + min(TICK_SECONDS, self.idle_seconds), self._tick)

    def _tick(self) -> None:
        now = self.clock.monotonic()
        for connection in tuple(self.connections):
            connection.check_time(now)
        if self.connections:
            self._schedule()
        else:
            self._is_ticking = False


class SmtpHopConnection(asyncio.Protocol):
    """One connection, a `HopConnection` once the connector has seen it ready. peer: "host [address]"."""

    __slots__ = (
        "_closed",
        "_done",
        "_drained",
        "_heard_at",
        "_idle_since",
        "_is_reading",
        "_is_tls_beginning",
        "_keeper",
        "_loop",
        "_monotonic",
        "_postponed",
        "_session",
        "_task",
        "_transport",
        "_unclaimed",
        "_unsent",
        "_waiter",
        "peer",
        "tls",
        "transactions",
    )

    def __init__(self, session: ClientSession, keeper: Keeper, peer: str) -> None:
        self._session = session
        self._keeper = keeper
        self._loop = asyncio.get_running_loop()
        self._monotonic = keeper.clock.monotonic
        self._transport: asyncio.Transport | TlsTransport | None = None
        self._waiter: asyncio.Future[Event] | None = None  # of set-up, or of a task that sends content
        self._unclaimed: Event | None = None  # of set-up, that came before anybody waited for it
        self._drained: asyncio.Future[None] | None = None  # while the transport's buffer is full
        self._task: asyncio.Task[None] | None = None  # that sends content from a reader
        self._is_reading = False  # a thread has the reader in its hands
        self._postponed: TransactionEnded | None = None  # came meanwhile; after `done` the caller may close the reader
        self._done: Done | None = None
        self._closed: Callable[[], None] | None = None
        self._heard_at = self._monotonic()  # the last whole reply, or octets taken
        self._idle_since = self._heard_at  # or the beginning of what is under way
        self._unsent = b""  # until the loop's turn ends, see `outbox`
        self._is_tls_beginning = False
        self.peer = peer
        self.tls = ""
        self.transactions = 0

    # For the connector

    async def next_event(self) -> Event:
        """The next event of the set-up: `Ready`, `TlsAgreed` or `Rejected`."""
        unclaimed, self._unclaimed = self._unclaimed, None
        return await self._wait() if unclaimed is None else unclaimed

    async def start_tls(self, context: ssl.SSLContext, server_hostname: str) -> None:
        """Do the handshake that the peer agreed to, and say EHLO again.

        Raises: OSError (ssl.SSLError among them); the connection is gone.
        """
        self.push()
        transport, self._transport = self._transport, None
        if transport is None:
            raise ConnectionResetError("the connection ended before the handshake")
        assert not isinstance(transport, TlsTransport), "TLS begins once"
        waiter: asyncio.Future[None] = self._loop.create_future()
        self._is_tls_beginning = True
        try:
            secured = TlsTransport(
                transport, self, context, lambda error: self._tls_ended(secured, waiter, error), server_hostname
            )
            secured.begin(self._loop, min(HANDSHAKE_SECONDS, self._keeper.reply_seconds))
            await waiter
        except BaseException as error:
            self._keeper.connections.discard(self)
            transport.abort()
            if isinstance(error, ValueError) and not isinstance(error, ssl.SSLError):
                raise OSError(f"{server_hostname!r} is no name that a certificate can have") from error
            raise
        finally:
            self._is_tls_beginning = False
        self._advance()

    def _tls_ended(self, secured: TlsTransport, waiter: asyncio.Future[None], error: OSError | None) -> None:
        if waiter.done():
            return  # nobody waits any more
        if error is not None:
            waiter.set_exception(error)
            return
        self._transport = secured
        self.tls = secured.cipher
        self._session.tls_established()  # before anything that comes behind the handshake
        waiter.set_result(None)

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    # HopConnection

    @property
    def is_usable(self) -> bool:
        return self._done is None and self._transport is not None and self._session.is_idle

    def send(self, transaction: Transaction, done: Done) -> None:
        assert self.is_usable
        self._done = done
        self.transactions += 1
        self._idle_since = self._heard_at = self._monotonic()
        content = transaction.content
        if isinstance(content, bytes):
            if _is_altered(transaction, content):
                self._loop.call_soon(self._fail, transaction)
            else:
                self._begin(transaction, content, len(content))
        else:
            self._task = self._loop.create_task(self._send_from(transaction, content))

    def close(self) -> None:
        if self.is_usable:
            self._quit()
        else:
            self.abort()

    def when_closed(self, callback: Callable[[], None]) -> None:
        self._closed = callback
        if self._transport is None and not self._is_tls_beginning:
            self._loop.call_soon(self._tell_closed)

    # Called by the transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are none by inheritance
        self._keeper.enter(self)

    def data_received(self, octets: bytes) -> None:
        if self._session.receive(octets):
            self._heard_at = self._monotonic()
        self._advance()

    def pause_writing(self) -> None:
        self._drained = self._loop.create_future()

    def resume_writing(self) -> None:
        self._heard_at = self._monotonic()
        drained, self._drained = self._drained, None
        if drained is not None and not drained.done():
            drained.set_result(None)

    def connection_lost(self, _error: Exception | None) -> None:
        self._transport = None
        self._keeper.connections.discard(self)
        self.resume_writing()
        self._session.receive_end()
        self._advance()
        self._tell_closed()

    # Time, called by the keeper

    def check_time(self, now: float) -> None:
        session = self._session
        if self._is_tls_beginning:
            return  # the handshake has a limit of its own
        if session.is_ended:
            self.abort()
        elif self._done is None and session.is_idle:
            if now - self._idle_since >= self._keeper.idle_seconds:
                self._quit()
        elif now - self._heard_at >= min(session.patience_seconds, self._keeper.reply_seconds) or (
            session.is_in_envelope and now - self._idle_since >= ENVELOPE_SECONDS_MAX
        ):
            session.time_out()
            self._advance()

    # The dialogue

    def _begin(self, transaction: Transaction, content: bytes | None, content_octets: int) -> None:
        session = self._session
        session.begin(
            transaction.reverse_path,
            transaction.forward_paths,
            transaction.trace,
            content,
            content_octets=content_octets,
            needs=transaction.needs,
        )
        octets = session.outgoing()
        if octets and self._transport is not None:
            self._say(octets)
        else:
            self._loop.call_soon(self._advance)  # refused before it was sent; `done` is never called from within `send`

    def _advance(self) -> None:
        """Send what is to be sent, and pass on what has happened."""
        session = self._session
        transport = self._transport
        octets = session.outgoing()
        if octets and transport is not None:
            self._say(octets)
        if session.is_ended and transport is not None:
            self.push()
            transport.close()  # what cannot be flushed is dropped by the next tick
        event = session.next_event()
        while event is not None:
            if type(event) is TransactionEnded:
                self._end(event)
            else:
                self._pass_on(event)
            event = session.next_event()

    def _say(self, octets: bytes) -> None:
        if self._unsent:
            self._unsent += octets
        else:
            self._unsent = octets
            self._keeper.outbox.put(self)

    def push(self) -> None:
        octets, self._unsent = self._unsent, b""
        if octets and self._transport is not None:
            self._transport.write(octets)

    def _end(self, event: TransactionEnded) -> None:
        if self._is_reading:
            self._postponed = event
            return
        done, self._done = self._done, None
        assert done is not None
        self._idle_since = self._monotonic()
        if self._waiter is not None:
            self._pass_on(event)
        done(TransactionResult(event.replies, self.peer, self.tls, event.reason, event.is_heard))
        if self._transport is None:
            self._tell_closed()

    def _pass_on(self, event: Event) -> None:
        """To whoever waits for an event. The greeting may be quicker than the connector."""
        waiter, self._waiter = self._waiter, None
        if waiter is None:
            self._unclaimed = event
        elif not waiter.done():
            waiter.set_result(event)

    def _quit(self) -> None:
        self._heard_at = self._monotonic()
        self._session.quit()
        self._unsent += self._session.outgoing()
        self.push()

    def _tell_closed(self) -> None:
        """Behind `done`, if that is still to be called."""
        if self._done is not None:
            return
        closed, self._closed = self._closed, None
        if closed is not None:
            closed()

    # Content from a reader

    async def _send_from(self, transaction: Transaction, reader: ContentReader) -> None:
        """The first piece is read before anything is said, so that damaged content troubles no next hop."""
        size_octets = reader.size_octets
        try:
            piece = await self._read(reader, 0)
            if self._session.is_ended:
                self._end_unheard(transaction)
            elif size_octets <= PIECE_OCTETS:
                if _is_altered(transaction, piece):
                    raise _Altered
                self._begin(transaction, piece, size_octets)
            else:
                self._begin(transaction, None, size_octets)
                if isinstance(await self._wait(), ContentWanted):
                    await self._send_pieces(transaction, reader, piece)
        except SpoolError:
            self._fail(transaction)
        if self._postponed is not None:
            postponed, self._postponed = self._postponed, None
            self._end(postponed)

    async def _send_pieces(self, transaction: Transaction, reader: ContentReader, piece: bytes) -> None:
        """The last piece leaves only if all of the content is what came."""
        session = self._session
        fingerprint = Fingerprint()
        sent = 0
        while session.wants_content:
            sent += len(piece)
            fingerprint.update(piece)
            if sent >= reader.size_octets and transaction.fingerprint not in (b"", fingerprint.octets()):
                raise _Altered
            session.send_content(piece, is_last=sent >= reader.size_octets)
            if self._transport is not None:
                self._heard_at = self._monotonic()
                self._unsent += session.outgoing()
                self.push()
            if sent >= reader.size_octets:
                return
            piece = await self._read(reader, sent)
            if self._drained is not None:
                await self._drained

    async def _read(self, reader: ContentReader, offset: int) -> bytes:
        length = min(PIECE_OCTETS, reader.size_octets - offset)
        self._is_reading = True
        try:
            piece = await self._keeper.threads.run(partial(reader.read, offset, length))
        finally:
            self._is_reading = False
        if len(piece) != length:
            raise SpoolError(f"{len(piece)} octets instead of {length} at {offset}")
        return piece

    def _fail(self, transaction: Transaction) -> None:
        """The content cannot be read. What was sent of it cannot be taken back, so the connection ends with it."""
        if self._done is None or self._postponed is not None:
            return  # it is over already
        reply = reply_of(Reason.CONTENT_DAMAGED)
        if self._session.is_idle:
            self._end(TransactionEnded((reply,) * len(transaction.forward_paths), Reason.CONTENT_DAMAGED))
        else:
            self._session.give_up(reply, Reason.CONTENT_DAMAGED)
            self._advance()

    def _end_unheard(self, transaction: Transaction) -> None:
        """The connection ended while the content was read."""
        reply = reply_of(Reason.CONNECTION_LOST, self.peer)
        lost = (reply,) * len(transaction.forward_paths)
        self._end(TransactionEnded(lost, Reason.CONNECTION_LOST, is_heard=False))

    async def _wait(self) -> Event:
        waiter: asyncio.Future[Event] = self._loop.create_future()
        self._waiter = waiter
        return await waiter


class _Altered(SpoolError):
    """The content is not what came: some fault of ours, or of the machine."""


def _is_altered(transaction: Transaction, content: bytes) -> bool:
    return bool(transaction.fingerprint) and transaction.fingerprint != fingerprint_of(content)
