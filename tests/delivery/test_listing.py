"""Filters and pages of the queue."""

import pytest
from tests.support.delivery import START, make_message

from outgate.contract.wire import QueueList
from outgate.delivery.item import Item, State
from outgate.delivery.listing import listed
from outgate.mail.message import Progress, RecipientProgress
from outgate.policy.schedule import RetrySchedule

SCHEDULE = RetrySchedule()


def item(queue_id: str, *recipients: str, at: float = 0.0, held: bool = False, **fields: str) -> Item:
    message = make_message(queue_id, *recipients, **fields)
    progress = Progress((RecipientProgress(),) * len(message.forward_paths), 1, START + at, held)
    return Item(message, progress, None, is_fresh=False)


ITEMS = [
    item("C", "bob@one.example", at=30),
    item("A", "bob@one.example", "Carol@two.example", at=20, customer_id="beta"),
    item("B", "dave@two.example", at=20, reverse_path="anna@alpha.example"),
    item("D", "bob@one.example", at=10, held=True),
]


@pytest.mark.parametrize(
    ("question", "ids"),
    [
        (QueueList(), "DABC"),
        (QueueList(customer_id="beta"), "A"),
        (QueueList(sender="ANNA@alpha.example"), "B"),
        (QueueList(recipient="carol@two.example"), "A"),
        (QueueList(recipient="carol"), ""),
        (QueueList(held=True), "D"),
        (QueueList(held=False), "ABC"),
        (QueueList(customer_id="alpha", held=False), "BC"),
    ],
)
def test_filters(question: QueueList, ids: str) -> None:
    found = listed(ITEMS, question, SCHEDULE)
    assert "".join(message.queue_id for message in found.messages) == ids
    assert found.total == len(ids)


def test_pages_join_without_gap_or_overlap() -> None:
    seen = ""
    after = ""
    while page := listed(ITEMS, QueueList(limit=3, after=after), SCHEDULE).messages:
        seen += "".join(message.queue_id for message in page)
        after = page[-1].queue_id
    assert seen == "DABC"


def test_a_page_behind_a_message_that_has_gone_begins_anew() -> None:
    assert [message.queue_id for message in listed(ITEMS, QueueList(after="Z"), SCHEDULE).messages] == list("DABC")


def test_total_counts_beyond_the_limit() -> None:
    found = listed(ITEMS, QueueList(limit=1), SCHEDULE)
    assert (len(found.messages), found.total) == (1, 4)


def test_a_message_whose_notice_is_under_way_is_active_to_people() -> None:
    notifying = item("E")
    notifying.state = State.NOTIFYING
    assert listed([notifying], QueueList(), SCHEDULE).messages[0].state == "active"
