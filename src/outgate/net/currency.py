"""For how long what a worker knows counts as the newest there is."""

from collections.abc import Callable
from typing import Final

CURRENT_SECONDS: Final = 10.0  # the feed counts as current this long after the clerk's last confirmation
_NEVER: Final = float("-inf")


class Currency:
    """When the clerk said last that nothing newer exists than what this worker holds. Asked for each message."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._confirmed_at = _NEVER

    def holds(self) -> bool:
        """Was that within `CURRENT_SECONDS`?"""
        return self._monotonic() - self._confirmed_at < CURRENT_SECONDS

    def confirm(self) -> None:
        self._confirmed_at = self._monotonic()

    def doubt(self) -> None:
        self._confirmed_at = _NEVER
