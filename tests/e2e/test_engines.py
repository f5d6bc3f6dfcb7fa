"""Engines of others in a whole Outgate: what they say decides, and that they are away is noticed and survived."""

import json
from collections.abc import Iterator

import pytest
from tests.e2e.test_scanning import mail, scanned, send
from tests.support.clamd import EICAR, SIGNATURE, Clamd
from tests.support.client import RawClient
from tests.support.installation import Installation, customer, short_directory
from tests.support.milter import OpenDkim
from tests.support.rspamd import GTUBE, Rspamd
from tests.support.sink import Sink, running_sink


@pytest.fixture(scope="module")
def site() -> Iterator[tuple[Installation, Clamd, Sink]]:
    with short_directory() as directory, running_sink() as sink:
        clamd = Clamd(directory).start()
        engine = {
            "name": "clamd",
            "kind": "clamd",
            "address": clamd.address,
            "timeout_seconds": 2,
            "failures": 2,
            "pause_seconds": 0.5,
        }
        rules = directory / "rules.yar"
        rules.write_text('rule Falcon { strings: $a = "codename falcon" nocase condition: $a }')
        settings = {"scanning": {"engines": [engine], "yara_rules": [str(rules)]}}
        outgate = Installation(directory / "outgate", settings)
        outgate.start()
        try:
            outgate.apply(scanned(sink))
            yield outgate, clamd, sink
        finally:
            outgate.stop()
            clamd.kill()


def engine_state(outgate: Installation) -> str:
    state: str = json.loads(outgate.fetch("/healthz"))["engines"]["clamd"]
    return state


def test_virus_is_refused_with_its_reason_and_the_rest_is_relayed(site: tuple[Installation, Clamd, Sink]) -> None:
    outgate, _, sink = site
    assert send(outgate, mail(attachment=("notes.txt", EICAR))).startswith(f"5.7.1 content-malware: {SIGNATURE}")
    content = mail("minutes", "Thursday at ten, as discussed.")
    assert send(outgate, content).startswith("2.0.0")
    outgate.wait_until_delivered()
    assert sink.messages[-1].body_behind_trace == content
    assert outgate.metric("outgate_engine_answers_total", engine="clamd") == 2
    assert outgate.metric("outgate_engine_findings_total", engine="clamd") == 1


def test_virus_in_a_large_mail_is_found_too(site: tuple[Installation, Clamd, Sink]) -> None:
    outgate, _, _ = site
    content = mail(text="long\n" * 200_000, attachment=("notes.txt", EICAR))
    assert send(outgate, content).startswith("5.7.1 content-malware: ")


def test_yara_rules_are_looked_for(site: tuple[Installation, Clamd, Sink]) -> None:
    outgate, _, _ = site
    assert send(outgate, mail(text="the Codename Falcon")).startswith("5.7.1 content-malware: ")


def test_without_its_engine_mail_waits_at_the_sender_until_it_is_back(site: tuple[Installation, Clamd, Sink]) -> None:
    outgate, clamd, _ = site
    clamd.kill()
    for _ in range(3):
        assert send(outgate, mail()).startswith("4.7.1 scanner-unavailable: ")
    assert engine_state(outgate) != "good"
    clamd.start()
    while not (reply := send(outgate, mail())).startswith("2.0.0"):
        assert reply.startswith("4.7.1 scanner-unavailable: ")  # until the pause is over
    assert engine_state(outgate) == "good"
    assert outgate.metric("outgate_engine_failures_total", engine="clamd", cause="unreachable") >= 2
    outgate.wait_for_log("engine-left-alone")
    outgate.wait_for_log("engine-answers-again")


def test_customer_without_scanning_is_none_of_an_engines_business(site: tuple[Installation, Clamd, Sink]) -> None:
    outgate, _, sink = site
    outgate.apply(customer("Beta", ["beta.example"], relay=("127.0.0.1", sink.port)))
    asked = outgate.metric("outgate_engine_answers_total", engine="clamd")
    content = mail(attachment=("notes.txt", EICAR)).replace(b"alpha.example", b"beta.example")
    with RawClient(outgate.smtp_port) as client:
        client.ehlo()
        client.envelope("alice@beta.example", "bob@receiver.example")
        assert client.data(content)[0] == 250
    assert outgate.metric("outgate_engine_answers_total", engine="clamd") == asked


def test_engine_that_hangs_is_given_up_in_its_time(site: tuple[Installation, Clamd, Sink]) -> None:
    outgate, clamd, _ = site
    clamd.pause()
    try:
        assert send(outgate, mail()).startswith("4.7.1 scanner-unavailable: ")
    finally:
        clamd.resume()
    assert outgate.metric("outgate_engine_failures_total", engine="clamd", cause="time-out") == 1
    assert send(outgate, mail()).startswith("2.0.0")


def test_findings_of_several_engines_are_decided_on_together() -> None:
    with short_directory() as directory, running_sink() as sink:
        rspamd, opendkim = Rspamd(directory), OpenDkim(directory, "reject")
        engines = [
            {"name": "rspamd", "kind": "rspamd", "address": rspamd.address},
            {"name": "opendkim", "kind": "milter", "address": opendkim.address, "category": "phishing"},
        ]
        outgate = Installation(directory / "outgate", {"scanning": {"engines": engines}})
        try:
            rspamd.start()
            opendkim.start()
            outgate.start()
            outgate.apply(scanned(sink))
            gtube = send(outgate, mail(text=GTUBE.decode()))
            held = send(outgate, mail())
            assert gtube.startswith("5.7.1 content-spam: ")  # rspamd's refusal is stricter than holding phishing
            assert held.startswith("2.0.0")
            assert [message["lane_reason"] for message in outgate.queue()] == ["content-phishing"]
            for engine in ("rspamd", "opendkim"):
                assert outgate.metric("outgate_engine_answers_total", engine=engine) == 2
        finally:
            outgate.stop()
            opendkim.stop()
            rspamd.stop()
