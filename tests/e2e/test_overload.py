"""Too much of everything: connections, octets without a line end, content under way, files. Memory and descriptors stay
within what docs/limits.md states, overload answers 421, and customers' mail flows."""

import contextlib
import os
import resource
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.client import RawClient
from tests.support.installation import Installation, customer, short_directory
from tests.support.messages import head
from tests.support.sink import Sink, running_sink

STRANGERS = 3_000
ENDLESS_OCTETS = 1_200_000_000
MIB = 1024 * 1024
CONTENT = head() + b"\r\nHello\r\n"


@pytest.fixture(scope="module", autouse=True)
def many_descriptors() -> Iterator[None]:
    """For this process, which is at the other end of all these connections."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < STRANGERS + 1_000:
        pytest.skip(f"this machine allows only {hard} descriptors")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture(scope="module")
def shared() -> Iterator[tuple[Installation, Sink]]:
    with running_sink() as sink, short_directory() as directory:
        outgate = Installation(directory, {"limits": {"message_size_octets": 16 * MIB}}).start()
        try:
            outgate.apply(customer("Alpha", ["alpha.example"], relay=("127.0.0.1", sink.port)))
            yield outgate, sink
        finally:
            outgate.stop()


class Worker:
    """The worker's process, as the system sees it."""

    def __init__(self, outgate: Installation) -> None:
        self.process_id = outgate.process_ids("worker-1")[-1]
        self.directory = Path(f"/proc/{self.process_id}")

    def forget_peak(self) -> None:
        (self.directory / "clear_refs").write_text("5")

    def resident_octets(self, name: str = "VmRSS") -> int:
        """Now; the most since `forget_peak` as VmHWM."""
        for line in (self.directory / "status").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) * 1024
        raise AssertionError(name)

    def descriptors(self) -> int:
        return len(os.listdir(self.directory / "fd"))  # noqa: PTH208

    def processor_seconds(self) -> float:
        fields = (self.directory / "stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def deliver(outgate: Installation, count: int) -> set[str]:
    """So many messages of the customer; their recipients."""
    recipients = {f"bob{number}@receiver.example" for number in range(count)}
    with RawClient(outgate.smtp_port) as client:
        client.ehlo()
        for recipient in recipients:
            client.envelope("alice@alpha.example", recipient)
            assert client.data(CONTENT)[0] == 250
    return recipients


def test_three_thousand_idle_strangers_leave_the_customers_their_room(shared: tuple[Installation, Sink]) -> None:
    outgate, sink = shared
    worker = Worker(outgate)
    before = worker.resident_octets()
    turned_away = 0
    with contextlib.ExitStack() as connections:
        for number in range(STRANGERS):
            source = f"127.1.{number // 20 // 200}.{number // 20 % 200 + 1}"
            stranger = socket.create_connection(("127.0.0.1", outgate.smtp_port), 30, (source, 0))
            connections.enter_context(stranger)
            greeting = stranger.recv(1_000)
            if greeting.startswith(b"421 4.3.2 overloaded"):
                turned_away += 1
            else:
                assert greeting.startswith(b"220"), greeting
        assert turned_away >= STRANGERS - 1_000
        assert outgate.metric("outgate_connections_strangers") <= 1_000
        sink.wait_for_recipients(deliver(outgate, 200))
        grown = worker.resident_octets() - before
        assert grown < 30 * MIB, f"{grown} octets for {STRANGERS - turned_away} idle connections"
        assert worker.descriptors() < 1_000 + 200
    assert outgate.metric("outgate_connections_turned_away_total") >= turned_away


def test_one_address_of_a_stranger_gets_few_connections(shared: tuple[Installation, Sink]) -> None:
    outgate, _ = shared
    with contextlib.ExitStack() as connections:
        codes = []
        for _ in range(30):
            client = RawClient(outgate.smtp_port, source="127.2.0.1", greet=False)
            connections.enter_context(client)
            codes.append(client.reply()[0])
    assert codes == [220] * 20 + [421] * 10


@pytest.mark.parametrize("place", ["command", "data", "chunk"])
def test_more_than_a_gigabyte_without_a_line_end_costs_no_memory(shared: tuple[Installation, Sink], place: str) -> None:
    outgate, sink = shared
    worker = Worker(outgate)
    worker.forget_peak()
    before = worker.resident_octets()
    octets = b"x" * (4 * MIB)
    with RawClient(outgate.smtp_port, seconds=60) as client:
        client.ehlo()
        if place != "command":
            client.envelope()
        if place == "data":
            assert client.say("DATA")[0] == 354
        if place == "chunk":
            client.send(b"BDAT %d LAST\r\n" % ENDLESS_OCTETS)
        sent = 0
        with contextlib.suppress(ConnectionError):
            while sent < ENDLESS_OCTETS:
                client.send(octets)
                sent += len(octets)
        assert sent < ENDLESS_OCTETS / 2  # cut off long before
        reply = client.reply()[1]
        assert reply.startswith("421 4.7.0 line-limit" if place == "command" else "552 5.3.4 message-too-large")
    grown = worker.resident_octets("VmHWM") - before
    assert grown < 24 * MIB, f"{grown} octets"
    sink.messages.clear()
    sink.wait_for_recipients(deliver(outgate, 1))


def test_four_hundred_messages_under_way_are_held_in_bounded_memory(shared: tuple[Installation, Sink]) -> None:
    """100 MiB of unfinished content, of which no more than 64 MiB and a piece for each connection may be in memory."""
    outgate, sink = shared
    sink.messages.clear()
    worker = Worker(outgate)
    worker.forget_peak()
    before = worker.resident_octets()
    content = CONTENT + b"y" * 250_000 + b"\r\n"
    recipients = [f"big{number}@receiver.example" for number in range(400)]
    with contextlib.ExitStack() as connections:
        clients = []
        for recipient in recipients:
            client = RawClient(outgate.smtp_port, seconds=60)
            clients.append(connections.enter_context(client))
            client.ehlo()
            client.envelope("alice@alpha.example", recipient)
            assert client.say("DATA")[0] == 354
            client.send(content[:-2])
        # The last one's octets have been read when it is answered; all others were there before it.
        for client in clients:
            client.send(b"\r\n.\r\n")
        for client in clients:
            assert client.reply()[0] == 250
    received = sink.wait_for_recipients(set(recipients), 60)
    assert {message.body_behind_trace for message in received.values()} == {content}
    grown = worker.resident_octets("VmHWM") - before
    assert grown < 190 * MIB, f"{grown} octets"


def test_few_descriptors_make_few_connections_and_no_trouble(installation: Installation) -> None:
    with running_sink() as sink:
        installation.prefix = ("prlimit", "--nofile=300:300")
        installation.start()
        installation.apply(customer("Alpha", ["alpha.example"], relay=("127.0.0.1", sink.port)))
        few = installation.wait_for_log("descriptors-few")[0]
        assert few["descriptors"] == 300
        worker = Worker(installation)
        with contextlib.ExitStack() as connections:
            codes = []
            for _ in range(400):
                client = RawClient(installation.smtp_port, greet=False)
                connections.enter_context(client)
                codes.append(client.reply()[0])
            inside = codes.count(220)
            assert inside == few["connections"]
            assert set(codes) == {220, 421}
            assert worker.descriptors() < 300
        installation.wait_for_metric('outgate_connections{worker="1"} 0.0')  # it has seen that they are gone
        sink.wait_for_recipients(deliver(installation, 20))


def test_a_worker_without_a_descriptor_left_neither_spins_nor_fails(installation: Installation) -> None:
    """What the limits prevent, brought about by hand: accepting a connection fails with EMFILE."""
    with running_sink() as sink:
        installation.start()
        installation.apply(customer("Alpha", ["alpha.example"], relay=("127.0.0.1", sink.port)))
        worker = Worker(installation)
        with RawClient(installation.smtp_port) as client:
            client.ehlo()
            limits = resource.prlimit(worker.process_id, resource.RLIMIT_NOFILE)
            resource.prlimit(worker.process_id, resource.RLIMIT_NOFILE, (worker.descriptors(), limits[1]))
            with contextlib.ExitStack() as connections:
                for _ in range(20):
                    connections.enter_context(socket.create_connection(("127.0.0.1", installation.smtp_port), 30))
                used = worker.processor_seconds()
                threading.Event().wait(1.0)  # what is measured is a second of this
                assert worker.processor_seconds() - used < 0.5
                assert client.say("NOOP")[0] == 250
            resource.prlimit(worker.process_id, resource.RLIMIT_NOFILE, limits)
        sink.wait_for_recipients(deliver(installation, 5))
        assert installation.process_ids("worker-1") == [worker.process_id]
