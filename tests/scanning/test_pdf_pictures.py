"""Codes in the pictures of PDF documents."""

import io
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pypdf import PdfReader
from pypdf.generic import StreamObject
from tests.scanning.test_codes import CONTEXT, code
from tests.support.scanned import attached

from outgate.scanning.codes import Codes
from outgate.scanning.pdf import Pdf
from outgate.scanning.pdf_pictures import picture_file, pictures
from outgate.scanning.pipeline import Pipeline

SIDE = 296


def document(about: str, octets: bytes, more: bytes = b"") -> bytes:
    """One page with one picture."""
    body = b"%PDF-1.7\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1"
    body += b"/Resources<</XObject<</I 4 0 R>>>>>>endobj\n3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]>>endobj\n"
    body += b"4 0 obj<</Type/XObject/Subtype/Image/Width %d/Height %d/Length %d" % (SIDE, SIDE, len(octets))
    body += about.encode() + b">>stream\n" + octets + b"\nendstream endobj\n" + more
    return body + b"trailer<</Root 1 0 R/Size 9>>\nstartxref\n0\n%%EOF"


def found(octets: bytes) -> list[tuple[str, str]]:
    report = Pipeline((), (Pdf(), Codes())).scan(attached(("a.pdf", octets)), CONTEXT)
    assert [fact.name for fact in report.attachments] == ["a.pdf"]  # pictures of pages are no attachments
    return [(finding.name, finding.place) for finding in report.findings]


PICTURE = code(side=SIDE)
GREY = PICTURE.convert("L").tobytes()
BITS = PICTURE.convert("1").tobytes()
EXPECTED = [("link-in-code", "2/a.pdf/page 1, picture 1")]
FLATE = "/Filter/FlateDecode"


def jpeg() -> bytes:
    stream = io.BytesIO()
    PICTURE.save(stream, "JPEG")
    return stream.getvalue()


@pytest.mark.parametrize(
    ("about", "octets"),
    [
        ("/Filter/DCTDecode/ColorSpace/DeviceRGB/BitsPerComponent 8", jpeg()),
        ("/Filter[/FlateDecode/DCTDecode]/ColorSpace/DeviceRGB/BitsPerComponent 8", zlib.compress(jpeg())),
        (f"{FLATE}/ColorSpace/DeviceGray/BitsPerComponent 8", zlib.compress(GREY)),
        (f"{FLATE}/ColorSpace/DeviceRGB/BitsPerComponent 8", zlib.compress(PICTURE.tobytes())),
        (f"{FLATE}/ColorSpace[/CalRGB<<>>]/BitsPerComponent 8", zlib.compress(PICTURE.tobytes())),
        (f"{FLATE}/ColorSpace/DeviceGray/BitsPerComponent 1", zlib.compress(BITS)),
        (f"{FLATE}/ImageMask true", zlib.compress(BITS)),
        (f"{FLATE}/ColorSpace[/Indexed/DeviceRGB 1<000000FFFFFF>]/BitsPerComponent 8",
         zlib.compress(GREY.translate(bytes(int(octet > 127) for octet in range(256))))),
        ("/ColorSpace/DeviceGray/BitsPerComponent 8", GREY),
    ],
    ids=["jpeg", "packed-jpeg", "grey", "colour", "calibrated", "bits", "mask", "palette", "plain"],
)  # fmt: skip
def test_codes_in_pictures_of_pages(about: str, octets: bytes) -> None:
    assert found(document(about, octets)) == EXPECTED


def test_pictures_as_pillow_writes_them() -> None:
    stream = io.BytesIO()
    PICTURE.save(stream, "PDF")
    assert found(stream.getvalue()) == EXPECTED


@pytest.mark.parametrize(
    ("about", "octets"),
    [
        (f"{FLATE}/ColorSpace/DeviceGray/BitsPerComponent 8", zlib.compress(GREY[:99])),
        (f"{FLATE}/ColorSpace/DeviceGray/BitsPerComponent 8", b"damaged"),
        (f"{FLATE}/ColorSpace/DeviceGray/BitsPerComponent 8", zlib.compress(bytes(200_000_000))),
        ("/Filter/CCITTFaxDecode/BitsPerComponent 1", b"x"),
        ("/Filter/JBIG2Decode/BitsPerComponent 1", b"x"),
        ("/ColorSpace/DeviceCMYK/BitsPerComponent 8", GREY),
        ("/ColorSpace[]/BitsPerComponent 8", GREY),
    ],
    ids=["short", "damaged", "bomb", "fax", "jbig2", "cmyk", "no-space"],
)
def test_others_are_passed_over(about: str, octets: bytes) -> None:
    assert found(document(about, octets)) == []


def test_size_is_asked_before_anything_is_unpacked() -> None:
    stream = StreamObject()
    assert picture_file(stream) == b""


@settings(max_examples=30)
@given(st.text(alphabet="/[]<>01 DeviceGrayIndxCLBtsPCompn", max_size=60))
def test_any_description(about: str) -> None:
    [page] = PdfReader(io.BytesIO(document("/ColorSpace/DeviceGray/BitsPerComponent 8", GREY))).pages
    assert len(list(pictures(page))) == 1
    found_or_not = found(document(about, GREY))
    assert found_or_not in ([], EXPECTED)
