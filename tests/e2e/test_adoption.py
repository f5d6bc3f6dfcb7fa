"""Fewer workers than before: the mail of those that are gone is delivered by those that are left."""

import os
import signal
import time

from tests.support.client import RawClient
from tests.support.installation import Installation, customer, free_port
from tests.support.messages import head
from tests.support.sink import running_sink

from outgate.mail.queue_ids import QUEUE_ID_ALPHABET

CONTENT = head() + b"\r\nHello\r\n"
WORKERS = 3


def worker_of(queue_id: str) -> int:
    """Which worker gave it: see `mail.message.queue_id`."""
    number = 0
    for character in queue_id:
        number = number * 32 + QUEUE_ID_ALPHABET.index(character)
    return number >> 14 & 0x3FF


def test_mail_of_workers_that_are_gone_arrives_and_their_directories_go(installation: Installation) -> None:
    """Three workers become one, which is killed while it adopts; nothing is lost, all is shown, all is recorded."""
    port = free_port()
    installation.settings = {"workers": WORKERS, "delivery": {"retry_intervals_seconds": [0.3]}}
    installation.start()
    installation.apply(customer("Alpha", ["alpha.example"], relay=("127.0.0.1", port)))
    sent: dict[str, str] = {}
    while len({worker_of(queue_id) for queue_id in sent.values()}) < WORKERS or len(sent) < 30:
        assert len(sent) < 500, "the kernel gives every worker some of the connections"
        recipient = f"bob{len(sent)}@receiver.example"
        with RawClient(installation.smtp_port) as client:
            client.ehlo()
            client.envelope("alice@alpha.example", recipient)
            code, text = client.data(CONTENT)
            assert code == 250
            sent[recipient] = text.split()[-1]
    assert {message["queue_id"] for message in installation.queue()} == set(sent.values())
    installation.stop()

    installation.settings["workers"] = 1
    installation.start()
    installation.wait_for_log("spool-adopted", 2 * (WORKERS - 1))
    assert {message["queue_id"] for message in installation.queue()} == set(sent.values())
    os.kill(installation.process_ids("worker-1")[-1], signal.SIGKILL)
    with running_sink(port=port) as sink:
        arrived = sink.wait_for_recipients(set(sent), 60)
        assert all(message.body_behind_trace == CONTENT for message in arrived.values())
        installation.wait_for_log("adopted-spool-drained", 2 * (WORKERS - 1))  # each has its held mail apart
    workers = installation.state / "workers"
    end = time.monotonic() + 30
    while {path.name for path in workers.iterdir()} != {"1", "1.held"}:
        assert time.monotonic() < end, list(workers.iterdir())
        time.sleep(0.05)  # polling another process, which offers nothing to wait on
    assert installation.relayed() == set(sent)
    assert installation.queue() == []
