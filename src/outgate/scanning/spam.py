"""How much a message reads like unsolicited bulk mail: a linear model over hashed words, pairs of words and traits.

Weights are plain data (`tools/train_spam` makes them), a signed octet for each of 2^18 places. Header fields that only
say by which way a message came are no feature: outgoing mail has come no way yet.
"""

import math
import re
from collections.abc import Iterable, Iterator
from typing import Final
from zlib import crc32

from outgate.mail.findings import Category, Finding
from outgate.scanning.interface import Context
from outgate.scanning.message import ScannedMessage
from outgate.scanning.readable import host_of

NAME: Final = "spam"
BITS: Final = 18  # of the number of places
PLACES: Final = 1 << BITS  # weights of the model
WORDS_LOOKED_AT: Final = 2_000  # words of one message
FEATURES_MAX: Final = 4_000  # of one message
TELLING: Final = 100  # thousandths below which nothing is reported
MAGIC: Final = b"outgate-spam-1\n"  # then scale and bias as text on a line, then the weights

_WORD: Final = re.compile(r"[^\W\d_][\w'\-]{1,30}|[!$%\u20ac\u00a3]+|\d[\d.,]*")
_DIGIT: Final = re.compile(r"\d")
_MARK: Final = 0x9E3779B1


def features(message: ScannedMessage) -> list[int]:
    """Places of what is in the message, each once, in no order that matters."""
    found: dict[int, None] = {}
    for text in _traits(message):
        found[_place(text)] = None
    for prefix, text in _texts(message):
        before = ""
        for count, match in enumerate(_WORD.finditer(text)):
            if count >= WORDS_LOOKED_AT or len(found) >= FEATURES_MAX:
                break
            word = match[0]
            if word.isupper() and len(word) > 3:
                found[_place(f"{prefix}^{word.lower()}")] = None
            word = _DIGIT.sub("9", word.lower())
            found[_place(prefix + word)] = None
            if before:
                found[_place(f"{prefix}{before} {word}")] = None
            before = word
    return list(found)


def _texts(message: ScannedMessage) -> Iterator[tuple[str, str]]:
    yield "s:", message.header("subject")
    for part in message.readable:
        if part.is_body:
            yield "", part.text


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
    letters = sum(map(len, (part.text for part in bodies))) or 1
    upper = sum(sum(map(str.isupper, part.text[:4_000])) for part in bodies)
    yield f"#upper {min(10, upper * 40 // min(letters, 4_000))}"
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


def _place(text: str) -> int:
    return crc32(text.encode("utf-8", "replace")) * _MARK >> 7 & (PLACES - 1)


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
        self._weights = memoryview(weights).cast("b")
        self._scale = scale
        self._bias = bias

    def score(self, places: Iterable[int]) -> int:
        """Thousandths of certainty that it is spam, 0 to 1000."""
        weights = self._weights
        chosen = [weights[place] for place in places]
        if not chosen:
            return 0
        logit = self._bias + self._scale * sum(chosen) / math.sqrt(len(chosen))
        return round(1000 / (1 + math.exp(-max(-30.0, min(30.0, logit)))))


class Spam:
    """One finding with the score, from `TELLING` on."""

    name = NAME
    version = "1"

    def __init__(self, model: SpamModel) -> None:
        self._model = model

    def scan(self, message: ScannedMessage, context: Context) -> Iterable[Finding]:  # noqa: ARG002 - the same for all
        score = self._model.score(features(message))
        if score >= TELLING:
            yield Finding(Category.SPAM, NAME, "model", score)
