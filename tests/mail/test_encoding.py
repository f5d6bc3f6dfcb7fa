"""Each way in which octets can fail to be a value is one that is caught."""

import msgspec
import pytest

from outgate.mail.encoding import UNDECODABLE
from outgate.mail.message import Progress, fresh_progress

GOOD = msgspec.msgpack.encode(fresh_progress(1))
MORE = bytes([GOOD[0] + 1])  # begins an array of one field more


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        GOOD[:-1],
        GOOD + b"\0",
        b"\x91\x01",
        GOOD.replace(b"\xa0", b"\xa1\xf4", 1),
        MORE + GOOD[1:] + b"\x91" * 100_000 + b"\0",
    ],
    ids=["empty", "cut", "longer", "another type", "not UTF-8", "nested"],
)
def test_octets_that_are_no_value(octets: bytes) -> None:
    with pytest.raises(UNDECODABLE):
        msgspec.msgpack.decode(octets, type=Progress)


def test_a_later_version_s_field_is_skipped() -> None:
    assert msgspec.msgpack.decode(MORE + GOOD[1:] + b"\xa3new", type=Progress) == fresh_progress(1)
