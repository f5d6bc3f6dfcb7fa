"""TLS over a transport, for protocols that began in clear (STARTTLS, RFC 3207).

Event loops have this too (`start_tls`), made for all that a protocol may want; a mail server sends and receives little
at a time, and there each turn of theirs costs several times what the encryption does. This one decrypts what a read
brought in one call, and encrypts and sends what is written in another. No task, no buffer of its own.
"""

import asyncio
import contextlib
import ssl
from collections.abc import Callable
from typing import Any, Final

READ_OCTETS: Final = 64 * 1024  # asked of OpenSSL at a time, which gives one record: 16 KiB of content at most


class TlsTransport(asyncio.Protocol):
    """A transport for `protocol`, and the protocol of the transport below.

    ended: called once, when the handshake is done (None), or has failed. Until then `protocol` hears nothing, and after
    a failure never again: whoever is told closes. From `begin` on nothing is read in clear.
    """

    __slots__ = (
        "_ended",
        "_incoming",
        "_is_closing",
        "_is_ready",
        "_object",
        "_outgoing",
        "_protocol",
        "_timer",
        "_transport",
    )

    def __init__(
        self,
        transport: asyncio.Transport,
        protocol: asyncio.Protocol,
        context: ssl.SSLContext,
        ended: Callable[[OSError | None], None],
        server_hostname: str | None = None,
    ) -> None:
        """server_hostname: whom a client expects at the other end; None for a server. Raises: ValueError, if a client's
        is no name."""
        self._transport = transport
        self._protocol = protocol
        self._ended: Callable[[OSError | None], None] | None = ended
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._object = context.wrap_bio(
            self._incoming, self._outgoing, server_side=server_hostname is None, server_hostname=server_hostname
        )
        self._is_ready = False
        self._is_closing = False
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, loop: asyncio.AbstractEventLoop, seconds: float) -> None:
        """Take the transport over and do the handshake, within so many seconds. `ended` is not called from within."""
        self._timer = loop.call_later(seconds, self.fail, ConnectionAbortedError("the TLS handshake took too long"))
        self._transport.set_protocol(self)
        if self._object.server_side:
            return
        try:
            self._object.do_handshake()
        except ssl.SSLWantReadError:
            self._send()

    def fail(self, error: OSError) -> None:
        """Give up the handshake, if it is not over. Idempotent."""
        self._end(error)

    def _end(self, error: OSError | None) -> None:
        ended, self._ended = self._ended, None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if ended is not None:
            ended(error)

    # Called by the transport below

    def data_received(self, octets: bytes) -> None:
        if self._is_closing:
            return
        self._incoming.write(octets)
        if not self._is_ready and not self._shake_hands():
            return
        parts: list[bytes] = []
        is_end = False
        try:
            read, incoming = self._object.read, self._incoming
            while True:
                part = read(READ_OCTETS)
                if not part:
                    is_end = True
                    break
                parts.append(part)
                if not incoming.pending:
                    break  # nothing is left over but the beginning of a record at most
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError:  # no TLS, or changed on its way: what came before it was good
            self._pass_on(parts)
            self._transport.abort()
            return
        if self._outgoing.pending:
            self._send()  # an answer of the protocol's own, such as to a change of keys
        self._pass_on(parts)
        if is_end and not self.is_closing() and not self._protocol.eof_received():
            self.close()

    def _pass_on(self, parts: list[bytes]) -> None:
        if parts:
            self._protocol.data_received(parts[0] if len(parts) == 1 else b"".join(parts))

    def _shake_hands(self) -> bool:
        """True once it is done."""
        if self._ended is None:
            return False
        try:
            self._object.do_handshake()
        except ssl.SSLWantReadError:
            self._send()
            return False
        except OSError as error:
            self._send()  # the alert that says why
            self._end(error)
            return False
        self._send()
        self._is_ready = True
        self._end(None)
        return not self._is_closing

    def eof_received(self) -> bool:
        """Without a farewell of TLS: SMTP marks the ends of what it says itself, so nothing can be cut unseen."""
        if not self._is_ready:
            self._end(ConnectionResetError("the peer ended the connection in the TLS handshake"))
            return False
        return not self._is_closing and bool(self._protocol.eof_received())

    def connection_lost(self, error: Exception | None) -> None:
        if self._is_ready:
            self._is_closing = True
            self._protocol.connection_lost(error)
        else:
            self._end(ConnectionResetError("the connection ended in the TLS handshake"))

    def pause_writing(self) -> None:
        if self._is_ready:
            self._protocol.pause_writing()

    def resume_writing(self) -> None:
        if self._is_ready:
            self._protocol.resume_writing()

    # Called by the protocol above

    def write(self, octets: bytes) -> None:
        if self._is_closing or not octets:
            return
        try:
            self._object.write(octets)
        except ssl.SSLError:
            self._transport.abort()
            return
        self._transport.write(self._outgoing.read())

    def close(self) -> None:
        """Say farewell (close_notify), and close when that and all before it has been sent. Idempotent."""
        if not self._is_closing:
            self._is_closing = True
            if self._is_ready:
                with contextlib.suppress(ssl.SSLError):  # nobody waits for the peer's own farewell
                    self._object.unwrap()
                self._send()
            self._transport.close()

    def abort(self) -> None:
        self._is_closing = True
        self._transport.abort()

    def is_closing(self) -> bool:
        return self._is_closing or self._transport.is_closing()

    def pause_reading(self) -> None:
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        self._transport.resume_reading()

    @property
    def cipher(self) -> str:
        """Protocol and cipher suite."""
        cipher = self._object.cipher()
        return f"{cipher[1]} {cipher[0]}" if cipher else "TLS"

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._transport.get_extra_info(name, default)

    def _send(self) -> None:
        octets = self._outgoing.read()
        if octets:
            self._transport.write(octets)
