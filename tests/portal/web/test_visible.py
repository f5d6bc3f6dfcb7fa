"""What hides in a text is named; the rest is left as it is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outgate.portal.web.visible import cut, is_hidden, parts


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("invoice\u202efdp.exe", ["U+202E"]),
        ("\u2066a\u2069", ["U+2066", "U+2069"]),
        ("a\u200bb\ufeff", ["U+200B", "U+FEFF"]),
        ("a\r\n\tb\x1b[31m\x7f\x85", ["U+000D", "U+000A", "U+0009", "U+001B", "U+007F", "U+0085"]),
        ("line\u2028end", ["U+2028"]),
        ("\U000e0041", ["U+E0041"]),
        ("soft\u00adhyphen", ["U+00AD"]),
    ],
)
def test_hidden_characters_are_named(text: str, names: list[str]) -> None:
    assert [piece for hidden, piece in parts(text) if hidden] == names


@pytest.mark.parametrize(
    "text",
    [
        "Grüße",
        "\u05e9\u05dc\u05d5\u05dd",
        "\U0001f468\u200d\U0001f469\u200d\U0001f467",
        "\u0646\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
        "a b",
    ],
)
def test_words_and_pictures_stay(text: str) -> None:
    assert parts(text) == [(False, text)]


@given(st.text())
def test_nothing_is_lost(text: str) -> None:
    assert "".join(chr(int(f"0x{piece[2:]}", 0)) if hidden else piece for hidden, piece in parts(text)) == text
    assert not any(is_hidden(each) for hidden, piece in parts(text) if not hidden for each in piece)


def test_long_text_is_cut_with_a_sign() -> None:
    assert cut("x" * 10, 10) == "x" * 10
    assert cut("x" * 11, 10) == "x" * 9 + "\u2026"
