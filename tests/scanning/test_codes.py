"""Codes in pictures, large and broken ones too."""

import io

import pytest
import qrcode
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from tests.scanning.test_archives import zipped
from tests.support.scanned import attached

from outgate.mail.findings import Finding
from outgate.scanning import codes
from outgate.scanning.codes import Codes
from outgate.scanning.interface import Context
from outgate.scanning.links import Links
from outgate.scanning.message import Link, Readable
from outgate.scanning.mime import take_apart
from outgate.scanning.pipeline import Pipeline

URL = "https://paypa1.com/qr"
CONTEXT = Context("ada@alpha.example", ())


def code(text: str = URL, side: int = 370) -> Image.Image:
    return qrcode.make(text).get_image().convert("RGB").resize((side, side))  # type: ignore[no-any-return]


def saved(picture: Image.Image, kind: str = "PNG") -> bytes:
    stream = io.BytesIO()
    picture.save(stream, kind)
    return stream.getvalue()


def read(*pictures: bytes) -> list[Readable]:
    files = [(f"{number}.dat", octets) for number, octets in enumerate(pictures)]
    return [each for each in Codes().read(take_apart(attached(*files)), CONTEXT) if isinstance(each, Readable)]


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF"])
def test_codes_of_every_kind_of_picture(kind: str) -> None:
    assert [each.links for each in read(saved(code(), kind))] == [(Link(URL),)]


def test_code_of_a_large_photograph() -> None:
    photograph = Image.effect_noise((4_000, 3_000), 40).convert("RGB")
    photograph.paste(code(side=600), (1_700, 900))
    assert [each.text for each in read(saved(photograph, "JPEG"))] == [URL]


def test_transparent_and_inverted_codes() -> None:
    black = code().convert("L")
    transparent = Image.new("RGBA", black.size, (0, 0, 0, 0))
    transparent.paste((0, 0, 0, 255), mask=black.point(lambda value: 255 - value))
    assert len(read(saved(transparent))) == 1
    assert len(read(saved(black.point(lambda value: 255 - value)))) == 1


def test_their_links_go_the_way_of_all_links() -> None:
    report = Pipeline((Links(),), (Codes(),)).scan(attached(("a.png", saved(code()))), CONTEXT)
    assert {(finding.name, finding.weight, finding.place) for finding in report.findings} == {
        ("look-alike-host", 85, "2/a.png"),
        ("link-in-code", 30, "2/a.png"),
    }
    assert report.hosts == ("paypa1.com",)


def test_pictures_in_documents() -> None:
    members = (("[Content_Types].xml", b"<x/>"), ("word/document.xml", b"<x/>"), ("word/media/a.png", saved(code())))
    [found] = read(zipped(*members))
    assert (found.place, found.text) == ("2/0.dat/a.png", URL)


def test_no_more_of_documents_than_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codes, "OFFICE_OCTETS_MAX", 100)
    members = (("[Content_Types].xml", b"<x/>"), ("word/document.xml", b"<x/>"), ("word/media/a.png", saved(code())))
    assert read(zipped(*members)) == []


def test_code_that_is_no_link_is_text() -> None:
    found = list(Codes().read(take_apart(attached(("a.png", saved(code("table 7"))))), CONTEXT))
    assert found == [Readable("2/a.png", "table 7")]


def test_no_more_pictures_and_pixels_than_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = [saved(code(f"https://x.example/{number}")) for number in range(5)]
    monkeypatch.setattr(codes, "PICTURES_MAX", 3)
    assert len(read(*pictures)) == 3
    monkeypatch.setattr(codes, "PIXELS_MAX", 370 * 370 * 2)
    assert len(read(*pictures)) == 2
    monkeypatch.setattr(codes, "PICTURE_PIXELS_MAX", 370 * 369)
    assert read(*pictures) == []


def test_picture_that_says_it_is_large_is_not_decoded() -> None:
    octets = bytearray(saved(code()))
    octets[16:24] = b"\x00\x01\x00\x00\x00\x01\x00\x00"  # width and height of its head
    assert codes.opened(bytes(octets), codes.PIXELS_MAX) == (None, 0)


@pytest.mark.parametrize(
    "octets", [b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"GIF89a", b"RIFF\0\0\0\0WEBPVP8 ", b"BM"]
)
def test_broken_pictures_hold_nothing(octets: bytes) -> None:
    assert read(octets) == []


SMALL = saved(code(side=60), "GIF")


@given(st.integers(0, len(SMALL) - 1), st.integers(0, 255))
def test_any_damage(at: int, value: int) -> None:
    found = list(Codes().read(take_apart(attached(("a", SMALL[:at] + bytes([value]) + SMALL[at + 1 :]))), CONTEXT))
    assert all(isinstance(each, Readable | Finding) for each in found)
