"""The list of held mail."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connections
from django.utils import timezone
from tests.support.portal import customer
from tests.support.tracked import accept, attempt

from outgate.contract.commands import CommandResult, QueueAction
from outgate.mail.findings import Category, Finding, ScanReport
from outgate.portal.accounts.caller import Caller
from outgate.portal.accounts.models import Role
from outgate.portal.feed.services import record_report
from outgate.portal.held import selectors as module
from outgate.portal.held.models import MessageOrder
from outgate.portal.held.selectors import ORDER_SECONDS, count_held, held_of, held_reasons, slow_by_sender, standings_of
from outgate.portal.held.services import order
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
    for number, sender in enumerate(("a@alpha.example", "B@alpha.example", "b@alpha.example")):
        accept(number, lane="slow", lane_reason="over-limit", reverse_path=sender, size_octets=10)
    hold(9)
    found = [(each.sender, each.messages, each.octets) for each in slow_by_sender("alpha")]
    assert found == [("b@alpha.example", 2, 20), ("a@alpha.example", 1, 10)]
    assert len(held_of("alpha", standing=Status.SLOW).rows) == 3


def late() -> dict[str, bool]:
    return {row.message.queue_id: row.is_late for row in held_of("alpha").rows}


def test_order_that_no_worker_carries_out_is_late_after_a_while() -> None:
    alpha = customer("Alpha")
    names = [hold(1), hold(2)]
    caller = Caller("admin@alpha.example", Role.CUSTOMER_ADMIN, customer_id=1)
    order(caller=caller, customer=alpha, references=names, action=QueueAction.RELEASE)
    assert late() == dict.fromkeys(names, False)

    past = timezone.now() - timedelta(seconds=ORDER_SECONDS + 1)
    MessageOrder.objects.update(at=past)
    assert late() == dict.fromkeys(names, True)
    placed = MessageOrder.objects.get(queue_id=names[0])
    said = CommandResult(done=(names[0],), absent=(names[1],))
    record_report(number=placed.command_id, worker="mx1/1", result=said, now=timezone.now())
    assert late() == {names[0]: False, names[1]: True}

    order(caller=caller, customer=alpha, references=names, action=QueueAction.RELEASE)
    assert late() == dict.fromkeys(names, False)


def test_how_ordered_messages_stand() -> None:
    alpha = customer("Alpha")
    held, gone, foreign = hold(1), hold(2), hold(3, customer="beta")
    caller = Caller("admin@alpha.example", Role.CUSTOMER_ADMIN, customer_id=1)
    order(caller=caller, customer=alpha, references=[held, gone], action=QueueAction.RELEASE)
    attempt(gone, ("b@b.example", "relayed", "250 ok"), is_final=True)
    found = [(each.queue_id, each.status, each.is_waiting) for each in standings_of("alpha", [gone, held, foreign])]
    assert found == [(held, "held", True), (gone, "relayed", False)]
