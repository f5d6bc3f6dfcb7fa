"""All built-in scanners, one after the other, over one message."""

from collections.abc import Iterable, Iterator, Sequence
from mmap import mmap
from typing import Final

from outgate.mail.findings import ATTACHMENTS_MAX, DETAIL_MAX, FINDINGS_MAX, Category, Finding, ScanReport
from outgate.scanning.interface import Context, Scanner, Unscannable
from outgate.scanning.message import ScannedMessage
from outgate.scanning.mime import take_apart

NAME: Final = "built-in"
HOSTS_MAX: Final = 32  # of links that a report keeps


class Pipeline:
    """scanners: asked in this order."""

    def __init__(self, scanners: Sequence[Scanner]) -> None:
        self._scanners = scanners
        self.version = " ".join(f"{scanner.name}/{scanner.version}" for scanner in scanners)

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
        findings += message.findings
        for scanner in self._scanners:
            findings += _findings_of(scanner, message, context)
        return ScanReport(
            tuple(kept(findings)),
            message.attachments[:ATTACHMENTS_MAX],
            hosts=tuple(message.hosts[:HOSTS_MAX]),
            version=self.version,
        )


def _findings_of(scanner: Scanner, message: ScannedMessage, context: Context) -> Iterator[Finding]:
    try:
        yield from scanner.scan(message, context)
    except Unscannable as error:
        yield _unscannable(scanner.name, error)
    except Exception as error:
        yield _fault(scanner.name, error)


def _unscannable(scanner: str, error: Unscannable) -> Finding:
    return Finding(Category.UNSCANNABLE, scanner, error.name, 100, error.detail, error.place)


def _fault(scanner: str, error: Exception) -> Finding:
    """By type only: a message of an exception may hold somebody's mail."""
    return Finding(Category.UNSCANNABLE, scanner, "scanner-failed", 100, type(error).__name__)


def kept(findings: Iterable[Finding]) -> list[Finding]:
    """At most `FINDINGS_MAX`, equal ones once, the weightiest of each category in turn; texts cut and printable."""
    by_category: dict[Category, list[Finding]] = {}
    for finding in dict.fromkeys(map(_cleaned, findings)):
        by_category.setdefault(finding.category, []).append(finding)
    for same in by_category.values():
        same.sort(key=lambda finding: -finding.weight)
    chosen: list[Finding] = []
    for place in range(FINDINGS_MAX):
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
