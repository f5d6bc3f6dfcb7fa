"""Filters and pages of the queue."""

import asyncio
from typing import Any

import pytest
from tests.support.delivery import START, Clock, make_message

from outgate.contract.wire import QueueList, QueueListed, QueueSelect
from outgate.delivery import listing
from outgate.delivery.item import Item
from outgate.delivery.waiting import WaitingRoom
from outgate.mail.message import Progress, RecipientProgress
from outgate.policy.schedule import RetrySchedule

ROOM = WaitingRoom(Clock(), lambda: None)


def waiting(queue_id: str, *recipients: str, at: float = 0.0, held: bool = False, **fields: str) -> listing.Queued:
    message = make_message(queue_id, *recipients, **fields)
    return ROOM.put(message, Progress((RecipientProgress(),) * len(message.forward_paths), 1, START + at, held))


def tried(queue_id: str, *recipients: str, at: float = 0.0) -> listing.Queued:
    message = make_message(queue_id, *recipients)
    progress = Progress((RecipientProgress(),) * len(message.forward_paths), 1, START + at)
    return Item(message, progress, None, is_fresh=False)


def listed(queued: list[listing.Queued], question: QueueList) -> QueueListed:
    return asyncio.run(listing.listed(queued, question, RetrySchedule()))


ITEMS = [
    waiting("C", "bob@one.example", at=30),
    waiting("A", "bob@one.example", "Carol@two.example", at=20, customer_id="beta"),
    waiting("B", "dave@two.example", at=20, reverse_path="anna@alpha.example"),
    waiting("D", "bob@one.example", at=10, held=True),
    tried("E", "bob@five.example", at=5),
]


@pytest.mark.parametrize(
    ("question", "ids"),
    [
        (QueueList(), "EDABC"),
        (QueueList(customer_id="beta"), "A"),
        (QueueList(sender="ANNA@alpha.example"), "B"),
        (QueueList(recipient="carol@two.example"), "A"),
        (QueueList(recipient="carol"), ""),
        (QueueList(recipient="bob@FIVE.example"), "E"),
        (QueueList(held=True), "D"),
        (QueueList(held=False), "EABC"),
        (QueueList(customer_id="alpha", held=False), "EBC"),
    ],
)
def test_filters(question: QueueList, ids: str) -> None:
    found = listed(ITEMS, question)
    assert "".join(message.queue_id for message in found.messages) == ids
    assert found.total == len(ids)
    select = QueueSelect(question.customer_id, question.sender, question.recipient, question.held)
    assert set(asyncio.run(listing.selected(ITEMS, select)).queue_ids) == set(ids)


def pages(limit: int) -> str:
    seen, question = "", QueueList(limit=limit)
    while page := listed(ITEMS, question).messages:
        seen += "".join(message.queue_id for message in page)
        question = QueueList(limit=limit, after_at=page[-1].next_attempt_at, after=page[-1].queue_id)
    return seen


@pytest.mark.parametrize("length", [1, 2, 100])
@pytest.mark.parametrize("limit", [1, 2, 3, 5, 9])
def test_pages_join_without_gap_or_overlap(limit: int, length: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "SLICE", length)
    monkeypatch.setattr(listing, "SHOWN_SLICE", length)
    assert pages(limit) == "EDABC"


def test_a_page_goes_on_behind_the_place_of_a_message_that_has_gone() -> None:
    page = listed(ITEMS, QueueList(after_at=START + 20, after="AA"))
    assert "".join(message.queue_id for message in page.messages) == "BC"


def test_total_counts_beyond_the_limit() -> None:
    found = listed(ITEMS, QueueList(limit=1))
    assert (len(found.messages), found.total) == (1, 5)


def test_a_page_is_bounded_whatever_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "PAGE_MAX", 2)
    assert len(listed(ITEMS, QueueList(limit=1_000_000)).messages) == 2


def test_others_have_their_turn_while_a_long_queue_is_walked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "SLICE", 1)

    async def scenario() -> list[str]:
        order: list[str] = []
        task = asyncio.create_task(listing.listed(ITEMS, QueueList(), RetrySchedule()))
        task.add_done_callback(lambda _: order.append("listed"))
        for _ in range(3):
            await asyncio.sleep(0)
            order.append("other")
        await task
        await asyncio.sleep(0)
        return order

    assert asyncio.run(scenario()) == ["other", "other", "other", "listed"]


@pytest.mark.parametrize(("queued", "state"), [(ITEMS[0], "deferred"), (ITEMS[3], "held"), (ITEMS[4], "active")])
def test_states_as_people_see_them(queued: Any, state: str) -> None:
    assert listed([queued], QueueList()).messages[0].state == state


def test_a_slow_message_is_shown_with_what_is_expected_and_filtered() -> None:
    room = WaitingRoom(Clock(), lambda: None)
    message = make_message("S", lane=2, lane_reason="over-limit")
    slow = room.put_slow(message, Progress((RecipientProgress(),)), START + 9)
    items = [*ITEMS, slow]
    (shown,) = listed(items, QueueList(slow=True)).messages
    assert (shown.state, shown.lane_reason, shown.next_attempt_at) == ("slow", "over-limit", START + 9)
    assert "S" not in {each.queue_id for each in listed(items, QueueList(slow=False)).messages}
    assert listing.shown(slow, RetrySchedule(), lambda _: START + 5).expected_at == START + 5
