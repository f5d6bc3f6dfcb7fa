"""How much a message reads like unsolicited bulk mail: a linear model over hashed words, pairs of words and traits.

Weights are plain data (`tools/train_spam` makes them), a signed octet for each of 2^18 places. Header fields that only
say by which way a message came are no feature: outgoing mail has come no way yet.

What a feature is, is said here. Where a C compiler was at hand, a small compiled loop (`_tally.c`) counts and weighs
them in a tenth of the time.
"""

import contextlib
import math
import re
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Final
from zlib import crc32

from outgate.mail.findings import Category, Finding
from outgate.scanning.interface import Context
from outgate.scanning.message import ScannedMessage
from outgate.scanning.readable import host_of

NAME: Final = "spam"
BITS: Final = 18  # of the number of places
PLACES: Final = 1 << BITS  # weights of the model
_MASK: Final = PLACES - 1
TEXT_MAX: Final = 32_768  # octets of one text that are looked at
WORDS_LOOKED_AT: Final = 2_000  # words of one text
SHOUTS_LOOKED_AT: Final = 200  # words in capitals of one text
FEATURES_ENOUGH: Final = 8_000  # of one message; then no further text is looked at
TELLING: Final = 100  # thousandths below which nothing is reported
MAGIC: Final = b"outgate-spam-2\n"  # then scale and bias as text on a line, then the weights

Wholes = tuple[bytes, ...]  # each a feature as it is
Texts = tuple[tuple[bytes, int], ...]  # each text whose words are features, and what they are features of
compiled_tally: Callable[[bytes, Wholes, Texts, int], tuple[int, int]] | None = None
with contextlib.suppress(ImportError):  # it is optional
    from outgate.scanning._tally import tally as compiled_tally

_UPPER: Final = bytes(range(ord("A"), ord("Z") + 1))
_FOLDED: Final = bytes.maketrans(_UPPER + b"012345678", _UPPER.lower() + b"9" * 9)
_WORD: Final = re.compile(rb"[a-z\x80-\xff][\w'\-\x80-\xff]{1,30}|[!$%]+|9[9.,]*")
_SHOUT: Final = re.compile(rb"\b[A-Z]{4,31}\b")
_SUBJECT, _BODY, _SHOUTED, _PAIR = 0x9E3779B1, 0, 0x85EBCA6B, 0xC2B2AE35  # tell what a word is a feature of


def features(message: ScannedMessage) -> set[int]:
    """Places of what is in the message."""
    return _features(*_looked_at(message), FEATURES_ENOUGH)


def _looked_at(message: ScannedMessage) -> tuple[Wholes, Texts]:
    texts = [(_octets(message.header("subject")), _SUBJECT)]
    texts += [(_octets(part.text), _BODY) for part in message.readable if part.is_body]
    return tuple(text.encode("utf-8", "replace") for text in _traits(message)), tuple(texts)


def _octets(text: str) -> bytes:
    return text[:TEXT_MAX].encode("utf-8", "replace")[:TEXT_MAX]


def tally(weights: bytes, wholes: Wholes, texts: Texts, enough: int) -> tuple[int, int]:
    """How many features there are, and the sum of their weights. weights: a signed octet for each place. enough:
    features from which on no further text is looked at. Raises: ValueError for other weights."""
    if len(weights) != PLACES:
        raise ValueError(f"{len(weights)} weights instead of {PLACES}")
    places = _features(wholes, texts, enough)
    signed = memoryview(weights).cast("b")
    return len(places), sum([signed[place] for place in places])


def _features(wholes: Wholes, texts: Texts, enough: int) -> set[int]:
    found = {crc32(octets) & _MASK for octets in wholes}
    for octets, start in texts:
        if len(found) >= enough:
            break
        _add(found, octets, start)
    return found


def _add(found: set[int], octets: bytes, start: int) -> None:
    """The words of a text, each with the one before it, and those in capitals. Loops in the interpreter would take ten
    times as long as these."""
    words = _WORD.findall(octets.translate(_FOLDED))[:WORDS_LOOKED_AT]
    shouts = _SHOUT.findall(octets)[:SHOUTS_LOOKED_AT]
    single = [crc32(word, start) for word in words]
    found.update([number & _MASK for number in single])
    found.update([number & _MASK for number in map(crc32, words[1:], [number ^ _PAIR for number in single])])
    found.update([crc32(word, start ^ _SHOUTED) & _MASK for word in shouts])


def _traits(message: ScannedMessage) -> Iterator[str]:
    """What a message is like, beside its words."""
    bodies = [part for part in message.readable if part.is_body]
    types = {part.media_type for part in message.parts if not part.is_attachment}
    yield f"#types {' '.join(sorted(types))[:60]}"
    yield f"#parts {min(len(message.parts), 8)}"
    links = [link for part in bodies for link in part.links]
    yield f"#links {min(len(links), 20).bit_length()}"
    length = sum(len(part.text) for part in bodies)
    yield f"#length {length.bit_length()}"
    subject = message.header("subject")
    if subject.isupper():
        yield "#subject upper"
    if "!" in subject:
        yield "#subject !"
    if subject.lower().startswith("re:"):
        yield "#subject re"
    shown = b"".join(part.text[:4_000].encode("utf-8", "replace") for part in bodies)
    upper = len(shown) - len(shown.translate(None, _UPPER))
    yield f"#upper {min(10, upper * 40 // max(len(shown), 1))}"
    for link in links[:50]:
        host = host_of(link.target)
        if host.replace(".", "").isdigit():
            yield "#host is address"
        elif host:
            yield f"#host .{host.rpartition('.')[2]}"
        if link.shown.lower().startswith("http") and host_of(link.shown.split()[0]) not in ("", host):
            yield "#link shows another"
    for part in message.parts:
        if part.is_attachment:
            yield f"#attachment {part.kind}"


class SpamModel:
    """Judges features. A weight of the file stands for `weight * scale`."""

    def __init__(self, octets: bytes) -> None:
        """octets: of the file. Raises: ValueError."""
        if not octets.startswith(MAGIC):
            raise ValueError("these are no weights of this version")
        line, _, weights = octets[len(MAGIC) :].partition(b"\n")
        scale, bias = map(float, line.split())
        if len(weights) != PLACES:
            raise ValueError(f"{len(weights)} weights instead of {PLACES}")
        self._weights = weights
        self._signed = memoryview(weights).cast("b")
        self._scale = scale
        self._bias = bias
        self._tally = compiled_tally or tally

    def score(self, places: Collection[int]) -> int:
        """Thousandths of certainty that it is spam, 0 to 1000."""
        return self._certainty(len(places), sum([self._signed[place] for place in places]))

    def judge(self, message: ScannedMessage) -> int:
        """As `score` of the message's features."""
        return self._certainty(*self._tally(self._weights, *_looked_at(message), FEATURES_ENOUGH))

    def _certainty(self, count: int, weight: int) -> int:
        if not count:
            return 0
        logit = self._bias + self._scale * weight / math.sqrt(count)
        return round(1000 / (1 + math.exp(-max(-30.0, min(30.0, logit)))))


class Spam:
    """One finding with the score, from `TELLING` on."""

    name = NAME
    version = "1"

    def __init__(self, model: SpamModel) -> None:
        self._model = model

    def scan(self, message: ScannedMessage, context: Context) -> Iterable[Finding]:  # noqa: ARG002 - the same for all
        score = self._model.judge(message)
        if score >= TELLING:
            yield Finding(Category.SPAM, NAME, "model", score)
