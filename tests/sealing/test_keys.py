import pytest

from outgate.sealing.keys import (
    CONTENT_KEY_OCTETS,
    PUBLIC_KEY_OCTETS,
    SEALED_KEY_OCTETS,
    Unopenable,
    new_content_key,
    new_private_key,
    open_key,
    public_key_of,
    seal_key,
)


def test_key_of_a_content_is_opened_by_the_private_key_alone() -> None:
    private_key, other = new_private_key(), new_private_key()
    public_key, content_key = public_key_of(private_key), new_content_key()

    sealed = seal_key(content_key, public_key)

    assert (len(public_key), len(content_key), len(sealed)) == (
        PUBLIC_KEY_OCTETS,
        CONTENT_KEY_OCTETS,
        SEALED_KEY_OCTETS,
    )
    assert open_key(sealed, private_key) == content_key
    with pytest.raises(Unopenable):
        open_key(sealed, other)


def test_same_key_is_never_sealed_alike() -> None:
    public_key, content_key = public_key_of(new_private_key()), new_content_key()

    assert seal_key(content_key, public_key) != seal_key(content_key, public_key)


@pytest.mark.parametrize("place", range(SEALED_KEY_OCTETS))
def test_sealed_key_that_was_changed_does_not_open(place: int) -> None:
    private_key = bytes(range(32))
    sealed = bytearray(seal_key(bytes(32), public_key_of(private_key)))
    sealed[place] ^= 1

    with pytest.raises(Unopenable):
        open_key(bytes(sealed), private_key)


@pytest.mark.parametrize("sealed", [b"", b"short", bytes(SEALED_KEY_OCTETS), bytes(SEALED_KEY_OCTETS + 1)])
def test_what_is_no_sealed_key_does_not_open(sealed: bytes) -> None:
    with pytest.raises(Unopenable):
        open_key(sealed, bytes(range(32)))


def test_what_is_no_public_key_is_refused() -> None:
    with pytest.raises(ValueError, match="public key is 32"):
        seal_key(new_content_key(), b"short")
    with pytest.raises(ValueError, match="shared key"):
        seal_key(new_content_key(), bytes(PUBLIC_KEY_OCTETS))  # of low order: the secret would be known to all
