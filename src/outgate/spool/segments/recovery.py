"""What the disk has, after whatever happened: the live messages, and the log to go on with.

The records of all segments are taken in the order of the log, which is that of their sequences. A MESSAGE or COPY makes
a message live, a later one of the same message takes the place of the earlier, PROGRESS replaces, DONE ends, VOID takes
back acceptances that were answered with a failure. `log` says why that gives the right set.

Before a segment is believed it is flushed, and its cache is dropped: what is read then is on the disk, so that nothing
is decided on octets that a power failure could still take away, nor on such as an earlier flush failed to write.

The log is never continued in a segment of an earlier process: a torn tail stays where it is. The sequences go on far
above the last one seen: should a sector that cannot be read today be readable tomorrow, its records come before those
written since.
"""

import logging
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from msgspec import Struct, structs

from outgate.mail.message import Message, Progress, QueueId
from outgate.spool.directory import SpoolDirectory
from outgate.spool.files import Files, is_full, read_all
from outgate.spool.framing import record_octets
from outgate.spool.records import (
    BLOCK,
    RECORD_HEADER_OCTETS,
    BadRecord,
    Damage,
    Kind,
    LargeReference,
    Record,
    decode_message,
    decode_progress,
    scan,
    split_done,
    split_mark,
    split_message,
    split_void,
)
from outgate.spool.segments.segment import Entry, Location, Segment, generation_of

SEQUENCE_STEP: Final = 1 << 32  # from the last sequence seen to the next one written: more than any disk holds records

_log: Final = logging.getLogger(__name__)


@dataclass(slots=True)
class Recovered:
    """packed: the messages, encoded, with their queue ids and progress; entries: parallel, in the order of the log.
    segments: all that are numbered, oldest first, with their entries. damaged: places that were set aside. orphans:
    large files that no live message names."""

    packed: deque[tuple[QueueId, bytes, Progress]] = field(default_factory=deque)
    entries: list[Entry] = field(default_factory=list)
    segments: deque[Segment] = field(default_factory=deque)
    next_sequence: int = 1
    damaged: int = 0
    orphans: list[str] = field(default_factory=list)

    def messages(self) -> Iterator[tuple[Message, Progress]]:
        """Once: each is given up as it is taken, since a queue of 200,000 in full would take hundreds of megabytes."""
        while self.packed:
            queue_id, octets, progress = self.packed.popleft()
            message = decode_message(octets, b"")[0]
            yield structs.replace(message, queue_id=queue_id), progress  # the entry's own text, not one more


class _Found(Struct, gc=False):
    """A live message as far as the scan has come. The parts are copied out of the segment, the content is not.

    progress: as a record has it, encoded, or decoded already: what is encoded and what is decoded of a long queue would
    take memory that Python gives back to nobody."""

    kind: int
    sequence: int
    location: Location
    message: bytes
    progress: bytes | Progress
    reference: LargeReference | None


class Recovery:
    """One walk over a spool's directory that nobody else touches. Blocking."""

    def __init__(self, directory: SpoolDirectory) -> None:
        self._directory = directory
        self._files = directory.files
        self._found: dict[QueueId, _Found] = {}
        self._result = Recovered()
        self._sequence = 0
        # What many messages have alike is kept once: of a queue of 200,000 that is 30 MiB.
        self._next_hops: dict[str, str] = {}
        self._sizes: dict[int, int] = {}

    def run(self) -> Recovered:
        """Raises: OSError; damage is never fatal."""
        try:
            return self._run()
        except BaseException:
            for segment in self._result.segments:
                self._files.close(segment.descriptor)
            raise

    def _run(self) -> Recovered:
        large_names = set(self._files.names(self._directory.large))
        self._open_segments()
        for segment in self._result.segments:
            self._take_segment(segment)
        for queue_id, found in self._found.items():
            self._take_message(queue_id, found, large_names)
        self._found.clear()
        named = {entry.reference.name for entry in self._result.entries if entry.reference is not None}
        self._result.orphans = sorted(large_names - named)
        self._result.next_sequence = self._sequence + SEQUENCE_STEP
        return self._result

    def _open_segments(self) -> None:
        found = [(generation_of(name), name) for name in self._files.names(self._directory.segments)]
        numbered = [(generation, name) for generation, name in found if generation is not None]
        for generation, name in sorted(numbered, key=lambda one: one[0].number):
            path = self._directory.segments / name
            descriptor = self._files.open(path)
            self._result.segments.append(Segment(generation, path, descriptor, self._files.size(descriptor)))

    def _take_segment(self, segment: Segment) -> None:
        self._files.fdatasync(segment.descriptor)
        self._files.drop_cached(segment.descriptor)
        octets = _read_leniently(self._files, segment)
        for item in scan(segment.generation, octets, self._sequence):
            if isinstance(item, Damage):
                place = octets[item.offset : item.offset + item.length]
                where = "at the end, never confirmed unless the disk failed" if item.at_end else "between good records"
                self._set_aside(segment, item.offset, place, where)
                continue
            self._sequence = item.sequence
            try:
                self._take_record(segment, item)
            except BadRecord as error:
                self._set_aside(segment, item.offset, octets[item.offset : item.offset + item.length], str(error))

    def _take_record(self, segment: Segment, record: Record) -> None:
        """Raises: BadRecord."""
        match record.kind:
            case Kind.MESSAGE | Kind.COPY:
                body = split_message(record.body)
                reference = body.reference() if body.is_large else None
                octets = record_octets(record.length - RECORD_HEADER_OCTETS)
                content_octets = 0 if body.is_large else len(body.content)
                location = Location(
                    segment,
                    record.offset,
                    self._sizes.setdefault(octets, octets),
                    self._sizes.setdefault(content_octets, content_octets),
                )
                # The later record goes to the end of the dictionary too, so that entries get the order of the log.
                self._found.pop(body.queue_id, None)
                self._found[body.queue_id] = _Found(
                    record.kind, record.sequence, location, bytes(body.message), bytes(body.progress), reference
                )
            case Kind.PROGRESS:
                queue_id, progress = split_mark(record.body)
                if (found := self._found.get(queue_id)) is not None:
                    found.progress = self._decoded(progress)
            case Kind.DONE:
                for queue_id in split_done(record.body):
                    self._found.pop(queue_id, None)
            case Kind.VOID:
                first, last = split_void(record.body)
                for queue_id, found in list(self._found.items()):
                    if found.kind == Kind.MESSAGE and first <= found.sequence <= last:
                        del self._found[queue_id]
            case _:
                raise BadRecord(f"a record of kind {record.kind}")

    def _take_message(self, queue_id: QueueId, found: _Found, large_names: set[str]) -> None:
        location = found.location
        reference = found.reference
        try:
            if reference is not None and not self._is_whole(reference, large_names):
                raise BadRecord(f"its content {reference.name} is missing or has not {reference.size_octets} octets")
            progress = self._progress_of(found)
            entry = Entry(queue_id, location, reference, progress)
        except BadRecord as error:
            octets = read_all(self._files, location.segment.descriptor, location.octets, location.offset)
            self._set_aside(location.segment, location.offset, octets, f"message {queue_id}: {error}")
            return
        location.segment.entries[entry] = None
        location.segment.live_octets += location.octets
        self._result.packed.append((queue_id, found.message, progress))
        self._result.entries.append(entry)

    def _progress_of(self, found: _Found) -> Progress:
        """Looks whether the message can be read, too. Raises: BadRecord."""
        if isinstance(found.progress, Progress):
            decode_message(found.message, b"")
            return found.progress
        return self._with_shared_texts(decode_message(found.message, found.progress)[1])

    def _decoded(self, octets: memoryview) -> bytes | Progress:
        """As it stands if it cannot be decoded: then the message is set aside, should this still count at the end."""
        try:
            return self._with_shared_texts(decode_progress(octets))
        except BadRecord:
            return bytes(octets)

    def _with_shared_texts(self, progress: Progress) -> Progress:
        known = self._next_hops
        recipients = [
            structs.replace(one, next_hop=known.setdefault(one.next_hop, one.next_hop)) for one in progress.recipients
        ]
        return structs.replace(progress, recipients=tuple(recipients))

    def _is_whole(self, reference: LargeReference, large_names: set[str]) -> bool:
        """Is the file there, in full length? Its checksums are looked at when it is read."""
        if reference.name not in large_names:
            return False
        descriptor = self._files.open(self._directory.large / reference.name)
        try:
            return self._files.size(descriptor) == reference.size_octets
        finally:
            self._files.close(descriptor)

    def _set_aside(self, segment: Segment, offset: int, octets: bytes, reason: str) -> None:
        self._result.damaged += 1
        name = f"{segment.path.stem}-{offset}"
        _log.error("spool: %s at %d is damaged: %s", segment.path, offset, reason)
        try:
            self._directory.set_aside(name, octets)
        except OSError as error:
            if not is_full(error):
                raise
            _log.error("spool: no room to set %s aside: %s", name, error)


def _read_leniently(files: Files, segment: Segment) -> bytes:
    """The whole segment; blocks that cannot be read count as zeros, so that they hide nothing else."""
    size = segment.size_octets
    try:
        return read_all(files, segment.descriptor, size, 0)
    except OSError as error:
        _log.error("spool: %s cannot be read as a whole, reading block by block: %s", segment.path, error)
    pieces = []
    for offset in range(0, size, BLOCK):
        try:
            piece = read_all(files, segment.descriptor, min(BLOCK, size - offset), offset)
        except OSError:
            piece = b""
            segment.is_worn = True
        pieces.append(piece.ljust(min(BLOCK, size - offset), b"\0"))
    return b"".join(pieces)
