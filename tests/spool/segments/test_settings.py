import pytest

from outgate.spool.segments.settings import SegmentSettings


@pytest.mark.parametrize("octets", [0, 4096, 3 * 4096, 5 * 4096 + 1, 100_000])
def test_segments_of_broken_size_are_refused(octets: int) -> None:
    with pytest.raises(ValueError, match="multiple of 4096"):
        SegmentSettings(segment_octets=octets)


def test_four_blocks_are_enough() -> None:
    assert SegmentSettings(segment_octets=4 * 4096).segment_octets == 16384
