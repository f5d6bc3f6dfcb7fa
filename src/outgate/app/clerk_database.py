"""The clerk's one thread for the database. Django's connections belong to threads, and the event loop must not wait."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from django.db import Error, connections

Parameters = ParamSpec("Parameters")
ResultT = TypeVar("ResultT")


class DatabaseAway(Exception):
    """The database did not do it. The next call connects anew. The text is for the log."""


class DatabaseThread:
    """Runs one piece of work after the other."""

    def __init__(self) -> None:
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="database")

    async def run(
        self, work: Callable[Parameters, ResultT], *arguments: Parameters.args, **keywords: Parameters.kwargs
    ) -> ResultT:
        """Raises: DatabaseAway, and whatever else `work` raises."""

        def guarded() -> ResultT:
            try:
                return work(*arguments, **keywords)
            except Error as error:
                connections.close_all()  # a broken connection would stay broken
                raise DatabaseAway(f"{type(error).__name__}: {str(error).strip()}") from error

        return await asyncio.get_running_loop().run_in_executor(self._executor, guarded)

    async def close(self) -> None:
        """Wait for the work under way, close the connections, end the thread."""
        await asyncio.get_running_loop().run_in_executor(self._executor, connections.close_all)
        await asyncio.to_thread(self._executor.shutdown)
