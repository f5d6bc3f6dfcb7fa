"""What a list shows beside the messages themselves."""

import pytest
from tests.support.tracked import accept, attempt

from outgate.portal.tracker.listing import Row, rows_of
from outgate.portal.tracker.models import TrackedMessage

pytestmark = pytest.mark.django_db(databases="__all__")


def rows(recipient: str = "") -> list[Row]:
    return rows_of(list(TrackedMessage.objects.order_by("queue_id")), recipient=recipient)


def test_one_recipient_and_how_many_more() -> None:
    accept(1, paths=("b@b.example", "a@b.example", "c@b.example"))
    accept(2, paths=("d@b.example",))

    assert [(row.recipient, row.more) for row in rows()] == [("a@b.example", 2), ("d@b.example", 0)]
    assert rows("C@B")[0].recipient == "c@b.example"


def test_reason_is_that_of_what_went_wrong_last() -> None:
    relayed, failed = accept(1), accept(2, paths=("a@b.example", "b@b.example"))
    attempt(relayed, ("b@b.example", "relayed", "250 ok"))
    attempt(failed, ("a@b.example", "failed", "550 no"), reason="next-hop-refused", number=1)
    attempt(failed, ("b@b.example", "relayed", "250 ok"), reason="relayed", number=2)

    assert [row.reason for row in rows()] == ["domain-own", "next-hop-refused"]


def test_who_has_deleted_it() -> None:
    name = accept(1)
    attempt(name, ("b@b.example", "failed", "deleted by ada@alpha.example"), reason="deleted", next_hop="")

    (row,) = rows()
    assert (row.message.status, row.reason) == ("deleted", "deleted")
    assert row.deletion is not None
    assert row.deletion.by == "ada@alpha.example"


def test_questions_do_not_grow_with_the_list(django_assert_num_queries: object) -> None:
    for number in range(20):
        attempt(accept(number), ("b@b.example", "failed", "550 no"), reason="next-hop-refused")
    messages = list(TrackedMessage.objects.all())

    with django_assert_num_queries(2, using=TrackedMessage.objects.db):  # type: ignore[operator]
        rows_of(messages)
