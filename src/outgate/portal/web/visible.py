"""Text that a stranger wrote, so that nothing in it hides or turns round what stands beside it. Pure."""

import unicodedata
from itertools import groupby
from typing import Final

# Joiners are part of words in some scripts, and of pictures; alone they show nothing and harm nothing.
_HARMLESS: Final = frozenset("\u200c\u200d")
_HIDDEN: Final = frozenset(("Cc", "Cf", "Zl", "Zp", "Cs", "Co", "Cn"))


def is_hidden(character: str) -> bool:
    """A control character, one that turns the direction of writing, or one that shows nothing."""
    return unicodedata.category(character) in _HIDDEN and character not in _HARMLESS


def parts(text: str) -> list[tuple[bool, str]]:
    """`text` in pieces: (False, what is seen as it is) and (True, the name of one hidden character, such as U+202E)."""
    found: list[tuple[bool, str]] = []
    for hidden, run in groupby(text, is_hidden):
        if hidden:
            found += [(True, f"U+{ord(character):04X}") for character in run]
        else:
            found.append((False, "".join(run)))
    return found


def cut(text: str, characters: int) -> str:
    """`text`, or its beginning with an ellipsis behind it."""
    return text if len(text) <= characters else text[: characters - 1] + "\u2026"
