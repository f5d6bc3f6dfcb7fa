"""The log: a row of segments, the newest written, the oldest emptied and taken away. Owned by the writer thread.

Invariants, on which recovery rests:

1. **Segments leave in the order in which they came.** Only the oldest is ever retired, and its retirement is durable
   before that of the next one begins.
2. So a mark (PROGRESS, DONE, VOID) need never be copied. It stands behind the record that it speaks of; that record's
   segment is retired first; until then the mark is there.
3. Only messages are copied forward, each as a COPY that carries its latest written progress. The old segment is retired
   after the copies are flushed; until then the entry points to the old record. A copy has a higher sequence than every
   mark written before it, and what is marked afterwards has a higher one still: at recovery the highest counts.
4. A batch begins at a block of its own, so no write touches octets that were confirmed.
5. Nothing is written to a segment again after a write or flush in it failed: it is closed, the numbers of the MESSAGE
   records that were answered with a failure are declared void at the beginning of the next, and what the disk has of
   them cannot come back once anything later is confirmed. Copies and marks in it stay true whether they were kept or
   not.
6. A segment always keeps some room for marks, or there is a spare: a full disk stops acceptance first.
"""

from collections import deque
from collections.abc import Iterable

from outgate.spool.files import Batch, Files, Point, is_full, read_all, write_all
from outgate.spool.framing import frame, record_octets, void_body
from outgate.spool.records import BLOCK, FIRST_RECORD, Kind
from outgate.spool.segments.segment import Entry, Location, Segment
from outgate.spool.segments.settings import SegmentSettings
from outgate.spool.segments.spares import Spares


class NoRoom(Exception):
    """There is no segment for the record and none can be had: the disk is full. Nothing was changed."""


class Log:
    """segments: from the oldest on, as recovery found them; the first append opens a new one behind them."""

    def __init__(
        self,
        files: Files,
        settings: SegmentSettings,
        spares: Spares,
        *,
        segments: deque[Segment],
        next_sequence: int,
    ) -> None:
        self._files = files
        self._spares = spares
        self._segments = segments
        self._segments_kept = settings.segments_kept
        self._marks_octets = max(settings.segment_octets // 16, BLOCK)
        self._next_number = segments[-1].generation.number + 1 if segments else 1
        self._next_sequence = next_sequence
        self._confirmed_sequence = next_sequence - 1  # the last one before the records that are not flushed
        self._void: list[tuple[int, int]] = []
        self._segment: Segment | None = None  # the newest, where records go
        self._tag, self._seed = b"", 0
        self._start = 0  # of the batch in the segment
        self._end = 0
        self._parts: list[bytes] = []
        self._unflushed: list[Segment] = []
        self.is_confined = False  # no other segment may be opened: what does not fit into this one finds NoRoom
        self.used_octets = sum(segment.size_octets for segment in segments)
        self.live_octets = sum(segment.live_octets for segment in segments)
        self.appended_records = 0
        self.appended_octets = 0

    # Appending. What is appended is in memory until `write`, and promised by nobody until `flush` has returned.

    def append(self, kind: Kind, head: bytes, content: bytes = b"") -> Location:
        """Raises: NoRoom; OSError, after which `abandon` or nothing may be called."""
        octets = record_octets(len(head) + len(content))
        segment = self._segment
        if segment is None or self._end + octets > segment.size_octets:
            if self.is_confined:
                raise NoRoom
            segment = self._next_segment(octets)
        elif (
            kind is Kind.MESSAGE and not self._spares and self._end + octets > segment.size_octets - self._marks_octets
        ):
            if self.is_confined:
                raise NoRoom
            self._ensure_spare()
        prefix, padding = frame(self._tag, self._seed, kind, self._next_sequence, head, content)
        self._next_sequence += 1
        self._parts += (prefix, content, padding) if content else (prefix, padding)
        location = Location(segment, self._end, octets, len(content))
        self._end += octets
        self.appended_records += 1
        self.appended_octets += octets
        return location

    def write(self) -> None:
        """Hand what was appended to the operating system, in one call if it can be. Raises: OSError."""
        batch = self.take_batch()
        if batch is not None:
            write_all(self._files, batch.descriptor, batch.buffers, batch.offset)
            self._files.reached(Point.BATCH_WRITTEN)

    def take_batch(self) -> Batch | None:
        """What was appended, for the caller to write, and to flush or have flushed by `flush`."""
        if not self._parts:
            return None
        segment = self._segment
        assert segment is not None
        self._parts.append(bytes(-self._end % BLOCK))
        if not self._unflushed or self._unflushed[-1] is not segment:
            self._unflushed.append(segment)
        batch = Batch(segment.descriptor, self._parts, self._start)
        self._parts = []
        self._end += -self._end % BLOCK
        self._start = self._end
        return batch

    def flush(self) -> None:
        """Make durable what was written. Raises: OSError."""
        while self._unflushed:
            self._files.fdatasync(self._unflushed[0].descriptor)
            self._unflushed.pop(0)
        self.flushed()

    def flushed(self) -> None:
        """Everything that was written is durable."""
        self._unflushed.clear()
        self._confirmed_sequence = self._next_sequence - 1
        if self._segment is not None:
            self._void.clear()  # they stand at the beginning of it, or of an earlier one
        self._files.reached(Point.BATCH_FLUSHED)

    def abandon(self) -> None:
        """After a write or flush that failed for lack of room: what was not confirmed before it never will be."""
        self._parts.clear()
        self._unflushed.clear()
        if self._confirmed_sequence < self._next_sequence - 1:
            self._void.append((self._confirmed_sequence + 1, self._next_sequence - 1))
        self._confirmed_sequence = self._next_sequence - 1
        self._segment = None

    @property
    def owes_void(self) -> bool:
        """Has `abandon` left something to be declared void, and nothing been appended since?"""
        return bool(self._void) and self._segment is None

    def declare_void(self) -> None:
        """Open the next segment, which begins with the declarations. Raises: NoRoom, OSError."""
        self._next_segment(0)

    def _next_segment(self, octets: int) -> Segment:
        """Close the segment and open one where `octets` fit. Raises: NoRoom, OSError."""
        self.write()
        void = [void_body(first, last) for first, last in self._void]
        voids_octets = sum(record_octets(len(body)) for body in void)
        try:
            segment = self._spares.take(self._next_number, FIRST_RECORD + voids_octets + octets)
        except OSError as error:
            if is_full(error):
                raise NoRoom(str(error)) from error
            raise
        self._next_number += 1
        self._segments.append(segment)
        self.used_octets += segment.size_octets
        self._segment = segment
        self._tag, self._seed = segment.generation.tag, segment.generation.seed
        self._start = self._end = FIRST_RECORD
        for body in void:
            self.append(Kind.VOID, body)
        return segment

    def _ensure_spare(self) -> None:
        try:
            self._spares.make_one()
        except OSError as error:
            if is_full(error):
                raise NoRoom(str(error)) from error
            raise

    # Accounting. An entry keeps its segment from being retired.

    def keep(self, entry: Entry, location: Location) -> None:
        """`entry` stands at `location`: for the first time, or from now on."""
        if entry.location is not None:
            self._count_out(entry, entry.location)
        entry.location = location
        location.segment.entries[entry] = None
        location.segment.live_octets += location.octets
        self.live_octets += location.octets

    def let_go(self, entry: Entry) -> None:
        """`entry` stands nowhere any more. Idempotent."""
        location = entry.location
        if location is not None:
            entry.location = None
            self._count_out(entry, location)

    def _count_out(self, entry: Entry, location: Location) -> None:
        del location.segment.entries[entry]
        location.segment.live_octets -= location.octets
        self.live_octets -= location.octets

    def retire_empty(self) -> None:
        """Let go of the oldest segments that nobody needs. Only while nothing is unflushed."""
        assert not self._unflushed
        while self._segments and self._segments[0] is not self._segment and not self._segments[0].entries:
            segment = self._segments.popleft()
            self.used_octets -= segment.size_octets
            self._spares.retire(segment)

    @property
    def needs_spare(self) -> bool:
        """Is the next segment not far away, and no file for it?"""
        segment = self._segment
        return segment is not None and not self._spares and self._end > segment.size_octets // 4

    def prepare_spare(self) -> None:
        """Have a file made ready for it, in the background."""
        self._spares.fill_ahead()

    def make_room(self) -> bool:
        """Is there a spare, or could one be made? Asked after a full disk. Raises: OSError."""
        try:
            if not self._spares:
                self._ensure_spare()
        except NoRoom:
            return False
        return True

    # Copying forward

    @property
    def is_sparse(self) -> bool:
        """Do live records fill less than half of the log? Then the oldest are worth copying: as each turn of the log
        brings as many octets of new mail as it copies, at worst every octet is written twice."""
        return (
            len(self._segments) > self._segments_kept
            and self._segments[0] is not self._segment
            and self.live_octets * 2 < self.used_octets
        )

    @property
    def oldest_fits(self) -> bool:
        """Can all that lives in the oldest segment be copied into the newest? That gains one, even on a full disk."""
        segment = self._segment
        return segment is not None and self._segments[0].live_octets <= segment.size_octets - self._end - BLOCK

    def oldest_entries(self) -> Iterable[Entry]:
        """The live entries of the oldest segment, in order; none may be kept or let go while this is walked."""
        return self._segments[0].entries

    def read(self, location: Location) -> bytes:
        """The record at `location`, unchecked. Raises: OSError."""
        return read_all(self._files, location.segment.descriptor, location.octets, location.offset)

    def reached(self, point: Point) -> None:
        """Of what a caller does with this log; see `Point`."""
        self._files.reached(point)

    @property
    def segments(self) -> int:
        return len(self._segments)

    def close(self) -> None:
        """Release the files; readers keep theirs."""
        for segment in self._segments:
            if segment.retire():
                self._files.close(segment.descriptor)
        self._segments.clear()
