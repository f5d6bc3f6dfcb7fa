"""Archives: what is inside, and what an archive must not be able to do."""

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile

import pytest

from outgate.mail.findings import Category
from outgate.scanning import archives, guards
from outgate.scanning.archives import document_kind, unpack
from outgate.scanning.kinds import kind_of
from outgate.scanning.message import Part


def part(octets: bytes, name: str = "a.zip") -> Part:
    return Part("2", "application/octet-stream", name, octets, kind_of(octets, name, ""), 0, "", True)


def zipped(*members: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name, octets in members:
            archive.writestr(
                zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), octets, method
            )  # no clock: same octets again
    return stream.getvalue()


def tarred(name: str, octets: bytes) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        info = tarfile.TarInfo(name)
        info.size = len(octets)
        archive.addfile(info, io.BytesIO(octets))
    return stream.getvalue()


def found(octets: bytes) -> list[tuple[str, str]]:
    return [(each.name, each.place) for each in unpack([part(octets)]).findings]


def test_members_are_parts_with_their_place() -> None:
    done = unpack([part(zipped(("docs/b.exe", b"MZ\x90"), ("c.txt", b"words")))])
    assert [(each.place, each.kind) for each in done.parts] == [
        ("2/a.zip/b.exe", "windows-program"),
        ("2/a.zip/c.txt", "text"),
    ]
    assert not done.findings


@pytest.mark.parametrize("wrap", [gzip.compress, bz2.compress, lzma.compress, lambda octets: tarred("x", octets)])
def test_archives_inside_each_other(wrap: object) -> None:
    assert callable(wrap)
    done = unpack([part(zipped(("inner", wrap(zipped(("evil.exe", b"MZ"))))))])
    assert done.parts[-1].kind == "windows-program"
    assert done.parts[-1].place.count("/") >= 4


def test_too_many_archives_inside_each_other() -> None:
    octets = b"MZ"
    for _ in range(guards.ARCHIVE_DEPTH_MAX + 1):
        octets = zipped(("x.zip", octets))
    assert [name for name, _ in found(octets)] == ["archive-too-deep"]


def test_zip_bomb_is_stopped_before_it_is_in_memory() -> None:
    octets = zipped(("x", bytes(400 * 1024 * 1024)))
    done = unpack([part(octets)])
    assert [each.name for each in done.findings] == ["archive-too-large"]
    assert done.octets < 210 * len(octets) + guards.ARCHIVE_FREE


def test_many_small_bombs_are_one_large_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "DECODED_MAX", 3_000_000)
    bomb = part(zipped(("x", bytes(1_000_000))))
    done = unpack([bomb] * 10)
    assert done.octets <= 3_000_000 + archives.READ_OCTETS
    assert "archive-too-large" in [each.name for each in done.findings]


def test_more_members_than_parts_are_allowed() -> None:
    done = unpack([part(zipped(*((f"f{number}", b"x") for number in range(guards.PARTS_MAX + 10))))])
    assert len(done.parts) < guards.PARTS_MAX
    assert [each.name for each in done.findings] == ["too-many-parts"]


def encrypted_zip() -> bytes:
    octets = bytearray(zipped(("secret.txt", b"words"), method=zipfile.ZIP_STORED))
    octets[6] |= 1  # the flag of the member, and of its entry in the directory
    octets[octets.index(b"PK\x01\x02") + 8] |= 1
    return bytes(octets)


def test_password_is_noted() -> None:
    assert unpack([part(encrypted_zip())]).encrypted == {"2"}


@pytest.mark.parametrize(
    "octets",
    [b"PK\x03\x04" + b"x" * 100, zipped(("a", b"b" * 1000))[:-30], b"\x1f\x8bxxxx", b"BZh9xxxxxxx", b"\xfd7zXZ\0xxxx"],
)
def test_damage_is_never_clean(octets: bytes) -> None:
    assert found(octets) == [("archive-damaged", "2")]


@pytest.mark.parametrize("octets", [b"Rar!\x1a\x07\x01\0", b"7z\xbc\xaf\x27\x1c", b"MSCF"])
def test_what_cannot_be_opened_is_never_clean(octets: bytes) -> None:
    done = unpack([part(octets)])
    assert [(each.category, each.name) for each in done.findings] == [(Category.UNSCANNABLE, "archive-not-opened")]


def test_member_without_a_name_is_a_member() -> None:
    octets = zipped(("x", b"MZ")).replace(b"x", b"\0")
    [member] = unpack([part(octets)]).parts
    assert (member.kind, member.name) == ("windows-program", "unnamed")


def test_documents_are_known_and_show_only_what_is_more_than_text() -> None:
    octets = zipped(
        ("[Content_Types].xml", b"<x/>"), ("word/document.xml", b"<x/>"),
        ("word/vbaProject.bin", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"),
        ("word/media/a.png", b"\x89PNG\r\n\x1a\n"), ("word/embeddings/x.bin", b"MZ"),
    )  # fmt: skip
    done = unpack([part(octets, "a.docx")])
    assert done.kinds == {"2": "word"}
    assert [each.name for each in done.parts] == ["vbaProject.bin", "x.bin"]


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        (["[Content_Types].xml", "xl/a"], "excel"),
        (["[Content_Types].xml"], "office"),
        (["mimetype", "META-INF/manifest.xml"], "open-document"),
        (["META-INF/MANIFEST.MF", "a.class"], "java-program"),
        (["a.txt"], ""),
    ],
)
def test_document_kinds(names: list[str], kind: str) -> None:
    assert document_kind(names) == kind
