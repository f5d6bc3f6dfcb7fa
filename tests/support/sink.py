"""A next hop for tests: records envelopes and octets, offers what it is told to, misbehaves where it is told to.

Written apart from Outgate's own sessions, so that no fault is on both sides. One thread for a connection.
"""

import base64
import contextlib
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum

ALL_EXTENSIONS = ("PIPELINING", "SIZE 200000000", "8BITMIME", "SMTPUTF8", "CHUNKING", "ENHANCEDSTATUSCODES")


@dataclass
class Received:
    """One message as it came: the envelope's commands and the content's octets, dots un-stuffed."""

    mail: str
    recipients: list[str]
    content: bytes
    verb: str  # DATA or BDAT
    is_tls: bool
    wire: bytes = b""  # by DATA: the octets from behind the 354 to the end of the content, dots stuffed

    @property
    def body_behind_trace(self) -> bytes:
        """The content without the Received line that the relay put in front."""
        match = re.match(rb"Received: [^\r]*\r\n(?:[ \t][^\r]*\r\n)*", self.content)
        assert match, self.content[:200]
        return self.content[match.end() :]


class Then(Enum):
    """What comes of a dialogue behind octets that were said."""

    GO_ON = "as if the reply had been positive"
    REFUSE = "as if it had been negative"
    STALL = "not a word more, and nothing is read"
    DROP = "the connection is cut"


@dataclass(frozen=True)
class Says:
    """pieces: octets that are sent one after the other, each in a segment of its own; may be endless."""

    pieces: Iterable[bytes] = ()
    then: Then = Then.GO_ON


Script = Callable[[str, str], str | Says | None]
"""(verb, line) -> a reply line without CR LF instead of the ordinary one, octets, "DROP" to cut the connection, or
None. Verbs are those of SMTP, GREETING, END for the reply to the content, and TAKEN: "DROP" there takes the message and
cuts the connection without a word."""


@dataclass
class Sink:
    """Listens on a free port of `address` from `start` on."""

    address: str = "127.0.0.1"
    port: int = 0
    extensions: tuple[str, ...] = ALL_EXTENSIONS
    script: Script | None = None
    context: ssl.SSLContext | None = None
    logins: dict[str, str] | None = None  # user names and passwords, of which one is wanted before MAIL, behind TLS
    logged_in: list[str] = field(default_factory=list)
    messages: list[Received] = field(default_factory=list)
    connections: int = 0
    stalled: threading.Event = field(default_factory=threading.Event)  # set: what stalls is over
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _listening: socket.socket | None = None
    _open: set[socket.socket] = field(default_factory=set)
    _greeted: set[socket.socket] = field(default_factory=set)  # of these, such as have said EHLO

    def start(self) -> "Sink":
        self._listening = socket.create_server((self.address, self.port), backlog=256)
        self.port = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def stop(self) -> None:
        if self._listening is not None:
            self._listening.shutdown(socket.SHUT_RDWR)
            self._listening.close()
            self._listening = None
        self.stalled.set()
        _end(self._open)

    def drop_connections(self) -> None:
        """End what has heard our extensions, so that the next message comes by a connection that has not. One that is
        just being opened stays: to lose it would count as a next hop that is not there, and delay what comes next."""
        _end(self._greeted)

    def wait_for(self, count: int, seconds: float = 30.0) -> list[Received]:
        """The messages, as soon as there are `count`."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.messages) >= count, seconds), (
                f"{len(self.messages)} of {count} messages after {seconds} s"
            )
            return list(self.messages)

    def wait_for_recipients(self, recipients: set[str], seconds: float = 30.0) -> dict[str, Received]:
        """The messages to these, each alone in its envelope, whatever else may come."""
        found: dict[str, Received] = {}

        def is_complete() -> bool:
            for message in self.messages:
                recipient = message.recipients[0].removeprefix("RCPT TO:<").removesuffix(">")
                if recipient in recipients:
                    found[recipient] = message
            return found.keys() == recipients

        with self._changed:
            assert self._changed.wait_for(is_complete, seconds), f"missing: {sorted(recipients - found.keys())}"
            return found

    def _accept(self) -> None:
        while (listening := self._listening) is not None:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            self.connections += 1
            self._open.add(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        dialogue = _Dialogue(self, connection)
        with contextlib.suppress(OSError, _Dropped):
            dialogue.run()
        self._open.discard(connection)
        self._greeted.discard(connection)
        with contextlib.suppress(OSError):
            dialogue.connection.close()  # after STARTTLS no longer the one that was accepted

    def take(self, message: Received) -> None:
        with self._changed:
            self.messages.append(message)
            self._changed.notify_all()


def _end(connections: Iterable[socket.socket]) -> None:
    for connection in tuple(connections):
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)


class _Dropped(Exception):
    pass


class _Dialogue:
    def __init__(self, sink: Sink, connection: socket.socket) -> None:
        self.sink = sink
        self.connection = self.accepted = connection
        self.is_tls = False
        self.is_known = False
        self.buffer = b""
        self.reset()

    def reset(self) -> None:
        self.mail = ""
        self.recipients: list[str] = []
        self.chunks = b""

    def run(self) -> None:
        self.reply("GREETING", "", "220 sink.example ESMTP")
        while (line := self.line()) is not None:
            text = line.decode("utf-8", "replace")
            verb = text.split(" ")[0].upper().partition(":")[0]
            handler = getattr(self, f"do_{verb.lower()}", None)
            if handler is None:
                self.send("502 5.5.1 what?")
            elif handler(text) is False:
                return

    def do_ehlo(self, text: str) -> None:
        self.reset()
        extensions = list(self.sink.extensions)
        if self.sink.context is not None and not self.is_tls:
            extensions.append("STARTTLS")
        if self.sink.logins is not None and self.is_tls:
            extensions.append("AUTH PLAIN LOGIN")
        lines = ["sink.example", *extensions]
        self.reply("EHLO", text, "\r\n".join([f"250-{line}" for line in lines[:-1]] + [f"250 {lines[-1]}"]))
        self.sink._greeted.add(self.accepted)

    def do_helo(self, text: str) -> None:
        self.reply("HELO", text, "250 sink.example")

    def do_starttls(self, text: str) -> None:
        assert self.sink.context is not None
        self.reply("STARTTLS", text, "220 2.0.0 go ahead")
        self.connection = self.sink.context.wrap_socket(self.connection, server_side=True)
        self.buffer = b""
        self.is_tls = True

    def do_auth(self, text: str) -> None:
        assert text == "AUTH PLAIN"
        self.send("334 ")
        _, name, password = base64.b64decode(self.line() or b"").decode().split("\0")
        self.is_known = (self.sink.logins or {}).get(name) == password
        if self.is_known:
            self.sink.logged_in.append(name)
        self.send("235 2.7.0 welcome" if self.is_known else "535 5.7.8 who are you?")

    def do_mail(self, text: str) -> None:
        self.reset()
        if self.sink.logins is not None and not self.is_known:
            self.send("530 5.7.0 log in first")
        elif self.reply("MAIL", text, "250 2.1.0 fine"):
            self.mail = text

    def do_rcpt(self, text: str) -> None:
        if not self.mail:
            self.send("503 5.5.1 MAIL first")
        elif self.reply("RCPT", text, "250 2.1.5 fine"):
            self.recipients.append(text)

    def do_data(self, text: str) -> None:
        if not self.recipients:
            self.send("503 5.5.1 RCPT first")
            return
        if not self.reply("DATA", text, "354 go on"):
            return
        while not (b"\r\n" + self.buffer).count(b"\r\n.\r\n"):
            self.fill()
        content, _, self.buffer = (b"\r\n" + self.buffer).partition(b"\r\n.\r\n")
        wire = content[2:] + b"\r\n.\r\n"
        content = (content + b"\r\n").replace(b"\r\n..", b"\r\n.")[2:]
        self.end("DATA", content, wire)

    def do_bdat(self, text: str) -> None:
        words = text.split()
        while len(self.buffer) < int(words[1]):
            self.fill()
        chunk, self.buffer = self.buffer[: int(words[1])], self.buffer[int(words[1]) :]
        if not self.recipients:
            self.send("503 5.5.1 RCPT first")
            return
        self.chunks += chunk
        if words[-1].upper() == "LAST":
            self.end("BDAT", self.chunks)
        else:
            self.reply("BDAT", text, "250 2.0.0 chunk")

    def end(self, verb: str, content: bytes, wire: bytes = b"") -> None:
        message = Received(self.mail, self.recipients, content, verb, self.is_tls, wire)
        if self.sink.script and self.sink.script("TAKEN", "") == "DROP":
            self.sink.take(message)
            raise _Dropped
        if self.reply("END", "", "250 2.0.0 have it"):
            self.sink.take(message)
        self.reset()

    def do_rset(self, text: str) -> None:
        self.reset()
        self.reply("RSET", text, "250 2.0.0 fine")

    def do_noop(self, text: str) -> None:
        self.reply("NOOP", text, "250 2.0.0 fine")

    def do_quit(self, text: str) -> bool:
        self.reply("QUIT", text, "221 2.0.0 bye")
        return False

    def reply(self, verb: str, line: str, ordinary: str) -> bool:
        """Send what the script says, or `ordinary`; True if that was positive."""
        scripted = self.sink.script(verb, line) if self.sink.script else None
        if scripted == "DROP":
            raise _Dropped
        if isinstance(scripted, Says):
            for piece in scripted.pieces:
                self.connection.sendall(piece)
            if scripted.then is Then.STALL:
                self.sink.stalled.wait()
            if scripted.then in (Then.STALL, Then.DROP):
                raise _Dropped
            return scripted.then is Then.GO_ON
        self.send(scripted or ordinary)
        return (scripted or ordinary)[0] in "23"

    def send(self, text: str) -> None:
        self.connection.sendall(text.encode() + b"\r\n")

    def line(self) -> bytes | None:
        while b"\r\n" not in self.buffer:
            try:
                self.fill()
            except _Dropped:
                return None
        line, _, self.buffer = self.buffer.partition(b"\r\n")
        return line

    def fill(self) -> None:
        octets = self.connection.recv(262_144)
        if not octets:
            raise _Dropped
        self.buffer += octets


@contextlib.contextmanager
def running_sink(
    *,
    address: str = "127.0.0.1",
    port: int = 0,
    extensions: tuple[str, ...] = ALL_EXTENSIONS,
    script: Script | None = None,
    context: ssl.SSLContext | None = None,
) -> Iterator[Sink]:
    sink = Sink(address=address, port=port, extensions=extensions, script=script, context=context).start()
    try:
        yield sink
    finally:
        sink.stop()
