"""Time and threads as delivery and reception want them, from the running event loop."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

ResultT = TypeVar("ResultT")

THREADS_MAX: Final = 8  # that read cold content or look at files; the loop never does


class LoopClock:
    """Wall time, and timers of one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.now = time.time
        self.monotonic = loop.time
        self.stopwatch = time.perf_counter

    def call_at(self, monotonic: float, callback: Callable[[], None]) -> Callable[[], None]:
        return self._loop.call_at(monotonic, callback).cancel


class LoopThreads:
    """A bounded pool of threads for what blocks."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._pool = ThreadPoolExecutor(THREADS_MAX, thread_name_prefix="outgate")

    def run(self, work: Callable[[], ResultT]) -> Awaitable[ResultT]:
        return self._loop.run_in_executor(self._pool, work)

    def close(self) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)
