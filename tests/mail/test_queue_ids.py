"""Queue ids: unique, sorted by time, without look-alikes."""

from hypothesis import given, settings
from hypothesis import strategies as st

from outgate.mail.queue_ids import QUEUE_ID_ALPHABET, queue_id

_times = st.integers(0, 2**41 - 1)
_workers = st.integers(0, 1023)
_counters = st.integers(0, 16_383)
_parts = st.tuples(_times, _workers, _counters)


@settings(deadline=None, max_examples=300)
@given(_parts, _parts)
def test_queue_ids_are_unique_and_sort_by_time(one: tuple[int, int, int], other: tuple[int, int, int]) -> None:
    assert (queue_id(*one) < queue_id(*other)) == (one < other)
    assert (queue_id(*one) == queue_id(*other)) == (one == other)


@settings(deadline=None, max_examples=300)
@given(_parts)
def test_a_queue_id_holds_time_worker_and_counter(parts: tuple[int, int, int]) -> None:
    identifier = queue_id(*parts)
    assert len(identifier) == 13
    number = 0
    for character in identifier:
        number = number * 32 + QUEUE_ID_ALPHABET.index(character)
    assert (number >> 24, number >> 14 & 1023, number & 16_383) == parts


def test_the_alphabet_sorts_and_has_no_look_alikes() -> None:
    assert len(QUEUE_ID_ALPHABET) == 32
    assert "".join(sorted(QUEUE_ID_ALPHABET)) == QUEUE_ID_ALPHABET
    assert not set("ILOU") & set(QUEUE_ID_ALPHABET)


def test_a_queue_id_of_today_reads_as_expected() -> None:
    assert queue_id(1_795_435_200_000, 1, 0) == "T4226ZR000G00"
