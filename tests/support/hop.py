"""A sans-io next hop for tests: strict about what a client may send, scripted in what it answers.

Written apart from Outgate's server session, so that no fault is on both sides.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

ALL_EXTENSIONS = ("PIPELINING", "SIZE 200000000", "8BITMIME", "SMTPUTF8", "CHUNKING", "ENHANCEDSTATUSCODES")

Script = Callable[[str, int], str | None]
"""(verb, how often it came before) to a reply without CR LF, "DROP" to cut the connection, "SILENT" to say nothing, or
None for the ordinary reply."""

ORDINARY = {
    "GREETING": "220 hop.example ESMTP",
    "HELO": "250 hop.example",
    "STARTTLS": "220 2.0.0 go ahead",
    "RSET": "250 2.0.0 reset",
    "MAIL": "250 2.1.0 sender fine",
    "RCPT": "250 2.1.5 recipient fine",
    "DATA": "354 go on",
    "END": "250 2.0.0 taken",
    "QUIT": "221 2.0.0 bye",
}


@dataclass
class Taken:
    """A message that was answered with 2yz."""

    mail: str
    recipients: list[str]
    content: bytes
    verb: str


@dataclass
class Hop:
    """Octets in by `receive`, replies out as its result. `is_dropped`: the connection is cut."""

    extensions: tuple[str, ...] = ALL_EXTENSIONS
    script: Script | None = None
    taken: list[Taken] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)
    is_dropped: bool = False
    is_tls: bool = False
    _buffer: bytes = b""
    _counts: dict[str, int] = field(default_factory=dict)
    _mail: str = ""
    _recipients: list[str] = field(default_factory=list)
    _reading: str = ""  # "data", "chunk", "dropped chunk"
    _chunk_octets: int = 0
    _chunks: bytes = b""

    def greet(self) -> bytes:
        return self._say("GREETING", ORDINARY["GREETING"])[1]

    def receive(self, octets: bytes) -> bytes:
        self._buffer += octets
        said = b""
        commands = 0
        while not self.is_dropped:
            if self._reading == "data":
                end = (b"\r\n" + self._buffer).find(b"\r\n.\r\n")
                if end < 0:
                    break
                content, self._buffer = self._buffer[:end], self._buffer[end + 3 :]
                self._reading = ""
                assert b"\n" not in content.replace(b"\r\n", b""), "a bare LF went out by DATA"
                assert b"\r" not in content.replace(b"\r\n", b""), "a bare CR went out by DATA"
                stuffed = b"\r\n" + content
                assert b"\r\n." not in stuffed.replace(b"\r\n..", b"x"), "a dot was not stuffed"
                said += self._end(stuffed.replace(b"\r\n..", b"\r\n.")[2:], "DATA")
            elif self._reading:
                if len(self._buffer) < self._chunk_octets:
                    break
                chunk, self._buffer = self._buffer[: self._chunk_octets], self._buffer[self._chunk_octets :]
                reading, self._reading = self._reading, ""
                if reading == "chunk":
                    said += self._end(chunk, "BDAT")
                else:
                    said += b"503 5.5.1 no recipients\r\n"
            else:
                line, found, rest = self._buffer.partition(b"\r\n")
                if not found:
                    break
                self._buffer = rest
                commands += 1
                if "PIPELINING" not in self.extensions:
                    assert commands == 1, f"pipelined without leave: {line!r}"
                    if not line.startswith(b"BDAT"):
                        assert not rest, f"pipelined without leave behind {line!r}: {rest!r}"
                said += self._command(line.decode("utf-8"))
        return said

    def _command(self, line: str) -> bytes:
        assert "\r" not in line
        assert "\n" not in line
        self.commands.append(line)
        verb, _, argument = line.partition(" ")
        match verb:
            case "EHLO":
                self._reset()
                offered = [*self.extensions, *(("STARTTLS",) if self._offers_tls else ())]
                lines = ["hop.example", *offered]
                text = "\r\n".join(
                    f"250{'-' if place < len(lines) - 1 else ' '}{one}" for place, one in enumerate(lines)
                )
                return self._say("EHLO", text)[1]
            case "HELO" | "RSET":
                self._reset()
                return self._say(verb, ORDINARY[verb])[1]
            case "MAIL":
                if self._mail:
                    return b"503 5.5.1 nested MAIL\r\n"
                is_positive, said = self._say("MAIL", ORDINARY["MAIL"])
                if is_positive:
                    self._mail = argument
                return said
            case "RCPT":
                if not self._mail:
                    return b"503 5.5.1 MAIL first\r\n"
                is_positive, said = self._say("RCPT", ORDINARY["RCPT"])
                if is_positive:
                    self._recipients.append(argument)
                return said
            case "DATA":
                if not self._recipients and self.script_of("DATA") is None:
                    return b"503 5.5.1 RCPT first\r\n"
                is_positive, said = self._say("DATA", ORDINARY["DATA"])
                if is_positive and said.startswith(b"354"):
                    self._reading = "data"
                return said
            case "BDAT":
                octets, _, last = argument.partition(" ")
                assert last == "LAST"
                self._chunk_octets = int(octets)
                self._reading = "chunk" if self._recipients else "dropped chunk"
                return b""
            case _:
                return self._say(verb, ORDINARY.get(verb, "500 5.5.1 what?"))[1]

    _offers_tls: bool = False

    def script_of(self, verb: str) -> str | None:
        return self.script(verb, self._counts.get(verb, 0)) if self.script else None

    def _end(self, content: bytes, verb: str) -> bytes:
        if not self._recipients:
            self._reset()
            return b"554 5.5.1 no valid recipients\r\n"
        taken = Taken(self._mail, self._recipients, content, verb)
        is_positive, said = self._say("END", ORDINARY["END"])
        if is_positive:
            self.taken.append(taken)
        self._reset()
        return said

    def _reset(self) -> None:
        self._mail = ""
        self._recipients = []

    def _say(self, verb: str, ordinary: str) -> tuple[bool, bytes]:
        text = self.script_of(verb) or ordinary
        self._counts[verb] = self._counts.get(verb, 0) + 1
        if text == "DROP":
            self.is_dropped = True
            return False, b""
        if text == "SILENT":
            return False, b""
        return text[0] in "23", text.encode("utf-8", "surrogateescape") + b"\r\n"

    def offer_tls(self) -> None:
        self._offers_tls = True

    def withdraw_tls(self) -> None:
        self._offers_tls = False
