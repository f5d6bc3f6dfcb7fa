"""How many messages a spool makes durable in a second, and at what cost in CPU. Not a test; run it by hand.

    python bench/spool.py [--directory DIR] [--octets 4096] [--outstanding 20] [--seconds 2] [--backlog 0]

Each outstanding message is followed by the next one from its `done`, on a uvloop; then it is finished with an event, as
a worker does. The CPU is of the whole process. Run on the disk that counts, not on tmpfs.
"""

import argparse
import asyncio
import resource
import shutil
import tempfile
import time
from pathlib import Path

import uvloop

from outgate.mail.address import ForwardPath, ReversePath
from outgate.mail.message import Message
from outgate.mail.queue_ids import queue_id
from outgate.spool.interface import SpoolError
from outgate.spool.segments import SegmentSettings, SegmentSpool

HEADER = {"subject": "a subject of ordinary length", "message_id_field": "<20261123120000.12345@mail.example.org>"}


class Load:
    """Keeps `outstanding` messages under way until the time is up."""

    def __init__(self, spool: SegmentSpool, octets: int, backlog: int, loop: asyncio.AbstractEventLoop) -> None:
        self.spool = spool
        self.content = bytes(range(256)) * (octets // 256 + 1)
        self.octets = octets
        self.backlog = backlog
        self.loop = loop
        self.number = 0
        self.answered = 0
        self.latency_seconds: list[float] = []
        self.ends_at = 0.0
        self.under_way = 0
        self.idle = asyncio.Event()

    def accept(self) -> None:
        self.number += 1
        name = queue_id(1_800_000_000_000 + self.number // 1000, 1, self.number % 1000)
        asked = Message(
            name,
            "customer",
            time.time(),
            ReversePath("sender@example.org", "sender", "example.org"),
            (ForwardPath("recipient@example.net", "recipient", "example.net"),),
            self.octets,
            0,
            b"Received: from client.example by outgate.example with ESMTP id 0123456789ABC; Mon, 23 Nov 2026\r\n",
            "domain-verified",
            "198.51.100.7",
            "client.example",
            **HEADER,
        )
        begun = time.perf_counter()
        # A slice, so that each message has octets of its own, as from a socket.
        self.spool.accept(asked, self.content[: self.octets], lambda error: self.done(name, begun, error))
        self.under_way += 1

    def done(self, name: str, begun: float, error: SpoolError | None) -> None:
        assert error is None, error
        now = time.perf_counter()
        self.latency_seconds.append(now - begun)
        self.answered += 1
        self.under_way -= 1
        if self.backlog and self.answered % 2:
            self.backlog -= 1
        else:
            self.spool.record(b"event " * 50)
            self.spool.finish(name)
        if now < self.ends_at:
            self.accept()
        elif not self.under_way:
            self.idle.set()


async def measure(arguments: argparse.Namespace, directory: Path) -> None:
    loop = asyncio.get_running_loop()
    settings = SegmentSettings(segment_octets=arguments.segment_octets)
    spool = SegmentSpool(directory, post=loop.call_soon_threadsafe, settings=settings)
    spool.recover()
    load = Load(spool, arguments.octets, arguments.backlog, loop)
    load.ends_at = time.perf_counter() + arguments.seconds
    begun, cpu = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF)
    for _ in range(arguments.outstanding):
        load.accept()
    await load.idle.wait()
    seconds, cpu_after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_SELF)
    cpu_seconds = cpu_after.ru_utime + cpu_after.ru_stime - cpu.ru_utime - cpu.ru_stime
    latency = sorted(load.latency_seconds)
    print(
        f"{load.answered / seconds:8.0f} accepted/s   {cpu_seconds / load.answered * 1e6:6.1f} us CPU each   "
        f"latency ms p50 {latency[len(latency) // 2] * 1e3:.2f} p99 {latency[len(latency) * 99 // 100] * 1e3:.2f} "
        f"max {latency[-1] * 1e3:.2f}"
    )
    for name, value in spool.statistics().items():
        print(f"    {name} {value:.6g}")
    await loop.run_in_executor(None, spool.close)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--directory", type=Path, default=Path.cwd(), help="a new directory is made in it and removed")
    parser.add_argument("--octets", type=int, default=4096)
    parser.add_argument("--outstanding", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--backlog", type=int, default=0, help="every second message is left, up to so many")
    parser.add_argument("--segment-octets", type=int, default=64 * 1024 * 1024)
    arguments = parser.parse_args()
    directory = Path(tempfile.mkdtemp(prefix="spool-", dir=arguments.directory))
    try:
        uvloop.run(measure(arguments, directory / "spool"))
    finally:
        shutil.rmtree(directory)


if __name__ == "__main__":
    main()
