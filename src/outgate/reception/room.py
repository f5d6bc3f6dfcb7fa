"""How much content the conversations of a worker hold in memory together.

Only what is longer than one piece of content is counted, so that the ordinary message costs nothing. What is held grows
with the number of connections otherwise; when it is above its bound, content that would stay in memory goes to a file
of its own, and large content comes in no faster than it can be written.
"""

from dataclasses import dataclass
from typing import Final

CONTENT_HELD_MAX: Final = 64 * 1024 * 1024  # octets of content that is coming in or being made durable; a limit of ours
HEAD_HELD_MAX: Final = 64 * 1024  # octets of a header that has no end yet and is kept even when memory is short


@dataclass(slots=True)
class ContentRoom:
    octets_max: int = CONTENT_HELD_MAX
    held_octets: int = 0

    def change(self, before_octets: int, now_octets: int) -> bool:
        """Somebody who held `before_octets` holds `now_octets`. True if all together hold too much."""
        self.held_octets += now_octets - before_octets
        return self.held_octets > self.octets_max
