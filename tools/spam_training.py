"""Trains weights of the spam model from the corpus in build/corpus.

Mails that read the same are used once. A fifth, chosen by a hash of the text, is held out: it is not looked at in
training nor for any choice.
"""

import hashlib
import math
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from tests.support.corpus import Mail, mails

from outgate.scanning.message import ScannedMessage
from outgate.scanning.mime import take_apart
from outgate.scanning.spam import MAGIC, PLACES, features

EPOCHS: Final = 6
RATE: Final = 0.5
SHRINK: Final = 1e-5
HELD_OUT: Final = 5  # one of so many
Example = tuple[list[int], bool]


@dataclass(frozen=True, slots=True)
class Text:
    """A mail of the corpus that reads as none before it."""

    mail: Mail
    message: ScannedMessage
    is_spam: bool
    is_held_out: bool

    @property
    def example(self) -> Example:
        return sorted(features(self.message)), self.is_spam


def texts() -> Iterator[Text]:
    seen: set[bytes] = set()
    for mail in mails():
        message = take_apart(mail.as_sent)
        text = " ".join(part.text for part in message.readable if part.is_body)
        digest = hashlib.sha256("".join(text.split()).encode()).digest()
        if digest not in seen:
            seen.add(digest)
            yield Text(mail, message, "spam" in mail.name.split("/")[0], digest[0] % HELD_OUT == 0)


def trained(chosen: list[Example]) -> bytes:
    """The file's octets: logistic regression, AdaGrad, then rounded to signed octets."""
    weights, squares = [0.0] * PLACES, [1e-6] * PLACES
    bias, bias_square = 0.0, 1e-6
    order = random.Random(1)  # noqa: S311 - the same each time
    chosen = list(chosen)
    for _ in range(EPOCHS):
        order.shuffle(chosen)
        for places, is_spam in chosen:
            if not places:
                continue
            norm = 1 / math.sqrt(len(places))
            logit = bias + norm * sum(weights[place] for place in places)
            slope = 1 / (1 + math.exp(-max(-30.0, min(30.0, logit)))) - is_spam
            bias_square += slope * slope
            bias -= RATE * slope / math.sqrt(bias_square)
            step = slope * norm
            for place in places:
                gradient = step + SHRINK * weights[place]
                squares[place] += gradient * gradient
                weights[place] -= RATE * gradient / math.sqrt(squares[place])
    largest = max(map(abs, weights)) or 1.0
    bound = sorted(map(abs, weights))[int(PLACES * 0.9999)] or largest
    scale = bound / 127
    rounded = bytes(max(-127, min(127, round(weight / scale))) & 0xFF for weight in weights)
    return MAGIC + f"{scale!r} {bias!r}\n".encode() + rounded
