"""The spool's records as they are written; see `records`, which reads them. Pure.

Apart from it because this runs for every message: it is compiled, and what reads cannot be (see `compiled`).
"""

from collections.abc import Iterable
from typing import Final
from zlib import crc32

import msgspec

from outgate.mail.message import Message, Progress, QueueId
from outgate.spool.records import (
    ALIGNMENT,
    CRC,
    FIELDS,
    LARGE_FLAG,
    MARK_FIELDS,
    MESSAGE_FIELDS,
    RECORD_HEADER_OCTETS,
    SEGMENT_HEADER,
    SEGMENT_MAGIC,
    SEGMENT_VERSION,
    VOID_FIELDS,
    Generation,
    Kind,
    LargeReference,
)

_PADDING: Final = tuple([bytes(octets) for octets in range(ALIGNMENT)])
_pack_crc: Final = CRC.pack
_pack_fields: Final = FIELDS.pack
_pack_message_fields: Final = MESSAGE_FIELDS.pack
_pack_mark_fields: Final = MARK_FIELDS.pack
_encode: Final = msgspec.msgpack.Encoder().encode


def segment_header(generation: Generation) -> bytes:
    fields = SEGMENT_HEADER.pack(SEGMENT_MAGIC, SEGMENT_VERSION, generation.number, generation.tag)
    return (fields + _pack_crc(crc32(fields))).ljust(ALIGNMENT, b"\0")


def record_octets(body_octets: int) -> int:
    """What a record takes in a segment, up to the next one."""
    return (RECORD_HEADER_OCTETS + body_octets + ALIGNMENT - 1) & -ALIGNMENT


def frame(tag: bytes, seed: int, kind: Kind, sequence: int, head: bytes, content: bytes = b"") -> tuple[bytes, bytes]:
    """A record whose body is `head` and `content`: what goes before the content, and the padding that goes behind it.

    seed: the generation's, given beside the tag because this runs for every message.
    """
    length = len(head) + len(content)
    fields = _pack_fields(length, sequence, kind) + head
    checksum = crc32(content, crc32(fields, seed))
    return tag + _pack_crc(checksum) + fields, _PADDING[-(RECORD_HEADER_OCTETS + length) & (ALIGNMENT - 1)]


def message_head(message: Message) -> bytes:
    """The body of a MESSAGE with fresh progress, up to the content."""
    queue_id = message.queue_id.encode()
    octets = _encode(message)
    return _pack_message_fields(len(queue_id), 0, len(octets), 0) + queue_id + octets


def large_message_body(message: Message, reference: LargeReference) -> bytes:
    """The body of a MESSAGE whose content has a file of its own."""
    queue_id = message.queue_id.encode()
    octets = _encode(message)
    return _pack_message_fields(len(queue_id), LARGE_FLAG, len(octets), 0) + queue_id + octets + _encode(reference)


def progress_body(queue_id: QueueId, progress: Progress) -> bytes:
    octets = queue_id.encode()
    return _pack_mark_fields(len(octets)) + octets + _encode(progress)


def done_body(queue_ids: Iterable[QueueId]) -> bytes:
    """Many in one record, because there is one for each message."""
    parts = []
    for queue_id in queue_ids:
        octets = queue_id.encode()
        parts.append(_pack_mark_fields(len(octets)) + octets)
    return b"".join(parts)


def void_body(first_sequence: int, last_sequence: int) -> bytes:
    return VOID_FIELDS.pack(first_sequence, last_sequence)
