"""QR and other square codes in pictures: what stands in them is read as text, and its links go the way of all links.

Pictures are decoded at reduced size where their format can, and looked at reduced. What is beyond the limits is not
looked at, and that is no finding: people send more photographs than anybody can decode before a reply.
"""

import io
import re
import warnings
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final

import zxingcpp
from PIL import Image

from outgate.mail.findings import Category, Finding
from outgate.scanning.archives import ZIP_FAILURES
from outgate.scanning.interface import Context
from outgate.scanning.message import Link, Part, Readable, ScannedMessage
from outgate.scanning.readable import bare_links, host_of

NAME: Final = "codes"
PICTURES_MAX: Final = 20  # pictures of one message that are looked at, those with the fewest octets first
PICTURE_PIXELS_MAX: Final = 50_000_000  # of one picture
PIXELS_MAX: Final = 120_000_000  # that are decoded for one message
LOOKED_AT_PIXELS: Final = 2_000_000  # that a picture is reduced to before codes are looked for
PICTURE_SIDE_MIN: Final = 40  # pixels; a smaller one holds no code that a telephone could read
OFFICE_OCTETS_MAX: Final = 64 * 1024 * 1024  # octets of pictures in the Office documents of a message
MEMBERS_MAX: Final = 2_000  # members of one Office document among which pictures are looked for
CODES_MAX: Final = 10  # codes of one picture
CODE_MAX: Final = 4_000  # characters of one code

_PICTURES: Final = frozenset(("png", "jpeg", "gif", "bmp", "tiff", "image"))
_DOCUMENTS: Final = frozenset(("word", "excel", "powerpoint", "visio", "office", "open-document"))
_MEDIA: Final = re.compile(r"(?:word|xl|ppt|visio)/media/|Pictures/")
_FORMATS: Final = ("PNG", "JPEG", "GIF", "WEBP", "BMP", "TIFF", "PPM")
_CODES: Final = zxingcpp.BarcodeFormats(
    [zxingcpp.BarcodeFormat.QRCode, zxingcpp.BarcodeFormat.Aztec, zxingcpp.BarcodeFormat.DataMatrix]
)
_SCHEME: Final = re.compile(r"[a-z][a-z0-9+.\-]{1,20}:\S{3,}", re.IGNORECASE)
_WHITE: Final = 255


class Codes:
    """A finding of little weight for each host that is named by a code, and what the code says for the scanners."""

    name = NAME
    version = "1"

    def read(self, message: ScannedMessage, context: Context) -> Iterable[Finding | Readable | Part]:  # noqa: ARG002
        pictures = [part for part in message.parts if part.kind in _PICTURES]
        unpacked = OFFICE_OCTETS_MAX
        for part in message.parts:
            if part.kind in _DOCUMENTS:
                found = list(document_pictures(part, unpacked))
                unpacked -= sum(len(each.octets) for each in found)
                pictures += found
        pictures.sort(key=lambda part: len(part.octets))
        room = PIXELS_MAX
        for part in pictures[:PICTURES_MAX]:
            place = part.shown_place
            picture, cost = opened(part.octets, room)
            room -= cost
            if picture is not None:
                yield from _found(picture, place)


def document_pictures(part: Part, octets_max: int) -> Iterator[Part]:
    """Pictures in an Office document, which are no parts of the message. What cannot be read is left out: `archives`
    has said so."""
    try:
        with zipfile.ZipFile(io.BytesIO(part.octets)) as archive:
            for info in archive.infolist()[:MEMBERS_MAX]:
                if not _MEDIA.match(info.filename) or info.file_size > octets_max:
                    continue
                with archive.open(info) as stream:
                    octets = stream.read(octets_max)
                octets_max -= len(octets)
                name = info.filename.rpartition("/")[2]
                if octets_max <= 0:
                    return
                yield Part(f"{part.shown_place}/{name}", "image/*", name, octets, "image", part.depth + 1)
    except ZIP_FAILURES:
        return


def _found(picture: Image.Image, place: str) -> Iterator[Finding | Readable]:
    for text in texts(picture):
        links = [text] if _SCHEME.fullmatch(text) else bare_links(text)
        yield Readable(place, text, tuple(Link(link) for link in links))
        for link in links:
            if host := host_of(link):
                yield Finding(Category.PHISHING, NAME, "link-in-code", 30, host, place)


def opened(octets: bytes, room: int) -> tuple[Image.Image | None, int]:
    """A picture in shades of grey, reduced, and how many pixels were decoded for it. None where it is none, is damaged
    or larger than `room`."""
    cost = 0
    try:
        with quiet(), Image.open(io.BytesIO(octets), formats=_FORMATS) as picture:
            width, height = picture.size
            if min(width, height) < PICTURE_SIDE_MIN or width * height > PICTURE_PIXELS_MAX:
                return None, 0
            scale = min(1.0, (LOOKED_AT_PIXELS / (width * height)) ** 0.5)
            size = max(1, int(width * scale)), max(1, int(height * scale))
            picture.draft("L", size)  # of formats that can, decodes no more than is needed
            if picture.size[0] * picture.size[1] > room:
                return None, 0
            cost = picture.size[0] * picture.size[1]
            return _reduced(picture, size), cost
    except Exception:  # whatever a decoder raises over what a peer made
        return None, cost


@contextmanager
def quiet() -> Iterator[None]:
    """Decoders warn of what is wrong with a picture: nobody wants to know."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _reduced(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    if picture.has_transparency_data:
        coloured = picture.convert("RGBA")
        if coloured.size != size:
            coloured = coloured.resize(size, Image.Resampling.BOX)
        page = Image.new("L", coloured.size, _WHITE)  # what is transparent is seen on white
        page.paste(coloured.convert("L"), mask=coloured.getchannel("A"))
        return page
    grey = picture.convert("L")
    return grey if grey.size == size else grey.resize(size, Image.Resampling.BOX)


def texts(picture: Image.Image) -> list[str]:
    """What its codes say, each once."""
    try:
        found = zxingcpp.read_barcodes(picture, formats=_CODES)
    except (RuntimeError, ValueError, TypeError):
        return []
    return list(dict.fromkeys(code.text[:CODE_MAX].strip() for code in found[:CODES_MAX] if code.valid and code.text))
