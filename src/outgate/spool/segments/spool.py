"""The spool on disk, as the event loop sees it. See `committer` and `log` for what it promises and why it holds.

Three threads work behind it: the *writer* commits, the *large* thread writes large contents, the *upkeep* thread
recycles segments, removes files and looks at how full the disk is. The loop's thread only appends to a queue.

Who owns what: the loop's thread owns the table of live messages and the contents being received; the writer owns the
log, the event writer and where records stand. They meet in `Intake` and in `post`, and in single attributes that one
of them sets and others read.
"""

import logging
import secrets
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from outgate.mail.message import Message, Progress, QueueId
from outgate.spool.directory import SpoolDirectory
from outgate.spool.event_log import EventWriter
from outgate.spool.files import Files, Point, is_full
from outgate.spool.interface import (
    INLINE_MAX,
    ContentReader,
    Done,
    Health,
    LargeContent,
    SpoolError,
    SpoolFailed,
)
from outgate.spool.records import LargeReference
from outgate.spool.segments.committer import Committer
from outgate.spool.segments.intake import Accept, Finish, Intake, LargeReady, Update
from outgate.spool.segments.jobs import JobThread
from outgate.spool.segments.large import LargeFile
from outgate.spool.segments.log import Log
from outgate.spool.segments.loop_writer import Loop, LoopWriter
from outgate.spool.segments.readers import InlineReader, LargeReader
from outgate.spool.segments.recovery import Recovered, Recovery
from outgate.spool.segments.room import Room
from outgate.spool.segments.segment import Entry
from outgate.spool.segments.settings import SegmentSettings
from outgate.spool.segments.spares import Spares
from outgate.spool.segments.writer import Writer

_log: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Opened:
    """What there is from `recover` on."""

    log: Log
    events: EventWriter
    committer: Committer
    writer: Writer | LoopWriter
    damaged: int


class SegmentSpool:
    """A `Spool`. `recover` comes first, once; `close` last.

    post: has a callable called on the loop's thread, soon; called from other threads. loop: the loop of the thread that
    makes the spool; with it, and where the flusher is compiled, ordinary commits need no thread of Python's.
    """

    def __init__(
        self,
        directory: Path,
        *,
        post: Callable[[Callable[[], None]], object],
        loop: Loop | None = None,
        settings: SegmentSettings = SegmentSettings(),  # noqa: B008  # frozen
        files: Files | None = None,
    ) -> None:
        """Raises: SpoolError if the directory is in use or of a later format, SpoolFailed if the disk fails."""
        self._files = files or Files()
        self._post = post
        self._settings = settings
        self._loop = loop
        self._loop_thread = threading.get_ident()
        self._directory = SpoolDirectory.open(self._files, directory)
        flusher = None if loop is None else self._files.flusher()
        self._intake: Intake | LoopWriter
        if loop is None or flusher is None:
            self._intake = Intake()
        else:
            self._intake = LoopWriter(flusher, loop)
        try:
            self._room = Room(self._files, directory, settings.reserve_octets, failed=self._intake.wake)
        except OSError as error:
            self._directory.close()
            raise SpoolFailed(f"the spool {directory} cannot be opened: {error}") from error
        self._live: dict[QueueId, Entry] = {}
        self._large_files: set[LargeFile] = set()
        self._is_closed = False
        self._opened: _Opened | None = None
        self._large_thread = JobThread("spool-large", self._fail)
        self._upkeep = JobThread("spool-upkeep", self._fail, tick=self._tick, tick_seconds=settings.check_seconds)
        self._spares = Spares(
            self._files,
            self._directory.segments,
            damaged=self._directory.damaged,
            segment_octets=settings.segment_octets,
            kept=settings.spares_kept,
            submit=self._upkeep.submit,
        )

    def recover(self) -> Iterator[tuple[Message, Progress]]:
        assert self._opened is None, "recovered once, before anything else"
        files, settings = self._files, self._settings
        recovered = Recovered()
        try:
            recovered = Recovery(self._directory).run()
            self._spares.take_over(files.names(self._directory.segments))
            log = Log(
                files,
                settings,
                self._spares,
                segments=recovered.segments,
                next_sequence=recovered.next_sequence,
            )
            events = EventWriter(
                files,
                self._directory.events,
                file_octets=settings.event_file_octets,
                quota_octets=settings.event_quota_octets,
            )
        except OSError as error:
            for segment in recovered.segments:
                files.close(segment.descriptor)
            raise self._room.fail(error) from error
        committer = Committer(
            log,
            events,
            settings,
            self._room,
            answer=self._answer_later,
            tell=self._tell_later,
            remove_large=self._remove_large_soon,
            set_aside=self._set_aside,
        )
        writer: Writer | LoopWriter
        if isinstance(self._intake, LoopWriter):
            writer = self._intake
            writer.start(committer, self._room)
        else:
            writer = Writer(self._intake, committer, self._room)
            writer.start()
        self._opened = _Opened(log, events, committer, writer, recovered.damaged)
        self._live = {entry.queue_id: entry for entry in recovered.entries}
        for name in recovered.orphans:
            self._remove_large_soon(name)
        self._large_thread.start()
        self._upkeep.start()
        return recovered.messages()

    # On the loop's thread

    def can_accept(self, size_octets: int) -> bool:
        return not self._is_closed and self._room.has_for(size_octets)

    @property
    def health(self) -> Health:
        return self._room.health

    def large(self) -> LargeContent:
        if self._is_closed or self._room.failure is not None:
            raise self._room.failure or SpoolFailed("the spool is closed")
        large = LargeFile(
            self._files,
            self._directory.large / secrets.token_hex(16),
            thread=self._large_thread,
            post=self._call_on_loop,
            room=self._room,
            over=self._large_files.discard,
        )
        self._large_files.add(large)
        return large

    def accept(self, message: Message, content: bytes | LargeContent, done: Done) -> None:
        assert self._opened is not None, "recover comes first"
        if self._is_closed:
            self._tell_later([done], SpoolFailed("the spool is closed"))
            return
        assert message.queue_id not in self._live, "queue ids are unique"
        entry = Entry(message.queue_id)
        self._live[message.queue_id] = entry
        if isinstance(content, bytes):
            assert len(content) <= INLINE_MAX, "larger content has a file of its own"
            self._room.under_way_octets += len(content)
            self._intake.put(Accept(entry, message, content, len(content), done))
        else:
            assert isinstance(content, LargeFile)
            self._intake.put(Accept(entry, message, None, content.size_octets, done))
            content.complete(partial(self._large_is_ready, entry))

    def update(self, queue_id: QueueId, progress: Progress, done: Done | None = None) -> None:
        entry = self._live.get(queue_id)
        if entry is None:
            if done is not None:
                self._tell_later([done], SpoolError(f"the spool has no message {queue_id}"))
            return
        operation = Update(entry, progress, done)
        if done is None:
            self._intake.put_lazily(operation)
        else:
            self._intake.put(operation)

    def finish(self, queue_id: QueueId) -> None:
        entry = self._live.pop(queue_id, None)
        if entry is not None:
            self._intake.put_lazily(Finish(entry))

    def record(self, event: bytes) -> None:
        self._intake.put_lazily(event)

    def content(self, queue_id: QueueId) -> ContentReader:
        entry = self._live.get(queue_id)
        if entry is None:
            raise SpoolError(f"the spool has no message {queue_id}")
        if entry.reference is not None:
            return LargeReader(self._files, self._directory.large, entry.reference)
        while (location := entry.location) is not None:
            if location.segment.pin():
                return InlineReader(self._files, location)
        raise SpoolError(f"the content of {queue_id} is not in the spool")

    def statistics(self) -> dict[str, float]:
        """Counters since the start and gauges, for metrics. Octets and seconds where the names say so."""
        opened = self._opened
        assert opened is not None, "recover comes first"
        log, committer, events = opened.log, opened.committer, opened.events
        return {
            "live_messages": len(self._live),
            "live_octets": log.live_octets,
            "segments": log.segments,
            "segments_spare": len(self._spares),
            "segments_octets": log.used_octets,
            "commits": committer.commits,
            "committed_messages": committer.committed_messages,
            "appended_records": log.appended_records,
            "appended_octets": log.appended_octets,
            "flush_seconds": committer.flush_seconds,
            "flush_seconds_max": committer.flush_seconds_max,
            "copied_records": committer.copied_records,
            "copied_octets": committer.copied_octets,
            "quarantined_records": opened.damaged + committer.damaged_records,
            "events_recorded": events.recorded,
            "events_dropped": events.dropped,
            "event_files_dropped": events.files_dropped,
            "available_octets": self._room.available_octets,
            "under_way_octets": self._room.under_way_octets,
            "failed": self._room.failure is not None,
        }

    def close_for_good(self) -> bool:
        """As `close`, of a spool without mail that shall be taken away. False if it must stay: the disk has failed, or
        a person should look at what is damaged."""
        assert not self._live, "there is mail in it"
        try:
            return self._close(for_good=True)
        except OSError as error:
            _log.error("spool: %s cannot be closed for good: %s", self._directory.path, error)
            return False

    def close(self) -> None:
        self._close()

    def _close(self, *, for_good: bool = False) -> bool:
        if self._is_closed:
            return False
        self._is_closed = True
        if self._opened is not None:
            for large in list(self._large_files):
                large.abandon()
            self._large_thread.stop()
            self._opened.writer.stop()
            self._upkeep.stop()
            self._opened.events.close()
            self._opened.log.close()
        self._spares.close()
        try:
            return for_good and self._room.failure is None and self._directory.mark_drained()
        finally:
            self._directory.close()

    def _answer(self, accepts: list[Accept], error: SpoolError | None) -> None:
        """Call every `done`, also when one of them raises; the first that was raised goes on to the loop."""
        raised: Exception | None = None
        for accept in accepts:
            self._room.under_way_octets -= accept.size_octets
            if error is not None:
                self._live.pop(accept.entry.queue_id, None)
            try:
                accept.done(error)
            except Exception as exception:
                raised = raised or exception
        if raised is not None:
            raise raised

    # On other threads

    def _call_on_loop(self, call: Callable[[], None]) -> None:
        if self._loop is not None and threading.get_ident() == self._loop_thread:
            self._loop.call_soon(call)
            return
        try:
            self._post(call)
        except RuntimeError:
            if not self._is_closed:  # while the spool closes, the loop may be gone, and nobody waits any more
                raise

    def _answer_later(self, accepts: list[Accept], error: SpoolError | None) -> None:
        self._call_on_loop(partial(self._answer, accepts, error))

    def _tell_later(self, dones: list[Done], error: SpoolError | None) -> None:
        for done in dones:
            self._call_on_loop(partial(done, error))

    def _large_is_ready(self, entry: Entry, reference: LargeReference | None, error: SpoolError | None) -> None:
        self._intake.put_from_thread(LargeReady(entry, reference, error))

    def _remove_large_soon(self, name: str) -> None:
        self._upkeep.submit(partial(self._remove_large, name))

    def _remove_large(self, name: str) -> None:
        self._files.unlink(self._directory.large / name)
        self._files.reached(Point.LARGE_REMOVED)

    def _set_aside(self, name: str, octets: bytes) -> None:
        try:
            self._directory.set_aside(name, octets)
        except OSError as error:
            if not is_full(error):
                raise
            _log.error("spool: no room to set %s aside: %s", name, error)

    def _tick(self) -> None:
        self._room.check()
        self._spares.retire_next()

    def _fail(self, error: Exception) -> None:
        """What a job raised. A full disk passes; what the job was for is done again by the next recovery."""
        if not isinstance(error, OSError) or not is_full(error):
            self._room.fail(error)
