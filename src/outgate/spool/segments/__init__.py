"""The spool as a segment log on disk. `spool` is the way in; `log` and `committer` say what must hold."""

from outgate.spool.segments.settings import SegmentSettings
from outgate.spool.segments.spool import SegmentSpool

__all__ = ["SegmentSettings", "SegmentSpool"]
