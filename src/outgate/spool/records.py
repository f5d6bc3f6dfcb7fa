"""The spool's format on disk: segments, and the records in them, as they are read; `framing` writes them. Pure; knows
octets, no files.

A segment is a file of fixed size. Its first block holds the *segment header*; records follow from the second block on,
each aligned to `ALIGNMENT`. What is written with one flush begins at a `BLOCK`, so that no later write ever touches a
block (and thus no sector) that holds confirmed records, and so that writing a recycled segment never has to read it.

A segment file is used many times. Each use is a *generation*: a number that only grows, and a *tag* of eight random
octets. A record begins with the tag of its generation:

    tag 8 | CRC-32 4 | body length 4 | sequence 8 | kind 1 | zero 7 | body | zeros up to the alignment

The CRC covers tag, length, sequence, kind and body. All numbers are little-endian.

**Recovery finds every record that is whole**, whatever stands around it: it looks for the tag, checks alignment, CRC
and sequence, goes on behind a good record and one step further after a bad one. So a torn or damaged record hides no
other.

**No content of a message can pass for a record.** A good record is jumped over as a whole, so its content is looked at
only when the record itself is damaged or is left from an earlier generation. There it would have to contain the tag of
the present generation: 64 bits of randomness, drawn when the segment was taken into use and never told to anyone. And
its sequence would have to be plausible: sequences grow by exactly one from record to record, so between two records
there is only room for as many as fit into the octets between them.

**Nothing old comes back.** Records of earlier generations carry other tags. The generation of a file is in its *name*,
which a rename changes in one step; the header inside says the same for people and repair tools, and recovery does
not trust it, because it may be the one of the generation before.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Final
from zlib import crc32

import msgspec
from msgspec import Struct

from outgate.mail.encoding import UNDECODABLE
from outgate.mail.message import Message, Progress, QueueId, first_progress

FORMAT_VERSION: Final = 2  # of the spool as a whole. 2: a message may say that it waits from the start (`Message.lane`)
SEGMENT_VERSION: Final = 1  # of the records in a segment; fields of their bodies are only ever added at the end

BLOCK: Final = 4096  # octets: a page of the page cache and the largest sector in use
ALIGNMENT: Final = 64  # octets: small enough for marks, coarse enough to make chance hits rarer
TAG_OCTETS: Final = 8
RECORD_HEADER_OCTETS: Final = 32
FIRST_RECORD: Final = BLOCK  # offset in a segment

SEGMENT_MAGIC: Final = b"OUTGATE\x16"
SEGMENT_HEADER: Final = struct.Struct("<8sIQ8s")
CRC: Final = struct.Struct("<I")
FIELDS: Final = struct.Struct("<IQB7x")  # body length, sequence, kind
MESSAGE_FIELDS: Final = struct.Struct("<HHII")  # octets of queue id; flags; octets of message; of progress
MARK_FIELDS: Final = struct.Struct("<H")  # octets of queue id
VOID_FIELDS: Final = struct.Struct("<QQ")

LARGE_FLAG: Final = 1


class Kind(IntEnum):
    """MESSAGE: an acceptance. COPY: the same message, carried forward out of an old segment with its progress of then.
    PROGRESS: the latest replaces. DONE: these messages are finished. VOID: the MESSAGE records of a range of sequences
    were answered with a failure and must not come back, though their octets may have reached the disk."""

    MESSAGE = 1
    COPY = 2
    PROGRESS = 3
    DONE = 4
    VOID = 5


class BadRecord(ValueError):
    """Octets with a good CRC that make no sense: our bug, or a newer version's."""


@dataclass(frozen=True, slots=True)
class Generation:
    """One use of a segment file."""

    number: int
    tag: bytes

    @property
    def seed(self) -> int:
        return crc32(self.tag)


@dataclass(frozen=True, slots=True)
class Record:
    """A whole record. offset, length: in the segment, alignment not included in `length`. body: a view into it."""

    kind: int
    sequence: int
    offset: int
    length: int
    body: memoryview


@dataclass(frozen=True, slots=True)
class Damage:
    """Octets of a segment that should be a record and are none. at_end: no whole record follows, so that most likely it
    was never confirmed: a write that a crash cut short."""

    offset: int
    length: int
    at_end: bool


class LargeReference(Struct, frozen=True, array_like=True):
    """Names the file that holds a large content. checksums: CRC-32 of each `CHECKSUM_OCTETS` of it, little-endian."""

    name: str
    size_octets: int
    checksums: bytes


CHECKSUM_OCTETS: Final = 256 * 1024  # of large content under one checksum: what a reader reads at least

_encode = msgspec.msgpack.Encoder().encode
_message_decoder: Final = msgspec.msgpack.Decoder(Message)
_progress_decoder: Final = msgspec.msgpack.Decoder(Progress)
_reference_decoder: Final = msgspec.msgpack.Decoder(LargeReference)


# Reading


def read_segment_header(octets: bytes) -> Generation | None:
    """What the header says; for people and tools, see above. None if it is no header of this version."""
    fields = octets[: SEGMENT_HEADER.size]
    if len(octets) < SEGMENT_HEADER.size + CRC.size or not fields.startswith(SEGMENT_MAGIC):
        return None
    (checksum,) = CRC.unpack_from(octets, SEGMENT_HEADER.size)
    _, version, number, tag = SEGMENT_HEADER.unpack(fields)
    return Generation(number, tag) if checksum == crc32(fields) and version == SEGMENT_VERSION else None


def scan(generation: Generation, segment: bytes, after_sequence: int = 0) -> Iterator[Record | Damage]:
    """All whole records of `generation` in `segment`, in order, and the damaged places between them.

    after_sequence: the last one of the segments before; what is not above it is not believed.
    """
    tag, seed = generation.tag, generation.seed
    view = memoryview(segment)
    expected = FIRST_RECORD
    sequence, is_first = after_sequence, True
    suspect = -1  # the first place behind the last good record that claims to be a record
    position = segment.find(tag, expected)
    while position != -1:
        record = None if position % ALIGNMENT else _record_at(view, position, seed)
        room = (position - expected) // ALIGNMENT + 1
        if record is None or record.sequence <= sequence or not (is_first or record.sequence <= sequence + room):
            if suspect == -1 and not position % ALIGNMENT:
                suspect = position
            position = segment.find(tag, position + 1)
            continue
        lost = _behind_padding(segment, expected, position)
        if lost != position:
            yield Damage(lost, position - lost, at_end=False)
        yield record
        sequence, is_first, suspect = record.sequence, False, -1
        expected = record.offset + record.length
        expected += -expected % ALIGNMENT
        position = segment.find(tag, expected)
    if suspect == -1:
        suspect = _resembling(segment, expected, tag)
    if suspect != -1:
        yield Damage(suspect, min(_claimed_octets(view, suspect), len(segment) - suspect), at_end=True)


def record_in(octets: bytes, generation: Generation) -> Record | None:
    """The record that `octets` begins with, None if it is not whole."""
    if octets[:TAG_OCTETS] != generation.tag:
        return None
    return _record_at(memoryview(octets), 0, generation.seed)


def _record_at(view: memoryview, offset: int, seed: int) -> Record | None:
    """The record at `offset`, whose tag has been seen, if it is whole."""
    body_at = offset + RECORD_HEADER_OCTETS
    if body_at > len(view):
        return None
    body_octets, sequence, kind = FIELDS.unpack_from(view, offset + TAG_OCTETS + CRC.size)
    end = body_at + body_octets
    if end > len(view):
        return None
    (checksum,) = CRC.unpack_from(view, offset + TAG_OCTETS)
    if crc32(view[offset + TAG_OCTETS + CRC.size : end], seed) != checksum:
        return None
    return Record(kind, sequence, offset, end - offset, view[body_at:end])


def _claimed_octets(view: memoryview, offset: int) -> int:
    if offset + RECORD_HEADER_OCTETS > len(view):
        return len(view) - offset
    return RECORD_HEADER_OCTETS + int(FIELDS.unpack_from(view, offset + TAG_OCTETS + CRC.size)[0])


def _resembling(segment: bytes, end: int, tag: bytes) -> int:
    """Where behind the last good record another one seems to begin, whose tag is damaged too. -1: nowhere."""
    for start in (end, end + -end % BLOCK):
        octets = segment[start : start + TAG_OCTETS]
        if sum(one == other for one, other in zip(octets, tag, strict=False)) > TAG_OCTETS // 2:
            return start
    return -1


def _behind_padding(segment: bytes, start: int, end: int) -> int:
    """Where, between two records, something else begins than what the writer leaves between two batches: zeros up to
    the next block. `end` if nothing does."""
    block = start + -start % BLOCK
    return block if block <= end and segment.count(0, start, block) == block - start else start


@dataclass(frozen=True, slots=True)
class MessageBody:
    """A MESSAGE or COPY taken apart, nothing decoded but the queue id. content: inline, or an encoded reference."""

    queue_id: QueueId
    is_large: bool
    message: memoryview
    progress: memoryview  # empty: fresh
    content: memoryview

    def decoded(self) -> tuple[Message, Progress]:
        """Raises: BadRecord."""
        return decode_message(self.message, self.progress)

    def reference(self) -> LargeReference:
        """Raises: BadRecord."""
        try:
            return _reference_decoder.decode(self.content)
        except UNDECODABLE as error:
            raise BadRecord(str(error)) from error

    def copied_head(self, progress: Progress | None) -> bytes:
        """The body of a COPY up to the content, with `progress` in place of the old; None is fresh."""
        queue_id = self.queue_id.encode()
        octets = b"" if progress is None else _encode(progress)
        fields = MESSAGE_FIELDS.pack(len(queue_id), self.is_large * LARGE_FLAG, len(self.message), len(octets))
        return b"".join((fields, queue_id, self.message, octets))


def split_message(body: memoryview) -> MessageBody:
    """Raises: BadRecord."""
    try:
        id_octets, flags, message_octets, progress_octets = MESSAGE_FIELDS.unpack_from(body)
        message_at = MESSAGE_FIELDS.size + id_octets
        queue_id = str(body[MESSAGE_FIELDS.size : message_at], "utf-8")
    except (struct.error, UnicodeDecodeError) as error:
        raise BadRecord(str(error)) from error
    progress_at = message_at + message_octets
    content_at = progress_at + progress_octets
    if content_at > len(body):
        raise BadRecord("a message record is shorter than its parts")
    return MessageBody(
        queue_id,
        bool(flags & LARGE_FLAG),
        body[message_at:progress_at],
        body[progress_at:content_at],
        body[content_at:],
    )


def decode_message(message: bytes | memoryview, progress: bytes | memoryview) -> tuple[Message, Progress]:
    """Raises: BadRecord."""
    try:
        decoded = _message_decoder.decode(message)
        if progress:
            return decoded, _progress_decoder.decode(progress)
    except UNDECODABLE as error:
        raise BadRecord(str(error)) from error
    return decoded, first_progress(decoded)


def decode_progress(octets: bytes | memoryview) -> Progress:
    """Raises: BadRecord."""
    try:
        return _progress_decoder.decode(octets)
    except UNDECODABLE as error:
        raise BadRecord(str(error)) from error


def split_done(body: memoryview) -> list[QueueId]:
    """Raises: BadRecord."""
    queue_ids = []
    while body:
        queue_id, body = split_mark(body)
        queue_ids.append(queue_id)
    return queue_ids


def split_mark(body: memoryview) -> tuple[QueueId, memoryview]:
    """The queue id of a PROGRESS or DONE, and what follows it. Raises: BadRecord."""
    try:
        (id_octets,) = MARK_FIELDS.unpack_from(body)
        end = MARK_FIELDS.size + id_octets
        queue_id = str(body[MARK_FIELDS.size : end], "utf-8")
    except (struct.error, UnicodeDecodeError) as error:
        raise BadRecord(str(error)) from error
    if end > len(body):
        raise BadRecord("a mark is shorter than its parts")
    return queue_id, body[end:]


def split_void(body: memoryview) -> tuple[int, int]:
    """First and last sequence. Raises: BadRecord."""
    try:
        first, last = VOID_FIELDS.unpack(body)
    except struct.error as error:
        raise BadRecord(str(error)) from error
    return first, last
