"""The list of held mail."""

from typing import Any

import pytest
from django.db import connections
from tests.support.tracked import accept, attempt

from outgate.mail.findings import Category, Finding, ScanReport
from outgate.portal.held import selectors as module
from outgate.portal.held.selectors import count_held, held_of, held_reasons, slow_by_sender
from outgate.portal.tracker.models import Status

pytestmark = pytest.mark.django_db(databases="__all__")


def hold(number: int, reason: str = "content-data-loss", **more: Any) -> str:
    return accept(number, lane="held", lane_reason=reason, **more)


def names(**asked: Any) -> list[str]:
    return [row.message.queue_id for row in held_of("alpha", **asked).rows]


def test_held_mail_alone_newest_first() -> None:
    first, second = hold(1), hold(2)
    accept(3)
    accept(4, lane="slow", lane_reason="over-limit")
    hold(5, customer="beta")
    assert names() == [second, first]
    assert count_held("alpha") == 2
    attempt(second, ("b@b.example", "relayed", "250 ok"), is_final=True)
    assert names() == [first]


def test_search_in_sender_recipient_and_subject() -> None:
    by_sender = hold(1, reverse_path="Carol@alpha.example", subject="x")
    by_recipient = hold(2, paths=("dave@carol.example",), subject="x")
    by_subject = hold(3, subject="About CAROL")
    hold(4, subject="x")
    assert names(text="carol") == [by_subject, by_recipient, by_sender]


def test_reasons() -> None:
    hold(1)
    spam = hold(2, "content-spam")
    assert held_reasons("alpha") == ["content-data-loss", "content-spam"]
    assert names(reason="content-spam") == [spam]


def test_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    made = [hold(number) for number in range(5)][::-1]
    page = held_of("alpha", limit=2)
    assert [row.message.queue_id for row in page.rows] == made[:2]
    following = held_of("alpha", limit=2, before=page.next_before)
    assert [row.message.queue_id for row in following.rows] == made[2:4]
    assert held_of("alpha", limit=2, before=following.next_before).next_before == ""
    monkeypatch.setattr(module, "COUNT_MAX", 3)
    assert count_held("alpha") == 4


def test_findings_of_what_led_to_it_come_first() -> None:
    findings = (
        Finding(Category.SPAM, "spam", "model", 500),
        Finding(Category.DATA_LOSS, "data-loss", "card-number", 3),
        Finding(Category.DATA_LOSS, "data-loss", "card-number", 1, place="2"),
    )
    hold(1, report=ScanReport(findings, seconds=0.1))
    assert held_of("alpha").rows[0].findings == ["card-number"]
    hold(2, "from-a-pool", report=ScanReport(findings, seconds=0.1))
    assert held_of("alpha").rows[0].findings == ["model", "card-number"]


def test_few_held_of_many_are_found_by_an_index() -> None:
    connection = connections["tracker"] if "tracker" in connections else connections["default"]
    if connection.vendor != "sqlite":
        pytest.skip("a planner with few rows reads them all")
    for standing in (Status.HELD, Status.SLOW):
        plan = module._waiting("alpha", standing).order_by("-queue_id").explain()
        assert f"message_{standing.value}" in plan


def test_slow_mail_by_sender() -> None:
    for number, sender in enumerate(("a@alpha.example", "b@alpha.example", "b@alpha.example")):
        accept(number, lane="slow", lane_reason="over-limit", reverse_path=sender, size_octets=10)
    hold(9)
    found = [(each.sender, each.messages, each.octets) for each in slow_by_sender("alpha")]
    assert found == [("b@alpha.example", 2, 20), ("a@alpha.example", 1, 10)]
    assert len(held_of("alpha", standing=Status.SLOW).rows) == 3
