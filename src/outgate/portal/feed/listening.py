"""PostgreSQL's word that the feeds have changed. A hint only: whoever misses one looks by itself soon after."""

from collections.abc import AsyncIterator
from typing import Any

import psycopg
from django.db import connection

from outgate.portal.feed.changes import CHANNEL


def can_listen() -> bool:
    return connection.vendor == "postgresql"


async def wake_ups() -> AsyncIterator[None]:
    """Yields at once when it listens, and then at each change, over a connection of its own.

    Raises: psycopg.Error when the database is away; call again.
    """
    settings: dict[str, Any] = connection.settings_dict
    names = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}
    parameters = {name: settings[key] for name, key in names.items() if settings[key]}
    async with await psycopg.AsyncConnection.connect(**parameters, **settings["OPTIONS"], autocommit=True) as listening:
        await listening.execute(f"LISTEN {CHANNEL}")
        yield
        async for _ in listening.notifies():
            yield
