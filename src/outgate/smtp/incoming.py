"""Octets that a peer has sent and that are not yet processed, and the command lines in them. RFC 5321 §2.3.8, §4.5.3.1.

Only CR LF ends a line. A line that is too long is thrown away up to its end as it comes in, so that no peer can make
it cost memory.
"""

from enum import Enum
from typing import Final

COMMAND_LINE_BASE_MAX: Final = 512  # octets with CR LF, RFC 5321 §4.5.3.1.4
SIZE_PARAMETER_MAX: Final = 26  # octets that RFC 1870 §3 adds to MAIL
BODY_PARAMETER_MAX: Final = 17  # RFC 6152 §2
SMTPUTF8_PARAMETER_MAX: Final = 10  # RFC 6531 §3.1
COMMAND_LINE_MAX: Final = (  # octets with CR LF, of every command: only MAIL needs so many
    COMMAND_LINE_BASE_MAX + SIZE_PARAMETER_MAX + BODY_PARAMETER_MAX + SMTPUTF8_PARAMETER_MAX
)
ENDLESS_LINE_MAX: Final = 64 * 1024  # octets of a line that are thrown away before its sender is; a limit of ours
ARRIVALS_MAX: Final = 256  # reads kept apart before they are joined


class LineFault(Enum):
    TOO_LONG = "more than COMMAND_LINE_MAX"
    ENDLESS = "more than ENDLESS_LINE_MAX"


class Incoming:
    """First in, first out. `octets` from `start` on are next; more may be waiting until `gather` brings them there."""

    __slots__ = ("_arrived", "_arrived_octets", "_thrown_away_octets", "octets", "start")

    def __init__(self) -> None:
        self.octets = b""  # empty as soon as all of it is processed
        self.start = 0
        self._arrived: list[bytes] = []
        self._arrived_octets = 0
        self._thrown_away_octets = 0  # of the line that is just being thrown away

    def add(self, octets: bytes) -> None:
        if not self.octets:
            self.octets = octets
            return
        arrived = self._arrived
        arrived.append(octets)
        self._arrived_octets += len(octets)
        if len(arrived) > ARRIVALS_MAX:
            arrived[:] = [b"".join(arrived)]

    def gather(self) -> None:
        """Make all that is there stand in `octets`. One copy, however many reads it came in."""
        if self._arrived:
            self.octets = b"".join((self.octets[self.start :], *self._arrived))
            self.start = 0
            self._arrived.clear()
            self._arrived_octets = 0

    def clear(self) -> None:
        self.octets = b""
        self.start = 0
        self._arrived.clear()
        self._arrived_octets = 0

    @property
    def pending_octets(self) -> int:
        return len(self.octets) - self.start + self._arrived_octets

    def move_to(self, position: int) -> None:
        """Everything in `octets` before `position` is processed."""
        if position == len(self.octets):
            self.octets = b""
            self.start = 0
        else:
            self.start = position

    def take(self, at_most: int) -> bytes:
        """The next octets, fewer than `at_most` if no more are there."""
        start = self.start
        end = min(start + at_most, len(self.octets))
        taken = self.octets[start:end]
        self.move_to(end)
        return taken

    def line(self) -> bytes | LineFault | None:
        """The next command line without its CR LF, or what is wrong with it; None: its end has not come yet."""
        octets, start = self.octets, self.start
        end = octets.find(b"\r\n", start)
        if end < 0:
            return self._throw_away()
        self.move_to(end + 2)
        length = end + 2 - start + self._thrown_away_octets
        self._thrown_away_octets = 0
        if length <= COMMAND_LINE_MAX:
            return octets[start:end]
        return LineFault.TOO_LONG if length <= ENDLESS_LINE_MAX else LineFault.ENDLESS

    def _throw_away(self) -> LineFault | None:
        """A line without an end so far: drop what is already too long, but for a CR that may begin the end."""
        pending = len(self.octets) - self.start
        if self._thrown_away_octets + pending < COMMAND_LINE_MAX:
            return None
        kept = b"\r" if self.octets.endswith(b"\r") else b""
        self._thrown_away_octets += pending - len(kept)
        self.octets = kept
        self.start = 0
        return LineFault.ENDLESS if self._thrown_away_octets > ENDLESS_LINE_MAX else None
