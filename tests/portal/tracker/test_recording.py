"""Events become rows: the same ones, whatever the order and however often they come."""

import itertools
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.db import Error, transaction
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from msgspec import structs

from outgate.contract.events import DeliveryAttempted, MessageAccepted, MessageEvent, MessageRefused, RecipientOutcome
from outgate.mail.evidence import DkimVerdict, Evidence, SignatureResult
from outgate.mail.findings import NOT_SCANNED, AttachmentFact, Category, Finding, ScanReport
from outgate.mail.queue_ids import queue_id
from outgate.portal.tracker.models import (
    ShippingCursor,
    TrackedAttempt,
    TrackedMessage,
    TrackedRecipient,
    TrackedRefusal,
)
from outgate.portal.tracker.recording import record_events
from outgate.portal.tracker.rows import TEXT_MAX
from outgate.portal.tracker.selectors import shipping_cursor
from outgate.portal.tracker.services import prune

pytestmark = pytest.mark.django_db(databases="__all__")

AT = 1_795_000_000.25
ID = queue_id(int(AT * 1000), 1, 0)


def accepted(*paths: str, at: float = AT, **more: Any) -> MessageAccepted:
    return MessageAccepted(
        queue_id=more.pop("queue_id", ID),
        worker="mx1/1",
        at=at,
        customer_id="example",
        source="9.9.9.9",
        hello_name="mail.example.com",
        tls="TLSv1.3",
        reverse_path="a@example.com",
        forward_paths=paths or ("b@example.net",),
        size_octets=1234,
        reason="domain-verified",
        subject=more.pop("subject", "Hello"),
        **more,
    )


def attempted(attempt: int, *outcomes: tuple[str, str], at: float | None = None, **more: Any) -> DeliveryAttempted:
    return DeliveryAttempted(
        queue_id=ID,
        attempt=attempt,
        next_hop="mx.example.net",
        worker="mx1/1",
        at=AT + attempt if at is None else at,
        customer_id="example",
        outcomes=tuple(
            RecipientOutcome(place, path, outcome, f"{outcome} {attempt}")
            for place, (path, outcome) in enumerate(outcomes)
        ),
        reason="relayed",
        **more,
    )


def refused(ordinal: int, path: str, reply: str = "550 5.7.1 no", **more: Any) -> MessageRefused:
    return MessageRefused(
        queue_id=ID,
        ordinal=ordinal,
        worker="mx1/1",
        at=AT + ordinal,
        customer_id="",
        source="9.9.9.9",
        hello_name="x",
        tls="",
        stage=more.pop("stage", "rcpt"),
        reverse_path="a@example.com",
        forward_paths=(path,),
        reason="sender-not-registered",
        reply=reply,
        **more,
    )


def status() -> str:
    return TrackedMessage.objects.get(pk=ID).status


def outcomes() -> dict[str, tuple[str, str]]:
    rows = TrackedRecipient.objects.filter(queue_id=ID).order_by("forward_path")
    return {row.forward_path: (row.outcome, row.reply) for row in rows}


def everything() -> list[Any]:
    """All rows of all tables, as they would be compared by a person."""
    models = (TrackedMessage, TrackedRecipient, TrackedAttempt, TrackedRefusal)
    return [sorted(map(repr, model._default_manager.values())) for model in models]


def test_accepted_message_is_queued_with_its_facts() -> None:
    record_events([accepted("b@example.net", "c@example.net")])

    message = TrackedMessage.objects.get()
    assert (message.queue_id, message.status, message.customer_id, message.subject) == (
        ID,
        "queued",
        "example",
        "Hello",
    )
    assert message.at == datetime.fromtimestamp(AT, UTC)
    assert (message.size_octets, message.source, message.reason) == (1234, "9.9.9.9", "domain-verified")
    assert outcomes() == {"b@example.net": ("pending", ""), "c@example.net": ("pending", "")}


@pytest.mark.parametrize(
    ("results", "expected"),
    [
        (["relayed", "relayed"], "relayed"),
        (["relayed", "failed"], "partly-relayed"),
        (["failed", "failed"], "failed"),
        (["relayed", "deferred"], "deferred"),
        (["failed", "deferred"], "deferred"),
    ],
)
def test_status_follows_from_the_recipients(results: list[str], expected: str) -> None:
    paths = ("b@example.net", "c@example.net")

    record_events([accepted(*paths), attempted(1, *zip(paths, results, strict=True))])

    assert status() == expected


@pytest.mark.parametrize(
    ("tried", "expected"),
    [([], "deleted"), ([("b@example.net", "failed")], "deleted"), ([("b@example.net", "relayed")], "partly-relayed")],
    ids=str,
)
def test_what_a_person_deletes_is_deleted_and_not_failed(tried: list[tuple[str, str]], expected: str) -> None:
    paths = ("b@example.net", "c@example.net")
    left = [path for path in paths if path not in dict(tried)]
    deletion = attempted(2, *[(path, "failed") for path in left], is_final=True)
    events: list[MessageEvent] = [accepted(*paths), structs.replace(deletion, reason="deleted", next_hop="")]
    if tried:
        events.append(attempted(1, *tried))
    for order in itertools.permutations(events):
        TrackedMessage.objects.all().delete()
        TrackedRecipient.objects.all().delete()
        record_events(order)
        assert status() == expected
        assert outcomes()["c@example.net"] == ("deleted", "failed 2")


def test_recipient_that_was_not_tried_yet_keeps_the_message_queued() -> None:
    record_events([accepted("b@example.net", "c@example.net"), attempted(1, ("b@example.net", "relayed"))])

    assert status() == "queued"


def test_attempt_before_its_acceptance_is_kept_and_completed() -> None:
    record_events([attempted(1, ("b@example.net", "relayed"), is_final=True)])
    assert (status(), TrackedMessage.objects.get().subject) == ("relayed", "")

    record_events([accepted()])

    assert (status(), TrackedMessage.objects.get().subject) == ("relayed", "Hello")
    assert outcomes() == {"b@example.net": ("relayed", "relayed 1")}


def test_later_attempt_says_the_last_word_whenever_it_comes() -> None:
    late = [attempted(2, ("b@example.net", "failed")), attempted(1, ("b@example.net", "deferred"))]

    events: list[MessageEvent] = [*late, accepted()]
    for event in events:
        record_events([event])

    assert outcomes() == {"b@example.net": ("failed", "failed 2")}
    assert status() == "failed"
    assert TrackedAttempt.objects.count() == 2


def test_attempt_keeps_what_happened_in_it() -> None:
    record_events(
        [attempted(1, ("b@example.net", "deferred"), tls="TLSv1.3", duration_seconds=0.5, next_attempt_at=AT)]
    )

    row = TrackedAttempt.objects.get()
    assert (row.queue_id, row.attempt, row.next_hop, row.tls, row.duration_seconds) == (
        ID,
        1,
        "mx.example.net",
        "TLSv1.3",
        0.5,
    )
    assert row.next_attempt_at == datetime.fromtimestamp(AT, UTC)
    assert row.outcomes == [[0, "b@example.net", "deferred", "deferred 1"]]


def test_refused_recipient_does_not_spoil_an_accepted_message() -> None:
    record_events([refused(1, "x@example.net"), accepted(), attempted(1, ("b@example.net", "relayed"))])

    assert status() == "relayed"
    assert outcomes()["x@example.net"] == ("refused", "550 5.7.1 no")
    assert TrackedMessage.objects.get().customer_id == "example"


@pytest.mark.parametrize(("reply", "expected"), [("550 5.7.1 no", "refused"), ("451 4.7.1 later", "postponed")])
def test_message_that_never_came_in_is_refused_or_postponed(reply: str, expected: str) -> None:
    record_events([refused(1, "x@example.net", reply)])

    assert status() == expected
    row = TrackedRefusal.objects.get()
    assert (row.stage, row.reason, row.reply, row.forward_paths) == (
        "rcpt",
        "sender-not-registered",
        reply,
        ["x@example.net"],
    )


def test_refusal_of_the_content_knows_more_than_that_of_a_recipient() -> None:
    events: list[MessageEvent] = [
        refused(1, "x@example.net"),
        refused(2, "y@example.net", stage="content", subject="Hello"),
    ]

    for order in (events, events[::-1]):
        with transaction.atomic(using=django_settings.TRACKER_DATABASE):
            for event in order:
                record_events([event])
            assert TrackedMessage.objects.get().subject == "Hello"
            transaction.set_rollback(True, using=django_settings.TRACKER_DATABASE)


STORY: Sequence[MessageEvent] = (
    refused(1, "x@example.net", "451 4.7.1 later"),
    refused(2, "b@example.net"),
    accepted("b@example.net", "c@example.net", sealed_key=b"\0sealed"),
    attempted(1, ("b@example.net", "deferred"), ("c@example.net", "relayed")),
    attempted(2, ("b@example.net", "relayed"), is_final=True),
)


@given(
    st.permutations(STORY).flatmap(
        lambda order: st.tuples(
            st.just(order),
            st.lists(st.integers(1, 3), min_size=1, max_size=5),
            st.lists(st.sampled_from(STORY), max_size=4),
        )
    )
)
@hypothesis_settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_order_pieces_and_repetition_do_not_matter(
    plan: tuple[list[MessageEvent], list[int], list[MessageEvent]],
) -> None:
    order, pieces, repeated = plan
    alias = django_settings.TRACKER_DATABASE
    with transaction.atomic(using=alias):
        record_events(STORY)
        expected = everything()
        transaction.set_rollback(True, using=alias)
    with transaction.atomic(using=alias):
        sizes = itertools.cycle(pieces)
        events = [*order, *repeated]
        while events:
            size = next(sizes)
            record_events(events[:size])
            events = events[size:]
        assert everything() == expected
        transaction.set_rollback(True, using=alias)


def test_cursor_moves_with_the_events_or_not_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    from outgate.portal.tracker import recording

    assert shipping_cursor("mx1/1") == (0, 0)
    record_events([accepted()], log="mx1/1", cursor=(3, 4567))
    record_events([], log="mx1/1", cursor=(4, 1))
    record_events([], log="mx1/2", cursor=(9, 9))
    assert shipping_cursor("mx1/1") == (4, 1)

    monkeypatch.setattr(recording, "_RECIPIENTS", "UPDATE there_is_no_such_table SET x = 1")
    other = queue_id(int(AT * 1000), 1, 1)
    with pytest.raises(Error), transaction.atomic(using=django_settings.TRACKER_DATABASE):
        record_events([accepted(queue_id=other)], log="mx1/1", cursor=(5, 5))

    assert shipping_cursor("mx1/1") == (4, 1)
    assert not TrackedMessage.objects.filter(pk=other).exists()
    assert ShippingCursor.objects.count() == 2


def test_text_that_a_peer_chose_does_no_harm() -> None:
    record_events([accepted(subject="a\0b" + "x" * 5000, message_id_field="'; DROP TABLE x; --%s")])

    message = TrackedMessage.objects.get()
    assert message.subject.startswith("a\ufffdbx")
    assert len(message.subject) == TEXT_MAX
    assert message.message_id_field == "'; DROP TABLE x; --%s"


def test_event_without_a_possible_time_is_left_out_and_counted() -> None:
    bad: list[MessageEvent] = [
        accepted(at=float("nan")),
        accepted(at=1e30),
        attempted(1, ("b@example.net", "relayed"), next_attempt_at=1e30),
    ]

    assert record_events([*bad, accepted()]) == 3

    assert TrackedMessage.objects.count() == 1
    assert TrackedAttempt.objects.count() == 0


def test_numbers_beyond_the_columns_are_cut() -> None:
    record_events([accepted(), attempted(2**40, ("b@example.net", "relayed"), at=AT)])

    assert TrackedAttempt.objects.get().attempt == 2**31 - 1


def test_many_messages_are_recorded_in_one_go() -> None:
    ids = [queue_id(int(AT * 1000) + number, 1, 0) for number in range(1200)]

    record_events([accepted(queue_id=each) for each in ids])

    assert TrackedMessage.objects.filter(status="queued").count() == 1200


def test_old_messages_are_forgotten_with_all_that_belongs_to_them() -> None:
    old, new = queue_id(int(AT * 1000) - 1, 1, 0), queue_id(int(AT * 1000), 1, 5)
    record_events([accepted(queue_id=old, at=AT - 1), accepted(queue_id=new)])
    record_events(STORY)
    assert TrackedMessage.objects.count() == 3

    assert prune(before=datetime.fromtimestamp(AT, UTC)) == 1
    assert set(TrackedMessage.objects.values_list("pk", flat=True)) == {ID, new}
    assert prune(before=datetime.fromtimestamp(AT, UTC)) == 0
    assert prune(before=datetime.fromtimestamp(AT + 1, UTC)) == 2
    assert everything() == [[], [], [], []]


def test_pruning_goes_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    from outgate.portal.tracker import services

    record_events([accepted(queue_id=queue_id(int(AT * 1000) + number, 1, 0)) for number in range(5)])
    monkeypatch.setattr(services, "PRUNE_CHUNK", 2)

    counts = [prune(before=datetime.fromtimestamp(AT + 9, UTC)) for _ in range(4)]

    assert counts == [2, 2, 1, 0]
    assert everything() == [[], [], [], []]


EVIDENCE = Evidence(
    source_class="declared",
    signatures=(SignatureResult("example.com", "s1", DkimVerdict.FAIL, "body hash"),),
    dkim="fail",
)


def test_evidence_is_kept_by_name_without_what_is_empty() -> None:
    record_events([accepted(evidence=EVIDENCE)])

    assert TrackedMessage.objects.get().evidence == {
        "source_class": "declared",
        "signatures": [{"domain": "example.com", "selector": "s1", "verdict": "fail", "detail": "body hash"}],
        "dkim": "fail",
    }


def test_evidence_of_a_refusal_and_odd_characters_are_kept_and_none_is_empty() -> None:
    record_events([refused(0, "b@example.net", evidence=Evidence(source_class="microsoft", sfp="1\0001"))])
    record_events([accepted(queue_id=queue_id(1_000, 1, 0))])

    assert TrackedMessage.objects.get(queue_id=ID).evidence == {"source_class": "microsoft", "sfp": "1\ufffd1"}
    assert TrackedMessage.objects.exclude(queue_id=ID).get().evidence == {}


@pytest.mark.parametrize("lane", ["held", "slow"])
def test_lane_is_the_status_until_the_first_attempt(lane: str) -> None:
    record_events([accepted("b@example.net", "c@example.net", lane=lane, lane_reason="over-limit")])
    message = TrackedMessage.objects.get()
    assert (message.status, message.lane, message.lane_reason) == (lane, lane, "over-limit")

    record_events([attempted(1, ("b@example.net", "relayed"))])
    assert TrackedMessage.objects.get().status == "queued"  # it has left its lane, and one recipient is still to come

    record_events([attempted(2, ("c@example.net", "relayed"))])
    assert TrackedMessage.objects.get().status == "relayed"


def test_lane_that_comes_after_the_attempt_changes_no_outcome() -> None:
    record_events([attempted(1, ("b@example.net", "deferred"))])
    record_events([accepted(lane="slow", lane_reason="over-limit")])

    assert TrackedMessage.objects.get().status == "deferred"


def test_unknown_lane_of_a_later_version_is_queued() -> None:
    record_events([accepted(lane="quarantine")])

    assert TrackedMessage.objects.get().status == "queued"


def test_what_scanning_found_is_kept_by_name() -> None:
    report = ScanReport(
        (Finding(Category.SPAM, "spam", "model", 950), Finding(Category.PHISHING, "a", "b", 90, "x\0y", "2/z.exe")),
        (AttachmentFact("2", "z.exe", "windows-program", ("executable",), 5, "00"),),
        failed=("clamd",),
        action="hold",
        reason="content-spam",
    )
    record_events([structs.replace(accepted(), report=report)])
    kept = TrackedMessage.objects.get().report
    assert kept["findings"][0] == {"category": "spam", "scanner": "spam", "name": "model", "weight": 950}
    assert kept["findings"][1]["detail"] == "x\ufffdy"
    assert kept["attachments"][0]["groups"] == ["executable"]
    assert (kept["action"], kept["failed"]) == ("hold", ["clamd"])
    record_events([structs.replace(accepted(), report=NOT_SCANNED)])
    assert TrackedMessage.objects.get().report == kept


def test_what_the_content_s_key_was_sealed_to_is_kept_whenever_the_acceptance_comes() -> None:
    sealed_key = bytes(range(80))
    held = accepted(lane="held", lane_reason="content-spam", sealed_key=sealed_key)
    deleted = attempted(1, ("b@example.net", "failed"))

    for events in ([deleted], [held], [deleted], [held]):
        record_events(events)

    assert bytes(TrackedMessage.objects.get().sealed_key or b"") == sealed_key


def test_what_is_not_sealed_has_no_such_key() -> None:
    record_events([accepted(), refused(1, "c@example.net")])

    assert TrackedMessage.objects.get().sealed_key is None


def test_copies_are_kept_by_their_references() -> None:
    record_events([accepted(copies=("T4226ZR000G01", "T4226ZR000G02"))])
    assert TrackedMessage.objects.get().copies == ["T4226ZR000G01", "T4226ZR000G02"]
    record_events([accepted(queue_id="T4226ZR000G03")])
    assert TrackedMessage.objects.get(queue_id="T4226ZR000G03").copies is None
