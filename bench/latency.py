"""How long a sender waits for the 250 under full load. Not a test; `make bench-latency` runs it.

    python bench/latency.py [--connections 20 100] [--messages 20000] [--runs 3] [--directory build/latency]

So many connections send one message of 4 KiB after the other, as fast as they are answered, from a process of their own
on the same machine; everything goes on to a sink there. Told is the time from the final dot to the 250.
"""

import argparse
import itertools
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import uvloop
from installation import Installation, content_of, free_port, percentile, sink
from sender import send_all

SMALL_OCTETS = 4096
WARM_UP = 500  # messages of each run that are not counted


async def load(port: int, connections: int, messages: int) -> tuple[float, list[float]]:
    content = content_of(SMALL_OCTETS) + b".\r\n"
    begun = time.perf_counter()
    seconds, refusals = await send_all(port, connections, itertools.repeat(content, messages))
    if refusals:
        raise SystemExit(f"refused: {refusals[0]}")
    return time.perf_counter() - begun, seconds


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
        told = json.dumps(uvloop.run(load(*arguments.load)))
        os.set_blocking(sys.stdout.fileno(), True)  # or a long line is cut where the pipe is full
        print(told)
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
