"""Nothing answered with 250 is lost, whoever is killed and when."""

import contextlib
import itertools
import os
import random
import signal
import threading

from tests.support.client import RawClient
from tests.support.installation import Installation, customer
from tests.support.messages import head
from tests.support.sink import Received, running_sink

ROUNDS = 20
CLIENTS = 4


class Load:
    """Clients that send numbered messages as fast as they can and note each that was answered with 250."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.promised: set[int] = set()
        self.numbers = itertools.count()
        self.stopping = threading.Event()
        self.progress = threading.Condition()
        self.threads = [threading.Thread(target=self.run, daemon=True) for _ in range(CLIENTS)]
        for thread in self.threads:
            thread.start()

    def run(self) -> None:
        while not self.stopping.is_set():
            with contextlib.suppress(OSError, AssertionError), RawClient(self.port, seconds=10) as client:
                client.ehlo()
                while not self.stopping.is_set():
                    number = next(self.numbers)
                    client.envelope("alice@alpha.example", f"n{number}@receiver.example")
                    body = b"%d " % number * (1 + number % 700)
                    if client.data(head(f"n{number}") + b"\r\n" + body + b"\r\n")[0] == 250:
                        with self.progress:
                            self.promised.add(number)
                            self.progress.notify_all()

    def wait_for_more(self, count: int) -> None:
        with self.progress:
            goal = len(self.promised) + count
            assert self.progress.wait_for(lambda: len(self.promised) >= goal, 60), f"stuck at {len(self.promised)}"

    def stop(self) -> None:
        self.stopping.set()
        for thread in self.threads:
            thread.join(30)


def test_kill_under_load_loses_nothing(installation: Installation) -> None:
    """20 rounds of kill -9 of the worker, one of clerk and supervisor: all that was promised arrives, whole."""
    order = random.Random(20)
    with running_sink() as sink:
        installation.settings = {"delivery": {"retry_intervals_seconds": [0.2]}}
        installation.start()
        installation.apply(customer("Alpha", ["alpha.example"], relay=("127.0.0.1", sink.port)))
        load = Load(installation.smtp_port)
        for round_number in range(ROUNDS):
            load.wait_for_more(order.randrange(1, 60))
            if round_number == ROUNDS // 2:
                process = installation.process
                assert process is not None
                process.kill()
                process.wait()
                installation.start()
                continue
            name = "clerk" if round_number == ROUNDS // 4 else "worker-1"
            with contextlib.suppress(ProcessLookupError):
                os.kill(installation.process_ids(name)[-1], signal.SIGKILL)
        load.wait_for_more(20)
        load.stop()
        arrived: dict[int, bytes] = {}
        needed = set(load.promised)
        with sink._changed:
            assert sink._changed.wait_for(lambda: needed <= _collect(sink.messages, arrived), 60), (
                f"lost: {sorted(needed - arrived.keys())[:20]} of {len(needed)}"
            )
        for number in needed:
            body = b"%d " % number * (1 + number % 700)
            assert arrived[number] == head(f"n{number}") + b"\r\n" + body + b"\r\n", number


def _collect(messages: list[Received], arrived: dict[int, bytes]) -> set[int]:
    for message in messages:
        number = int(message.recipients[0].partition("<n")[2].partition("@")[0])
        if number not in arrived:
            arrived[number] = message.body_behind_trace
    return set(arrived)
