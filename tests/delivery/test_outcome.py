"""What replies mean for recipients."""

import pytest

from outgate.delivery.outcome import (
    REPLY_KEPT_MAX,
    given_up,
    is_pending,
    judge,
    merged,
    reason_of,
    unknown_recipients,
    with_changes,
)
from outgate.mail.message import Progress, RecipientProgress, Status
from outgate.mail.reply import Reply

RELAYED = RecipientProgress(Status.RELAYED, "250 ok", "mx")
PENDING = RecipientProgress(Status.PENDING, "451 later", "mx")
FAILED = RecipientProgress(Status.FAILED, "550 no", "mx")


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (250, Status.RELAYED),
        (251, Status.RELAYED),
        (299, Status.RELAYED),
        (354, Status.PENDING),
        (150, Status.PENDING),
        (421, Status.PENDING),
        (499, Status.PENDING),
        (500, Status.FAILED),
        (556, Status.FAILED),
    ],
)
def test_the_first_digit_counts_and_doubt_defers(code: int, status: Status) -> None:
    assert judge(Reply(code, "", "text"), "mx", "") == RecipientProgress(status, f"{code} text", "mx")


def test_our_own_words_are_nobody_elses() -> None:
    local = Reply(451, "4.4.2", "connection-lost: gone")
    assert judge(local, "mx", "connection-lost").next_hop == ""
    assert judge(local, "mx", "").next_hop == "mx"
    assert judge(Reply(550, "5.1.1", "no"), "mx", "connection-lost").next_hop == "mx"


def test_what_is_kept_of_a_reply_is_bounded() -> None:
    assert len(judge(Reply(550, "", *["x" * 400] * 100), "mx", "").reply) == REPLY_KEPT_MAX


@pytest.mark.parametrize(
    ("results", "local", "reason"),
    [
        ([RELAYED], "", "relayed"),
        ([RELAYED, PENDING], "", "next-hop-deferred"),
        ([RELAYED, PENDING, FAILED], "", "next-hop-refused"),
        ([RELAYED, PENDING], "connection-lost", "connection-lost"),
    ],
)
def test_an_attempt_is_recorded_under_its_worst(results: list[RecipientProgress], local: str, reason: str) -> None:
    assert reason_of(results, local) == reason


def test_results_take_their_places() -> None:
    progress = Progress((PENDING, RELAYED, PENDING))
    assert merged(progress, {0: FAILED, 2: RELAYED}) == (FAILED, RELAYED, RELAYED)
    assert merged(progress, {}) == progress.recipients


def test_who_is_pending_is_given_up_with_the_last_reply() -> None:
    given = given_up((RELAYED, PENDING, FAILED))
    assert (given[0], given[2]) == (RELAYED, FAILED)
    assert given[1].status is Status.FAILED
    assert given[1].reply.startswith("550 5.4.7 expired:")
    assert "451 later" in given[1].reply
    assert not is_pending(given)
    assert is_pending((RELAYED, PENDING))


@pytest.mark.parametrize(
    ("status", "reply", "next_hop", "is_unknown"),
    [
        (Status.FAILED, "550 5.1.1 no", "mx", True),
        (Status.FAILED, "551 5.1.6 moved", "mx", True),
        (Status.FAILED, "550 5.1.10 null MX", "mx", False),
        (Status.FAILED, "550 5.7.1 user unknown to our policy", "mx", False),
        (Status.FAILED, "550 User unknown", "mx", True),
        (Status.FAILED, "550 no such user here", "mx", True),
        (Status.FAILED, "553 mailbox doesn't exist", "mx", True),
        (Status.FAILED, "550 blocked for spam", "mx", False),
        (Status.FAILED, "554 no such user", "mx", False),
        (Status.FAILED, "550 5.1.1 no", "", False),
        (Status.PENDING, "450 5.1.1 no", "mx", False),
    ],
)
def test_unknown_recipients_are_known_by_code_then_by_words(
    status: Status, reply: str, next_hop: str, is_unknown: bool
) -> None:
    assert unknown_recipients([RecipientProgress(status, reply, next_hop)]) == is_unknown


def test_changes_leave_alone_what_they_do_not_name() -> None:
    progress = Progress((PENDING,), 3, 5.0, True, 1, b"key")

    assert with_changes(progress) == progress
    assert with_changes(progress, held=False) == Progress((PENDING,), 3, 5.0, False, 1, b"key")
    assert with_changes(progress, content_key=b"new") == Progress((PENDING,), 3, 5.0, True, 1, b"new")
