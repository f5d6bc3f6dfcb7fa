"""Content on its way in: where DATA ends, dots taken out again, the chunks of BDAT put together.

RFC 5321 §2.3.8, §4.1.1.4, §4.5.2; RFC 3030. The octets stay exactly as they came, but for the stuffed dots. Only
CR LF . CR LF ends DATA: whoever takes anything else for an end lets one message become two (SMTP smuggling).

This is the hottest code of reception. It goes over whole chunks, never line by line: the two scans of `scans`, and a
copy.
"""

from typing import Final

from outgate.smtp.scans import StrayLineEnding, find_dot, has_stray

CONTENT_PIECE_MAX: Final = 128 * 1024  # octets collected before a part of a message is handed on; a size of ours
PIECES_MAX: Final = 256  # reads kept apart before they are joined, so that tiny ones cost little more memory

_END: Final = b"\r\n.\r\n"
_BEGINNINGS_OF_END: Final = (b"\r\n.\r", b"\r\n.", b"\r\n", b"\r")  # longest first
_FIRST_LINE: Final = _END[:2]
_DOT: Final = ord(".")


class _Collected:
    """Content received and not yet handed on."""

    __slots__ = ("_pieces", "collected_octets", "size_octets")

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self.collected_octets = 0
        self.size_octets = 0  # of all the content so far, as RFC 1870 counts: without stuffed dots

    def take(self) -> bytes:
        """All that is collected; it is the caller's now."""
        pieces = self._pieces
        octets = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        self.collected_octets = 0
        return octets

    def _collect(self, octets: bytes) -> None:
        pieces = self._pieces
        pieces.append(octets)
        self.collected_octets += len(octets)
        if len(pieces) > PIECES_MAX:
            pieces[:] = [b"".join(pieces)]

    def _discard(self) -> None:
        self._pieces.clear()
        self.collected_octets = 0


class DataContent(_Collected):
    """The content of one DATA command, read to its real end whatever is in it.

    Up to four octets that may begin the end of data are held back; everything before them is final. Nothing is
    collected any more once `is_too_large` or `has_stray_line_ending` is true; the first outweighs the second.
    """

    __slots__ = ("_held", "_is_at_start", "_size_max_octets", "has_stray_line_ending", "is_too_large")

    def __init__(self, size_max_octets: int) -> None:
        super().__init__()
        self._size_max_octets = size_max_octets
        self._held = _FIRST_LINE  # imagined: the first line begins like all others, behind a CR LF
        self._is_at_start = True  # the imagined CR LF is still in `_held`
        self.is_too_large = False
        self.has_stray_line_ending = False

    def receive(self, octets: bytes, start: int = 0) -> int:
        """Take what belongs to the content from `octets[start:]`.

        Returns where in `octets` the next command begins, behind the end of data; -1 if that has not come yet, and all
        octets are taken.
        """
        moved = 0
        if self._held:
            if self._is_at_start and self._held == _FIRST_LINE and start < len(octets) and octets[start] != _DOT:
                self._held = b""  # the first octet is no dot: the ordinary message is spared the copy
                self._is_at_start = False
            else:
                moved = start - len(self._held)
                octets = self._held + octets[start:]
                start = 0
        if self.is_too_large:
            return self._skip(octets, start, moved)
        dot = find_dot(octets, start)
        if dot < 0:
            self._add(octets[start : self._hold(octets, start)])
            return -1
        end = octets.find(_END, dot)
        if end < 0:
            stop = self._hold(octets, start)
        else:
            self._held = b""
            stop = end + 2
        piece = octets[start:stop]
        self._add(piece if end == dot else piece.replace(b"\r\n.", b"\r\n"))
        return -1 if end < 0 else end + len(_END) + moved

    def _skip(self, octets: bytes, start: int, moved: int) -> int:
        dot = find_dot(octets, start)
        end = -1 if dot < 0 else octets.find(_END, dot)
        if end < 0:
            self.size_octets += self._hold(octets, start) - start
            return -1
        return end + len(_END) + moved

    def _hold(self, octets: bytes, start: int) -> int:
        """Hold back what may begin the end of data. Returns where that is."""
        self._held = b""
        if octets.endswith(_BEGINNINGS_OF_END, start):
            for beginning in _BEGINNINGS_OF_END:
                if octets.endswith(beginning, start):
                    self._held = beginning
                    break
        return len(octets) - len(self._held)

    def _add(self, octets: bytes) -> None:
        """Take content that is final. It holds whole line endings: CR LF at its end is held back with what follows."""
        if self._is_at_start and octets:
            octets = octets[len(_FIRST_LINE) :]
            self._is_at_start = False
        if not octets:
            return
        self.size_octets += len(octets)
        if self.size_octets > self._size_max_octets:
            self.is_too_large = True
            self._discard()
        elif not self.has_stray_line_ending:
            if has_stray(octets):
                self.has_stray_line_ending = True
                self._discard()
            else:
                self._collect(octets)


class ChunkedContent(_Collected):
    """The content of a series of BDAT commands: any octets. RFC 3030 §2."""

    __slots__ = ("_stray", "_tail")

    def __init__(self) -> None:
        super().__init__()
        self._stray = StrayLineEnding()
        self._tail = b""  # the last two octets

    def add(self, octets: bytes) -> None:
        self.size_octets += len(octets)
        self._tail = octets[-2:] if len(octets) > 1 else (self._tail + octets)[-2:]
        self._stray.look(octets, is_last=False)
        self._collect(octets)

    def has_stray_line_ending(self) -> bool:
        """Of the complete content."""
        return self._stray.look(b"", is_last=True)

    @property
    def ends_with_crlf(self) -> bool:
        """Is the last line complete? The last line of nothing is."""
        return self._tail == b"\r\n" or not self.size_octets
