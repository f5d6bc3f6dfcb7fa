"""All built-in readers and scanners, one after the other, over one message."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from mmap import mmap
from typing import Final, TypeVar

from msgspec import structs

from outgate.mail.findings import (
    ATTACHMENTS_MAX,
    DETAIL_MAX,
    FINDINGS_MAX,
    AttachmentFact,
    Category,
    Finding,
    ScanReport,
)
from outgate.scanning.attachments import shown_place
from outgate.scanning.interface import Context, Reader, Scanner, Unscannable
from outgate.scanning.message import Part, Readable, ScannedMessage
from outgate.scanning.mime import take_apart, with_more

NAME: Final = "built-in"
Found = TypeVar("Found")
HOSTS_MAX: Final = 32  # of links that a report keeps


class Pipeline:
    """readers: asked first, what they find is there for all scanners. Both are asked in their order."""

    def __init__(self, scanners: Sequence[Scanner], readers: Sequence[Reader] = ()) -> None:
        self._readers = readers
        self._scanners = scanners
        asked: Sequence[Reader | Scanner] = (*readers, *scanners)
        self.version = " ".join(f"{each.name}/{each.version}" for each in asked)

    def scan(self, octets: bytes | mmap, context: Context) -> ScanReport:
        """What is in the message. A scanner that fails makes it unscannable, and the others are asked all the same:
        whatever they raise comes from the message, and would come again with it."""
        findings: list[Finding] = []
        try:
            message = take_apart(octets)
        except Unscannable as error:
            return ScanReport((_unscannable("mime", error),), version=self.version)
        except Exception as error:
            return ScanReport((_fault("mime", error),), version=self.version)
        for reader in self._readers:
            message = _read(reader, message, context)
        findings += message.findings
        for scanner in self._scanners:
            findings += _guarded(scanner.name, scanner.scan, message, context)
        return ScanReport(
            tuple(kept(findings)),
            with_groups(message.attachments[:ATTACHMENTS_MAX], findings),
            hosts=tuple(message.hosts[:HOSTS_MAX]),
            version=self.version,
        )


def _read(reader: Reader, message: ScannedMessage, context: Context) -> ScannedMessage:
    """The message with what the reader found in it."""
    findings: list[Finding] = []
    texts: list[Readable] = []
    parts: list[Part] = []
    for found in _guarded(reader.name, reader.read, message, context):
        match found:
            case Finding():
                findings.append(found)
            case Readable():
                texts.append(found)
            case Part():
                parts.append(found)
    more = with_more(message, parts, texts) if parts or texts else message
    return structs.replace(more, findings=(*more.findings, *findings)) if findings else more


def _guarded(
    name: str, ask: Callable[[ScannedMessage, Context], Iterable[Found]], message: ScannedMessage, context: Context
) -> Iterator[Found | Finding]:
    try:
        yield from ask(message, context)
    except Unscannable as error:
        yield _unscannable(name, error)
    except Exception as error:
        yield _fault(name, error)


def with_groups(facts: Sequence[AttachmentFact], findings: Iterable[Finding]) -> tuple[AttachmentFact, ...]:
    """What only a look inside has told belongs to the attachment too, so that own rules can ask for it."""
    groups: dict[str, list[str]] = {}
    for finding in findings:
        if finding.category is Category.ATTACHMENT:
            groups.setdefault(finding.place, []).append(finding.name)
    return tuple(
        structs.replace(fact, groups=tuple(dict.fromkeys((*fact.groups, *groups[place]))))
        if (place := shown_place(fact)) in groups
        else fact
        for fact in facts
    )


def _unscannable(scanner: str, error: Unscannable) -> Finding:
    return Finding(Category.UNSCANNABLE, scanner, error.name, 100, error.detail, error.place)


def _fault(scanner: str, error: Exception) -> Finding:
    """By type only: a message of an exception may hold somebody's mail."""
    return Finding(Category.UNSCANNABLE, scanner, "scanner-failed", 100, type(error).__name__)


def kept(findings: Iterable[Finding]) -> list[Finding]:
    """At most `FINDINGS_MAX`, equal ones once, the weightiest of each category in turn; texts cut and printable."""
    by_category: dict[Category, list[Finding]] = {}
    most = 0  # findings of one category
    for finding in dict.fromkeys(map(_cleaned, findings)):
        same = by_category.setdefault(finding.category, [])
        same.append(finding)
        most = max(most, len(same))
    for same in by_category.values():
        same.sort(key=lambda finding: -finding.weight)
    chosen: list[Finding] = []
    for place in range(min(most, FINDINGS_MAX)):
        for same in by_category.values():
            if place < len(same) and len(chosen) < FINDINGS_MAX:
                chosen.append(same[place])
    return chosen


def _cleaned(finding: Finding) -> Finding:
    detail, place = printable(finding.detail), printable(finding.place)
    if detail == finding.detail and place == finding.place:
        return finding
    return Finding(finding.category, finding.scanner, finding.name, finding.weight, detail, place)


def printable(text: str) -> str:
    """What may stand in a record: no control characters, no marks that turn the direction of writing, cut."""
    if text.isprintable() and len(text) <= DETAIL_MAX:
        return text
    return "".join(character if character.isprintable() else "\ufffd" for character in text[:DETAIL_MAX])
