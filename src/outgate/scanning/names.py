"""Names of hosts, and which of them look alike.

Look-alikes are found by *skeletons* (Unicode TS 39 §4): characters that look the same become the same. The table is a
short one of our own: letters of other scripts, digits and pairs that pass for Latin letters in an ordinary typeface.
"""

import unicodedata
from functools import lru_cache
from typing import Final

import idna

REMEMBERED: Final = 20_000  # skeletons that are kept
CUSTOMERS_KEPT: Final = 64  # customers whose domains a process keeps ready
LABELS_MAX: Final = 20  # labels of a host that are looked at

# Under these, registries give names out at the third level: com.au, co.uk. Not the public suffix list.
_SECOND_LEVELS: Final = frozenset("ac co com edu gob gov gouv govt go mil ne net nom or org sch".split())  # noqa: SIM905

# Letters that pass for a Latin one: what they pass for, and them.
_PASSING: Final = (
    ("a", "\u0430\u03b1\u02514"),
    ("b", "\u0432\u044c\u03b2\u0299\u01808"),
    ("c", "\u0441\u03f2\u1d04"),
    ("d", "\u0501\u0111"),
    ("e", "\u0435\u0451\u0454\u03b53"),
    ("g", "\u0261\u0581"),
    ("h", "\u04bb\u043d\u0127\u0570"),
    ("j", "\u0458"),
    ("k", "\u043a\u03ba"),
    ("l", "\u0456\u0457\u04cf\u03b9\u0131\u0142\u026a\u029f\u05821i|"),
    ("m", "\u043c\u026f"),
    ("n", "\u043f\u03b7\u0578"),
    ("o", "\u043e\u0585\u03bf\u03c3\u1d0f\u00f80"),
    ("p", "\u0440\u03c1"),
    ("q", "\u051b"),
    ("r", "\u0433\u0280"),
    ("s", "\u04555"),
    ("t", "\u0442\u03c4"),
    ("u", "\u0438\u03c5\u1d1c\u057d"),
    ("v", "\u0475\u03bd\u1d20"),
    ("w", "\u051d\u03c9\u1d21"),
    ("x", "\u0445\u03c7"),
    ("y", "\u0443\u03b3\u028f\u10e7"),
    ("z", "\u1d22"),
)
_ALIKE: Final = {ord(letter): latin for latin, letters in _PASSING for letter in letters}
_PAIRS: Final = (("rn", "m"), ("vv", "w"))


@lru_cache(maxsize=REMEMBERED)
def skeleton(name: str) -> str:
    """What a name looks like. Two that have the same can be taken for each other."""
    name = unicodedata.normalize("NFKD", shown(name).casefold())
    name = "".join(character for character in name if not unicodedata.combining(character)).translate(_ALIKE)
    for pair, letter in _PAIRS:
        name = name.replace(pair, letter)
    return name


@lru_cache(maxsize=REMEMBERED)
def shown(host: str) -> str:
    """As it is shown: punycode decoded label by label, where it can be."""
    if "xn--" not in host:
        return host
    labels = []
    for label in host.split("."):
        try:
            labels.append(idna.ulabel(label) if label.startswith("xn--") else label)
        except (idna.IDNAError, ValueError):
            labels.append(label)
    return ".".join(labels)


def registrable(host: str) -> str:
    """The part of a host that somebody registered, as well as one can tell without the public suffix list: the last two
    labels, three under com.au and the like."""
    labels = host.split(".")
    if len(labels) >= 3 and len(labels[-1]) == 2 and labels[-2] in _SECOND_LEVELS:
        return ".".join(labels[-3:])
    return ".".join(labels[-2:])


def has_mixed_scripts(host: str) -> bool:
    """Is there a label with letters of Latin and of a script that passes for it? No language writes so."""
    for label in shown(host).split("."):
        scripts = {unicodedata.name(letter, "?").partition(" ")[0] for letter in label if letter.isalpha()}
        if "LATIN" in scripts and scripts & {"CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE"}:
            return True
    return False


class Lookalikes:
    """Names that others may want to be taken for. names: domains, canonical."""

    def __init__(self, names: frozenset[str]) -> None:
        self._names = names
        self._by_skeleton = {skeleton(name): name for name in names}
        self._labels = {name.count(".") + 1 for name in names}

    def owns(self, host: str) -> bool:
        """Is it one of the names, or below one?"""
        if host.count(".") >= LABELS_MAX:
            host = ".".join(host.split(".")[-LABELS_MAX:])
        dot = "."
        while dot:
            if host in self._names:
                return True
            _, dot, host = host.partition(".")
        return False

    def taken_for(self, host: str) -> tuple[str, str]:
        """The name that a host can be taken for, and how: "look-alike" (it looks the same) or "prefix" (it begins with
        the name, and goes on elsewhere). ("", "") for none, and for the names themselves."""
        if self.owns(host):
            return "", ""
        labels = host.split(".")[-LABELS_MAX:]
        for count in self._labels:
            if count <= len(labels):
                looks = skeleton(".".join(labels[-count:]))
                if looks in self._by_skeleton:
                    return self._by_skeleton[looks], "look-alike"
        for start in range(len(labels)):
            for count in self._labels:
                name = ".".join(labels[start : start + count])
                rest = labels[start + count :]
                if rest and name in self._names and not (len(rest) == 1 and len(rest[0]) == 2):  # not google.com.au
                    return name, "prefix"
        return "", ""


@lru_cache(maxsize=CUSTOMERS_KEPT)
def lookalikes(names: frozenset[str]) -> Lookalikes:
    return Lookalikes(names)
