"""What is sealed before it goes into the database."""

from pathlib import Path
from typing import Any

import pytest
from django.utils.functional import lazy

from outgate.portal.sealed_secrets import NoSecret, Unreadable, is_sealed, seal, secret_keys, unseal
from outgate.portal.secret_key import installation_secret

PURPOSE = b"a purpose"


def test_what_is_sealed_opens_with_its_key_and_for_its_purpose_alone() -> None:
    text = seal(b"\0secret", "key", PURPOSE)

    assert is_sealed(text)
    assert text != seal(b"\0secret", "key", PURPOSE)
    assert unseal(text, ["key"], PURPOSE) == unseal(text, ["new", "key"], PURPOSE) == b"\0secret"
    for keys, purpose in ((["new"], PURPOSE), ([], PURPOSE), (["key"], b"another purpose")):
        with pytest.raises(Unreadable):
            unseal(text, keys, purpose)


@pytest.mark.parametrize("text", ["", "sealed-1:", "sealed-1:AAAA", "sealed-1:A", "rubbish", "sealed-1:" + 40 * "A"])
def test_what_was_never_sealed_does_not_open(text: str) -> None:
    with pytest.raises(Unreadable):
        unseal(text, ["key"], PURPOSE)


def test_what_was_sealed_by_a_former_version_opens() -> None:
    text = "sealed-1:AAAAAAAAAAAAAAAA-i168nMbXaocfazeoegelN1MxkXcsw=="
    assert unseal(text, ["k" * 40], b"outgate second factors 1") == b"SECRET"


def test_keys_are_the_one_in_force_and_former_ones(settings: Any, tmp_path: Path) -> None:
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "n" * 40, ["f" * 40, ""]
    assert secret_keys() == ["n" * 40, "f" * 40]

    file = tmp_path / "none"
    settings.SECRET_KEY = lazy(installation_secret, str)(tmp_path, str(file))
    with pytest.raises(NoSecret, match="No such file"):
        secret_keys()
    file.write_text("short")
    with pytest.raises(NoSecret, match="holds 5 characters"):
        secret_keys()
    file.write_bytes(b"\xff" * 40)
    with pytest.raises(NoSecret, match=r"is no text$"):
        secret_keys()
