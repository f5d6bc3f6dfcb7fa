"""What can be set on a segment log. Sizes in octets, times in seconds."""

from dataclasses import dataclass
from typing import Final

from outgate.spool import event_log
from outgate.spool.records import BLOCK

SEGMENT_OCTETS: Final = 64 * 1024 * 1024  # long enough that changing segments is rare, short enough to recycle soon
RESERVE_OCTETS: Final = 256 * 1024 * 1024  # of the disk, never used for mail: marks, copies and others go on
SEGMENTS_KEPT: Final = 4  # up to so many segments nothing is copied forward: finished mail empties them for nothing
SPARES_KEPT: Final = 2  # emptied segments kept for the next ones; more go back to the disk
EVENTS_SECONDS: Final = 0.02  # events are flushed so soon after the first, which lengthens 1 commit in some 20
CHECK_SECONDS: Final = 1.0  # between two looks at how full the disk is, and two tries to go on after a full one
MARKS_SECONDS: Final = 0.3  # marks wait so long for a message whose flush they can share; a second is promised


@dataclass(frozen=True, slots=True)
class SegmentSettings:
    """Small sizes are for tests: a message that does not fit into a segment gets a larger one of its own."""

    segment_octets: int = SEGMENT_OCTETS
    reserve_octets: int = RESERVE_OCTETS
    segments_kept: int = SEGMENTS_KEPT
    spares_kept: int = SPARES_KEPT
    event_file_octets: int = event_log.FILE_OCTETS
    event_quota_octets: int = event_log.QUOTA_OCTETS
    events_seconds: float = EVENTS_SECONDS
    marks_seconds: float = MARKS_SECONDS
    check_seconds: float = CHECK_SECONDS

    def __post_init__(self) -> None:
        if self.segment_octets < 4 * BLOCK or self.segment_octets % BLOCK:
            raise ValueError(f"segment_octets must be a multiple of {BLOCK}, four blocks at least")
