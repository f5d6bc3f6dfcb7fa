"""Targets: whole messages, and files of the kinds that scanners open. None of them may fail over what a peer made."""

import base64

from tests.fuzz.engine import Target, target
from tests.scanning.test_archives import zipped
from tests.scanning.test_codes import code, saved
from tests.scanning.test_office import BY_ITSELF, PACKED, docm, docx, rtf, workbook
from tests.scanning.test_pages import HIDDEN, SAVE, script
from tests.scanning.test_pdf import blank, plain, with_script, written
from tests.scanning.test_pdf_pictures import GREY, document
from tests.support.compound import compound
from tests.support.scanned import attached
from tests.support.vba import project

from outgate.app.scanners import built_in, readers
from outgate.scanning.interface import Context
from outgate.scanning.pipeline import Pipeline

PIPELINE = Pipeline(built_in(), readers())
CONTEXT = Context("ada@alpha.example", ("bob@beta.example",), frozenset(("alpha.example",)))
HEAD = b"From: ada@alpha.example\r\nContent-Type: application/x; name=%s\r\nContent-Transfer-Encoding: base64\r\n\r\n"
OLDER = compound({"WordDocument": bytes(600), **project({"M": BY_ITSELF}, "Macros")})


def scanned(message: bytes) -> None:
    """No scanner fails: that would be a fault of ours."""
    report = PIPELINE.scan(message, CONTEXT)
    failed = [finding for finding in report.findings if finding.name == "scanner-failed"]
    assert not failed, failed
    assert not report.failed


def file(name: bytes, octets: bytes) -> None:
    scanned(HEAD % name + base64.encodebytes(octets))


@target(
    "scanned-message",
    seeds=[
        attached(page=f"{HIDDEN}<a href='https://paypa1.com@evil.example/x.exe'>https://www.paypal.com</a>"),
        attached(("a.html", script(SAVE).encode()), ("a.zip", zipped(("b.docm", docm(BY_ITSELF))))),
        attached(("a.csv", b"=cmd|'/C calc'!A0"), sender='"bob@beta.example" <ada@a1pha.example>'),
    ],
    tokens=[
        b"<script>",
        b"atob('",
        b"<form action=",
        b"data:text/html,",
        b"href=",
        b"Content-Type: ",
        b"https://",
        b"xn--",
    ],
)
def message(octets: bytes) -> None:
    scanned(octets)


@target(
    "scanned-document",
    seeds=[
        docm(BY_ITSELF),
        OLDER,
        workbook(),
        PACKED,
        rtf(PACKED, b"Package"),
        docx("<w:instrText>DDEAUTO cmd</w:instrText>"),
    ],
    tokens=[b"\\objdata", b"\\*\\template ", b"<w:fldChar", b"DDE", b"Target=", b"\x01\xb0", b"Attribut"],
)
def office(octets: bytes) -> None:
    file(b"a.doc", octets)


@target(
    "scanned-pdf",
    seeds=[
        written(with_script(blank(), "eval(1)")),
        plain(b"4 0 obj<</S/Launch/Win<</F(cmd.exe)>>>>endobj", b"/OpenAction 4 0 R/X<</EF<</F 5 0 R>>/F(x)>>"),
        document("/ColorSpace[/Indexed/DeviceRGB 1<000000FFFFFF>]/BitsPerComponent 8", GREY[:9_000]),
    ],
    tokens=[
        b" 0 R",
        b"/JS",
        b"/S/URI/URI(",
        b"<<",
        b">>",
        b"[",
        b"]",
        b"stream\n",
        b"/Filter/FlateDecode",
        b"/Type/ObjStm",
    ],
)
def pdf(octets: bytes) -> None:
    file(b"a.pdf", octets)


@target("scanned-picture", seeds=[saved(code(side=64), kind) for kind in ("PNG", "JPEG", "GIF", "WEBP", "TIFF")])
def picture(octets: bytes) -> None:
    file(b"a.png", octets)


TARGETS: list[Target] = [message, office, pdf, picture]
