"""The head of content that streams past, however it is cut."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from outgate.mail.address import NULL_REVERSE_PATH
from outgate.policy.admission import stand_sender
from outgate.policy.header import HEADER_MAX
from outgate.policy.snapshot import Snapshot
from outgate.reception.transaction import Transaction


def transaction() -> Transaction:
    snapshot = Snapshot()
    return Transaction("0", stand_sender(snapshot, snapshot.source("192.0.2.1"), NULL_REVERSE_PATH), smtputf8=False)


@given(
    st.sampled_from([b"", b"From: a@b\r\n", b"A: 1\r\nB: 2\r\n", b"A: \r\n\r", b"\n\r\n"]),
    st.sampled_from([b"", b"\r\nbody\r\n\r\nmore", b"\r\n"]),
    st.lists(st.integers(0, 40), max_size=4),
)
def test_the_head_ends_with_the_first_empty_line(fields: bytes, rest: bytes, cuts: list[int]) -> None:
    content = fields + rest
    one = transaction()
    places = [0, *sorted(min(cut, len(content)) for cut in cuts), len(content)]
    for start, end in pairwise(places):
        if not one.is_head_complete:
            one.add_to_head(content[start:end])
    end = 0 if content.startswith(b"\r\n") else content.find(b"\r\n\r\n") + 2
    assert one.is_head_complete == (end != 1)
    assert one.head == (content if end == 1 else content[: end + 2])


def test_no_more_is_kept_than_is_read() -> None:
    one = transaction()
    for _ in range(40):
        if not one.is_head_complete:
            one.add_to_head(b"x" * 65_536)
    assert one.is_head_complete
    assert len(one.head) == HEADER_MAX + 1
