"""`outgate trace`."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from tests.support.sightings import AT, FITTING, refused
from typer.testing import Result

from outgate.app.cli import app
from outgate.contract.events import DeliveryAttempted, MessageAccepted, RecipientOutcome
from outgate.mail.evidence import Evidence
from outgate.mail.queue_ids import queue_id
from outgate.portal.tracker.recording import record_events

pytestmark = pytest.mark.django_db(databases="__all__")

ID = queue_id(int(AT * 1000), 1, 0)


@pytest.fixture
def outgate(run: Any) -> Callable[..., Result]:
    command: Callable[..., Result] = run(app)
    return lambda *arguments: command("trace", *arguments)


def record_message() -> None:
    record_events(
        [
            MessageAccepted(
                queue_id=ID,
                worker="mx1/1",
                at=AT,
                customer_id="victim",
                source="40.107.1.7",
                hello_name="mail.example",
                tls="TLSv1.3",
                reverse_path="a@victim.example",
                forward_paths=("b@example.net",),
                size_octets=1234,
                reason="domain-own",
                subject="\x1b[31mHello",
                lane="slow",
                lane_reason="over-limit",
                evidence=Evidence(source_class="microsoft", pool="normal", tenant_ids=("t1",)),
            ),
            DeliveryAttempted(
                queue_id=ID,
                attempt=1,
                next_hop="mx.example.net",
                worker="mx1/1",
                at=AT + 5,
                customer_id="victim",
                outcomes=(RecipientOutcome(0, "b@example.net", "deferred", "451 4.3.0 later"),),
                reason="next-hop-deferred",
                next_attempt_at=AT + 65,
            ),
        ]
    )


def test_accepted_message_is_shown_with_evidence_attempts_and_recipients(outgate: Callable[..., Result]) -> None:
    record_message()

    result = outgate(ID.lower())

    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0] == f"message:      {ID}, deferred, lane slow (over-limit)"
    assert "subject:      ?[31mHello" in lines
    assert "  tenant_ids: t1" in lines
    assert "    b@example.net: deferred, 451 4.3.0 later" in lines
    assert lines[-1] == "  b@example.net: deferred 451 4.3.0 later"


def test_json_has_all_of_it(outgate: Callable[..., Result]) -> None:
    record_message()

    said = json.loads(outgate(ID, "--json").stdout)

    assert (said["status"], said["lane"], said["evidence"]["pool"]) == ("deferred", "slow", "normal")
    assert said["attempts"][0]["outcomes"] == [
        {"recipient": 0, "forward_path": "b@example.net", "outcome": "deferred", "reply": "451 4.3.0 later"}
    ]
    assert said["recipients"][0]["outcome"] == "deferred"
    assert said["refusals"] == []


def test_refused_message_is_found_by_the_reference_of_its_reply(outgate: Callable[..., Result]) -> None:
    event = refused(None, FITTING, 0)
    record_events([event])

    shown = outgate(event.queue_id).stdout
    said = json.loads(outgate(event.queue_id, "--json").stdout)

    assert "at content: 451 4.7.1 later" in shown
    assert "signatures: victim.example selector1 pass" in shown
    assert said["refusals"][0]["reason"] == "tenant-unconfirmed"
    assert said["evidence"]["originator_orgs"] == ["victim.example"]


def test_message_that_is_not_recorded_is_told_so(outgate: Callable[..., Result]) -> None:
    result = outgate("T4226ZR000G00")

    assert result.exit_code == 1
    assert "No message 'T4226ZR000G00' is recorded" in result.stderr
