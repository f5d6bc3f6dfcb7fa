"""What a queue of deferred messages costs. Not a test; `make bench-deferred` runs it.

    python bench/deferred.py [--messages 200000] [--destinations 5000] [--pairs 3] [--directory build/deferred]

The queue is written through the spool's own interface, as deferred deliveries leave it: messages of 4 KiB, three
attempts each with a reply of the next hop, next attempts spread over the hours to come but for 2,000 that are due at
the start. Then Outgate is started on it, as `outgate up` does it with clerk, database and log, and looked at from
outside. The fresh mail is sent by Postfix's smtp-source, to a sink on the same machine, in turn to the installation
with the full queue and to one with an empty queue.
"""

import argparse
import asyncio
import random
import shutil
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import uvloop
from installation import Dialogue, Installation, Pings, content_of, free_port, load_with, percentile, sink

from outgate.contract.wire import QueueList, QueueListed
from outgate.mail.address import ForwardPath, ReversePath
from outgate.mail.message import Message, Progress, QueueId, RecipientProgress, Status
from outgate.net.control import ask
from outgate.reception.identity import QueueIds
from outgate.reception.trace import received_line
from outgate.spool.interface import SpoolError
from outgate.spool.segments import SegmentSpool

CONTENT_OCTETS = 4096
DUE_AT_START = 2_000
SPREAD_SECONDS = 4 * 3600.0
AHEAD = 500  # messages under way while the queue is written
FRESH = 12_000  # messages of one run of fresh mail


def deferred(
    messages: int, destinations: int, now: float, new_id: Callable[[], QueueId]
) -> Iterator[tuple[Message, Progress]]:
    """destinations: 0 is all of them to the sender relay; else address literals, each a next hop of its own."""
    content_octets = len(content_of(CONTENT_OCTETS))
    for number in range(messages):
        queue_id = new_id()
        at = now - random.uniform(0, 20 * 3600)
        sender = f"user{number % 997}"
        if destinations:
            place = number % destinations
            host = f"[127.{1 + place // 62500}.{place // 250 % 250}.{1 + place % 250}]"
            domain = "direct.test"
        else:
            host, domain = f"example{number % 5000}.net", "from.test"
        recipient = f"somebody.{number}"
        message = Message(
            queue_id,
            "",
            at,
            ReversePath(f"{sender}@{domain}", sender, domain),
            (ForwardPath(f"{recipient}@{host}", recipient, host),),
            content_octets,
            0,
            received_line(
                hello_name="mail.from.test",
                address="198.51.100.7",
                host_name="relay.test",
                with_protocol="ESMTPS",
                tls="TLSv1.3 TLS_AES_256_GCM_SHA384",
                queue_id=queue_id,
                at=at,
            ),
            "domain-own",
            "198.51.100.7",
            "mail.from.test",
            f"<20261123120000.{number}@mail.from.test>",
            f"About order {number}, of ordinary length",
            f"{sender}@{domain}",
            "TLSv1.3 TLS_AES_256_GCM_SHA384",
        )
        reply = f"451 4.3.0 <{recipient}@{host}>: temporary failure, please try again later"
        due = now if number % (messages // DUE_AT_START or 1) == 0 else now + 600 + random.uniform(0, SPREAD_SECONDS)
        yield message, Progress((RecipientProgress(Status.PENDING, reply, f"{host} [127.1.2.3]:25"),), 3, due)


async def write_queue(directory: Path, messages: Iterator[tuple[Message, Progress]]) -> None:
    loop = asyncio.get_running_loop()
    spool = SegmentSpool(directory, post=loop.call_soon_threadsafe)
    assert not list(spool.recover()), "an empty spool"
    content = content_of(CONTENT_OCTETS)
    under_way = asyncio.Semaphore(AHEAD)

    def done(error: SpoolError | None) -> None:
        assert error is None, error
        under_way.release()

    for message, progress in messages:
        await under_way.acquire()
        spool.accept(message, content, done)
        spool.update(message.queue_id, progress)
    for _ in range(AHEAD):
        await under_way.acquire()
    await loop.run_in_executor(None, spool.close)


def megabytes(memory: dict[str, tuple[float, float]]) -> str:
    parts = ", ".join(f"{name} {now:.0f} (peak {peak:.0f})" for name, (now, peak) in memory.items())
    return f"{sum(now for now, _ in memory.values()):.0f} MiB: {parts}"


def measure_start(relay: Installation) -> None:
    """From `outgate up` to the greeting, to the first fresh message's 250, to the first delivery of the queue."""
    begun = time.monotonic()
    greeted = relay.start()
    with Dialogue(relay.port) as dialogue:
        dialogue.send(content_of(CONTENT_OCTETS))
    accepted = time.monotonic() - begun
    while relay.relayed() < 2:
        time.sleep(0.01)
    delivered = time.monotonic() - begun
    print(f"start: greeting after {greeted:.2f} s, fresh mail accepted {accepted:.2f} s, delivery {delivered:.2f} s")
    with Pings(relay) as pings:
        end = time.monotonic() + 60
        while relay.relayed() < DUE_AT_START and time.monotonic() < end:
            time.sleep(0.02)
    print(
        f"start: {relay.relayed():.0f} delivered after {time.monotonic() - begun:.2f} s, others waited at most {pings}"
    )


def measure_lists(relay: Installation) -> None:
    path = relay.configuration.control_socket(1)
    questions = {
        "first page": QueueList(),
        "held only": QueueList(held=True),
        "by sender": QueueList(sender="user5@direct.test"),
        "by recipient": QueueList(recipient="somebody.4711@example4711.net"),
        "by customer": QueueList(customer_id="none"),
        "10,000 of them": QueueList(limit=10_000),
    }
    for name, question in questions.items():
        seconds = []
        with Pings(relay) as pings:
            for _ in range(3):
                begun = time.perf_counter()
                answer = ask(path, question)
                seconds.append(time.perf_counter() - begun)
                assert isinstance(answer, QueueListed), answer
        print(
            f"list, {name}: {statistics.median(seconds):.3f} s for {len(answer.messages)} of {answer.total}; "
            f"others waited at most {pings}"
        )
    begun = time.perf_counter()
    relay.command("queue", "list")
    print(f"outgate queue list, the command as a whole: {time.perf_counter() - begun:.2f} s")


def measure_pairs(full: Installation, empty: Installation, pairs: int) -> None:
    ratios = []
    for number in range(pairs):
        rates = {}
        for relay in (full, empty) if number % 2 else (empty, full):
            before = relay.relayed()
            begun = time.monotonic()
            load_with(relay.port, FRESH)
            while relay.relayed() < before + FRESH:
                time.sleep(0.02)
            rates[relay is full] = FRESH / (time.monotonic() - begun)
        ratios.append(rates[True] / rates[False])
        print(f"fresh mail relayed: {rates[True]:.0f}/s beside the queue, {rates[False]:.0f}/s beside none")
    print(f"fresh mail: {statistics.median(ratios):.2f} of the rate without a queue (median of {pairs} pairs)")


def measure_drain(relay: Installation, messages: int) -> None:
    """Everything becomes due at once, while fresh mail goes on."""
    waits: list[float] = []
    over = threading.Event()

    def send() -> None:
        with Dialogue(relay.port) as dialogue:
            while not over.wait(0.01):
                waits.append(dialogue.send(content_of(CONTENT_OCTETS)))

    before, begun = relay.relayed(), time.monotonic()
    sender = threading.Thread(target=send)
    with Pings(relay) as pings:
        sender.start()
        relay.command("queue", "retry", "--all")
        asked = time.monotonic() - begun
        while (relayed := relay.relayed() - before) < messages and time.monotonic() < begun + 60:
            time.sleep(0.05)
        over.set()
        sender.join()
    seconds = time.monotonic() - begun
    print(
        f"all due at once: {relayed:.0f} relayed in {seconds:.1f} s ({asked:.1f} s until the command ended); "
        f"fresh mail meanwhile: dot to 250 p50 {percentile(waits, 0.5) * 1e3:.1f}, "
        f"p99 {percentile(waits, 0.99) * 1e3:.1f} ms; others waited at most {pings}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--directory", type=Path, default=Path("build/deferred"), help="made anew")
    parser.add_argument("--messages", type=int, default=200_000)
    parser.add_argument("--destinations", type=int, default=5_000, help="0 is one sender relay for all")
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--drain", action="store_true", help="at the end have all of them delivered")
    arguments = parser.parse_args()
    directory = arguments.directory.absolute()
    shutil.rmtree(directory, ignore_errors=True)
    sink_port = free_port()
    full, empty = (Installation(directory / name, sink_port) for name in ("full", "empty"))
    full.set_up()
    begun = time.monotonic()
    now = time.time()
    ids = QueueIds(1, time.time)
    queue = deferred(arguments.messages, arguments.destinations, now, ids.next)
    uvloop.run(write_queue(full.configuration.worker_directory(1) / "spool", queue))
    print(f"{arguments.messages} messages written in {time.monotonic() - begun:.1f} s")
    with sink(sink_port):
        try:
            measure_start(full)
            print(f"memory: {megabytes(full.memory())}")
            measure_lists(full)
            if arguments.pairs:
                empty.set_up()
                empty.start()
                measure_pairs(full, empty, arguments.pairs)
                empty.stop()
                print(f"memory: {megabytes(full.memory())}")
            if arguments.drain:
                measure_drain(full, arguments.messages - DUE_AT_START)
                print(f"memory: {megabytes(full.memory())}")
        finally:
            full.stop()
            empty.stop()
    shutil.rmtree(directory)


main()
