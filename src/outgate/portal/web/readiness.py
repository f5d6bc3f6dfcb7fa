"""Is the database there, with this version's tables? Asked by every request until it is."""

import threading
import time
from typing import Final

from django.db import Error, connections

from outgate.portal.start import migrate

RETRY_SECONDS: Final = 1.0


class Readiness:
    """Brings the tables up to date in a thread of its own, again and again until the database is there."""

    def __init__(self) -> None:
        self._done = threading.Event()

    @property
    def is_ready(self) -> bool:
        return self._done.is_set()

    def begin(self) -> None:
        threading.Thread(target=self._run, name="migrate", daemon=True).start()

    def set_ready(self) -> None:
        self._done.set()

    def _run(self) -> None:
        while True:
            try:
                migrate()
            except (Error, OSError):
                connections.close_all()
                time.sleep(RETRY_SECONDS)
                continue
            connections.close_all()
            self._done.set()
            return


readiness = Readiness()
