"""One message told to people: why it stands as it does, and what happened in which order."""

from datetime import timedelta

import pytest
from tests.support.tracked import AT, NOW, accept, attempt, refuse

from outgate.portal.tracker import story as module
from outgate.portal.tracker.models import TrackedMessage
from outgate.portal.tracker.story import PATHS_SHOWN, Story, story_of

pytestmark = pytest.mark.django_db(databases="__all__")


def told(name: str) -> Story:
    return story_of(TrackedMessage.objects.get(pk=name), now=NOW)


def test_delivered_message_was_accepted_and_relayed() -> None:
    name = accept()
    attempt(name, ("b@b.example", "relayed", "250 2.0.0 Ok: queued as ABC"), duration_seconds=0.25, is_final=True)

    story = told(name)
    assert [step.kind for step in story.steps] == ["accepted", "attempt"]
    assert (story.steps[1].next_hop, story.steps[1].tls, story.steps[1].duration_seconds) == (
        "mx.b.example",
        "TLSv1.2",
        0.25,
    )
    assert story.steps[1].groups[0].reply == "250 2.0.0 Ok: queued as ABC"
    assert (story.causes, story.is_final, story.is_accepted) == (["domain-own"], True, True)
    assert [(each.forward_path, each.outcome) for each in story.recipients] == [("b@b.example", "relayed")]


def test_deferred_message_waits_for_its_next_attempt_and_says_why() -> None:
    name = accept(lane="slow", lane_reason="over-limit")
    again = AT + 900
    attempt(name, ("b@b.example", "deferred", "451 later"), reason="next-hop-deferred", next_attempt_at=again)

    story = told(name)
    assert story.next_attempt_at is not None
    assert story.next_attempt_at.timestamp() == again
    assert story.causes == ["domain-own", "over-limit", "next-hop-deferred"]
    assert not story.is_final


def test_refused_message_is_told_by_its_refusals() -> None:
    name = refuse(1)
    refuse(1, ordinal=2, stage="content", reason="from-mismatch", reply="451 4.7.1 come again", at=AT - 60)

    story = told(name)
    assert [(step.kind, step.stage) for step in story.steps] == [("refused", "rcpt"), ("postponed", "content")]
    assert story.causes == ["sender-not-registered", "from-mismatch"]
    assert not story.is_accepted


def test_refusal_may_be_followed_by_more_for_a_while() -> None:
    name = refuse(at=AT)
    message = TrackedMessage.objects.get(pk=name)

    assert not story_of(message, now=NOW + timedelta(seconds=59)).is_final
    assert story_of(message, now=NOW + timedelta(seconds=61)).is_final


def test_attempt_whose_acceptance_is_not_recorded_yet_is_shown() -> None:
    accepted_elsewhere = accept()
    TrackedMessage.objects.all().delete()
    attempt(accepted_elsewhere, ("b@b.example", "relayed", "250 ok"))

    story = told(accepted_elsewhere)
    assert [step.kind for step in story.steps] == ["attempt"]
    assert story.causes == []


def test_decision_without_an_attempt_is_called_so() -> None:
    name = accept()
    attempt(name, ("b@b.example", "failed", "expired"), next_hop="", reason="expired")

    assert told(name).steps[-1].kind == "decision"


def test_recipients_that_fared_alike_stand_together() -> None:
    paths = tuple(f"r{number}@b.example" for number in range(PATHS_SHOWN + 3))
    name = accept(paths=paths)
    attempt(name, *((path, "relayed", "250 ok") for path in paths[:-1]), (paths[-1], "failed", "550 no"))

    groups = told(name).steps[-1].groups
    assert [(group.outcome, len(group.paths), group.more) for group in groups] == [
        ("relayed", PATHS_SHOWN, 2),
        ("failed", 1, 0),
    ]


def test_what_is_too_much_is_shown_in_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RECIPIENTS_SHOWN", 2)
    monkeypatch.setattr(module, "ATTEMPTS_SHOWN", 2)
    paths = ("a@b.example", "b@b.example", "z@b.example")
    name = accept(paths=paths)
    attempt(name, ("a@b.example", "relayed", "250 ok"), number=1)
    for number in (2, 3):
        attempt(name, ("z@b.example", "deferred", "451 later"), number=number, at=AT + number)

    story = told(name)
    assert [each.forward_path for each in story.recipients] == ["b@b.example", "z@b.example"]  # not the relayed one
    assert story.recipient_count == 3
    assert [step.number for step in story.steps if step.kind == "attempt"] == [2, 3]
    assert story.earlier_attempts == 1


def test_version_changes_with_what_happens() -> None:
    name = accept()
    first = told(name).version
    attempt(name, ("b@b.example", "deferred", "451 later"), reason="next-hop-deferred")
    second = told(name).version
    attempt(name, ("b@b.example", "deferred", "451 later"), reason="next-hop-deferred", number=2)

    assert len({first, second, told(name).version}) == 3
    assert told(name).version == told(name).version


def test_deleted_message_says_by_whom_also_what_was_left_of_it() -> None:
    whole, rest = accept(1), accept(2, paths=("a@b.example", "b@b.example"))
    attempt(rest, ("a@b.example", "relayed", "250 ok"), number=1)
    for name in (whole, rest):
        said = ("b@b.example", "failed", "deleted by ada@alpha.example")
        attempt(name, said, reason="deleted", next_hop="", number=2, is_final=True)

    for name, status in ((whole, "deleted"), (rest, "partly-relayed")):
        story = told(name)
        assert story.message.status == status
        assert story.deletion is not None
        assert story.deletion.by == "ada@alpha.example"
        assert story.causes == ["domain-own", "deleted"]
        assert story.steps[-1].groups[0].outcome == "deleted"
        assert story.is_final
