import pytest
from hypothesis import given
from hypothesis import strategies as st

from outgate.sealing.content import PIECE_OCTETS, SEALED_PIECE_OCTETS, ContentSealer, pieces_of, sealed_octets
from outgate.sealing.keys import Unopenable

KEY = bytes(range(32))
SIZES = (0, 1, PIECE_OCTETS - 1, PIECE_OCTETS, PIECE_OCTETS + 1, 3 * PIECE_OCTETS, 3 * PIECE_OCTETS + 7)


def content_of(size: int) -> bytes:
    return (bytes(range(251)) * (size // 251 + 1))[:size]


@pytest.mark.parametrize("size", SIZES)
def test_what_is_sealed_opens_to_the_same_octets(size: int) -> None:
    content = content_of(size)
    sealer = ContentSealer(KEY, size)

    sealed = sealer.seal(0, content)

    assert len(sealed) == sealed_octets(size)
    assert sealer.open(0, sealed) == content


@given(size=st.integers(0, 5 * PIECE_OCTETS), data=st.data())
def test_sealed_in_any_whole_pieces_it_is_the_same_and_any_piece_opens(size: int, data: st.DataObject) -> None:
    content = content_of(size)
    sealer = ContentSealer(KEY, size)
    step = data.draw(st.integers(1, 6))
    sealed = b"".join(
        sealer.seal(first, content[first * PIECE_OCTETS : (first + step) * PIECE_OCTETS])
        for first in range(0, pieces_of(size), step)
    )

    assert sealed == sealer.seal(0, content)
    number = data.draw(st.integers(0, pieces_of(size) - 1))
    piece = sealed[number * SEALED_PIECE_OCTETS : (number + 1) * SEALED_PIECE_OCTETS]
    assert sealer.open(number, piece) == content[number * PIECE_OCTETS : (number + 1) * PIECE_OCTETS]


def test_another_key_a_changed_octet_swapped_and_missing_pieces_do_not_open() -> None:
    size = 3 * PIECE_OCTETS
    sealer = ContentSealer(KEY, size)
    sealed = sealer.seal(0, content_of(size))
    first, second, third = (sealed[n * SEALED_PIECE_OCTETS : (n + 1) * SEALED_PIECE_OCTETS] for n in range(3))
    changed = bytearray(first)
    changed[100] ^= 1

    for number, octets in ((0, bytes(changed)), (0, second), (1, first), (0, first[:-1]), (0, third), (0, b"short")):
        with pytest.raises(Unopenable):
            sealer.open(number, octets)
    with pytest.raises(Unopenable):
        ContentSealer(bytes(32), size).open(0, first)
    with pytest.raises(Unopenable):  # as if it ended there
        ContentSealer(KEY, 2 * PIECE_OCTETS).open(1, second)


def test_what_is_no_key_is_refused() -> None:
    with pytest.raises(ValueError, match="key must be"):
        ContentSealer(b"short", 1)
