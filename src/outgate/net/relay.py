"""Opens connections to next hops: addresses in order, TLS as far as wanted, none that mail must not go to.

The very address that is connected to is checked each time, since a name may lead elsewhere a second later. RFC 5321
§5.1; RFC 3207.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

from outgate.contract.policy import RelayTls
from outgate.delivery.interface import Clock, Lookup, NextHop, Resolver, Threads, Unreachable
from outgate.mail.reply import Reply
from outgate.net.hop_connection import Keeper, SmtpHopConnection
from outgate.net.outbox import Outbox
from outgate.policy.next_hop import is_forbidden_address
from outgate.policy.reasons import Reason, reply_of
from outgate.smtp.client import ClientSession
from outgate.smtp.client_events import Ready, Rejected, TlsAgreed
from outgate.smtp.client_transaction import END_OF_DATA_SECONDS

ADDRESSES_MAX: Final = 10  # tried for one connection; RFC 5321 §5.1 demands at least two where there are two
TOTAL_SECONDS: Final = 600.0  # for one connection, all addresses together


@dataclass(frozen=True, slots=True)
class RelaySettings:
    """host_name: what EHLO says. allow_private: may next hops be on loopback and private networks?

    own_addresses: address and port of our listeners, `0.0.0.0` and `::` for all; never a next hop, or mail would go
    round for ever. ca_file: PEM of trusted authorities, empty for the system's. connect_seconds: for one TCP
    connection. idle_seconds: how long an unused connection is kept. reply_seconds: the longest wait for a reply; RFC
    5321 §4.5.3.2 has shorter ones for most.
    """

    host_name: str
    allow_private: bool = False
    own_addresses: frozenset[tuple[str, int]] = frozenset()
    ca_file: str = ""
    connect_seconds: float = 30.0
    idle_seconds: float = 5.0
    reply_seconds: float = END_OF_DATA_SECONDS


class RelayConnector:
    """A `Connector` on the running event loop.

    Raises: OSError if `ca_file` cannot be read (ssl.SSLError among them if it is no PEM).
    """

    def __init__(self, settings: RelaySettings, *, resolver: Resolver, clock: Clock, threads: Threads) -> None:
        self._settings = settings
        self._resolver = resolver
        self._clock = clock
        self._keeper = Keeper(
            clock,
            threads,
            settings.idle_seconds,
            settings.reply_seconds,
            Outbox(asyncio.get_running_loop()),
        )
        self._unverified = _context()
        self._verified = _context(verify=True, ca_file=settings.ca_file)

    def context_for(self, tls: RelayTls) -> ssl.SSLContext:
        """What a handshake is done with, where TLS is wanted so far."""
        return self._verified if tls is RelayTls.VERIFIED else self._unverified

    async def connect(self, next_hop: NextHop) -> SmtpHopConnection:
        failures = _Failures(next_hop)
        try:
            async with asyncio.timeout(TOTAL_SECONDS):
                async for host, address in self._candidates(next_hop, failures):
                    try:
                        return await self._connect(next_hop, host, address)
                    except Unreachable as failure:
                        failures.add(failure)
        except TimeoutError:
            failures.add(_unreachable(next_hop.name, f"{next_hop.name}: no connection within {TOTAL_SECONDS:.0f} s"))
        raise failures.verdict()

    async def _candidates(self, next_hop: NextHop, failures: "_Failures") -> AsyncIterator[tuple[str, str]]:
        """Hosts in order, each with its addresses; at most `ADDRESSES_MAX` in all."""
        count = 0
        for host in next_hop.hosts:
            found = await self._resolver.addresses(host)
            if found.lookup is Lookup.TROUBLE:
                failures.add(Unreachable(reply_of(Reason.DNS_TROUBLE, host), host, Reason.DNS_TROUBLE))
            elif found.lookup is not Lookup.FOUND:
                failures.add(
                    Unreachable(reply_of(Reason.DOMAIN_NOT_FOUND, host, status="5.4.4"), host, Reason.DOMAIN_NOT_FOUND)
                )
            for address in found.addresses:
                if count >= ADDRESSES_MAX:
                    return
                if self._is_forbidden(address, next_hop.port):
                    failures.add(_forbidden(host, address))
                    continue
                count += 1
                yield host, address

    async def _connect(self, next_hop: NextHop, host: str, address: str) -> SmtpHopConnection:
        """Raises: Unreachable."""
        try:
            return await self._try(next_hop, host, address, next_hop.tls)
        except _HandshakeFailed as failure:
            if next_hop.tls is not RelayTls.OPPORTUNISTIC or next_hop.login is not None:
                peer = _peer_name(host, address, next_hop.port)
                reply = reply_of(Reason.NEXT_HOP_TLS, f"no TLS with {peer}: {failure}")
                raise Unreachable(reply, peer, Reason.NEXT_HOP_TLS) from failure
        # Opportunistic encryption guards against listeners only; without it the mail goes on: RFC 7435 §3.
        return await self._try(next_hop, host, address, None)

    async def _try(self, next_hop: NextHop, host: str, address: str, tls: RelayTls | None) -> SmtpHopConnection:
        """One connection to one address, up to the end of EHLO. Raises: Unreachable, _HandshakeFailed."""
        peer = _peer_name(host, address, next_hop.port)
        loop = asyncio.get_running_loop()
        session = ClientSession(self._settings.host_name, tls, next_hop.login)
        try:
            async with asyncio.timeout(self._settings.connect_seconds):
                transport, connection = await loop.create_connection(
                    lambda: SmtpHopConnection(session, self._keeper, peer), address, next_hop.port
                )
        except TimeoutError:
            raise _unreachable(peer, f"{peer}: no answer in {self._settings.connect_seconds:g} s") from None
        except OSError as error:
            raise _unreachable(peer, f"{peer}: {error.strerror or error}") from error
        try:
            if self._is_ourselves(transport):
                raise _forbidden(host, address)
            await self._set_up(connection, host, tls)
        except BaseException:
            connection.abort()
            raise
        return connection

    async def _set_up(self, connection: SmtpHopConnection, host: str, tls: RelayTls | None) -> None:
        while True:
            event = await connection.next_event()
            match event:
                case Ready():
                    return
                case TlsAgreed():
                    try:
                        await connection.start_tls(self.context_for(tls or RelayTls.OPPORTUNISTIC), host)
                    except OSError as error:
                        raise _HandshakeFailed(_tls_error(error)) from error
                case Rejected(reply, reason):
                    raise Unreachable(reply, connection.peer, Reason(reason) if reason else _reason_of(reply))
                case _:
                    raise AssertionError(event)

    # Where mail must not go

    def _is_forbidden(self, address: str, port: int) -> bool:
        """To be asked before connecting."""
        own = self._settings.own_addresses
        if (address, port) in own:
            return True
        if not self._settings.allow_private:
            return is_forbidden_address(address) is not None
        return ip_address(address).is_loopback and not own.isdisjoint((("0.0.0.0", port), ("::", port)))  # noqa: S104

    def _is_ourselves(self, transport: asyncio.BaseTransport) -> bool:
        """With listeners on all addresses, none of this machine's may be the peer. A connection to an address of one's
        own comes from that very address."""
        local: tuple[str, int] = transport.get_extra_info("sockname")[:2]
        peer: tuple[str, int] = transport.get_extra_info("peername")[:2]
        own = self._settings.own_addresses
        return local[0] == peer[0] and not own.isdisjoint((("0.0.0.0", peer[1]), ("::", peer[1])))  # noqa: S104


class _HandshakeFailed(Exception):
    """The text says why, for people."""


class _Failures:
    """What went wrong on the way to one next hop. The verdict is permanent only if everything was: doubt defers."""

    def __init__(self, next_hop: NextHop) -> None:
        self._next_hop = next_hop
        self._last: Unreachable | None = None

    def add(self, failure: Unreachable) -> None:
        if self._last is None or failure.reply.is_transient or self._last.reply.is_permanent:
            self._last = failure

    def verdict(self) -> Unreachable:
        last = self._last
        if last is None:
            return _unreachable(self._next_hop.name, f"{self._next_hop.name}: it has no address")
        if self._next_hop.from_operator and last.reply.is_permanent and last.reason in _MISTAKES:
            # A sender relay that is misnamed is a setting to be mended, no reason to return the customer's mail.
            reply = Reply(451, "4.4.4", *last.reply.lines)
            return Unreachable(reply, last.next_hop, last.reason)
        return last


_MISTAKES: Final = frozenset({Reason.DOMAIN_NOT_FOUND, Reason.NEXT_HOP_FORBIDDEN})


def _unreachable(peer: str, text: str) -> Unreachable:
    return Unreachable(reply_of(Reason.NEXT_HOP_UNREACHABLE, text), peer)


def _forbidden(host: str, address: str) -> Unreachable:
    reason = Reason.NEXT_HOP_FORBIDDEN
    return Unreachable(reply_of(reason, f"{host} [{address}]"), f"{host} [{address}]", reason)


def _reason_of(reply: Reply) -> Reason:
    return Reason.NEXT_HOP_REFUSED if reply.is_permanent else Reason.NEXT_HOP_DEFERRED


def _peer_name(host: str, address: str, port: int) -> str:
    name = f"[{address}]" if host == address else f"{host} [{address}]"
    return name if port == 25 else f"{name}:{port}"


def _context(*, verify: bool = False, ca_file: str = "") -> ssl.SSLContext:
    """TLS 1.2 and up (RFC 8996). Without `verify` it only keeps listeners out, as opportunistic TLS does."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if verify:
        if ca_file:
            context.load_verify_locations(ca_file)
        else:
            context.load_default_certs()
    else:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _tls_error(error: OSError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    if isinstance(error, ssl.SSLError):
        return error.reason or str(error)
    return error.strerror or str(error) or type(error).__name__
