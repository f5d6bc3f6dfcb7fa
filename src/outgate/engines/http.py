"""As much of HTTP/1.1 as asking an engine takes: one request, one response (RFC 9112). Lenient nowhere."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from outgate.engines.interface import REPLY_MAX, EngineFault, clean

HEAD_MAX: Final = 16 * 1024  # octets of a response's status line and fields, and of the trailer of its last chunk
CHUNK_LINE_MAX: Final = 256  # octets of the line before a chunk


def request_head(path: str, host: str, fields: Iterable[tuple[str, str]], length: int) -> bytes:
    """A POST with a body of `length` octets. Control characters of values are dropped, other text is UTF-8."""
    lines = [f"POST {path} HTTP/1.1", f"Host: {clean(host)}", f"Content-Length: {length}"]
    lines += [f"{name}: {clean(value)}" for name, value in fields]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("utf-8", "replace")


@dataclass(frozen=True, slots=True)
class Response:
    """is_kept: the connection may be used again."""

    status: int
    body: bytes
    is_kept: bool


class _Reads(Enum):
    HEAD = auto()
    LENGTH = auto()
    TO_THE_END = auto()
    CHUNK_LINE = auto()
    CHUNK = auto()
    TRAILER = auto()
    NOTHING = auto()  # the response is whole


class ResponseReader:
    """Takes octets as they come. `response` is there once it is whole.

    receive, end: raise EngineFault for what is no response, or too much of it.
    """

    def __init__(self) -> None:
        self.response: Response | None = None
        self.is_begun = False
        self._buffer = bytearray()
        self._body = bytearray()
        self._reads = _Reads.HEAD
        self._status = 0
        self._is_kept = False
        self._left = 0  # octets of the body, or of a chunk with its line end

    def receive(self, octets: bytes) -> None:
        if self.response is not None:
            raise _nonsense("more than a response")
        self.is_begun = self.is_begun or bool(octets)
        self._buffer += octets
        while self._step():
            pass
        if self._reads is _Reads.NOTHING and self._buffer:
            raise _nonsense("more than a response")

    def end(self) -> None:
        """The connection has ended."""
        if self._reads is _Reads.TO_THE_END:
            self._finish()
        elif self.response is None:
            raise EngineFault("connection-lost", "no whole response")

    def _step(self) -> bool:
        """Was there something to be read?"""
        match self._reads:
            case _Reads.HEAD:
                block = self._until(b"\r\n\r\n", HEAD_MAX)
                if block is not None:
                    self._read_head(block)
                return block is not None
            case _Reads.LENGTH:
                self._take(self._left)
                if not self._left:
                    self._finish()
                return False
            case _Reads.TO_THE_END:
                self._left = REPLY_MAX + 1
                self._take(self._left)
                return False
            case _Reads.CHUNK_LINE:
                line = self._until(b"\r\n", CHUNK_LINE_MAX)
                if line is not None:
                    self._read_chunk_line(line)
                return line is not None
            case _Reads.CHUNK:
                return self._read_chunk()
            case _Reads.TRAILER:
                line = self._until(b"\r\n", HEAD_MAX)
                if line == b"":
                    self._finish()
                return line is not None
            case _Reads.NOTHING:
                return False

    def _until(self, mark: bytes, most: int) -> bytes | None:
        place = self._buffer.find(mark, 0, most + len(mark))
        if place < 0:
            if len(self._buffer) > most:
                raise _nonsense("a line or header without an end")
            return None
        found = bytes(self._buffer[:place])
        del self._buffer[: place + len(mark)]
        return found

    def _take(self, most: int) -> None:
        piece = self._buffer[:most]
        if len(self._body) + len(piece) > REPLY_MAX:
            raise _nonsense("a body that is too large")
        self._body += piece
        self._left -= len(piece)
        del self._buffer[: len(piece)]

    def _read_head(self, block: bytes) -> None:
        status_line, *lines = block.decode("latin-1").split("\r\n")
        version, _, rest = status_line.partition(" ")
        code = rest[:3]
        if version not in ("HTTP/1.1", "HTTP/1.0") or not code.isdecimal() or len(code) != 3 or rest[3:4].strip():
            raise _nonsense("no status line")
        fields: dict[str, str] = {}
        for line in lines:
            name, colon, value = line.partition(":")
            key = name.lower()
            if not colon or not name or name != name.strip() or (key == "content-length" and key in fields):
                raise _nonsense("no header field")
            fields[key] = value.strip()
        self._status = int(code)
        if 100 <= self._status < 200:
            return  # the response itself is still to come
        connection = fields.get("connection", "").lower()
        self._is_kept = version == "HTTP/1.1" and "close" not in connection
        self._begin_body(fields)

    def _begin_body(self, fields: dict[str, str]) -> None:
        coding, length = fields.get("transfer-encoding", ""), fields.get("content-length", "")
        if coding:
            if coding.lower() != "chunked" or length:
                raise _nonsense("a transfer coding that is not known")
            self._reads = _Reads.CHUNK_LINE
        elif length:
            if not (length.isdecimal() and length.isascii()) or len(length) > 9 or int(length) > REPLY_MAX:
                raise _nonsense("a body that is too large")
            self._left = int(length)
            self._reads = _Reads.LENGTH
            if not self._left:
                self._finish()
        elif self._status in (204, 304):
            self._finish()
        else:
            self._is_kept = False
            self._reads = _Reads.TO_THE_END

    def _read_chunk_line(self, line: bytes) -> None:
        digits = line.partition(b";")[0].strip()
        if not digits or len(digits) > 8 or not all(digit in b"0123456789abcdefABCDEF" for digit in digits):
            raise _nonsense("a chunk without a length")
        self._left = int(digits, 16)
        self._reads = _Reads.CHUNK if self._left else _Reads.TRAILER

    def _read_chunk(self) -> bool:
        if self._left:
            self._take(self._left)
        if self._left or len(self._buffer) < 2:
            return False
        if self._buffer[:2] != b"\r\n":
            raise _nonsense("a chunk that is longer than it says")
        del self._buffer[:2]
        self._reads = _Reads.CHUNK_LINE
        return True

    def _finish(self) -> None:
        self._reads = _Reads.NOTHING
        self.response = Response(self._status, bytes(self._body), self._is_kept)


def _nonsense(detail: str) -> EngineFault:
    return EngineFault("nonsense", detail)
