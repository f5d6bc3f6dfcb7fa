"""Visual Basic out of its projects."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.compound import compound
from tests.support.vba import compressed, project, vba_project

from outgate.scanning import vba
from outgate.scanning.compound import Compound

# [MS-OVBA] §3.2.1 to §3.2.3: no compression, normal compression, the most of it
EXAMPLES = (
    (
        "01 19 B0 00 61 62 63 64 65 66 67 68 00 69 6A 6B 6C 6D 6E 6F 70 00 71 72 73 74 75 76 2E",
        b"abcdefghijklmnopqrstuv.",
    ),
    (
        (
            "01 2F B0 00 23 61 61 61 62 63 64 65 82 66 00 70 61 67 68 69 6A 01 38 08 61 6B 6C 00 30 6D 6E 6F 70 06 71 "
            "02 70 04 10 72 73 74 75 76 10 77 78 79 7A 00 3C"
        ),
        b"#aaabcdefaaaaghijaaaaaklaaamnopqaaaaaaaaaaaarstuvwxyzaaa",
    ),
    ("01 03 B0 02 61 45 00", b"a" * 73),
)


@pytest.mark.parametrize(("packed", "text"), EXAMPLES)
def test_examples_of_the_specification(packed: str, text: bytes) -> None:
    assert vba.decompressed(bytes.fromhex(packed), 1_000) == text


@given(st.binary(max_size=300).map(lambda octets: octets * 40))
def test_what_is_compressed_comes_back(octets: bytes) -> None:
    assert vba.decompressed(compressed(octets), len(octets)) == octets


@given(st.binary(max_size=500))
def test_any_container(octets: bytes) -> None:
    assert len(vba.decompressed(b"\x01" + octets, 1_000)) <= 1_000


def test_container_that_says_much_gives_what_is_allowed() -> None:
    bomb = b"\x01" + (b"\x03\xb0\x02a\xff\x0f" * 100_000)
    assert len(vba.decompressed(bomb, 20_000)) <= 20_000


def read(octets: bytes) -> list[str]:
    with Compound(octets) as opened:
        return list(vba.sources(opened))


def test_sources_of_modules() -> None:
    found = read(vba_project({"ThisDocument": "Sub AutoOpen()\r\nEnd Sub", "Module1": "Rem \u20ac"}))
    assert {text.partition("\r\n")[2] for text in found} == {"Sub AutoOpen()\r\nEnd Sub", "Rem \u20ac"}
    assert read(compound(project({"M": "x"}, "Macros")))


def test_modules_are_found_where_their_directory_is_wrong() -> None:
    streams = project({"M": "Sub AutoOpen()"})
    streams["VBA/dir"] = b"\x01broken"
    assert "AutoOpen" in read(compound(streams))[0]


@pytest.mark.parametrize(
    ("code_page", "text"), [(1251, "\u0416"), (10_000, "\u2206"), (9_999, "\u00c6"), (1252, "\u00c6")]
)
def test_code_pages(code_page: int, text: str) -> None:
    streams = project({"M": "\u00c6"}, code_page=code_page)
    assert read(compound(streams))[0].endswith(text)


def test_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vba, "MODULES_MAX", 3)
    monkeypatch.setattr(vba, "SOURCE_MAX", 1_000)
    found = read(vba_project({f"M{number}": "x" * 5_000 for number in range(9)}))
    assert [len(text) for text in found] == [1_000] * 3


@pytest.mark.parametrize(
    ("source", "names", "grave"),
    [
        ('Sub AutoOpen()\nShell "calc"\nEnd Sub', ["AutoOpen"], ["shell"]),
        ("Private Sub Workbook_Open()\nEnd Sub", ["Workbook_Open"], []),
        ("Sub Document_Open()\nCreate _\nObject", ["Document_Open"], []),
        ('Sub auto_open()\nSet a = CreateObject( _\n"Wscript.Shell")', ["auto_open"], ["wscript.shell"]),
        ('Sub auto_open()\nSet a = CreateObject("Scripting.Dictionary")', ["auto_open"], []),
        ("Sub auto_open()\nSet a = CreateObject(b(7))", ["auto_open"], [vba.HIDDEN]),
        ('Sub auto_open()\nSet a = GetObject(, "Excel.Application")', ["auto_open"], []),
        ("' Sub AutoOpen runs Shell\nSub Sum()\nEnd Sub", [], []),
        ("Sub Frame1_Layout()\nCall URLDownloadToFileA(0)", ["Frame1_Layout"], ["urldownloadtofilea"]),
        ("Sub OpenReport()\nKill path", [], []),
        ("Sub Workbook_Open()\nDim cmd As ADODB.Command\nCopyMemory a, b", ["Workbook_Open"], []),
        ('Sub Workbook_Open()\nx = Environ("COMSPEC") & " /c"', ["Workbook_Open"], ["comspec"]),
    ],
)
def test_what_runs_by_itself_and_what_it_calls(source: str, names: list[str], grave: list[str]) -> None:
    assert vba.starters(source) == names
    assert vba.grave(vba.calls(source)) == grave
