"""What an event file consists of: frames, `tag 8 | CRC-32 4 | length 4 | event`; see `event_log`. Pure.

The CRC covers length and event, and begins with the tag's: its *seed*.
"""

import struct
from collections.abc import Sequence
from typing import Final
from zlib import crc32

TAG_OCTETS: Final = 8
_NUMBER: Final = struct.Struct("<I")
FRAME_OCTETS: Final = TAG_OCTETS + 2 * _NUMBER.size  # in front of an event

_pack_number: Final = _NUMBER.pack
_unpack_numbers: Final = struct.Struct("<II").unpack_from


def frames(events: Sequence[bytes], tag: bytes, seed: int) -> list[bytes]:
    """What is written for them: by turns what stands in front of an event, and the event."""
    buffers = []
    for event in events:
        length = _pack_number(len(event))
        buffers.append(tag + _pack_number(crc32(event, crc32(length, seed))) + length)
        buffers.append(event)
    return buffers


def read_frames(octets: bytes, tag: bytes, seed: int, room: int, *, may_skip: bool) -> tuple[list[bytes], int, int]:
    """The events at the beginning of `octets`, how many octets they take, and at how many places some were lost.

    Ends when the events have `room` octets or more. may_skip: go on with the next good frame behind octets that make no
    sense; what is behind the last one is a torn tail then, and taken too.
    """
    events: list[bytes] = []
    position = lost = 0
    while position < len(octets) and room > 0:
        event = _event_at(octets, position, tag, seed)
        if event is not None:
            events.append(event)
            position += FRAME_OCTETS + len(event)
            room -= len(event)
            continue
        if not may_skip:
            break
        position = _next_frame(octets, position + 1, tag, seed)
        if position == -1:
            return events, len(octets), lost  # a torn tail: never confirmed, nothing lost
        lost += 1
    return events, position, lost


def _event_at(octets: bytes, position: int, tag: bytes, seed: int) -> bytes | None:
    start = position + FRAME_OCTETS
    if start > len(octets) or not octets.startswith(tag, position):
        return None
    checksum, length = _unpack_numbers(octets, position + TAG_OCTETS)
    event = octets[start : start + length]
    if len(event) != length or crc32(event, crc32(octets[start - _NUMBER.size : start], seed)) != checksum:
        return None
    return event


def _next_frame(octets: bytes, position: int, tag: bytes, seed: int) -> int:
    while (position := octets.find(tag, position)) != -1:
        if _event_at(octets, position, tag, seed) is not None:
            return position
        position += 1
    return -1
