"""Names carry the generation; pins keep a segment's octets."""

from pathlib import Path

import pytest

from outgate.spool.records import Generation
from outgate.spool.segments.segment import Segment, generation_of, segment_name

GENERATION = Generation(42, bytes(range(8)))


def test_name_declares_the_generation() -> None:
    assert segment_name(GENERATION) == "0000000000000042-0001020304050607.segment"
    assert generation_of(segment_name(GENERATION)) == GENERATION


@pytest.mark.parametrize(
    "name",
    ["", "42.segment", "spare-0001020304050607", "0000000000000042-0001020304050607.segment~", "x" * 41],
)
def test_other_names_declare_none(name: str) -> None:
    assert generation_of(name) is None


def test_retired_segment_without_readers_is_the_callers() -> None:
    segment = Segment(GENERATION, Path("/s"), 3, 4096)
    assert segment.pin()
    assert not segment.unpin()
    assert segment.retire()
    assert not segment.pin()


def test_last_reader_of_a_retired_segment_closes_it() -> None:
    segment = Segment(GENERATION, Path("/s"), 3, 4096)
    assert segment.pin()
    assert segment.pin()
    assert not segment.retire()
    assert not segment.unpin()
    assert segment.unpin()
