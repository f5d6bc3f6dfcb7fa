"""The transactional outbox: a change of policy and the documents that it changes are one transaction.

    with changes() as changed:
        source.save()
        changed.write(key, lambda: customer_document(customer))

Every writer first locks the one `FeedHead` row (on SQLite: the database), so that revisions become visible in their
order and no follower can step over one. Changes inside changes are one: each document is made once, when the outermost
ends, and gets a new revision only if it is another than before.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

from django.db import connection, transaction
from django.utils import timezone

from outgate.contract.policy import Deleted, Document
from outgate.portal.accounts.alarms import outliving
from outgate.portal.feed.codec import encode
from outgate.portal.feed.models import FeedHead, PolicyDocument

CHANNEL: Final = "outgate_feed"  # PostgreSQL's NOTIFY: a hint to look now; whoever misses it looks anyway, later
HEAD_ID: Final = 1


class Changes:
    """The documents that the transaction under way changes."""

    def __init__(self) -> None:
        self._documents: dict[str, Callable[[], Document]] = {}
        self._later: set[str] = set()

    def write(self, key: str, document: Callable[[], Document], *, is_later_part: bool = False) -> None:
        """Have the document under `key` made by `document`, when all changes are done. is_later_part: of what somebody
        saved before, from when on it counts how long it takes until the workers have it."""
        self._documents[key] = document
        if is_later_part:
            self._later.add(key)

    def delete(self, key: str) -> None:
        self._documents[key] = Deleted

    def flush(self, head: FeedHead) -> None:
        before = head.revision
        for key, document in self._documents.items():
            body = encode(document())
            stored = PolicyDocument.objects.filter(key=key).first()
            if stored is None:
                stored = PolicyDocument(key=key)
            elif bytes(stored.body) == body:
                continue
            head.revision += 1
            stored.revision = head.revision
            stored.body = body
            if key not in self._later or stored.saved_at is None:
                stored.saved_at = timezone.now()
            stored.applied_at = None
            stored.save()
        if head.revision != before:
            head.save(update_fields=["revision"])
            notify()


_under_way: ContextVar[Changes | None] = ContextVar("changes", default=None)


@contextmanager
def changes() -> Iterator[Changes]:
    """A transaction that may change policy; what was read before it began may be out of date, so read inside."""
    outer = _under_way.get()
    if outer is not None:
        yield outer
        return
    token = _under_way.set(Changes())
    try:
        with outliving(), transaction.atomic():
            head = locked_head()
            changed = _under_way.get()
            assert changed is not None
            yield changed
            changed.flush(head)
    finally:
        _under_way.reset(token)


def locked_head() -> FeedHead:
    """The feed's head, which nobody else changes until the transaction under way ends."""
    return FeedHead.objects.select_for_update().get_or_create(pk=HEAD_ID)[0]


def notify() -> None:
    """Tell those who follow the feed to look, as soon as the transaction under way has ended."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f"NOTIFY {CHANNEL}")
