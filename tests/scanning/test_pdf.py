"""PDF documents: made ones, whole and broken."""

import io
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pypdf import PdfWriter
from pypdf.annotations import Link as LinkAnnotation
from pypdf.generic import ArrayObject, DictionaryObject, NameObject, TextStringObject
from tests.support.scanned import attached

from outgate.mail.findings import Category, Finding
from outgate.scanning import pdf
from outgate.scanning.interface import Context
from outgate.scanning.message import Link, Part, Readable
from outgate.scanning.mime import take_apart
from outgate.scanning.pdf import Pdf
from outgate.scanning.pipeline import Pipeline

CONTEXT = Context("ada@alpha.example", ())


def written(writer: PdfWriter) -> bytes:
    stream = io.BytesIO()
    writer.write(stream)
    return stream.getvalue()


def blank() -> PdfWriter:
    writer = PdfWriter()
    writer.add_blank_page(100, 100)
    return writer


def plain(objects: bytes, root: bytes = b"") -> bytes:
    """A document that is written by hand. objects: from number 4 on."""
    body = (
        b"%PDF-1.7\n1 0 obj<</Type/Catalog/Pages 2 0 R" + root + b">>endobj\n2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>"
    )
    body += b"endobj\n3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]>>endobj\n" + objects
    return body + b"\ntrailer<</Root 1 0 R/Size 9>>\nstartxref\n0\n%%EOF"


def with_script(writer: PdfWriter, script: str) -> PdfWriter:
    """One that runs when the document is opened."""
    writer.root_object[NameObject("/OpenAction")] = DictionaryObject(
        {NameObject("/S"): NameObject("/JavaScript"), NameObject("/JS"): TextStringObject(script)}
    )
    return writer


def read(octets: bytes, name: str = "a.pdf") -> list[Finding | Readable | Part]:
    return list(Pdf().read(take_apart(attached((name, octets))), CONTEXT))


def findings(octets: bytes) -> set[tuple[str, str, int]]:
    return {(each.category.value, each.name, each.weight) for each in read(octets) if isinstance(each, Finding)}


def links(octets: bytes) -> list[Link]:
    return [link for each in read(octets) if isinstance(each, Readable) for link in each.links]


def test_honest_document_has_nothing() -> None:
    assert read(written(blank())) == []


@pytest.mark.parametrize(
    ("script", "weight"),
    [("app.alert('hello')", 40), ("this.exportDataObject({cName: 'x', nLaunch: 2})", 90), ("eval(x)", 90)],
)
def test_scripts_that_run_when_it_is_opened(script: str, weight: int) -> None:
    assert findings(written(with_script(blank(), script))) == {("malware", "pdf-script", weight)}
    action = f"<</S/JavaScript/JS({script.replace('(', chr(92) + '(').replace(')', chr(92) + ')')})>>".encode()
    assert findings(plain(b"4 0 obj" + action + b"endobj", b"/OpenAction 4 0 R")) == {("malware", "pdf-script", weight)}


def test_script_of_a_field_is_evidence_only() -> None:
    fields = b"/AcroForm<</Fields[<</T(a)/A<</S/JavaScript/JS(AFNumber_Format\\(2\\))>>>>]>>"
    assert findings(plain(b"", fields)) == {("malware", "pdf-script", 30)}


def test_buttons_of_honest_forms_are_evidence_only() -> None:
    for script, weight in ((b"this.submitForm\\(x\\)", 30), (b"app.launchURL\\(x\\)", 60)):
        fields = b"/AcroForm<</Fields[<</T(a)/A<</S/JavaScript/JS(" + script + b")>>>>]>>"
        assert findings(plain(b"", fields)) == {("malware", "pdf-script", weight)}


def test_names_with_characters_by_number_are_names() -> None:
    assert findings(plain(b"", b"/Open#41ction<</S/J#61vaScript/JS(eval)>>")) == {("malware", "pdf-script", 90)}


@pytest.mark.parametrize(
    ("action", "weight"),
    [
        (b"<</S/Launch/Win<</F(cmd.exe)/P(/c calc)>>>>", 90),
        (b"<</S/Launch/F(a.bat)>>", 90),
        (b"<</S/Launch/F(notes.txt)>>", 70),
    ],
)
def test_launched_programs(action: bytes, weight: int) -> None:
    assert findings(plain(b"", b"/OpenAction" + action)) == {("malware", "pdf-launches", weight)}


def test_shares_of_others_and_links_that_open_by_themselves() -> None:
    share = b"/OpenAction<</S/GoToE/F(\\\\\\\\192.0.2.1\\\\share\\\\x)>>"
    assert findings(plain(b"", share)) == {("malware", "remote-object", 80)}
    opened = plain(b"", b"/OpenAction<</S/URI/URI(https://x.example/)>>")
    assert findings(opened) == {("phishing", "pdf-opens-link", 60)}
    assert links(opened) == [Link("https://x.example/")]


def test_links_of_pages() -> None:
    writer = blank()
    for number in range(3):
        writer.add_annotation(0, LinkAnnotation(rect=(0, 0, 9, 9), url=f"https://x.example/{number}"))
    assert {link.target for link in links(written(writer))} == {f"https://x.example/{number}" for number in range(3)}


def test_files_in_it_are_parts() -> None:
    writer = blank()
    writer.add_attachment("invoice.exe", b"MZ\x90")
    writer.add_attachment("factur-x.xml", b"<xml/>")
    parts = [each for each in read(written(writer)) if isinstance(each, Part)]
    assert {(part.place, part.kind) for part in parts} == {
        ("2/a.pdf/invoice.exe", "windows-program"),
        ("2/a.pdf/factur-x.xml", "text"),
    }


def test_scanners_see_what_is_in_it() -> None:
    writer = blank()
    writer.add_attachment("invoice.exe", b"MZ\x90")
    writer.add_annotation(0, LinkAnnotation(rect=(0, 0, 9, 9), url="https://x.example/"))
    report = Pipeline((), (Pdf(),)).scan(attached(("a.pdf", written(writer))), CONTEXT)
    assert [fact.kind for fact in report.attachments] == ["pdf", "windows-program"]
    assert report.hosts == ("x.example",)
    assert report.version == "pdf/1"


def test_passwords() -> None:
    for password, expected in (("secret", {("attachment", "encrypted", 100)}), ("", {("malware", "pdf-script", 90)})):
        writer = with_script(blank(), "eval(1)")
        writer.encrypt(password, "owner", algorithm="AES-256")
        assert findings(written(writer)) == expected


def test_what_cannot_be_parsed_is_looked_at_as_it_stands() -> None:
    broken = b"%PDF-1.7\n<</OpenAction<</S/#4aavaScript/JS(eval)>>/URI (https://x.example/)/Launch 1"
    assert findings(broken) == {("malware", "pdf-script", 60), ("malware", "pdf-launches", 70)}
    assert links(broken) == [Link("https://x.example/")]


def stream(content: bytes, more: bytes = b"") -> bytes:
    packed = zlib.compress(content)
    return b"<</Length %d/Filter/FlateDecode%s>>stream\n%s\nendstream" % (len(packed), more, packed)


NESTED = b"[" * 50_000
LOOP = b"".join(b"%d 0 obj<</A %d 0 R/B %d 0 R>>endobj\n" % (n, n + 1, n - 1) for n in range(4, 200))
BOMB = stream(bytes(300_000_000))


@pytest.mark.parametrize(
    "octets",
    [
        plain(b"4 0 obj" + NESTED + b"endobj", b"/OpenAction 4 0 R"),
        plain(LOOP, b"/OpenAction 4 0 R"),
        plain(b"", b"/Kids 1 0 R" * 1_000),
        b"%PDF-1.7\n" + b"/URI (" * 100_000,
        b"%PDF-1.7\n" + b"1 0 obj<<" * 20_000,
        b"%PDF-1.7\nstartxref\n" + b"9" * 100_000,
    ],
    ids=["nested", "loop", "names", "links", "objects", "digits"],
)
def test_made_documents_cost_little(octets: bytes) -> None:
    read(octets)


def test_file_that_unpacks_to_too_much_is_not_unpacked() -> None:
    octets = plain(b"4 0 obj<</Type/Filespec/F(x.bin)/EF<</F 5 0 R>>>>endobj\n5 0 obj" + BOMB + b"endobj", b"/X 4 0 R")
    assert findings(octets) == {("unscannable", "file-not-opened", 100)}


def test_no_more_objects_than_allowed_are_visited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdf, "OBJECTS_MAX", 50)
    writer = with_script(blank(), "eval(1)")
    kids = ArrayObject(DictionaryObject({NameObject("/T"): TextStringObject(str(n))}) for n in range(1_000))
    writer.root_object[NameObject("/X")] = kids
    assert ("malware", "pdf-script", 90) in findings(written(writer))


WHOLE = written(blank())


@given(st.integers(0, len(WHOLE) - 1), st.binary(max_size=9))
def test_any_damage(at: int, octets: bytes) -> None:
    assert all(
        each.category is not Category.UNSCANNABLE
        for each in read(WHOLE[:at] + octets + WHOLE[at + len(octets) :])
        if isinstance(each, Finding)
    )
