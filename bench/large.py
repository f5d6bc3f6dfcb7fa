"""Large messages beside small ones. Not a test; `make bench-large` runs it.

    python bench/large.py [--octets 157286400] [--large 4] [--directory build/large]

So many large messages are sent at once, each on a connection of its own, while small ones of 4 KiB go on at a given
rate; all to a sink on the same machine. Told are: the most that the worker had resident, how long small messages waited
from the final dot to the 250, before and meanwhile, and how long the large ones took in and through.
"""

import argparse
import shutil
import threading
import time
from pathlib import Path

from installation import Dialogue, Installation, content_of, end_in_order, free_port, percentile, sink

SMALL_OCTETS = 4096
SMALL_CONNECTIONS = 4
SMALL_PER_SECOND = 50  # on each of these
QUIET_SECONDS = 10.0


class Small:
    """Small messages at an even rate, until `stop`; `seconds` from dot to 250."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.seconds: list[float] = []
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(SMALL_CONNECTIONS)]
        for thread in self._threads:
            thread.start()

    def _run(self) -> None:
        content = content_of(SMALL_OCTETS)
        with Dialogue(self.port) as dialogue:
            due = time.monotonic()
            while not self._over.is_set():
                self.seconds.append(dialogue.send(content))
                due = max(due + 1 / SMALL_PER_SECOND, time.monotonic() - 1)
                time.sleep(max(due - time.monotonic(), 0))

    def stop(self) -> str:
        self._over.set()
        for thread in self._threads:
            thread.join()
        values = [percentile(self.seconds, part) * 1e3 for part in (0.5, 0.99, 1)]
        return f"{len(self.seconds)} messages, p50 {values[0]:.1f}, p99 {values[1]:.1f}, longest {values[2]:.1f} ms"


def send_large(port: int, content: bytes, waits: list[float]) -> None:
    with Dialogue(port) as dialogue:
        waits.append(dialogue.send(content))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--directory", type=Path, default=Path("build/large"), help="made anew")
    parser.add_argument("--octets", type=int, default=150 * 1024 * 1024)
    parser.add_argument("--large", type=int, default=4)
    arguments = parser.parse_args()
    end_in_order()
    directory = arguments.directory.absolute()
    shutil.rmtree(directory, ignore_errors=True)
    relay = Installation(directory, free_port())
    try:
        relay.set_up()
        relay.start()
        with sink(relay.sink_port):
            measure(relay, content_of(arguments.octets), arguments.large)
    finally:
        relay.stop()
    shutil.rmtree(directory)


def measure(relay: Installation, content: bytes, count: int) -> None:
    small = Small(relay.port)
    time.sleep(QUIET_SECONDS)
    print(f"small, dot to 250, alone: {small.stop()}")
    relay.forget_peak()
    before = relay.memory()["worker"][0]
    small = Small(relay.port)
    begun = time.monotonic()
    waits: list[float] = []
    senders = [threading.Thread(target=send_large, args=(relay.port, content, waits)) for _ in range(count)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    received = time.monotonic() - begun
    while relay.statistics()["outgate_delivery_queued"] > SMALL_CONNECTIONS or not _is_done(relay):
        time.sleep(0.05)
    through = time.monotonic() - begun
    print(f"small, dot to 250, beside the large: {small.stop()}")
    print(
        f"{count} messages of {len(content) / 1048576:.0f} MiB: received in {received:.1f} s, "
        f"relayed in {through:.1f} s; dot to 250 at most {max(waits) * 1e3:.0f} ms"
    )
    print(f"worker: {before:.0f} MiB resident before, at most {relay.memory()['worker'][1]:.0f} MiB meanwhile")


def _is_done(relay: Installation) -> bool:
    """Has every large content left the spool?"""
    large = relay.configuration.worker_directory(1) / "spool" / "large"
    return not any(large.iterdir())


main()
