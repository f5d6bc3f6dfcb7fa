"""A server's dialogue but for what its commands mean: octets in, events out, replies back, and how it ends.

The driver gives `receive` what it reads, calls `next_event` until that returns None, answers each event that wants it
with `reply`, and sends what `outgoing` gives; it closes the connection when `finished` is true. Nothing here raises for
what a peer may send, and what is held is bounded. RFC 5321 §3.1, §3.8; RFC 2920 §3.2; RFC 3207 §4.2.
"""

from abc import ABC, abstractmethod
from enum import Enum
from typing import Final

from outgate.mail.reply import Reply
from outgate.smtp import answers
from outgate.smtp.events import Event
from outgate.smtp.incoming import Incoming

BUFFERED_MAX: Final = 2 * 1024 * 1024  # octets that may arrive while a reply is due; who sends more is cut off


class Reading(Enum):
    """What the next octets are."""

    NOTHING = 0  # before the greeting, in the TLS handshake, at the end
    COMMANDS = 1
    DATA = 2
    CHUNK = 3
    REFUSED_CHUNK = 4
    QUIT = 5  # after a greeting that refused service


class Dialogue(ABC):
    """Public attributes are for reading. finished: close, after what `outgoing` gives has been sent. last_reply: what
    ended it from our side."""

    __slots__ = (
        "_due",
        "_errors",
        "_errors_max",
        "_farewell",
        "_greeting",
        "_has_ended",
        "_idle_commands",
        "_idle_commands_max",
        "_incoming",
        "_is_deaf",
        "_outgoing",
        "_pending",
        "_reading",
        "finished",
        "last_reply",
        "tls_active",
    )

    def __init__(self, greeting: Reply, *, errors_max: int, idle_commands_max: int, tls_active: bool) -> None:
        self.finished = False
        self.last_reply: Reply | None = None
        self.tls_active = tls_active
        self._greeting = greeting
        self._errors_max = errors_max
        self._idle_commands_max = idle_commands_max
        self._errors = 0
        self._idle_commands = 0
        self._incoming = Incoming()
        self._outgoing: list[bytes] = []
        self._reading = Reading.NOTHING
        self._pending: Event | None = None  # to be given before anything else is processed
        self._due: Event | None = None  # waits for the driver's reply, and everything else for that
        self._farewell: Reply | None = None  # ends the session as soon as no reply and no content is due
        self._has_ended = False  # the peer will send no more
        self._is_deaf = False  # between the 220 to STARTTLS and the end of the handshake

    # What the driver calls

    def greet(self, reply: Reply | None = None) -> None:
        """Open the dialogue with 220, or turn the peer away. Once, and first.

        reply: a 421 ends the session; after a 5yz the peer is still waited for, but gets nothing but QUIT
        (RFC 5321 §3.1). Who has talked before is cut off: it cannot have known what it is talking to.
        """
        if self._incoming.pending_octets:
            self._finish(answers.TALKED_EARLY)
            return
        if self.finished:
            return
        greeting = reply or self._greeting
        if greeting.code == 421:
            self._finish(greeting)
            return
        self._outgoing.append(greeting.octets)
        self._reading = Reading.COMMANDS if greeting.is_positive else Reading.QUIT

    def receive(self, octets: bytes) -> None:
        """Take octets from the peer. They are processed by `next_event`."""
        if self.finished or self._is_deaf:
            return
        incoming = self._incoming
        if self._due is None:
            if self._reading is Reading.NOTHING and incoming.pending_octets:
                return  # before the greeting: one octet has said enough
            incoming.add(octets)
            if self._reading is Reading.QUIT:
                self._refuse_commands()
        elif self._farewell is None:
            incoming.add(octets)
            if incoming.pending_octets > BUFFERED_MAX:
                incoming.clear()
                self._farewell = answers.TOO_MUCH_AHEAD

    def receive_end(self) -> None:
        """The peer will send no more. What it has sent is still answered; then the session is finished."""
        self._has_ended = True
        if self._is_deaf or self._reading is Reading.QUIT:
            self._close()

    def next_event(self) -> Event | None:
        """The next event; None: the session waits for octets, or for the reply to the last event, or is finished."""
        if self._pending is not None:
            pending, self._pending = self._pending, None
            return pending
        if self._due is not None:
            return None
        incoming = self._incoming
        incoming.gather()
        while octets := incoming.octets:
            if self._farewell is not None and not self.is_receiving_content:
                break
            start = incoming.start
            event = self._process()
            if event is not None:
                return event
            if incoming.octets is octets and incoming.start == start:
                break  # it needs more
        if self.finished or self._reading is Reading.NOTHING:
            return None
        if self._farewell is not None and not self.is_receiving_content:
            return self._finish(self._farewell)
        return self._close() if self._has_ended else None

    def reply(self, reply: Reply) -> None:
        """Answer the event that waits. A 421 ends the session, whatever the event."""
        event = self._due
        assert event is not None, "no event waits for a reply"
        self._due = None
        if reply.code == 421:
            self._tell(self._finish(reply))
        else:
            self._answered(event, reply)

    def outgoing(self) -> bytes:
        """What is to be sent, all replies since the last call; the caller's now. RFC 2920 §3.2"""
        queued = self._outgoing
        if not queued:
            return b""
        octets = queued[0] if len(queued) == 1 else b"".join(queued)
        queued.clear()
        return octets

    def tls_established(self) -> None:
        """The handshake that a 220 to STARTTLS began has succeeded: all is as after the greeting. RFC 3207 §4.2"""
        assert self._is_deaf, "no handshake was begun"
        self._is_deaf = False
        self.tls_active = True
        self._reading = Reading.COMMANDS

    def time_out(self, *, is_slow: bool = False) -> None:
        """The peer has been silent for too long, or `is_slow`. Does nothing while a reply is due: then the silence is
        ours."""
        if self._due is None and not self.finished:
            self._tell(self._leave(answers.TOO_SLOW if is_slow else answers.TIMED_OUT))

    def shed(self) -> None:
        """Give up what is held, for want of memory. A message whose reply is due is not touched, only what came behind
        it: to end there would send the message twice."""
        if self._due is None:
            self._tell(self._leave(answers.OVERLOADED))
        else:
            self._incoming.clear()
            self._farewell = answers.OVERLOADED

    def shut_down(self, *, cuts_content: bool = False) -> None:
        """End the session: at once, or after the reply that is due, or after the content that is under way.

        cuts_content: there is no more time to wait for that; the peer keeps the message.
        """
        if self.finished:
            return
        if self._due is None and (cuts_content or not self.is_receiving_content):
            self._tell(self._leave(answers.SHUTTING_DOWN))
        elif self._farewell is None:
            self._farewell = answers.SHUTTING_DOWN

    @property
    def is_waiting_for_reply(self) -> bool:
        return self._due is not None

    # What the commands mean

    @property
    @abstractmethod
    def is_receiving_content(self) -> bool:
        """Octets of a message are expected, be it to be dropped; also between its chunks."""

    @property
    @abstractmethod
    def content_progress(self) -> tuple[object, int]:
        """For who watches the pace: the content under way, and its octets so far; (None, 0) where there is none."""

    @property
    @abstractmethod
    def buffered_octets(self) -> int:
        """Received and not yet given to the driver."""

    @abstractmethod
    def _process(self) -> Event | None:
        """Process the next of what has come, according to `_reading`. What needs more octets leaves them in place."""

    @abstractmethod
    def _answered(self, event: Event, reply: Reply) -> None:
        """The driver's reply to `event`, not 421: send it, and do what follows."""

    @abstractmethod
    def _void(self, reason: str = "") -> Event | None:
        """Forget the transaction; the event that says so, if there was one. RFC 5321 §4.1.1.5"""

    # Ends

    def _leave(self, reply: Reply) -> Event | None:
        """End it from our side; in the TLS handshake without a word."""
        return self._close() if self._is_deaf else self._finish(reply)

    def _finish(self, reply: Reply) -> Event | None:
        """`reply` is the last one."""
        self._outgoing.append(reply.octets)
        self.last_reply = reply
        return self._close()

    def _close(self) -> Event | None:
        self.finished = True
        self._reading = Reading.NOTHING
        self._due = None
        self._incoming.clear()
        return self._void()

    def _refuse_commands(self) -> None:
        """After a greeting that refused service. RFC 5321 §3.1"""
        incoming = self._incoming
        incoming.gather()
        while incoming.octets and (line := incoming.line()) is not None:
            if isinstance(line, bytes) and line.rstrip(b" ").upper() == b"QUIT":
                self._finish(answers.BYE)
            else:
                self._fault(answers.QUIT_ONLY)

    # Replies

    def _ask(self, event: Event) -> Event:
        """Give the driver an event that wants a reply."""
        self._due = event
        return event

    def _tell(self, event: Event | None) -> None:
        """Let `next_event` give it, where there is one."""
        if event is not None:
            self._pending = event

    def _fault(self, reply: Reply) -> Event | None:
        """Refuse a command for its syntax or order; the state stays (RFC 5321 §4.1.4)."""
        self._errors += 1
        if self._errors > self._errors_max:
            return self._finish(answers.TOO_MANY_ERRORS)
        self._outgoing.append(reply.octets)
        return None

    def _idle(self, reply: Reply) -> Event | None:
        """Answer a command that brings no mail."""
        self._idle_commands += 1
        if self._idle_commands > self._idle_commands_max:
            return self._finish(answers.TOO_MANY_IDLE)
        self._outgoing.append(reply.octets)
        return None
