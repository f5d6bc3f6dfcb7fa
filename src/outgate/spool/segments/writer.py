"""The writer thread: rounds of the committer, until it is told to stop or the disk fails."""

import threading

from outgate.spool.segments.committer import Committer
from outgate.spool.segments.intake import Intake, Stop
from outgate.spool.segments.room import Room


class Writer:
    """After a failure it goes on answering, and touches no file any more."""

    def __init__(self, intake: Intake, committer: Committer, room: Room) -> None:
        self._intake = intake
        self._committer = committer
        self._room = room
        self._thread = threading.Thread(target=self._run, name="spool-writer", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Let it write and flush everything that was asked for before. Blocking."""
        self._intake.put(Stop())
        self._thread.join()

    def _run(self) -> None:
        stopped = False
        try:
            while not stopped:
                stopped = self._take(self._committer.seconds_until_due())
                if self._room.failure is not None:
                    raise self._room.failure
                self._committer.round()
            self._committer.finish()
        except Exception as error:  # whatever it is, nobody may wait for ever
            self._room.fail(error)
        while self._room.failure is not None:
            self._committer.fail(self._room.failure)
            if stopped:
                return
            stopped = self._take(None)

    def _take(self, timeout_seconds: float | None) -> bool:
        """Returns whether that was the last of it."""
        operations = self._intake.take(timeout_seconds)
        self._committer.take(operations)
        return bool(operations) and isinstance(operations[-1], Stop)
