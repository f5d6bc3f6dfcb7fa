"""The operator's YARA rules over a message: its header block, and each decoded part, those in archives too.

What compiles the rules and looks for them is an argument, since it is optional to have. A rule's metadata may say what
its match means: `category` ("malware", "phishing", "impersonation" or "spam", else malware), `weight` of spam in
thousandths, `description` for people.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from outgate.mail.findings import Category, Finding
from outgate.scanning.interface import Context
from outgate.scanning.message import ScannedMessage

NAME: Final = "yara"
WEIGHT_DEFAULT: Final = 900  # thousandths of a match that means spam, if its rule does not say: held by default
WEIGHT_MAX: Final = 1_000  # thousandths
MATCHES_MAX: Final = 100  # findings of one message; more tell nothing more

_CATEGORIES: Final = {
    category.value: category
    for category in (Category.MALWARE, Category.PHISHING, Category.IMPERSONATION, Category.SPAM)
}


@dataclass(frozen=True, slots=True)
class YaraMatch:
    """metadata: of the rule, as it stands in it; the last of a name counts."""

    rule: str
    metadata: dict[str, object]


Matches = Callable[[bytes], Iterable[YaraMatch]]  # may raise Unscannable


class Yara:
    """matches: the rules that match octets. version: changes with the rules."""

    def __init__(self, matches: Matches, version: str) -> None:
        self.name = NAME
        self.version = version
        self._matches = matches

    def scan(self, message: ScannedMessage, context: Context) -> Iterable[Finding]:  # noqa: ARG002 - rules know no customer
        count = 0
        for place, octets in self._places(message):
            for match in self._matches(octets):
                yield finding_of(match, place)
                count += 1
                if count == MATCHES_MAX:
                    return

    def _places(self, message: ScannedMessage) -> Iterable[tuple[str, bytes]]:
        yield "", message.head
        for part in message.parts:
            yield part.place, part.octets


def finding_of(match: YaraMatch, place: str) -> Finding:
    category = _CATEGORIES.get(str(match.metadata.get("category", "")), Category.MALWARE)
    weight = 100
    if category is Category.SPAM:
        given = match.metadata.get("weight")
        weight = max(1, min(given, WEIGHT_MAX)) if isinstance(given, int) else WEIGHT_DEFAULT
    return Finding(category, NAME, match.rule, weight, str(match.metadata.get("description", "")), place)
