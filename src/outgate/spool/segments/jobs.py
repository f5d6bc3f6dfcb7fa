"""A thread that does one job after the other, for what is slow and must not delay the commits."""

import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue

Job = Callable[[], None]


class JobThread:
    """`failed` is called on the thread with whatever a job raises; later jobs still run, so that they can clean up.

    tick: called between jobs about each `tick_seconds`, if given.
    """

    def __init__(
        self,
        name: str,
        failed: Callable[[Exception], None],
        *,
        tick: Job | None = None,
        tick_seconds: float | None = None,
    ) -> None:
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._failed = failed
        self._tick = tick
        self._tick_seconds = tick_seconds
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def submit(self, job: Job) -> None:
        """Any thread. Jobs run in the order in which they were submitted; after `stop` they are dropped."""
        self._jobs.put(job)

    def stop(self) -> None:
        """Let the jobs that were submitted so far end. Blocking; idempotent."""
        if self._thread.is_alive():
            self._jobs.put(None)
            self._thread.join()

    def _run(self) -> None:
        while True:
            try:
                job = self._jobs.get(timeout=self._tick_seconds)
            except Empty:
                assert self._tick is not None
                job = self._tick
            if job is None:
                return
            try:
                job()
            except Exception as error:
                self._failed(error)
