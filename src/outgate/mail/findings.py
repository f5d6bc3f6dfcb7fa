"""What scanning found in a message: for the decision, for the record, and for people.

Findings are facts, not decisions: what becomes of them is the customer's policy (`contract.scanning`). Texts may come
from the message: they are printable, cut to `DETAIL_MAX`, and hold no secret of it (a card number is shown by its last
four digits).
"""

from enum import StrEnum
from typing import Final

from msgspec import Struct

FINDINGS_MAX: Final = 64  # of one message that are kept, the weightiest of each category first
ATTACHMENTS_MAX: Final = 64  # of one message that are kept, in their order
DETAIL_MAX: Final = 200  # characters of one detail, name or place
SURE_FROM: Final = 70  # weight of malware, phishing and impersonation from which on it counts; below it is evidence


class Category(StrEnum):
    """What a finding is about."""

    SPAM = "spam"
    PHISHING = "phishing"
    MALWARE = "malware"
    ATTACHMENT = "attachment"  # of a type that can be banned; `Finding.name` is a value of `AttachmentGroup`
    IMPERSONATION = "impersonation"
    DATA_LOSS = "data-loss"
    UNSCANNABLE = "unscannable"


class AttachmentGroup(StrEnum):
    """Kinds of attachments that a customer can ban. By content, not by name; inside archives too."""

    EXECUTABLE = "executable"  # programs, scripts, shortcuts, installers, disk images
    ENCRYPTED = "encrypted"  # archives and documents that need a password
    VIDEO = "video"
    AUDIO = "audio"
    COMPRESSED = "compressed"  # archives of any kind
    MACROS = "macros"  # documents that carry code
    HTML = "html"  # pages and mail archives of a page; SVG with script


class Finding(Struct, frozen=True, array_like=True, gc=False):
    """One thing that one scanner saw.

    name: stable code of what it is, such as "office-macro" or "card-number"; docs/scanning.md lists them.
    weight: of SPAM the score in thousandths of certainty (0 to 1000); of DATA_LOSS how many were found; of the others
    how sure it is, 1 to 100 (see `is_sure`). place: part of the message, such as "2/invoice.zip/setup.exe", empty for
    the whole.
    """

    category: Category
    scanner: str
    name: str
    weight: int = 100
    detail: str = ""
    place: str = ""

    @property
    def is_sure(self) -> bool:
        """Does it count by itself? What is not sure stands in the record, for people, and decides nothing."""
        return self.category not in _BY_WEIGHT or self.weight >= SURE_FROM


_BY_WEIGHT: Final = (Category.MALWARE, Category.PHISHING, Category.IMPERSONATION)


class AttachmentFact(Struct, frozen=True, array_like=True, gc=False):
    """A part with a name, or that is no text: also inside archives.

    kind: what its content is, such as "pdf" or "windows-program". groups: values of `AttachmentGroup`. sha256: of the
    decoded content, in hex.
    """

    place: str
    name: str
    kind: str
    groups: tuple[str, ...]
    size_octets: int
    sha256: str = ""


class ScanReport(Struct, frozen=True, array_like=True, gc=False):
    """All that scanning says of one message.

    failed: scanners that gave no answer (down, too late, crashed); their silence is not "clean". hosts: of the links in
    it, at most some. action, reason: what the policy made of it, "" for nothing. seconds: from hand-over to answer.
    version: of the scanners, so that an old verdict is known as such.
    """

    findings: tuple[Finding, ...] = ()
    attachments: tuple[AttachmentFact, ...] = ()
    failed: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    seconds: float = 0.0
    version: str = ""
    action: str = ""
    reason: str = ""

    @property
    def is_complete(self) -> bool:
        """Has every scanner answered?"""
        return not self.failed


NOT_SCANNED: Final = ScanReport()
