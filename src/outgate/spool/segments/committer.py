"""Group commit: what was asked for while one flush ran is written and flushed together by the next. Has no thread.

A *round* has three steps, each complete before the next begins:

1. **Messages**, and the marks that are ready, are written with one call and flushed once; then all their `done` are
   called by one posted callable.
2. **Events** are written and flushed, when the oldest has waited `events_seconds` or somebody waits for a mark behind
   them. No 250 waits for this.
3. **Copying forward**, a bounded piece, when the log is sparse.

What must hold:

- `done(None)` is posted only after the flush of everything that it promises.
- A mark is written only after all events recorded before it are flushed: until then it *waits*, and the message counts
  as it was, for copies too. Then it is *ready* and shares the flush of the next message, or has one after
  `marks_seconds`.
- A large file is removed only after the flush of the message's DONE: otherwise a crash could bring back a message
  without its content.
- An OSError that means a full disk is answered with SpoolFull to the messages of the batch; marks are written again
  later. Any other leaves `round` and ends the spool's service; nothing is written or flushed after it.
"""

import logging
import time
from collections.abc import Callable
from typing import Final

from outgate.spool import framing
from outgate.spool.event_log import EventWriter
from outgate.spool.files import Batch, Point, is_full
from outgate.spool.interface import Done, SpoolError, SpoolFailed, SpoolFull
from outgate.spool.records import BadRecord, Kind, MessageBody, record_in, split_message
from outgate.spool.segments.intake import Accept, Finish, LargeReady, Mark, Operation, Update
from outgate.spool.segments.log import Log, NoRoom
from outgate.spool.segments.room import Room
from outgate.spool.segments.segment import Entry, Location
from outgate.spool.segments.settings import SegmentSettings

COPY_OCTETS: Final = 256 * 1024  # copied forward in a round at least; as much as the round has written, if that is more
DONE_IDS: Final = 256  # finished messages in one record: it must fit into what a segment keeps for marks
READ_TRIES: Final = 5  # of a live record that must be copied, `check_seconds` apart, before it is given up
EVENTS_AT_ONCE: Final = 1024 * 1024  # octets of events that are flushed without waiting longer

_log: Final = logging.getLogger(__name__)


class _Commit:
    """How far a commit has come: what was appended, where, and what could not be."""

    __slots__ = ("locations", "marks", "no_room", "stored", "unwritable")

    def __init__(self) -> None:
        self.stored: list[Accept] = []
        self.locations: list[Location] = []
        self.no_room: list[Accept] = []
        self.unwritable: list[Accept] = []
        self.marks: list[Mark] = []


class Committer:
    """Belongs to the writer thread, and the log and the event writer with it.

    answer: has the `done` of these messages called on the loop's thread; tell: those of these updates.
    remove_large: removes a large file by name, soon. set_aside: keeps damaged octets for a person.
    """

    def __init__(
        self,
        log: Log,
        events: EventWriter,
        settings: SegmentSettings,
        room: Room,
        *,
        answer: Callable[[list[Accept], SpoolError | None], None],
        tell: Callable[[list[Done], SpoolError | None], None],
        remove_large: Callable[[str], None],
        set_aside: Callable[[str, bytes], None],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._log = log
        self._events = events
        self._settings = settings
        self._room = room
        self._answer = answer
        self._tell = tell
        self._remove_large = remove_large
        self._set_aside = set_aside
        self._monotonic = monotonic
        self._accepts: list[Accept] = []  # of this round, not answered yet
        self._parked: dict[Entry, tuple[Accept, list[Mark]]] = {}  # until the large content is durable
        self._waiting: list[Mark] = []  # for the flush of the events before them
        self._ready: list[Mark] = []
        self._awaited = 0  # updates with a `done` among these two
        self._events_due_at = 0.0
        self._marks_due_at = 0.0
        self._stalled_until = 0.0  # for lack of room, or since the oldest record cannot be read
        self._reads_failed = 0  # in a row, of the same record
        self._has_failed = False
        self._begun = _Commit()  # what `begin` began
        self._event_batch: Batch | None = None
        self._flush_begun = 0.0
        self.commits = 0
        self.committed_messages = 0
        self.flush_seconds = 0.0
        self.flush_seconds_max = 0.0
        self.copied_records = 0
        self.copied_octets = 0
        self.damaged_records = 0

    def take(self, operations: list[Operation]) -> None:
        """Remember what was asked for; the next `round` does it, or `fail` refuses it."""
        for operation in operations:
            match operation:
                case Accept():
                    self._take_message(operation)
                case bytes():
                    self._take_event(operation)
                case Finish() | Update():
                    self._take_mark(operation)
                case LargeReady():
                    self._take_large(operation)

    def round(self) -> None:
        """Raises: OSError; then call `fail`, and after it only `take` and `fail`."""
        now = self._monotonic()
        appended_before = self._log.appended_octets
        if self._commit_is_due(now):
            self._commit()
        if self._events.is_behind and self._events_are_due(now):
            self._flush_events()
            if self._ready and self._awaited:
                self._commit()
        if now >= self._stalled_until:
            self._declare_void()
            if self._room.no_segment:
                self._room.no_segment = not self._log.make_room()
                self._stalled_until = now + self._settings.check_seconds
            if self._log.is_sparse and (not self._room.no_segment or self._log.oldest_fits):
                self._copy_forward(max(COPY_OCTETS, self._log.appended_octets - appended_before))
        self._tidy()

    def _tidy(self) -> None:
        self._log.retire_empty()
        if self._log.needs_spare and self._room.has_for(0):
            self._log.prepare_spare()

    # The same round in two halves, around a write and flush that somebody else does

    def begin(self) -> Batch | None:
        """The next step of a round, if it is an ordinary one: what is to be written and flushed before `end`.

        None: there is nothing to do now, or it needs `round` (see `is_due`): another segment, a new file of events, a
        copy. Nothing but `end` may be called before that has happened.
        """
        now = self._monotonic()
        log, events = self._log, self._events
        if now >= self._stalled_until and (log.is_sparse or self._room.no_segment or log.owes_void):
            return None
        if events.is_behind and self._events_are_due(now):
            if not events.is_open:
                return None
            batch = self._event_batch = events.batch()
            return batch
        if not self._commit_is_due(now):
            return None
        self._begun = begun = _Commit()
        log.is_confined = True
        try:
            self._append(begun)
        finally:
            log.is_confined = False
        if not begun.stored and not begun.marks:
            self._accepts = [accept for accept in self._accepts if accept not in begun.unwritable]
            self._refuse_unwritable(begun)
            return None
        self._flush_begun = time.perf_counter()
        return log.take_batch()

    def end(self, error: OSError | None) -> None:
        """What `begin` returned is durable, or `error` came of it. Raises: OSError, as `round`."""
        event_batch, self._event_batch = self._event_batch, None
        if event_batch is not None:
            self._events_ended(event_batch, error)
        else:
            self._commit_ended(error)
        self._tidy()

    def _events_ended(self, batch: Batch, error: OSError | None) -> None:
        if error is None:
            self._events.flushed(batch)
            waiting, self._waiting = self._waiting, []
            self._make_ready(waiting)
            return
        self._events.flush_failed()
        if not is_full(error):
            raise error
        self._put_events_off(error)

    def _commit_ended(self, error: OSError | None) -> None:
        begun, log = self._begun, self._log
        if error is None:
            self._count_flush(time.perf_counter() - self._flush_begun)
            log.flushed()
            self._accepts = begun.no_room  # they wait for `round`, which opens another segment
            self._committed(begun)
        else:
            self._not_committed(begun, error)
        self._refuse_unwritable(begun)

    def _commit_is_due(self, now: float) -> bool:
        return bool(self._accepts or (self._ready and (self._awaited or now >= self._marks_due_at)))

    @property
    def is_due(self) -> bool:
        """Does `round` have anything to do now?"""
        return bool(self._accepts) or self.seconds_until_due() == 0 or (bool(self._awaited) and bool(self._ready))

    def seconds_until_due(self) -> float | None:
        """When `round` wants to be called again though nothing was asked for: 0 is at once, None is never."""
        times = []
        if self._events.is_behind:
            times.append(self._events_due_at)
        if self._ready:
            times.append(self._marks_due_at)
        if self._log.is_sparse or self._room.no_segment or self._log.owes_void:
            times.append(self._stalled_until)
        return max(min(times) - self._monotonic(), 0.0) if times else None

    def finish(self) -> None:
        """Write and flush everything that was asked for. Raises: OSError."""
        self._flush_events()
        if self._ready:
            self._commit()
        self._declare_void()
        self._log.retire_empty()

    def fail(self, error: SpoolFailed) -> None:
        """Answer everybody who waits, also those of a `round` that raised."""
        self._has_failed = True
        accepts, marks = self._accepts, self._waiting + self._ready
        for accept, parked in self._parked.values():
            accepts.append(accept)
            marks += parked
        self._accepts, self._waiting, self._ready, self._parked = [], [], [], {}
        if accepts:
            self._answer(accepts, error)
        self._answer_updates(marks, error)

    # Taking what was asked for

    def _take_message(self, accept: Accept) -> None:
        if accept.content is None:
            self._parked[accept.entry] = accept, []
        else:
            self._accepts.append(accept)

    def _take_large(self, ready: LargeReady) -> None:
        parked = self._parked.pop(ready.entry, None)
        if parked is None:
            return  # answered with a failure already
        accept, marks = parked
        if ready.error is not None:
            self._answer([accept], ready.error)
            self._answer_updates(marks, ready.error)
            return
        ready.entry.reference = ready.reference
        self._accepts.append(accept)
        for mark in marks:
            self._take_mark(mark)

    def _take_event(self, event: bytes) -> None:
        if self._has_failed:
            return
        if not self._events.is_behind:
            self._events_due_at = self._monotonic() + self._settings.events_seconds
        self._events.add(event)

    def _take_mark(self, mark: Mark) -> None:
        if self._parked and mark.entry in self._parked:
            self._parked[mark.entry][1].append(mark)
            return
        if isinstance(mark, Update) and mark.done is not None:
            self._awaited += 1
        if self._events.is_behind:
            self._waiting.append(mark)
        else:
            self._make_ready([mark])

    def _make_ready(self, marks: list[Mark]) -> None:
        if marks and not self._ready:
            self._marks_due_at = self._monotonic() + self._settings.marks_seconds
        self._ready += marks

    # Step 1: messages and marks

    def _commit(self) -> None:
        """Write and flush the messages of the round and all marks that are ready; then tell."""
        begun = _Commit()
        try:
            self._append(begun)
            self._log.write()
            self._flush_log()
        except OSError as error:
            self._not_committed(begun, error)
        else:
            self._accepts = []
            self._committed(begun)
            if begun.no_room or self._ready:
                self._put_off(begun.no_room, "no room for another segment of the log")
        self._refuse_unwritable(begun)

    def _append(self, begun: "_Commit") -> None:
        """Raises: OSError; `begun` says how far it came."""
        for accept in self._accepts:
            try:
                begun.locations.append(_append_message(self._log, accept))
                begun.stored.append(accept)
            except NoRoom:
                begun.no_room.append(accept)
            except ValueError:
                begun.unwritable.append(accept)
        begun.marks = self._append_marks()

    def _committed(self, begun: "_Commit") -> None:
        for accept, location in zip(begun.stored, begun.locations, strict=True):
            self._log.keep(accept.entry, location)
        if begun.stored:
            self._answer(begun.stored, None)
            self.commits += 1
            self.committed_messages += len(begun.stored)
        self._apply(begun.marks)

    def _not_committed(self, begun: "_Commit", error: OSError) -> None:
        self._ready[:0] = begun.marks
        if not is_full(error):
            raise error
        self._log.abandon()
        accepts = [accept for accept in self._accepts if accept not in begun.unwritable]  # also those not come to
        self._put_off(accepts, f"no room in the log: {error}")

    def _refuse_unwritable(self, begun: "_Commit") -> None:
        if begun.unwritable:
            self._refuse(begun.unwritable, SpoolError("the message has text that cannot be encoded"))

    def _append_marks(self) -> list[Mark]:
        """Append what is ready, as far as there is room; returns what was appended, the rest stays ready.

        After the first that finds no room no other is tried, though there might be some by then: of two marks of a
        message the later one must be written later.
        """
        updates = [mark for mark in self._ready if isinstance(mark, Update)]
        finished = [mark for mark in self._ready if isinstance(mark, Finish)]
        appended: list[Mark] = []
        tried = 0
        try:
            for mark in updates:
                try:
                    self._log.append(Kind.PROGRESS, framing.progress_body(mark.entry.queue_id, mark.progress))
                    appended.append(mark)
                except ValueError as error:
                    self._answer_updates([mark], SpoolError(f"a progress cannot be encoded: {error}"))
                tried += 1
            while finished:
                part = finished[:DONE_IDS]
                self._log.append(Kind.DONE, framing.done_body([mark.entry.queue_id for mark in part]))
                appended += part
                del finished[:DONE_IDS]
        except NoRoom:
            self._ready = [*updates[tried:], *finished]
        else:
            self._ready = []
        return appended

    def _flush_log(self) -> None:
        begun = time.perf_counter()
        self._log.flush()
        self._count_flush(time.perf_counter() - begun)

    def _count_flush(self, seconds: float) -> None:
        self.flush_seconds += seconds
        self.flush_seconds_max = max(self.flush_seconds_max, seconds)

    def _put_off(self, accepts: list[Accept], text: str) -> None:
        """No room: the messages are refused, marks are kept for later.

        But a finished message does not hold its segment any longer, or a full disk could never get room again: to
        forget it with its segment is as good as a DONE.
        """
        now = self._monotonic()
        self._accepts = []
        self._room.no_segment = True
        self._stalled_until = self._marks_due_at = now + self._settings.check_seconds
        error = SpoolFull(text)
        self._refuse(accepts, error)
        self._answer_updates(self._ready, error)
        for mark in self._ready:
            if isinstance(mark, Finish):
                self._log.let_go(mark.entry)

    def _declare_void(self) -> None:
        """What was refused half-way must not come back, also if no other message ever follows."""
        if self._log.owes_void:
            try:
                self._log.declare_void()
                self._log.write()
                self._flush_log()
                self._log.reached(Point.VOID_DECLARED)
            except NoRoom:
                self._stalled_until = self._monotonic() + self._settings.check_seconds
            except OSError as error:
                if not is_full(error):
                    raise
                self._log.abandon()
                self._stalled_until = self._monotonic() + self._settings.check_seconds

    def _refuse(self, accepts: list[Accept], error: SpoolError) -> None:
        for accept in accepts:
            if accept.entry.reference is not None:
                self._remove_large(accept.entry.reference.name)
        if accepts:
            self._answer(accepts, error)

    def _apply(self, marks: list[Mark]) -> None:
        """These are durable now."""
        for mark in marks:
            entry = mark.entry
            if isinstance(mark, Update):
                entry.progress = mark.progress
            else:
                self._log.let_go(entry)
                if entry.reference is not None:
                    self._remove_large(entry.reference.name)
        self._answer_updates(marks, None)

    def _answer_updates(self, marks: list[Mark], error: SpoolError | None) -> None:
        """Each is answered once, also if its mark is kept and written later."""
        if not self._awaited and error is None:
            return
        dones = []
        for mark in marks:
            if isinstance(mark, Update) and mark.done is not None:
                dones.append(mark.done)
                mark.done = None
                self._awaited -= 1
        if dones:
            self._tell(dones, error)

    # Step 2: events

    def _events_are_due(self, now: float) -> bool:
        if now >= self._events_due_at or self._awaited:
            return True
        return self._events.unwritten_octets >= EVENTS_AT_ONCE and now >= self._stalled_until

    def _flush_events(self) -> None:
        try:
            self._events.flush()
        except OSError as error:
            if not is_full(error):
                raise
            self._put_events_off(error)
            return
        waiting, self._waiting = self._waiting, []
        self._make_ready(waiting)

    def _put_events_off(self, error: OSError) -> None:
        self._events_due_at = self._stalled_until = self._monotonic() + self._settings.check_seconds
        self._events.drop_excess()
        self._answer_updates(self._waiting, SpoolFull(f"no room for events: {error}"))
        if not self._events.is_behind:
            waiting, self._waiting = self._waiting, []
            self._make_ready(waiting)

    # Step 3: copying forward

    def _copy_forward(self, budget_octets: int) -> None:
        """Copy about `budget_octets` of the oldest live messages to the end of the log."""
        log = self._log
        copies: list[tuple[Entry, Location]] = []
        damaged: list[Entry] = []
        octets = 0
        try:
            for entry in log.oldest_entries():
                if octets >= budget_octets:
                    break
                try:
                    body = self._read_live(entry)
                except OSError as error:
                    self._stalled_until = self._monotonic() + self._settings.check_seconds
                    _log.error("the record of %s cannot be read: %s", entry.queue_id, error)
                    break
                if body is None:
                    damaged.append(entry)
                    continue
                try:
                    copy = log.append(Kind.COPY, body.copied_head(entry.progress), bytes(body.content))
                except NoRoom:
                    self._stalled_until = self._monotonic() + self._settings.check_seconds
                    break
                copies.append((entry, copy))
                octets += copy.octets
            log.write()
            self._flush_log()
            log.reached(Point.COPIED_FORWARD)
        except OSError as error:
            if not is_full(error):
                raise
            log.abandon()
            self._stalled_until = self._monotonic() + self._settings.check_seconds
            return
        for entry, copy in copies:
            log.keep(entry, copy)
        for entry in damaged:
            log.let_go(entry)
        self.copied_records += len(copies)
        self.copied_octets += octets

    def _read_live(self, entry: Entry) -> MessageBody | None:
        """The record of a live message. None if it is damaged, or cannot be read however often it is tried: then it is
        set aside, or its segment with it, so that one record does not hold up the log for ever.

        Raises: OSError; later it may be readable.
        """
        location = entry.location
        assert location is not None, "what a segment counts as live stands in it"
        octets = b""
        try:
            octets = self._log.read(location)
            self._reads_failed = 0
            record = record_in(octets, location.segment.generation)
            if record is not None:
                return split_message(record.body)
        except OSError:
            self._reads_failed += 1
            if self._reads_failed < READ_TRIES:
                raise
            self._reads_failed = 0
            location.segment.is_worn = True
            self.damaged_records += 1
            return None
        except BadRecord as error:
            _log.error("the record of %s makes no sense: %s", entry.queue_id, error)
        self.damaged_records += 1
        self._set_aside(f"{entry.queue_id}-{location.segment.generation.number}-{location.offset}", octets)
        return None


def _append_message(log: Log, accept: Accept) -> Location:
    """Raises: NoRoom, OSError; ValueError for text that has no encoding, which must not stop other messages."""
    reference = accept.entry.reference
    if reference is not None:
        return log.append(Kind.MESSAGE, framing.large_message_body(accept.message, reference))
    assert accept.content is not None
    return log.append(Kind.MESSAGE, framing.message_head(accept.message), accept.content)
