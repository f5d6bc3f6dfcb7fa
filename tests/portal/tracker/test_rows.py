"""What a batch of events comes to, before a database sees it."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outgate.contract.events import DeliveryAttempted, MessageAccepted, RecipientOutcome
from outgate.portal.tracker.models import Status
from outgate.portal.tracker.rows import (
    ATTEMPT_COLUMNS,
    MESSAGE_COLUMNS,
    RECIPIENT_COLUMNS,
    TEXT_MAX,
    Batch,
    Rank,
    naive_text,
    status_of,
)

AT = 1_795_000_000.25
PENDING, DEFERRED, FINAL, REFUSED = Rank.PENDING.value, Rank.DEFERRED.value, Rank.FINAL.value, Rank.REFUSED.value


@pytest.mark.parametrize(
    ("recipients", "lane", "expected"),
    [
        ([(REFUSED, "refused")], "", "refused"),
        ([(REFUSED, "refused"), (REFUSED, "postponed")], "", "postponed"),
        ([(REFUSED, "refused"), (PENDING, "pending")], "", "queued"),
        ([(REFUSED, "postponed"), (FINAL, "relayed")], "", "relayed"),
        ([(PENDING, "pending")], "held", "held"),
        ([(PENDING, "pending"), (REFUSED, "refused")], "slow", "slow"),
        ([(PENDING, "pending"), (FINAL, "relayed")], "held", "queued"),
        ([(PENDING, "pending")], "of a later version", "queued"),
        ([(PENDING, "pending"), (DEFERRED, "deferred")], "slow", "deferred"),
        ([(FINAL, "relayed"), (DEFERRED, "deferred")], "", "deferred"),
        ([(FINAL, "relayed"), (FINAL, "failed")], "", "partly-relayed"),
        ([(FINAL, "relayed"), (FINAL, "deleted")], "", "partly-relayed"),
        ([(FINAL, "failed"), (FINAL, "deleted")], "", "deleted"),
        ([(FINAL, "failed")], "", "failed"),
    ],
)
def test_status_follows_from_the_recipients(recipients: list[tuple[int, str]], lane: str, expected: str) -> None:
    assert expected in Status.values
    assert status_of(recipients, lane) == expected
    assert status_of(recipients[::-1], lane) == expected


def accepted(queue_id: str = "q1", *paths: str) -> MessageAccepted:
    return MessageAccepted(
        queue_id, "mx1/1", AT, "example", "9.9.9.9", "mail", "", "a@example.com", paths or ("b@x.test",), 1, "own"
    )


def attempted(queue_id: str = "q1", outcome: str = "relayed") -> DeliveryAttempted:
    outcomes = (RecipientOutcome(0, "b@x.test", outcome, "250 ok"),)
    return DeliveryAttempted(queue_id, 1, "mx.x.test", "mx1/1", AT + 1, "example", outcomes, "relayed")


def test_what_is_said_of_the_same_becomes_one_row_in_whatever_order_it_comes() -> None:
    for events in ((accepted(), attempted()), (attempted(), accepted())):
        batch = Batch(naive_text)
        for event in events:
            batch.take(event)

        (message,), (recipient,) = batch.messages.values(), batch.recipient_rows()
        assert message[MESSAGE_COLUMNS.index("source")] == "9.9.9.9"
        assert recipient[RECIPIENT_COLUMNS.index("outcome")] == "relayed"
        assert batch.status("q1") == "relayed"
        assert len(batch.attempts) == 1


def test_message_without_recipients_is_queued() -> None:
    batch = Batch(naive_text)
    batch.take(DeliveryAttempted("q1", 1, "", "mx1/1", AT, "example", (), "no-route"))

    assert batch.status("q1") == "queued"


def test_every_row_has_a_value_for_each_column() -> None:
    batch = Batch(naive_text)
    for event in (accepted(), attempted(), attempted("q2")):
        batch.take(event)

    assert {len(row) for row in batch.messages.values()} == {len(MESSAGE_COLUMNS)}
    assert {len(row) for row in batch.recipient_rows()} == {len(RECIPIENT_COLUMNS)}
    assert {len(row) for row in batch.attempts} == {len(ATTEMPT_COLUMNS)}


def test_one_long_text_shortens_no_other() -> None:
    batch = Batch(naive_text)
    batch.take(accepted("q1", "b" * 2 * TEXT_MAX, "c@x.test", "d\0@x.test"))

    assert [row[1] for row in batch.recipient_rows()] == ["b" * TEXT_MAX, "c@x.test", "d\ufffd@x.test"]


@given(st.floats(min_value=0, max_value=4e9))
def test_times_are_written_as_django_writes_them(at: float) -> None:
    assert naive_text(at) == str(datetime.fromtimestamp(at, UTC).replace(tzinfo=None))


def test_the_last_half_microsecond_is_the_next_second() -> None:
    assert naive_text(AT - 0.25 - 2e-7) == naive_text(AT - 0.25) == "2026-11-18 11:06:40"
