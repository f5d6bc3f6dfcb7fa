"""All scanners over one message, whatever one of them does."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import pytest

from outgate.mail.findings import DETAIL_MAX, FINDINGS_MAX, Category, Finding
from outgate.scanning import pipeline
from outgate.scanning.interface import Context, Unscannable
from outgate.scanning.message import ScannedMessage
from outgate.scanning.pipeline import Pipeline, kept

CONTEXT = Context("ada@alpha.example", ("bob@beta.example",))
MAIL = b"Subject: s\r\n\r\nbody\r\n"


@dataclass
class Fake:
    name: str
    find: Callable[[ScannedMessage], Iterable[Finding]]
    version: str = "1"

    def scan(self, message: ScannedMessage, _context: Context) -> Iterable[Finding]:
        return self.find(message)


def spam(weight: int, detail: str = "") -> Finding:
    return Finding(Category.SPAM, "a", "model", weight, detail)


def breaks(_: ScannedMessage) -> Iterable[Finding]:
    yield spam(1)
    raise ZeroDivisionError("with somebody's mail in it")


def gives_up(_: ScannedMessage) -> Iterable[Finding]:
    raise Unscannable("too-deep", "detail", "2")


def test_findings_of_all_scanners_and_their_versions() -> None:
    report = Pipeline([Fake("a", lambda _: [spam(1)]), Fake("b", lambda _: [spam(2)], "7")]).scan(MAIL, CONTEXT)
    assert [finding.weight for finding in report.findings] == [2, 1]
    assert report.version == "a/1 b/7"
    assert report.is_complete


def test_scanner_that_fails_makes_it_unscannable_and_the_others_are_asked() -> None:
    report = Pipeline([Fake("a", breaks), Fake("b", gives_up), Fake("c", lambda _: [spam(9)])]).scan(MAIL, CONTEXT)
    unscannable = [finding for finding in report.findings if finding.category is Category.UNSCANNABLE]
    assert [(finding.scanner, finding.name, finding.detail) for finding in unscannable] == [
        ("a", "scanner-failed", "ZeroDivisionError"),
        ("b", "too-deep", "detail"),
    ]
    assert {finding.weight for finding in report.findings if finding.category is Category.SPAM} == {1, 9}


def test_parser_that_fails_makes_it_unscannable(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: object) -> ScannedMessage:
        raise RecursionError

    monkeypatch.setattr(pipeline, "take_apart", broken)
    report = Pipeline([Fake("a", lambda _: [spam(1)])]).scan(MAIL, CONTEXT)
    assert [(finding.name, finding.detail) for finding in report.findings] == [("scanner-failed", "RecursionError")]


def test_the_weightiest_of_each_category_are_kept() -> None:
    many = [spam(weight) for weight in range(500)] + [Finding(Category.MALWARE, "b", "x", 1)]
    chosen = kept(many)
    assert len(chosen) == FINDINGS_MAX
    assert Finding(Category.MALWARE, "b", "x", 1) in chosen
    assert spam(499) in chosen
    assert spam(0) not in chosen


def test_equal_findings_count_once_and_texts_are_made_printable() -> None:
    [finding] = kept([spam(1, "a\u202eb\r\n" + "x" * 1_000)] * 3)
    assert finding.detail.startswith("a\ufffdb\ufffd\ufffd")
    assert len(finding.detail) == DETAIL_MAX
