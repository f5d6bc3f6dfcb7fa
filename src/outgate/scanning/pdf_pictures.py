"""Pictures on the pages of PDF documents, as files that a decoder of pictures reads. ISO 32000 §8.9.

JPEG files come as they stand; others as Netpbm, where their octets are grey, red-green-blue, black and white, or a
palette. What a page draws with lines is no picture.
"""

from collections.abc import Iterator
from typing import Any, Final

from pypdf.generic import ArrayObject, DictionaryObject, IndirectObject, StreamObject

PICTURES_MAX: Final = 20  # pictures of one page that are taken out
RESOURCES_DEPTH: Final = 4  # steps up to inherited resources, and down into forms
SIDE_MIN: Final = 21  # dots; the smallest QR code has so many, ISO/IEC 18004
SIDE_MAX: Final = 10_000  # dots
PICTURE_OCTETS: Final = 16 * 1024 * 1024  # of one picture

_GREY: Final = ("/DeviceGray", "/CalGray", "/G")
_COLOURED: Final = ("/DeviceRGB", "/CalRGB", "/RGB")
_INVERTED: Final = bytes(255 - octet for octet in range(256))


def pictures(page: DictionaryObject) -> Iterator[bytes]:
    """Of one page. May raise whatever pypdf raises."""
    count = 0
    waiting = [(_resources(page), 0)]
    while waiting:
        resources, depth = waiting.pop()
        objects = _resolved(resources.get("/XObject")) if isinstance(resources, DictionaryObject) else None
        for value in objects.values() if isinstance(objects, DictionaryObject) else ():
            value = _resolved(value)
            if not isinstance(value, StreamObject) or count >= PICTURES_MAX:
                continue
            if value.get("/Subtype") == "/Form" and depth < RESOURCES_DEPTH and len(waiting) < PICTURES_MAX:
                waiting.append((_resolved(value.get("/Resources")), depth + 1))
            elif value.get("/Subtype") == "/Image":
                count += 1
                octets = picture_file(value)
                if octets:
                    yield octets


def _resources(page: DictionaryObject) -> Any:
    """The page's own, or those that it inherits."""
    value: Any = page
    for _ in range(RESOURCES_DEPTH):
        if not isinstance(value, DictionaryObject):
            return None
        found = _resolved(value.get("/Resources"))
        if isinstance(found, DictionaryObject):
            return found
        value = _resolved(value.get("/Parent"))
    return None


def picture_file(stream: StreamObject) -> bytes:
    """b"" for what is too small for a code, too large, or in no form that is known here."""
    width, height = (_resolved(stream.get(name)) for name in ("/Width", "/Height"))
    if not isinstance(width, int) or not isinstance(height, int):
        return b""
    if not (min(width, height) >= SIDE_MIN and max(width, height) <= SIDE_MAX):
        return b""
    filters = _resolved(stream.get("/Filter"))
    names = [str(each) for each in filters] if isinstance(filters, ArrayObject) else [str(filters or "")]
    if {"/CCITTFaxDecode", "/JBIG2Decode", "/JPXDecode"} & set(names):
        return b""
    octets = bytes(stream.get_data())
    if len(octets) > PICTURE_OCTETS or "/DCTDecode" in names:
        return octets[:PICTURE_OCTETS]
    bits = 1 if stream.get("/ImageMask") else _resolved(stream.get("/BitsPerComponent"))
    space, palette = _space(_resolved(stream.get("/ColorSpace")))
    if bits == 1 and space != 3:
        return _netpbm("P4", width, height, (width + 7) // 8, octets.translate(_INVERTED))
    if bits == 8 and palette:
        return _netpbm("P5", width, height, width, octets.translate(palette))
    if bits == 8:
        return _netpbm("P6" if space == 3 else "P5", width, height, width * space, octets) if space else b""
    return b""


def _netpbm(magic: str, width: int, height: int, row_octets: int, octets: bytes) -> bytes:
    head = f"{magic} {width} {height}\n" if magic == "P4" else f"{magic} {width} {height} 255\n"
    return head.encode() + octets if len(octets) >= row_octets * height else b""


def _space(space: Any) -> tuple[int, bytes]:
    """Colours of a dot (1 or 3; 0 for others), and the brightness of each entry of a palette."""
    if isinstance(space, ArrayObject) and space:
        kind = _resolved(space[0])
        if kind == "/ICCBased" and len(space) > 1:
            profile = _resolved(space[1])
            count = profile.get("/N") if isinstance(profile, DictionaryObject) else None
            return (int(count), b"") if count in (1, 3) else (0, b"")
        if kind in ("/Indexed", "/I") and len(space) > 3:
            return 1, _palette(_space(_resolved(space[1]))[0], _resolved(space[3]))
        space = kind
    return (1, b"") if space in _GREY else (3, b"") if space in _COLOURED else (0, b"")


def _palette(colours: int, entries: Any) -> bytes:
    if isinstance(entries, StreamObject):
        octets = bytes(entries.get_data()[:1_024])
    else:
        octets = getattr(entries, "original_bytes", entries if isinstance(entries, bytes) else b"")
    if colours == 3:
        octets = bytes((sum(octets[at : at + 3]) // 3) for at in range(0, len(octets) - 2, 3))
    return octets[:256].ljust(256, b"\0") if colours else b""


def _resolved(value: Any) -> Any:
    return value.get_object() if isinstance(value, IndirectObject) else value
