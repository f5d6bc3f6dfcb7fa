"""Connections that send one message after the other, as fast as they are answered."""

import asyncio
import time
from collections.abc import Iterator

from installation import SOURCE

ENVELOPE = b"MAIL FROM:<a@from.test>\r\nRCPT TO:<b@to.test>\r\nDATA\r\n"


class Sender(asyncio.Protocol):
    """One connection in lock-step: envelope and DATA together, then the content, then again with the next one."""

    def __init__(self, messages: Iterator[bytes], seconds: list[float], refusals: list[str]) -> None:
        self.messages, self.seconds, self.refusals = messages, seconds, refusals
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.awaited = 1
        self.step = "greeting"
        self.begun = 0.0
        self.content = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, octets: bytes) -> None:
        for line in octets.splitlines():
            if line[3:4] == b"-":
                continue
            if line[:1] not in b"23":
                if self.step != "content":
                    self.over.set_exception(ConnectionError(repr(line)))
                    return
                self.refusals.append(line.decode("ascii", "replace"))
            self.awaited -= 1
        if self.awaited <= 0:
            self._go_on()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.over.done():
            self.over.set_exception(error or ConnectionError("ended in the middle"))

    def _go_on(self) -> None:
        if self.step == "greeting":
            self._say("hello", b"EHLO client.from.test\r\n", 1)
            return
        if self.step == "envelope":
            self.begun = time.perf_counter()
            self._say("content", self.content, 1)
            return
        if self.step == "content":
            self.seconds.append(time.perf_counter() - self.begun)
        following = next(self.messages, None)
        if following is not None:
            self.content = following
            self._say("envelope", ENVELOPE, 3)
        elif not self.over.done():
            self.over.set_result(None)

    def _say(self, step: str, octets: bytes, awaited: int) -> None:
        self.step, self.awaited = step, awaited
        self.transport.write(octets)  # type: ignore[attr-defined]


async def send_all(port: int, connections: int, messages: Iterator[bytes]) -> tuple[list[float], list[str]]:
    """messages: as they go over the wire by DATA, ended. Returns the seconds from the end of each to its reply, and the
    replies that refused one."""
    seconds, refusals = list[float](), list[str]()
    loop = asyncio.get_running_loop()
    pairs = [
        await loop.create_connection(lambda: Sender(messages, seconds, refusals), SOURCE, port)
        for _ in range(connections)
    ]
    await asyncio.gather(*(sender.over for _, sender in pairs))
    for transport, _ in pairs:
        transport.abort()
    return seconds, refusals
