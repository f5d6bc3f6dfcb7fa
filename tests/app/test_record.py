import json
from pathlib import Path

from outgate.app.log import LogFile
from outgate.app.record import Record
from outgate.contract.events import (
    DeliveryAttempted,
    Event,
    MessageAccepted,
    MessageRefused,
    RecipientOutcome,
    SenderLocked,
    decode_event,
)
from outgate.spool.memory import MemorySpool

ACCEPTED = MessageAccepted(
    "Q1",
    "w",
    1.0,
    "alpha",
    "192.0.2.1",
    "c",
    "",
    "a@alpha.example",
    ("b@r.example",),
    9,
    "domain-own",
    "",
    "",
    "secret",
)
REFUSED = MessageRefused(
    "Q2", 1, "w", 1.0, "", "192.0.2.9", "c", "", "rcpt", "a@x.example", ("b@r.example",), "source-unknown", "550 no"
)
ATTEMPTED = DeliveryAttempted(
    "Q1", 1, "mx [192.0.2.5]", "w", 2.0, "alpha", (RecipientOutcome(0, "b@r.example", "relayed", "250 ok"),), "relayed"
)


def record(
    path: Path, *events: Event, is_repeated: bool = False
) -> tuple[Record, MemorySpool, list[dict[str, object]]]:
    spool = MemorySpool(post=lambda call: call())
    log = LogFile(path / "log", "worker-1")
    taken = Record(spool, log)
    for event in events:
        taken.take(event, is_repeated=is_repeated)
    log.close()
    text = (path / "log").read_text() if (path / "log").exists() else ""
    return taken, spool, [json.loads(line) for line in text.splitlines()]


def test_every_event_goes_to_the_event_log(tmp_path: Path) -> None:
    _, spool, _ = record(tmp_path, ACCEPTED, REFUSED, ATTEMPTED)
    assert [decode_event(octets) for octets in spool.events] == [ACCEPTED, REFUSED, ATTEMPTED]


def test_people_get_a_line_for_each_refusal_and_attempt_and_no_subject(tmp_path: Path) -> None:
    _, _, lines = record(tmp_path, ACCEPTED, REFUSED, ATTEMPTED)
    assert [line["event"] for line in lines] == ["refused", "attempted"]
    assert "secret" not in json.dumps(lines)
    assert lines[1]["outcomes"] == [[0, "b@r.example", "relayed", "250 ok"]]


def test_what_is_said_again_after_a_crash_is_no_line(tmp_path: Path) -> None:
    _, spool, lines = record(tmp_path, ACCEPTED, is_repeated=True)
    assert len(spool.events) == 1
    assert not lines


def test_outcomes_and_attempts_are_counted(tmp_path: Path) -> None:
    taken, _, _ = record(tmp_path, ATTEMPTED, ATTEMPTED)
    assert taken.outcomes == {"relayed": 2}
    assert taken.attempts == {"relayed": 2}


def test_a_lock_is_a_line_for_people(tmp_path: Path) -> None:
    lock = SenderLocked("w", 1.0, "alpha", "a@alpha.example", 61.0, 60, "over-limit")
    _, _, (line,) = record(tmp_path, lock)
    assert (line["event"], line["mailbox"], line["reason"]) == ("sender-locked", "a@alpha.example", "over-limit")
    assert lock.event_id == "alpha/a@alpha.example/locked/1.0"
