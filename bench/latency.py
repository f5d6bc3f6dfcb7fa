"""How long a sender waits for the 250 under full load. Not a test; `make bench-latency` runs it.

    python bench/latency.py [--connections 20 100] [--messages 20000] [--runs 3] [--directory build/latency]

So many connections send one message of 4 KiB after the other, as fast as they are answered, from a process of their own
on the same machine; everything goes on to a sink there. Told is the time from the final dot to the 250.
"""

import argparse
import asyncio
import itertools
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import uvloop
from installation import SOURCE, Installation, content_of, free_port, percentile, sink

SMALL_OCTETS = 4096
WARM_UP = 500  # messages of each run that are not counted


class Sender(asyncio.Protocol):
    """One connection in lock-step: envelope and DATA together, then the content, then again."""

    def __init__(self, numbers: "itertools.count[int]", messages: int, seconds: list[float]) -> None:
        self.numbers = numbers
        self.messages = messages
        self.seconds = seconds
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.content = content_of(SMALL_OCTETS) + b".\r\n"
        self.awaited = 1  # lines without a hyphen that are to come before the next thing is said
        self.step = "greeting"
        self.begun = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def data_received(self, octets: bytes) -> None:
        for line in octets.splitlines():
            if line[3:4] == b"-":
                continue
            if line[:1] not in b"23":
                self.over.set_exception(ConnectionError(repr(line)))
                return
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
            self._say("content", self.content, 1)
            self.begun = time.perf_counter()
            return
        if self.step == "content":
            self.seconds.append(time.perf_counter() - self.begun)
        if next(self.numbers) < self.messages:
            self._say("envelope", b"MAIL FROM:<a@from.test>\r\nRCPT TO:<b@to.test>\r\nDATA\r\n", 3)
        elif not self.over.done():
            self.over.set_result(None)

    def _say(self, step: str, octets: bytes, awaited: int) -> None:
        self.step, self.awaited = step, awaited
        self.transport.write(octets)  # type: ignore[attr-defined]


async def load(port: int, connections: int, messages: int) -> tuple[float, list[float]]:
    numbers, seconds = itertools.count(), list[float]()
    loop = asyncio.get_running_loop()
    begun = time.perf_counter()
    pairs = [
        await loop.create_connection(lambda: Sender(numbers, messages, seconds), SOURCE, port)
        for _ in range(connections)
    ]
    await asyncio.gather(*(sender.over for _, sender in pairs))
    taken = time.perf_counter() - begun
    for transport, _ in pairs:
        transport.abort()
    return taken, seconds


def measure(port: int, connections: int, messages: int) -> str:
    output = subprocess.run(
        [sys.executable, __file__, "--load", str(port), str(connections), str(messages)],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    taken, seconds = json.loads(output)
    counted = seconds[WARM_UP:]
    parts = [percentile(counted, part) * 1e3 for part in (0.5, 0.99, 0.999, 1)]
    return "{:.0f} a second; p50 {:.1f}, p99 {:.1f}, p99.9 {:.1f}, longest {:.1f} ms".format(
        len(seconds) / taken, *parts
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--directory", type=Path, default=Path("build/latency"), help="made anew")
    parser.add_argument("--connections", type=int, nargs="+", default=[20, 100])
    parser.add_argument("--messages", type=int, default=20_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--load", type=int, nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.load:
        print(json.dumps(uvloop.run(load(*arguments.load))))
        return
    shutil.rmtree(arguments.directory, ignore_errors=True)
    sink_port = free_port()
    with sink(sink_port):
        relay = Installation(arguments.directory.absolute(), sink_port)
        relay.set_up()
        relay.start()
        try:
            for connections in arguments.connections * arguments.runs:
                print(f"{connections} connections: {measure(relay.port, connections, arguments.messages)}", flush=True)
        finally:
            relay.stop()


if __name__ == "__main__":
    main()
