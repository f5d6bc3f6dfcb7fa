"""All scanners over one message, whatever one of them does."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import pytest
from tests.scanning.test_archives import zipped
from tests.scanning.test_office import docm
from tests.support.scanned import attached

from outgate.mail.findings import DETAIL_MAX, FINDINGS_MAX, Category, Finding
from outgate.scanning import pipeline
from outgate.scanning.interface import Context, Unscannable
from outgate.scanning.message import Link, Part, Readable, ScannedMessage
from outgate.scanning.office import Office
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


def test_what_a_look_inside_tells_is_known_of_the_attachment() -> None:
    octets = attached(("a.docm", docm("Sub Sum()")))
    report = Pipeline([Office()]).scan(octets, CONTEXT)
    assert [(fact.name, fact.groups) for fact in report.attachments] == [
        ("a.docm", ()),
        ("vbaProject.bin", ("macros",)),
    ]


def test_what_readers_find_is_there_for_scanners() -> None:
    class Reader:
        name, version = "r", "1"

        def read(self, message: ScannedMessage, context: Context) -> Iterable[Finding | Readable | Part]:
            yield Readable("1", "text", (Link("https://x.example/"),))
            yield Part("1/a.zip", "", "a.zip", zipped(("b.exe", b"MZ")), "zip", 1, "", True)
            yield spam(5)
            raise ZeroDivisionError

    seen: list[ScannedMessage] = []

    def look(message: ScannedMessage) -> Iterable[Finding]:
        seen.append(message)
        return ()

    report = Pipeline([Fake("a", look)], [Reader()]).scan(MAIL, CONTEXT)
    assert [part.kind for part in seen[0].parts] == ["text", "zip", "windows-program"]
    assert [fact.kind for fact in report.attachments] == ["zip", "windows-program"]
    assert report.hosts == ("x.example",)
    assert {finding.name for finding in report.findings} == {"model", "scanner-failed"}
