"""Scanning in a whole Outgate: the worker's scanner processes, and what they change for the sender."""

import email.policy
import os
import signal
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from tests.scanning.test_codes import code, saved
from tests.scanning.test_office import BY_ITSELF, docm
from tests.support.client import RawClient
from tests.support.installation import Installation, customer, short_directory
from tests.support.sink import Sink, running_sink

ALICE = "alice@alpha.example"


def mail(subject: str = "s", text: str = "hello", attachment: tuple[str, bytes] | None = None) -> bytes:
    message = EmailMessage(policy=email.policy.SMTP)
    message["From"], message["Subject"] = ALICE, subject
    message.set_content(text)
    if attachment:
        message.add_attachment(attachment[1], maintype="application", subtype="octet-stream", filename=attachment[0])
    return message.as_bytes()


def send(outgate: Installation, content: bytes) -> str:
    with RawClient(outgate.smtp_port) as client:
        client.ehlo()
        client.envelope(ALICE, "bob@receiver.example")
        return client.data(content)[1].strip().partition(" ")[2]


@pytest.fixture(scope="module")
def site() -> Iterator[tuple[Installation, Sink]]:
    with short_directory() as directory, running_sink() as sink:
        outgate = Installation(directory)
        outgate.start()
        try:
            outgate.apply(scanned(sink))
            yield outgate, sink
        finally:
            outgate.stop()


def scanned(sink: Sink, **policy: Any) -> dict[str, Any]:
    scanning = {
        "is_on": True,
        "words": ["Project Falcon"],
        "data": [{"name": "words"}, {"name": "card-number"}],
        **policy,
    }
    return customer("Alpha", ["alpha.example"], relay=("127.0.0.1", sink.port), scanning=scanning)


def test_clean_mail_is_relayed_octet_for_octet(site: tuple[Installation, Sink]) -> None:
    outgate, sink = site
    content = mail("minutes", "Thursday at ten, as discussed.")
    assert send(outgate, content).startswith("2.0.0")
    outgate.wait_until_delivered()
    assert sink.messages[-1].body_behind_trace == content
    assert outgate.metric("outgate_scanned_total", action="deliver") >= 1


def test_program_is_refused_with_its_name(site: tuple[Installation, Sink]) -> None:
    outgate, _ = site
    reply = send(outgate, mail(attachment=("tool.exe", b"MZ\x90\0" * 100)))
    assert reply.startswith("5.7.1 content-attachment: 2/tool.exe")


def test_large_mail_is_looked_into_too(site: tuple[Installation, Sink]) -> None:
    outgate, sink = site
    assert send(outgate, mail(attachment=("photo.exe", b"MZ" + bytes(3_000_000)))).startswith(
        "5.7.1 content-attachment"
    )
    content = mail(attachment=("report.pdf", b"%PDF-1.7\n" + os.urandom(3_000_000)))
    delivered = len(sink.messages)
    assert send(outgate, content).startswith("2.0.0")
    assert sink.wait_for(delivered + 1)[-1].body_behind_trace == content


def test_document_whose_macros_run_by_themselves_is_refused(site: tuple[Installation, Sink]) -> None:
    outgate, _ = site
    reply = send(outgate, mail(attachment=("offer.docm", docm(BY_ITSELF))))
    assert reply.startswith("5.7.1 content-malware: 2/offer.docm/vbaProject.bin")


def test_link_in_a_code_is_judged_and_evidence_alone_decides_nothing(site: tuple[Installation, Sink]) -> None:
    outgate, sink = site
    delivered = len(sink.messages)
    content = mail(attachment=("menu.png", saved(code("https://menu.example/7"))))
    assert send(outgate, content).startswith("2.0.0")
    assert sink.wait_for(delivered + 1)[-1].body_behind_trace == content
    assert send(outgate, mail(attachment=("pay.png", saved(code("https://a1pha.example/pay"))))).startswith("2.0.0")
    [held] = [message for message in outgate.queue() if message["state"] == "held"]
    assert held["lane_reason"] == "content-phishing"
    outgate.command("queue", "release", held["queue_id"])
    sink.wait_for(delivered + 2)
    outgate.wait_until_delivered()


def test_held_mail_is_accepted_and_waits_until_a_person_releases_it(site: tuple[Installation, Sink]) -> None:
    outgate, sink = site
    content = mail("plans", "all about Project Falcon")
    assert send(outgate, content).startswith("2.0.0")
    [held] = [message for message in outgate.queue() if message["state"] == "held"]
    assert held["lane_reason"] == "content-data-loss"
    outgate.command("queue", "release", held["queue_id"])
    outgate.wait_until_delivered()
    assert sink.messages[-1].body_behind_trace == content


def test_scanner_that_is_killed_is_started_again_and_mail_goes_on(site: tuple[Installation, Sink]) -> None:
    outgate, _ = site
    send(outgate, mail())
    for pid in scanner_processes(outgate.process_ids("worker-1")[-1]):
        os.kill(pid, signal.SIGKILL)
    assert send(outgate, mail()).startswith("2.0.0")


def test_no_scanner_outlives_its_worker() -> None:
    with short_directory() as directory, running_sink() as sink:
        outgate = Installation(directory)
        outgate.start()
        outgate.apply(scanned(sink))
        send(outgate, mail())
        assert scanner_processes(outgate.process_ids("worker-1")[-1])
        outgate.stop()  # waits for whatever of the group is left, and fails if it stays


def scanner_processes(worker: int) -> list[int]:
    tasks = Path(f"/proc/{worker}/task").glob("*/children")  # each thread has its own
    children = [pid for task in tasks for pid in task.read_text().split()]
    return [int(pid) for pid in children if b"scanner_process" in Path(f"/proc/{pid}/cmdline").read_bytes()]
