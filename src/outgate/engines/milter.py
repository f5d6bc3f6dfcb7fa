"""The milter protocol, version 6, as an MTA speaks it that wants a verdict and nothing else.

It follows libmilter (sendmail's mfdef.h and mfapi.h), which no RFC describes. libmilter refuses an MTA that does not
offer the changes that a milter may want, so all are offered, and what the milter then wants changed is passed over:
Outgate alters no mail. A milter's `discard` is taken for a refusal, since mail never vanishes here.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from outgate.engines.interface import EngineAnswer, EngineFault, Question
from outgate.mail.findings import Category, Finding

VERSION: Final = 6  # of the protocol
VERSION_MIN: Final = 2  # that is spoken with an old milter
DATA_VERSION_MIN: Final = 4  # from which on there is DATA
CHANGES: Final = 0x1FF  # all SMFIF_ flags: what the milter may want changed
PACKET_MAX: Final = 1024 * 1024  # octets of a packet from the milter; a replacement of the body comes in such of 64 KiB
DATA_MAX: Final = 65_535  # octets behind the command of a packet to the milter: MILTER_CHUNK_SIZE
HEAD_MAX: Final = 1024 * 1024  # octets of a header, as in admission
FIELDS_MAX: Final = 10_000  # header fields; more are not given to a milter
QUARANTINED: Final = 900  # thousandths of a finding of spam: where a customer's policy holds by default
REFUSED: Final = 1_000  # the same: what a milter refuses, if that means spam

_LENGTH: Final = struct.Struct(">I")
_NEGOTIATION: Final = struct.Struct(">III")
_SKIP_BODY: Final = 0x400  # SMFIP_SKIP: the milter may say that it has seen enough of the body
_LEADING_SPACE: Final = 0x100000  # SMFIP_HDR_LEADSPC: values are wanted with the space behind the colon
QUIT: Final = b"\0\0\0\1Q"


class Command(Enum):
    """Letter; SMFIP_ flag of a milter that does not want it; of one that does not reply to it."""

    CONNECT = (b"C", 0x1, 0x1000)
    HELO = (b"H", 0x2, 0x2000)
    MAIL = (b"M", 0x4, 0x4000)
    RECIPIENT = (b"R", 0x8, 0x8000)
    DATA = (b"T", 0x200, 0x10000)
    FIELD = (b"L", 0x20, 0x80)
    END_OF_HEADER = (b"N", 0x40, 0x40000)
    BODY = (b"B", 0x10, 0x80000)
    END = (b"E", 0, 0)


_OFFERED: Final = _SKIP_BODY | _LEADING_SPACE | sum(command.value[1] | command.value[2] for command in Command) | 0x100


@dataclass(frozen=True, slots=True)
class Step:
    """octets: the command's packet, with its macros before it."""

    command: Command
    octets: bytes


class Reaction(Enum):
    """What a packet asks for that is no verdict yet."""

    WAIT = auto()  # for the next packet
    GO_ON = auto()  # with the next step
    SKIP = auto()  # the rest of the body


def packet(command: bytes, data: bytes = b"") -> bytes:
    return _LENGTH.pack(len(command) + len(data)) + command + data


NEGOTIATION: Final = packet(b"O", _NEGOTIATION.pack(VERSION, CHANGES, _OFFERED))


class PacketReader:
    """Cuts what comes into packets."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def receive(self, octets: bytes) -> None:
        self._buffer += octets

    def next_packet(self) -> bytes | None:
        """Command and data, None if more has to come. Raises: EngineFault."""
        if len(self._buffer) < _LENGTH.size:
            return None
        [length] = _LENGTH.unpack_from(self._buffer)
        if not 0 < length <= PACKET_MAX:
            raise EngineFault("nonsense", f"a packet of {length} octets")
        end = _LENGTH.size + length
        if len(self._buffer) < end:
            return None
        found = bytes(self._buffer[_LENGTH.size : end])
        del self._buffer[:end]
        return found


class MilterSession:
    """One message with one milter. category: what a refusal of this milter means."""

    def __init__(self, engine: str, category: Category) -> None:
        self._engine = engine
        self._category = category
        self._version = VERSION
        self._flags = 0
        self._quarantine: str | None = None

    def negotiated(self, answer: bytes) -> None:
        """answer: to `NEGOTIATION`. Raises: EngineFault."""
        if answer[:1] != b"O" or len(answer) < 1 + _NEGOTIATION.size:
            raise EngineFault("nonsense", "no answer to the negotiation")
        version, changes, flags = _NEGOTIATION.unpack_from(answer, 1)
        if not VERSION_MIN <= version <= VERSION or changes & ~CHANGES or flags & ~_OFFERED:
            raise EngineFault("nonsense", f"wants version {version}, changes {changes:#x}, protocol {flags:#x}")
        self._version, self._flags = version, flags

    # What is said

    def envelope(self, question: Question) -> Iterator[Step]:
        source = question.source.encode()
        host = b"[" + source + b"]"
        family = b"6" if b":" in source else b"4"
        j = _macros(b"C", ("j", question.host_name), ("{daemon_name}", question.host_name))
        place = (
            packet(b"C", host + b"\0" + family + b"\0\0" + source + b"\0") if source else packet(b"C", host + b"\0U")
        )
        yield Step(Command.CONNECT, j + place)
        yield Step(Command.HELO, packet(b"H", host + b"\0"))
        reverse_path = question.reverse_path
        macros = _macros(b"M", ("{mail_addr}", reverse_path), ("{auth_authen}", question.customer_id))
        yield Step(Command.MAIL, macros + packet(b"M", _path(reverse_path)))
        for forward_path in question.forward_paths:
            macros = _macros(b"R", ("{rcpt_addr}", forward_path))
            yield Step(Command.RECIPIENT, macros + packet(b"R", _path(forward_path)))
        yield Step(Command.DATA, packet(b"T"))

    def header(self, head: bytes) -> Iterator[Step] | None:
        """head: without the empty line. None: it is more than a milter takes."""
        fields = split_fields(head, keeps_space=bool(self._flags & _LEADING_SPACE))
        if len(fields) > FIELDS_MAX or any(len(name) + len(value) + 2 > DATA_MAX for name, value in fields):
            return None
        return self._header(fields)

    def _header(self, fields: list[tuple[bytes, bytes]]) -> Iterator[Step]:
        for name, value in fields:
            yield Step(Command.FIELD, packet(b"L", name + b"\0" + value + b"\0"))
        yield Step(Command.END_OF_HEADER, packet(b"N"))

    def body(self, piece: bytes | memoryview) -> Step:
        assert 0 < len(piece) <= DATA_MAX
        return Step(Command.BODY, packet(b"B", bytes(piece)))

    def end(self) -> Step:
        return Step(Command.END, packet(b"E"))

    def wants(self, command: Command) -> bool:
        """Is it to be said to this milter?"""
        if command is Command.DATA and self._version < DATA_VERSION_MIN:
            return False
        return not self._flags & command.value[1]

    def awaits(self, command: Command) -> bool:
        """Does this milter reply to it?"""
        return not self._flags & command.value[2]

    # What is heard

    def read(self, heard: bytes, command: Command) -> Reaction | EngineAnswer:
        """heard: a packet that came after `command`. Raises: EngineFault."""
        letter, data = heard[:1], heard[1:]
        match letter:
            case b"c":
                return self._passed() if command is Command.END else Reaction.GO_ON
            case b"a":
                return self._passed()
            case b"p":
                return Reaction.WAIT
            case b"s" if command is Command.BODY:
                return Reaction.SKIP
            case b"r":
                return self._refused("milter-reject", "")
            case b"d":
                return self._refused("milter-discard", "")
            case b"t" | b"4" | b"f":
                return EngineAnswer(is_undecided=True)
            case b"y" if data[:1] == b"5":
                return self._refused("milter-reject", _text(data))
            case b"y" if data[:1] == b"4":
                return EngineAnswer(is_undecided=True)
            case b"q" if command is Command.END:
                self._quarantine = _text(data)
                return Reaction.WAIT
            case b"+" | b"2" | b"-" | b"b" | b"h" | b"i" | b"m" | b"e" if command is Command.END:
                return Reaction.WAIT  # a change, which is not made
            case _:
                raise EngineFault("nonsense", f"{letter!r} after {command.name}")

    def _passed(self) -> EngineAnswer:
        if self._quarantine is None:
            return EngineAnswer()
        finding = Finding(Category.SPAM, self._engine, "milter-quarantine", QUARANTINED, self._quarantine)
        return EngineAnswer((finding,))

    def _refused(self, name: str, detail: str) -> EngineAnswer:
        weight = REFUSED if self._category is Category.SPAM else 100
        return EngineAnswer((Finding(self._category, self._engine, name, weight, detail),))


def split_fields(head: bytes, *, keeps_space: bool = False) -> list[tuple[bytes, bytes]]:
    """Names and values in their order, folds with LF as sendmail gives them, and without NUL, which would end them. A
    line that is no field belongs to the value before it, so that nothing is kept from the milter."""
    fields: list[tuple[bytes, bytearray]] = []
    for line in head.replace(b"\0", b" ").split(b"\r\n"):
        name, colon, value = line.partition(b":")
        if colon and name and line[:1] not in b" \t":
            fields.append((name.rstrip(b" \t"), bytearray(value)))
        elif fields and line:
            fields[-1][1].extend(b"\n" + line)
        elif line:
            fields.append((b"X", bytearray(line)))
    if keeps_space:
        return [(name, bytes(value)) for name, value in fields]
    return [(name, bytes(value.removeprefix(b" "))) for name, value in fields]


def head_end(start: bytes | bytearray) -> int:
    """Octets of the header in content that begins with `start`, without the empty line; -1 if that is not in it."""
    return 0 if start.startswith(b"\r\n") else start.find(b"\r\n\r\n")


def _path(path: str) -> bytes:
    return b"<" + path.encode("utf-8", "replace") + b">\0"


def _macros(command: bytes, *pairs: tuple[str, str]) -> bytes:
    data = "".join(f"{name}\0{value}\0" for name, value in pairs if value)
    return packet(b"D", command + data.encode("utf-8", "replace"))


def _text(data: bytes) -> str:
    return data.rstrip(b"\0").decode("utf-8", "replace")[:1_000]
