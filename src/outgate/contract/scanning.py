"""What a customer wants of scanning: part of its policy document, and what a scanner needs to know of the customer.

Findings (`mail.findings`) are facts; this says what becomes of them. A later version's fields are ignored, missing ones
take their defaults, as in all documents.
"""

from enum import StrEnum
from typing import Final

from msgspec import Struct

from outgate.mail.findings import AttachmentGroup

PATTERN_MAX: Final = 500  # characters of one pattern
WORDS_MAX: Final = 1_000  # words and patterns of one customer
RULES_MAX: Final = 200  # custom rules of one customer
TERMS_MAX: Final = 20  # conditions of one section, sections of one rule


class ContentAction(StrEnum):
    """From mild to strict."""

    DELIVER = "deliver"
    HOLD = "hold"
    REJECT = "reject"


class Degraded(StrEnum):
    """What becomes of mail that a scanner gave no answer for. DEFER: 451, the sender tries again."""

    DEFER = "defer"
    HOLD = "hold"
    PASS = "pass"  # noqa: S105 - no secret


class SpamRule(Struct, frozen=True):
    """From `score` on (thousandths of certainty, 1 to 1000) this becomes of it."""

    score: int
    action: ContentAction


class BannedRule(Struct, frozen=True):
    """What becomes of mail with an attachment of this group."""

    group: AttachmentGroup
    action: ContentAction = ContentAction.REJECT


class DataRule(Struct, frozen=True):
    """From `count` findings named `name` on. name: of a DATA_LOSS finding, such as "card-number", or "words" for the
    customer's own words and patterns together."""

    name: str
    count: int = 1
    action: ContentAction = ContentAction.HOLD


class Field(StrEnum):
    """What a condition of a custom rule looks at."""

    SENDER = "sender"
    RECIPIENT = "recipient"
    SOURCE = "source"
    SUBJECT = "subject"
    HEADER = "header"
    ATTACHMENT_NAME = "attachment-name"
    ATTACHMENT_KIND = "attachment-kind"
    SIZE = "size"


class Comparison(StrEnum):
    IS = "is"
    CONTAINS = "contains"
    STARTS = "starts"
    ENDS = "ends"
    ABOVE = "above"  # of SIZE, octets
    BELOW = "below"


class Condition(Struct, frozen=True):
    """header: name of the header field, of HEADER only. Texts are compared without case. negated: must not be so."""

    field: Field
    comparison: Comparison
    value: str
    header: str = ""
    negated: bool = False


class CustomRule(Struct, frozen=True):
    """sections: all must hold; of one section's conditions one is enough. ends_at: seconds since the epoch, from then
    on it does nothing; 0.0 is never. Lower `priority` is asked first, the first rule that holds decides.
    may_pass_malware: DELIVER does not let malware through unless this says so."""

    name: str
    priority: int
    action: ContentAction
    sections: tuple[tuple[Condition, ...], ...]
    ends_at: float = 0.0
    is_on: bool = True
    may_pass_malware: bool = False


class ScanPolicy(Struct, frozen=True):
    """is_on: False scans nothing. spam: by rising score. banned: groups of attachments. people: names and addresses of
    the customer's own that others may pretend to be ("Ada Byron <ada@example.com>"). words: plain words and phrases;
    patterns: bounded regular expressions."""

    is_on: bool = False
    degraded: Degraded = Degraded.DEFER
    spam: tuple[SpamRule, ...] = (SpamRule(900, ContentAction.HOLD), SpamRule(990, ContentAction.REJECT))
    phishing: ContentAction = ContentAction.HOLD
    malware: ContentAction = ContentAction.REJECT
    impersonation: ContentAction = ContentAction.HOLD
    unscannable: ContentAction = ContentAction.HOLD
    banned: tuple[BannedRule, ...] = (BannedRule(AttachmentGroup.EXECUTABLE),)
    data: tuple[DataRule, ...] = ()
    words: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()
    people: tuple[str, ...] = ()
    rules: tuple[CustomRule, ...] = ()


NO_SCANNING: Final = ScanPolicy()
