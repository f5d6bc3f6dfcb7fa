"""Reading the feeds."""

from datetime import timedelta

import pytest
from django.utils import timezone
from tests.support.portal import ACTOR, NOW, beat

from outgate.contract.commands import QueueAction, QueueCommand
from outgate.contract.policy import CustomerDocument, Outbound
from outgate.contract.wire import Documents
from outgate.portal.feed import selectors, services
from outgate.portal.feed.changes import HEAD_ID
from outgate.portal.feed.codec import encode
from outgate.portal.feed.models import FeedHead, PolicyDocument

pytestmark = pytest.mark.django_db(databases="__all__")


def write_documents(count: int, name: str = "x") -> None:
    PolicyDocument.objects.bulk_create(
        PolicyDocument(
            key=f"customer:{number}", revision=number, body=encode(CustomerDocument(str(number), name, Outbound.OFF))
        )
        for number in range(1, count + 1)
    )
    FeedHead.objects.create(pk=HEAD_ID, revision=count)


def test_empty_feed_is_at_revision_0() -> None:
    assert selectors.head() == selectors.Head(0, 0)
    assert selectors.documents_since(0) == Documents((), 0)


def test_documents_come_in_order_of_revision_and_in_pieces() -> None:
    write_documents(25)

    pieces, revision = [], 0
    while revision < 25:
        documents = selectors.documents_since(revision, 10)
        pieces.append([item.revision for item in documents.items])
        revision = documents.up_to

    assert pieces == [list(range(1, 11)), list(range(11, 21)), list(range(21, 26))]
    assert selectors.documents_since(25) == Documents((), 25)


def test_frame_is_bounded_in_octets_and_has_at_least_one_document() -> None:
    write_documents(5, name="y" * 1000)

    documents = selectors.documents_since(0, 1000, limit_octets=5000)
    assert [item.revision for item in documents.items] == [1, 2]
    assert documents.up_to == 2

    documents = selectors.documents_since(2, 1000, limit_octets=10)
    assert [item.revision for item in documents.items] == [3]
    assert documents.up_to == 3


def test_last_piece_reaches_the_newest_revision_even_if_its_documents_have_moved_on() -> None:
    write_documents(3)
    FeedHead.objects.update(revision=9)

    assert selectors.documents_since(0).up_to == 9


def test_worker_counts_as_live_until_it_was_silent_for_long() -> None:
    beat("mx1/1", 1, seconds_ago=selectors.WORKER_LIVE_SECONDS)
    beat("mx1/2", 1, seconds_ago=selectors.WORKER_LIVE_SECONDS + 0.1)

    assert [worker.worker for worker in selectors.live_workers(NOW)] == ["mx1/1"]


def test_commands_are_for_one_worker_or_all_and_go_on_behind_a_number() -> None:
    def order(queue_id: str, worker: str = "") -> int:
        return services.order_command(actor=ACTOR, command=QueueCommand(QueueAction.RETRY, (queue_id,)), worker=worker)

    numbers = [order("A"), order("B", "mx1/1"), order("C", "mx1/2")]
    now = timezone.now()
    assert [row.number for row in selectors.commands_for("mx1/1", now)] == numbers[:2]
    assert [row.number for row in selectors.commands_for("mx1/2", now)] == [numbers[0], numbers[2]]
    assert [row.number for row in selectors.commands_for("mx1/2", now, after=numbers[0])] == [numbers[2]]
    assert [row.number for row in selectors.commands_for("mx1/2", now, limit=1)] == [numbers[0]]
    assert selectors.newest_command(now) == numbers[2]


def test_command_that_is_older_than_any_message_is_carried_out_no_more() -> None:
    services.order_command(actor=ACTOR, command=QueueCommand(QueueAction.RETRY, ("A",)))
    later = timezone.now() + timedelta(days=selectors.COMMAND_DAYS, seconds=1)

    assert selectors.commands_for("mx1/1", later) == []
    assert selectors.newest_command(later) == 0
