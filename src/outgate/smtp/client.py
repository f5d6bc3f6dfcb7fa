"""The client session: one connection to a next hop, from its greeting to QUIT. Sans-io.

The driver passes octets in (`receive`, `receive_end`) and out (`outgoing`), takes events, and keeps time: it gives up
when no reply came for `patience_seconds`. No argument ever carries a CR or LF, nothing of the time before TLS is
remembered behind it (RFC 3207 §4.2), and no content is converted.

RFC 5321, 1870, 2920, 3030, 3207, 4954, 6152, 6531.
"""

from binascii import b2a_base64
from collections import deque
from collections.abc import Sequence
from enum import Enum
from typing import Final

from outgate.contract.policy import Login, RelayTls
from outgate.mail.address import ForwardPath, ReversePath
from outgate.mail.message import ContentNeeds
from outgate.mail.reply import Reply
from outgate.smtp import client_events as events
from outgate.smtp.client_events import (
    CONNECTION_LOST,
    LACKS_EXTENSION,
    NEXT_HOP_REFUSED,
    NEXT_HOP_TLS,
    RELAY_LOGIN,
    ContentWanted,
    Event,
    Ready,
    Rejected,
    TlsAgreed,
    TransactionEnded,
)
from outgate.smtp.client_transaction import ClientTransaction, Turn, mail_command
from outgate.smtp.extensions import NO_EXTENSIONS, Extensions, read_extensions
from outgate.smtp.replies import PeerReply, ReplyReader

# How long to wait for each reply, RFC 5321 §4.5.3.2. Seconds. Those of transactions stand in `client_transaction`.
GREETING_SECONDS: Final = 300.0  # for the greeting
HELLO_SECONDS: Final = 300.0  # EHLO and HELO, which the RFC leaves open: like MAIL
AUTH_SECONDS: Final = 120.0  # for each reply to AUTH, which RFC 4954 leaves open
STARTTLS_SECONDS: Final = 120.0  # for the reply to STARTTLS, which the RFC leaves open: like DATA
QUIT_SECONDS: Final = 5.0  # nothing depends on the 221


class _Phase(Enum):
    GREETING = "before the greeting"
    EHLO = "at EHLO"
    HELO = "at HELO"
    STARTTLS = "at STARTTLS"
    AUTH = "at AUTH"
    HANDSHAKE = "in the TLS handshake"
    IDLE = "between messages"
    TRANSACTION = "in a transaction"
    QUITTING = "at QUIT"
    ENDED = "after its end"


_PATIENCE: Final = {
    _Phase.GREETING: GREETING_SECONDS,
    _Phase.STARTTLS: STARTTLS_SECONDS,
    _Phase.AUTH: AUTH_SECONDS,
    _Phase.QUITTING: QUIT_SECONDS,
}


class ClientSession:
    """hello_name: what EHLO says. tls: what is wanted of STARTTLS; None: not even where it is offered. login: who we
    say we are, never before TLS.

    Raises: ValueError if `hello_name` is nothing that a command can carry.
    """

    __slots__ = (
        "_events",
        "_hello_name",
        "_is_reset_due",
        "_is_secured",
        "_login",
        "_login_answers",
        "_outgoing",
        "_phase",
        "_reader",
        "_tls",
        "_transaction",
        "extensions",
    )

    def __init__(self, hello_name: str, tls: RelayTls | None = None, login: Login | None = None) -> None:
        if not hello_name.isascii() or not hello_name.isprintable() or " " in hello_name or not hello_name:
            raise ValueError(f"{hello_name!r} cannot be said in EHLO")
        self._hello_name = hello_name
        self._tls = tls
        self._login = login
        self._login_answers: list[bytes] = []  # to the challenges that are still to come
        self._is_secured = False
        self._phase = _Phase.GREETING
        self._reader = ReplyReader()
        self._outgoing: list[bytes] = []
        self._events: deque[Event] = deque()
        self._transaction: ClientTransaction | None = None
        self._is_reset_due = False  # the next hop may still hold a transaction: RSET goes before the next MAIL
        self.extensions: Extensions = NO_EXTENSIONS

    # What the driver reads

    @property
    def is_idle(self) -> bool:
        """Only then may `begin` be called."""
        return self._phase is _Phase.IDLE

    @property
    def is_ended(self) -> bool:
        """Nothing is to be sent any more: the driver closes the connection."""
        return self._phase is _Phase.ENDED

    @property
    def wants_content(self) -> bool:
        """Is content to be sent in pieces, by `send_content`?"""
        transaction = self._transaction
        return transaction is not None and transaction.is_streaming

    @property
    def is_in_envelope(self) -> bool:
        """Is a transaction under way, and not all of its envelope answered?"""
        return self._transaction is not None and self._transaction.is_in_envelope

    @property
    def is_logging_in(self) -> bool:
        """Then what is sent is a secret."""
        return self._phase is _Phase.AUTH

    @property
    def patience_seconds(self) -> float:
        """How long to wait for the next reply; for the next hop to take octets, while content is sent in pieces."""
        transaction = self._transaction
        if transaction is not None:
            return transaction.patience_seconds
        return _PATIENCE.get(self._phase, HELLO_SECONDS)

    def outgoing(self) -> bytes:
        """What is to be sent now, once."""
        pieces = self._outgoing
        if not pieces:
            return b""
        octets = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        return octets

    def next_event(self) -> Event | None:
        return self._events.popleft() if self._events else None

    # What the driver says

    def receive(self, octets: bytes) -> bool:
        """Octets from the next hop. True if a whole reply was among them: time counts anew from here."""
        phase = self._phase
        if phase is _Phase.HANDSHAKE:
            self._reject(events.TLS_INJECTION, NEXT_HOP_TLS)
            return False
        if phase is _Phase.ENDED:
            return False
        reader = self._reader
        reader.receive(octets)
        is_reply = False
        while (reply := reader.next_reply()) is not None:
            is_reply = True
            transaction = self._transaction
            if transaction is None:
                self._proceed(reply)
            elif reply.code == 421:  # RFC 5321 §3.8: whatever was asked, the service ends
                self._phase = _Phase.ENDED
                self._end(transaction, reply.reply(), "")
            else:
                turn = transaction.hear(reply)
                if turn is not Turn.GOES_ON:
                    self._take_turn(transaction, turn, reply)
            if self.is_ended:
                return True
        if reader.garbled:
            self._lose(events.no_reply(reader.garbled, self._stage))
        return is_reply

    def receive_end(self) -> None:
        """The connection is gone, or given up."""
        self._lose(events.connection_lost(self._stage))

    def time_out(self) -> None:
        """Nothing came for `patience_seconds`."""
        self._lose(events.silent(self._stage))

    def give_up(self, reply: Reply, reason: str) -> None:
        """Our own side cannot go on with the transaction under way, and so not with the connection either: whoever has
        no reply yet gets `reply`."""
        transaction = self._transaction
        assert transaction is not None
        self._phase = _Phase.ENDED
        self._end(transaction, reply, reason)

    def tls_established(self) -> None:
        """The handshake is done: everything starts again with EHLO, and nothing said in clear counts. RFC 3207 §4.2"""
        assert self._phase is _Phase.HANDSHAKE
        self._is_secured = True
        self.extensions = NO_EXTENSIONS
        self._reader = ReplyReader()
        self._say_hello()

    def begin(
        self,
        reverse_path: ReversePath,
        forward_paths: Sequence[ForwardPath],
        trace: bytes,
        content: bytes | None,
        *,
        content_octets: int,
        needs: int,
    ) -> None:
        """Relay one message to at least one recipient; ends with one `TransactionEnded`. Only when `is_idle`.

        trace: complete lines that go out in front of the content. content: None if it comes by `send_content` once it
        is wanted (never for no octets at all). needs: bits of `ContentNeeds`.
        """
        assert self._phase is _Phase.IDLE
        if not content_octets:
            content = b""
        extensions = self.extensions
        size_octets = len(trace) + content_octets
        if 0 < extensions.size_max < size_octets:
            refusal = events.too_large(size_octets, extensions.size_max)
            self._refuse(refusal, NEXT_HOP_REFUSED, len(forward_paths))
            return
        if needs:
            lacking = events.lacking(needs, extensions)
            if lacking is not None:
                self._refuse(lacking, LACKS_EXTENSION, len(forward_paths))
                return
        mail = mail_command(reverse_path, size_octets, needs, extensions)
        envelope = "\r\n".join((mail, *[f"RCPT TO:<{path.text}>" for path in forward_paths], ""))
        lines = len(forward_paths) + 1
        if envelope.count("\n") != lines or envelope.count("\r") != lines:
            self._refuse(events.UNSENDABLE_PATH, NEXT_HOP_REFUSED, len(forward_paths))
            return
        if not (needs & ContentNeeds.UTF8 or envelope.isascii()):  # RFC 6531 §3.2: never without the extension
            self._refuse(events.LACKS_SMTPUTF8, LACKS_EXTENSION, len(forward_paths))
            return
        self._phase = _Phase.TRANSACTION
        self._transaction = transaction = ClientTransaction(
            mail, forward_paths, trace, content, size_octets, self._outgoing, chunking=extensions.chunking
        )
        if extensions.pipelining:
            transaction.begin_together(envelope, is_reset_due=self._is_reset_due)
        else:
            transaction.begin_by_step(is_reset_due=self._is_reset_due)

    def send_content(self, octets: bytes, *, is_last: bool) -> None:
        """The next piece, in order; of a transaction that has ended meanwhile it is dropped. Together the pieces must
        have the `content_octets` that `begin` was told."""
        transaction = self._transaction
        if transaction is not None and transaction.is_streaming:
            transaction.send_content(octets, is_last=is_last)

    def quit(self) -> None:
        """Say goodbye. Only when `is_idle`; the driver closes when the session `is_ended`. RFC 5321 §4.1.1.10"""
        assert self._phase is _Phase.IDLE
        self._phase = _Phase.QUITTING
        self._outgoing.append(b"QUIT\r\n")

    # Greeting, EHLO, STARTTLS, AUTH

    @property
    def _stage(self) -> str:
        return self._phase.value if self._transaction is None else self._transaction.stage

    def _proceed(self, reply: PeerReply) -> None:
        """A reply outside of transactions."""
        phase = self._phase
        if phase is _Phase.IDLE or phase is _Phase.QUITTING:
            self._phase = _Phase.ENDED  # 221; or 421, or nonsense, to nothing that was asked
        elif phase is _Phase.AUTH:
            self._log_in_further(reply)
        elif reply.is_intermediate:
            self._lose(events.no_reply(b"%d" % reply.code, self._stage))
        elif reply.code == 421:
            self._reject(reply.reply(), "")
        elif phase is _Phase.GREETING:
            if reply.is_completion:
                self._say_hello()
            else:
                self._reject(reply.reply(), "")
        elif phase is _Phase.STARTTLS:
            self._begin_tls(reply)
        elif reply.is_completion:
            if phase is _Phase.EHLO:
                self.extensions = read_extensions(reply.texts)
            self._hello_done()
        elif phase is _Phase.EHLO and reply.code >= 500:  # RFC 5321 §3.2
            self._phase = _Phase.HELO
            self._outgoing.append(b"HELO %s\r\n" % self._hello_name.encode())
        else:
            self._reject(reply.reply(), "")

    def _say_hello(self) -> None:
        self._phase = _Phase.EHLO
        self._outgoing.append(b"EHLO %s\r\n" % self._hello_name.encode())

    def _hello_done(self) -> None:
        if self._is_secured or self._tls is None:
            if self._login is None:
                self._become_ready()
            else:
                self._log_in(self._login)
        elif self.extensions.starttls:
            self._phase = _Phase.STARTTLS
            self._outgoing.append(b"STARTTLS\r\n")
        elif self._tls is RelayTls.OPPORTUNISTIC and self._login is None:
            self._become_ready()
        else:
            self._reject(events.TLS_NOT_OFFERED, NEXT_HOP_TLS)

    def _begin_tls(self, reply: PeerReply) -> None:
        if reply.is_completion:
            if self._reader.has_unread:
                # Somebody on the way wants us to take his words for the next hop's, behind the handshake.
                self._reject(events.TLS_INJECTION, NEXT_HOP_TLS)
            else:
                self._phase = _Phase.HANDSHAKE
                self._events.append(TlsAgreed())
        elif self._tls is RelayTls.OPPORTUNISTIC and self._login is None:
            self._become_ready()
        else:
            self._reject(events.TLS_REFUSED, NEXT_HOP_TLS)

    # AUTH, RFC 4954

    def _log_in(self, login: Login) -> None:
        if not self._is_secured:  # a password in clear is everybody's
            self._reject(events.TLS_NOT_OFFERED, NEXT_HOP_TLS)
            return
        name, password = login.name.encode(), login.password.encode()
        if self.extensions.auth_plain:  # RFC 4616: authorization identity (none), name, password
            command, answers = b"AUTH PLAIN", [b2a_base64(b"\0" + name + b"\0" + password, newline=False)]
        elif self.extensions.auth_login:
            command = b"AUTH LOGIN"
            answers = [b2a_base64(name, newline=False), b2a_base64(password, newline=False)]
        else:
            self._reject(events.LOGIN_NOT_OFFERED, RELAY_LOGIN)
            return
        self._phase = _Phase.AUTH
        self._login_answers = answers
        self._outgoing.append(command + b"\r\n")

    def _log_in_further(self, reply: PeerReply) -> None:
        if reply.code == 421:
            self._reject(reply.reply(), "")
        elif reply.is_completion:
            self._login_answers.clear()
            self._become_ready()
        elif reply.code == 334 and self._login_answers:
            self._outgoing.append(self._login_answers.pop(0) + b"\r\n")
        elif reply.is_intermediate:  # more than the mechanism has to say: RFC 4954 §4 lets us give up by "*"
            self._reject(events.no_reply(b"%d" % reply.code, self._stage), CONNECTION_LOST)
        else:
            self._reject(events.login_refused(self._without_secret(reply.reply())), RELAY_LOGIN)

    def _without_secret(self, reply: Reply) -> Reply:
        """A next hop that says our password back must not bring it into any record."""
        login = self._login
        if login is None or not any(login.password in line for line in reply.lines):
            return reply
        return Reply(reply.code, reply.status, *[line.replace(login.password, "***") for line in reply.lines])

    def _become_ready(self) -> None:
        self._phase = _Phase.IDLE
        self._events.append(Ready())

    def _reject(self, reply: Reply, reason: str) -> None:
        self._phase = _Phase.ENDED
        self._events.append(Rejected(reply, reason))

    # Transactions

    def _take_turn(self, transaction: ClientTransaction, turn: Turn, reply: PeerReply) -> None:
        if turn is Turn.NONSENSE:
            if reply.is_completion:
                transaction.doubt()  # one more than commands, it seems
            self._lose(events.no_reply(b"%d" % reply.code, transaction.stage))
        elif self._reader.has_unread and self._reader.next_code != 421:
            # All that was said is answered, and yet there is more: nobody can tell what this reply was the answer to.
            transaction.doubt()
            self._outgoing.clear()
            self._lose(events.no_reply(b"more replies than commands", transaction.stage))
        elif turn is Turn.WANTS_CONTENT:
            self._events.append(ContentWanted())
        elif turn is Turn.ENDED:
            if transaction.is_streaming:  # refused ahead of time: what is left of the content cannot be taken back
                self._phase = _Phase.ENDED
            self._end(transaction, transaction.final, "")

    def _end(self, transaction: ClientTransaction, final: Reply, reason: str) -> None:
        self._transaction = None
        self._is_reset_due = not transaction.is_complete
        if self._phase is _Phase.TRANSACTION:
            self._phase = _Phase.IDLE
        self._events.append(TransactionEnded(transaction.replies(final), reason, transaction.is_heard))

    def _refuse(self, reply: Reply, reason: str, recipients: int) -> None:
        """Nothing is said to the next hop."""
        self._events.append(TransactionEnded((reply,) * recipients, reason))

    def _lose(self, reply: Reply) -> None:
        """The connection is lost, or no use. Who has no reply yet gets `reply`."""
        phase, self._phase = self._phase, _Phase.ENDED
        transaction = self._transaction
        if transaction is not None:
            self._end(transaction, reply, CONNECTION_LOST)
        elif phase not in (_Phase.IDLE, _Phase.QUITTING, _Phase.ENDED):
            self._events.append(Rejected(reply, CONNECTION_LOST))
