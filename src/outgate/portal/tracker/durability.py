"""What the tracker has recorded outlives a power failure only when somebody asks for it.

Until then SQLite may lose the last transactions in one, and with them how far the workers' event logs were read, so
that they are read from there again. Therefore an event may be forgotten only after something was committed in
`durable`. PostgreSQL flushes each commit by itself.
"""

import contextlib
from collections.abc import Iterator

from django.conf import settings
from django.db import connections


@contextlib.contextmanager
def durable() -> Iterator[None]:
    """A transaction that commits something in here is durable then, and all that were committed before with it. Within
    a transaction it does nothing: that one's end decides. Raises: django.db.Error."""
    connection = connections[settings.TRACKER_DATABASE]
    if connection.vendor != "sqlite" or connection.in_atomic_block:
        yield
        return
    with connection.cursor() as statement:
        statement.execute("PRAGMA synchronous=FULL")
    try:
        yield
    finally:
        if connection.connection is not None:
            with connection.cursor() as statement:
                statement.execute("PRAGMA synchronous=NORMAL")
