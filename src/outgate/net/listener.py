"""Accepts SMTP connections and moves their octets between transport and session.

Callbacks all the way, no task for a connection: what arrives is given to the session, each event to the conversation,
and the replies of one read leave in one write. A conversation answers at once or, while a message is made durable,
later through `reply_later`; the session waits meanwhile and the transport is not read past a bound.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address
from math import inf
from typing import Final, Protocol, cast

from outgate.mail.reply import Reply
from outgate.net.outbox import Outbox
from outgate.net.tls_transport import TlsTransport
from outgate.smtp.events import Event, TlsRequested
from outgate.smtp.proxy import ProxyError, ProxyHeaderReader
from outgate.smtp.server import ServerSession, ServerSettings

READ_AHEAD_MAX: Final = 512 * 1024  # octets that a session may hold unprocessed before its transport is paused
HANDSHAKE_SECONDS: Final = 30.0  # for TLS; then the connection is cut
SWEEP_SECONDS: Final = 1.0  # how often silent and slow connections are looked for; their limits are that exact
PACE_WINDOWS: Final = 2.0  # times of permitted silence over which content must keep its pace: one may be a stall
PACE_OCTETS_PER_SECOND: Final = 200  # that content must bring on average; the slowest modem brings five times as many
HELD_MAX: Final = 256 * 1024 * 1024  # octets that all sessions together may hold; above it the greediest are ended
PROXY_HEADER_SECONDS: Final = 10.0  # for the header to be complete; then the connection is cut
CLOSE_SECONDS: Final = 10.0  # a peer that does not take our last reply in this time is dropped


class Conversation(Protocol):
    """One peer's dialogue, decided by reception."""

    is_stranger: bool

    def answer(self, event: Event) -> Reply | None:
        """The reply, or None: the event wants none, or the reply comes through the `reply_later` of its making."""

    def secured(self, tls: str) -> None:
        """TLS stands from here on; `tls` names protocol and cipher."""

    def closed(self) -> None:
        """The connection is gone; whatever was under way is void."""


@dataclass(slots=True)
class Peer:
    """Who is at the other end, and how to reach the connection from the conversation."""

    address: str
    port: int
    session: ServerSession
    reply_later: Callable[[Reply], None]
    pause_reading: Callable[[], None]
    resume_reading: Callable[[], None]


class Host(Protocol):
    """What a connection needs of the worker."""

    def session_settings(self) -> ServerSettings: ...

    def tls_context(self) -> ssl.SSLContext | None: ...

    def converse(self, peer: Peer, /) -> "Conversation | Reply":
        """A conversation, or the reply (421, 554) that turns the peer away."""

    def idle_seconds(self, conversation: Conversation, /) -> float: ...

    def session_seconds(self, conversation: Conversation, /) -> float:
        """For everything that the peer may want; inf for one that is known."""

    def greeting_delay_seconds(self, conversation: Conversation, /) -> float: ...


@dataclass(slots=True)
class ListenerCounters:
    """For the metrics."""

    accepted: int = 0
    tls_established: int = 0
    tls_failed: int = 0
    timed_out: int = 0
    ended: dict[str, int] = field(default_factory=dict)  # by us, by reason
    early_talkers: int = 0
    proxy_errors: int = 0


@dataclass(slots=True)
class Listener:
    """One listening socket's connections."""

    host: Host
    loop: asyncio.AbstractEventLoop
    proxies: tuple[IPv4Network | IPv6Network, ...] = ()
    connections: set["SmtpConnection"] = field(default_factory=set)
    counters: ListenerCounters = field(default_factory=ListenerCounters)
    server: asyncio.AbstractServer | None = None
    outbox: Outbox = field(init=False)
    _sweep: asyncio.TimerHandle | None = None
    _empty: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.outbox = Outbox(self.loop)

    async def start(self, listening: socket.socket) -> None:
        """Accept connections on `listening`, which is bound and belongs to this listener from now on."""
        self.server = await self.loop.create_server(lambda: SmtpConnection(self), sock=listening, backlog=1024)
        self._schedule_sweep()

    def stop_accepting(self) -> None:
        if self.server is not None:
            self.server.close()

    def shut_down(self, *, cuts_content: bool = False) -> None:
        """421 to everybody: at once who is idle, the others after the reply that they wait for. RFC 5321 §3.8.

        cuts_content: also to those who are sending a message.
        """
        self.stop_accepting()
        for connection in tuple(self.connections):
            connection.shut_down(cuts_content=cuts_content)

    async def wait_until_empty(self) -> None:
        """Until the last connection has ended; to be called after `shut_down`."""
        self._empty.clear()
        if self.connections:
            await self._empty.wait()

    def leave(self, connection: "SmtpConnection") -> None:
        self.connections.discard(connection)
        if not self.connections:
            self._empty.set()

    def drop_all(self) -> None:
        for connection in tuple(self.connections):
            connection.drop()
        if self._sweep is not None:
            self._sweep.cancel()

    def _schedule_sweep(self) -> None:
        self._sweep = self.loop.call_later(SWEEP_SECONDS, self._sweep_slow)

    def _sweep_slow(self) -> None:
        """All that watches time and memory is here, once a second, so that it costs no message anything."""
        now = self.loop.time()
        held_octets = 0
        for connection in tuple(self.connections):
            held_octets += connection.check(now)
        if held_octets > HELD_MAX:
            self._shed(held_octets - HELD_MAX)
        self._schedule_sweep()

    def _shed(self, excess_octets: int) -> None:
        """End those who hold most until `excess_octets` are free."""
        for connection in sorted(self.connections, key=SmtpConnection.held_octets, reverse=True):
            if excess_octets <= 0:
                return
            excess_octets -= connection.held_octets()
            connection.shed()


class SmtpConnection(asyncio.Protocol):
    """One connection: octets in, events out, replies back."""

    __slots__ = (
        "_content",
        "_content_octets",
        "_conversation",
        "_ends_at",
        "_has_answered",
        "_heard_at",
        "_idle_seconds",
        "_is_heard",
        "_is_paused",
        "_is_stuffed",
        "_listener",
        "_proxy",
        "_session",
        "_since",
        "_tls",
        "_transport",
        "_unsent",
        "_wants_pause",
    )

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        # None: nothing may be sent (not yet, no more, or in the handshake of TLS)
        self._transport: asyncio.Transport | TlsTransport | None = None
        self._session: ServerSession | None = None
        self._conversation: Conversation | None = None
        self._proxy: ProxyHeaderReader | None = None
        self._tls: TlsTransport | None = None  # in its handshake
        self._unsent = b""  # until the loop's turn ends, see `outbox`
        self._is_paused = False
        self._wants_pause = False  # the conversation's wish; the session's comes on top
        self._is_stuffed = False  # the peer does not take our replies: nothing more is read that asks for some
        # What a read and a write leave for the next sweep:
        self._is_heard = False
        self._has_answered = False
        # What the sweeps keep, exact to `SWEEP_SECONDS`:
        self._since = 0.0  # the last whole command or reply; in content, the beginning of the stretch that is measured
        self._heard_at = 0.0
        self._content: object = None  # at `_since`
        self._content_octets = 0
        self._idle_seconds = PROXY_HEADER_SECONDS
        self._ends_at = inf

    # Called by the transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        listener = self._listener
        transport = cast("asyncio.Transport", transport)  # uvloop's is one by its methods, not by its class
        self._transport = transport
        self._since = listener.loop.time()
        listener.connections.add(self)
        listener.counters.accepted += 1
        peer = transport.get_extra_info("peername")
        address, port = (peer[0], peer[1]) if isinstance(peer, tuple) else ("", 0)
        if not listener.proxies:
            self._begin(address, port)
        elif _is_within(address, listener.proxies):
            self._proxy = ProxyHeaderReader()
        else:
            listener.counters.proxy_errors += 1
            transport.abort()

    def data_received(self, octets: bytes) -> None:
        self._is_heard = True
        if self._proxy is not None:
            octets = self._read_proxy_header(octets)
            if not octets:
                return
        session = self._session
        if session is None:
            return
        session.receive(octets)
        self._advance(session)

    def eof_received(self) -> bool:
        """A half-closed peer gets the replies that are due; nothing more can come, so that a message under way ends."""
        session = self._session
        if session is None or self._transport is None:
            return False
        session.receive_end()
        self._advance(session)
        self.push()  # before the transport closes
        return session.is_waiting_for_reply  # True keeps our half open until the reply has been sent

    def connection_lost(self, _error: Exception | None) -> None:
        self._transport = None
        self._listener.leave(self)
        conversation, self._conversation = self._conversation, None
        if conversation is not None:
            conversation.closed()

    def pause_writing(self) -> None:
        self._is_stuffed = True
        self._since = self._listener.loop.time()
        self._regulate()

    def resume_writing(self) -> None:
        self._is_stuffed = False
        self._regulate()

    # Called by the conversation

    def reply_later(self, reply: Reply) -> None:
        """The answer to the event that waits. Too late for a peer that is gone: then nothing happens."""
        session = self._session
        if session is None or self._conversation is None or not session.is_waiting_for_reply:
            return
        session.reply(reply)
        self._advance(session)

    def pause_reading(self) -> None:
        self._wants_pause = True
        self._regulate()

    def resume_reading(self) -> None:
        self._wants_pause = False
        self._regulate()

    # Called by the listener

    def check(self, now: float) -> int:
        """End the connection if it does not get on. Returns what the session holds, in octets."""
        session = self._session
        if session is None or self._transport is None or session.finished or self._is_stuffed:
            # The PROXY header, the handshake, the farewell and our replies have to get through in time.
            if now - self._since >= self._idle_seconds:
                self.drop()
            return 0
        content, content_octets = session.content_progress
        if (
            session.is_waiting_for_reply
            or self._is_paused  # the silence is ours
            or content is not self._content
            or (content is None and self._has_answered)
        ):
            self._measure_from(now, content, content_octets)
        elif content is None:
            if now - self._since >= self._idle_seconds:
                self._time_out(session, now, is_slow=self._is_heard)
        elif self._is_heard:
            self._is_heard = False
            self._heard_at = now
            stretch_seconds = PACE_WINDOWS * self._idle_seconds
            if now - self._since >= stretch_seconds:
                if content_octets - self._content_octets < PACE_OCTETS_PER_SECOND * stretch_seconds:
                    self._time_out(session, now, is_slow=True)
                self._measure_from(now, content, content_octets)
        elif now - self._heard_at >= self._idle_seconds:
            self._time_out(session, now, is_slow=False)
        if now >= self._ends_at:
            self._time_out(session, now, is_slow=True)
        return session.buffered_octets

    def held_octets(self) -> int:
        return 0 if self._session is None else self._session.buffered_octets

    def shed(self) -> None:
        session = self._session
        if session is not None and self._transport is not None:
            session.shed()
            self._flush(session)

    def _measure_from(self, now: float, content: object, content_octets: int) -> None:
        self._since = self._heard_at = now
        self._content = content
        self._content_octets = content_octets
        self._is_heard = False
        self._has_answered = False

    def _time_out(self, session: ServerSession, now: float, *, is_slow: bool) -> None:
        if session.is_waiting_for_reply or session.finished:
            return
        self._listener.counters.timed_out += 1
        session.time_out(is_slow=is_slow)
        self._since = now
        self._flush(session)

    def shut_down(self, *, cuts_content: bool) -> None:
        session = self._session
        if session is None or self._transport is None:
            self.drop()
            return
        session.shut_down(cuts_content=cuts_content)
        self._flush(session)

    def drop(self) -> None:
        if self._transport is not None:
            self._transport.abort()
        elif self._tls is not None:
            self._tls.fail(ConnectionAbortedError("the connection was given up"))

    # The dialogue

    def _begin(self, address: str, port: int) -> None:
        host = self._listener.host
        self._session = session = ServerSession(host.session_settings())
        peer = Peer(address, port, session, self.reply_later, self.pause_reading, self.resume_reading)
        conversation = host.converse(peer)
        if isinstance(conversation, Reply):
            session.greet(conversation)
            self._idle_seconds = CLOSE_SECONDS
            self._flush(session)
            return
        self._conversation = conversation
        self._idle_seconds = host.idle_seconds(conversation)
        self._ends_at = self._since + host.session_seconds(conversation)
        delay = host.greeting_delay_seconds(conversation)
        if delay:
            self._listener.loop.call_later(delay, self._greet)
        else:
            self._greet()

    def _greet(self) -> None:
        session = self._session
        if session is None or self._transport is None or session.finished:
            return
        if session.buffered_octets:
            self._listener.counters.early_talkers += 1
        session.greet()
        self._advance(session)

    def _read_proxy_header(self, octets: bytes) -> bytes:
        assert self._proxy is not None
        assert self._transport is not None
        try:
            found = self._proxy.receive(octets)
        except ProxyError:
            self._listener.counters.proxy_errors += 1
            self._transport.abort()
            return b""
        if found is None:
            return b""
        self._proxy = None
        if found.source is not None:
            self._begin(found.source.address, found.source.port)
        elif found.is_local:  # the balancer speaks for itself: a health check
            peer = self._transport.get_extra_info("peername")
            self._begin(peer[0], peer[1])
        else:  # a client whom the balancer does not name must not be taken for the balancer
            self._listener.counters.proxy_errors += 1
            self._transport.abort()
            return b""
        return found.rest

    def _advance(self, session: ServerSession) -> None:
        """Process what can be processed now; all that came of it leaves in one write, at the end of the loop's turn."""
        conversation = self._conversation
        if conversation is not None:
            next_event = session.next_event
            while (event := next_event()) is not None:
                reply = conversation.answer(event)
                if reply is not None:
                    session.reply(reply)
                    if type(event) is TlsRequested and reply.code == 220:
                        self._start_tls(session)
                        return
        transport = self._transport
        if transport is None:
            return
        octets = session.outgoing()
        if octets:
            self._has_answered = True
            if self._unsent:
                self._unsent += octets
            else:
                self._unsent = octets
                self._listener.outbox.put(self)
        if session.finished:
            self._close()
        elif self._is_paused or session.is_waiting_for_reply:
            self._regulate()

    def _flush(self, session: ServerSession) -> None:
        transport = self._transport
        if transport is None:
            return
        self._unsent += session.outgoing()
        self.push()
        if session.finished:
            self._close()

    def push(self) -> None:
        octets, self._unsent = self._unsent, b""
        if octets and self._transport is not None:
            self._transport.write(octets)

    def _close(self) -> None:
        assert self._transport is not None
        session = self._session
        if session is not None and (last := session.last_reply) is not None and last.code in (421, 554):
            ended = self._listener.counters.ended
            reason = last.lines[0].partition(":")[0]
            ended[reason] = ended.get(reason, 0) + 1
        self._idle_seconds = CLOSE_SECONDS
        self._since = self._listener.loop.time()
        self._content = None
        self.push()
        self._transport.close()

    def _regulate(self) -> None:
        """Stop reading while the session or the conversation has enough, go on when neither has."""
        transport = self._transport
        session = self._session
        if transport is None or session is None or transport.is_closing():
            return
        enough = self._wants_pause or self._is_stuffed or session.buffered_octets > READ_AHEAD_MAX
        if enough and not self._is_paused:
            self._is_paused = True
            transport.pause_reading()
        elif not enough and self._is_paused:
            self._is_paused = False
            transport.resume_reading()

    def _start_tls(self, session: ServerSession) -> None:
        """Send the 220 and hand the transport over. From here on nothing is read or written in clear, and without
        `_transport` no reply can be sent until TLS stands. RFC 3207 §4.2."""
        self._unsent += session.outgoing()
        self.push()
        transport, self._transport = self._transport, None
        context = self._listener.host.tls_context()
        if transport is None or context is None:
            return
        assert not isinstance(transport, TlsTransport), "the session agrees to TLS once"
        if self._is_paused:  # by what it had said in clear, which is void
            self._is_paused = False
            transport.resume_reading()
        loop = self._listener.loop
        self._since = loop.time()
        self._tls = TlsTransport(transport, self, context, self._tls_ended)
        self._tls.begin(loop, HANDSHAKE_SECONDS)

    def _tls_ended(self, error: OSError | None) -> None:
        """The handshake is over."""
        tls, self._tls = self._tls, None
        session, conversation, counters = self._session, self._conversation, self._listener.counters
        assert tls is not None
        if error is not None or session is None or conversation is None:
            counters.tls_failed += error is not None
            tls.abort()
            self.connection_lost(None)
            return
        counters.tls_established += 1
        self._transport = tls
        self._since = self._listener.loop.time()
        session.tls_established()
        conversation.secured(tls.cipher)
        self._advance(session)


def _is_within(address: str, networks: tuple[IPv4Network | IPv6Network, ...]) -> bool:
    parsed = ip_address(address)
    return any(parsed in network for network in networks)
