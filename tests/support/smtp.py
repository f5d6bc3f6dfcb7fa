"""Drives a server session without a network: a scripted receiver, and transcripts as data.

A transcript (`tests/transcripts/*.smtp`) is a dialogue that anyone who reads SMTP can review:

    # a comment: what it shows, with the RFC's section
    Settings: size_max_octets=64 tls_available=true     (anything of `ServerSettings`; optional, first)
    S: 250 2.1.0 sender noted           a line of a reply, exactly
    C: MAIL FROM:<a@client.example>     a line of the client's, without its CR LF
    O: NOOP\\n                           octets of the client's, exactly; escapes as in Python
    M: <a@client.example> <b@mx.example> Subject: hi\\r\\n     a message that the receiver has accepted by now: its
                                        reverse-path, its forward-paths, its content
    -- TLS                              the handshake succeeds
    -- peer closes, -- time out, -- shut down
    -- closed                           the session has finished, and not before

The receiver accepts everything but what these local parts ask for: `refuse` (550), `later` (451), `goodbye` (421),
and of recipients `full` (452 when the content is announced) and `reject` (550 when it is complete).
"""

import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from outgate.mail.reply import Reply
from outgate.smtp.events import (
    ContentReceived,
    ContentRequested,
    Event,
    MailReceived,
    RecipientReceived,
    TlsRequested,
    TransactionEnded,
)
from outgate.smtp.server import ServerSession, ServerSettings

DEFAULTS: Final = ServerSettings("mx.example")
TRANSCRIPTS: Final = sorted((Path(__file__).parents[1] / "transcripts").glob("*.smtp"))

_SCRIPT: Final = {
    "refuse": Reply(550, "5.7.1", "no"),
    "later": Reply(451, "4.3.0", "come again"),
    "goodbye": Reply(421, "4.3.0", "enough"),
}
_MAIL_OK: Final = Reply(250, "2.1.0", "sender noted")
_RECIPIENT_OK: Final = Reply(250, "2.1.5", "recipient noted")
_GO_AHEAD: Final = Reply(354, "", "end with <CRLF>.<CRLF>")
_FULL: Final = Reply(452, "4.3.1", "no room")
_REJECTED: Final = Reply(550, "5.7.1", "content refused")
_TAKEN: Final = Reply(250, "2.0.0", "queued")
_TLS_READY: Final = Reply(220, "2.0.0", "go ahead with TLS")


@dataclass
class Delivered:
    """A message that the receiver took, with what the last event said of its content."""

    reverse_path: str
    forward_paths: list[str]
    content: bytes
    bare_line_ending: bool = False
    ends_with_crlf: bool = True

    def __str__(self) -> str:
        paths = " ".join(f"<{path}>" for path in (self.reverse_path, *self.forward_paths))
        return f"{paths} {self.content!r}"


@dataclass
class Receiver:
    """Answers events by the script of the local parts; checks that the events come in order."""

    messages: list[Delivered] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)  # the reasons of all `TransactionEnded`
    mails: list[MailReceived] = field(default_factory=list)
    pieces: list[int] = field(default_factory=list)  # octets of each event with content
    open: MailReceived | None = None
    forward_paths: list[RecipientReceived] = field(default_factory=list)
    content: bytearray | None = None

    def answer(self, event: Event) -> Reply | None:
        match event:
            case MailReceived(reverse_path):
                assert self.open is None, "MAIL in a transaction"
                self.mails.append(event)
                reply = _SCRIPT.get(reverse_path.local_part, _MAIL_OK)
                if reply.is_positive:
                    self.open = event
                    self.forward_paths = []
                return reply
            case RecipientReceived(forward_path):
                assert self.open is not None
                assert self.content is None
                reply = _SCRIPT.get(forward_path.local_part, _RECIPIENT_OK)
                if reply.is_positive:
                    self.forward_paths.append(event)
                return reply
            case ContentRequested():
                assert self.open is not None
                assert self.forward_paths
                assert self.content is None
                if self._has("full"):
                    return _FULL
                self.content = bytearray()
                return _GO_AHEAD
            case ContentReceived():
                return self._take(event)
            case TransactionEnded(reason):
                assert self.open is not None, "the end of no transaction"
                self.ended.append(reason)
                self._reset()
                return None
            case TlsRequested():
                assert self.open is None, "STARTTLS in a transaction"
                return _TLS_READY

    def _take(self, event: ContentReceived) -> Reply | None:
        assert self.open is not None
        assert self.content is not None
        assert type(event.octets) is bytes
        self.content += event.octets
        self.pieces.append(len(event.octets))
        if not event.is_last:
            return None
        message = Delivered(
            self.open.reverse_path.text,
            [recipient.forward_path.text for recipient in self.forward_paths],
            bytes(self.content),
            event.bare_line_ending,
            event.ends_with_crlf,
        )
        rejected = self._has("reject")
        self._reset()
        if rejected:
            return _REJECTED
        self.messages.append(message)
        return _TAKEN

    def _has(self, local_part: str) -> bool:
        return any(recipient.forward_path.local_part == local_part for recipient in self.forward_paths)

    def _reset(self) -> None:
        self.open = None
        self.content = None
        self.forward_paths = []


@dataclass
class Driven:
    """A session and its receiver, driven as `net` does it."""

    settings: ServerSettings = DEFAULTS
    receiver: Receiver = field(default_factory=Receiver)
    session: ServerSession = field(init=False)
    sent: bytes = b""  # replies that nobody has looked at yet

    def __post_init__(self) -> None:
        self.session = ServerSession(self.settings)

    @classmethod
    def greeted(cls, **settings: Any) -> "Driven":
        driven = cls(replace(DEFAULTS, **settings))
        driven.session.greet()
        assert driven.replies() == ["220 mx.example ESMTP Outgate"]
        return driven

    @classmethod
    def introduced(cls, **settings: Any) -> "Driven":
        """After EHLO."""
        driven = cls.greeted(**settings)
        assert driven.say("EHLO client.example")[-1].startswith("250 ")
        return driven

    def receive(self, octets: bytes) -> None:
        self.session.receive(octets)
        self.advance()

    def advance(self) -> None:
        session = self.session
        while (event := session.next_event()) is not None:
            reply = self.receiver.answer(event)
            if reply is not None:
                assert session.is_waiting_for_reply
                session.reply(reply)
        self.sent += session.outgoing()

    def say(self, *lines: str) -> list[str]:
        """Send command lines, each in a read of its own; the reply lines to all of them."""
        for line in lines:
            self.receive(line.encode() + b"\r\n")
        return self.replies()

    def replies(self) -> list[str]:
        """The reply lines since the last call."""
        self.sent += self.session.outgoing()
        sent, self.sent = self.sent, b""
        lines = sent.decode("ascii").split("\r\n")
        assert lines.pop() == ""
        return lines


@dataclass
class Act:
    """Something that is not octets: TLS, the peer closes, ..."""

    name: str


@dataclass
class Transcript:
    settings: ServerSettings
    steps: list[bytes | str | Act | Delivered]
    """bytes: the client's octets. str: a reply line. Delivered: what the receiver has by now."""

    def segments(self) -> list[tuple[bytes, bytes, str]]:
        """The client's octets, the server's, and the act that ends it, for each part between two acts."""
        segments = []
        sent, replies = b"", b""
        for step in self.steps:
            match step:
                case bytes():
                    sent += step
                case str():
                    replies += step.encode() + b"\r\n"
                case Act(name):
                    segments.append((sent, replies, name))
                    sent, replies = b"", b""
                case Delivered():
                    pass
        segments.append((sent, replies, ""))
        return segments

    @property
    def delivered(self) -> list[str]:
        return [str(step) for step in self.steps if isinstance(step, Delivered)]


def read_transcript(path: Path) -> Transcript:
    settings = DEFAULTS
    steps: list[bytes | str | Act | Delivered] = []
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        kind, _, text = line.partition(" ")
        match kind:
            case "" | "#":
                pass
            case "Settings:":
                settings = _read_settings(text)
            case "S:":
                steps.append(text)
            case "C:":
                steps.append(text.encode() + b"\r\n")
            case "O:":
                steps.append(_unescape(text))
            case "M:":
                steps.append(_read_message(text))
            case "--":
                steps.append(Act(text))
            case _:
                raise AssertionError(f"{path.name}:{number}: {line!r} is no line of a transcript")
    return Transcript(settings, steps)


def act(driven: Driven, name: str) -> None:
    session = driven.session
    match name:
        case "TLS":
            session.tls_established()
        case "peer closes":
            session.receive_end()
        case "time out":
            session.time_out()
        case "shut down":
            session.shut_down()
        case "closed":
            assert session.finished, "the session goes on"
        case _:
            raise AssertionError(f"no such act: {name}")
    driven.advance()


def _read_settings(text: str) -> ServerSettings:
    fields: dict[str, Any] = {}
    for word in text.split():
        name, _, value = word.partition("=")
        fields[name] = value == "true" if value in ("true", "false") else int(value)
    return replace(DEFAULTS, **fields)


def _read_message(text: str) -> Delivered:
    match = re.fullmatch(r"((?:<[^>]*> ?)+)(.*)", text)
    assert match is not None, text
    reverse_path, *forward_paths = re.findall(r"<([^>]*)>", match[1])
    return Delivered(reverse_path, forward_paths, _unescape(match[2]))


def _unescape(text: str) -> bytes:
    return text.encode("utf-8").decode("unicode_escape").encode("latin-1")
