"""The same content has the same fingerprint however it is cut; other content has another."""

from hypothesis import given
from hypothesis import strategies as st

from outgate.mail.fingerprint import FINGERPRINT_OCTETS, Fingerprint, fingerprint_of


@given(st.lists(st.binary(max_size=300), max_size=8))
def test_cutting_does_not_matter(pieces: list[bytes]) -> None:
    fingerprint = Fingerprint()
    for piece in pieces:
        fingerprint.update(piece)
    assert fingerprint.octets() == fingerprint_of(b"".join(pieces))


@given(st.binary(min_size=1, max_size=2000), st.data())
def test_one_changed_bit_shows(content: bytes, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(content) - 1))
    changed = bytearray(content)
    changed[place] ^= 1 << data.draw(st.integers(0, 7))
    assert len(fingerprint_of(content)) == FINGERPRINT_OCTETS
    assert fingerprint_of(bytes(changed)) != fingerprint_of(content)
