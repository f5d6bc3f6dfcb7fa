"""Who has deleted a message."""

import pytest
from tests.support.tracked import AT, accept, attempt

from outgate.portal.tracker.deletions import deletions_of

pytestmark = pytest.mark.django_db(databases="__all__")


def test_who_and_when_as_the_worker_said() -> None:
    deleted, failed = accept(1, paths=("a@b.example", "b@b.example")), accept(2)
    attempt(
        deleted,
        ("a@b.example", "failed", "deleted by ada@alpha.example"),
        ("b@b.example", "failed", "deleted by ada@alpha.example"),
        reason="deleted",
        next_hop="",
        at=AT,
    )
    attempt(failed, ("b@b.example", "failed", "550 no"), reason="next-hop-refused")

    found = deletions_of([deleted, failed])
    assert list(found) == [deleted]
    assert found[deleted].by == "ada@alpha.example"
    assert found[deleted].at.timestamp() == AT
