"""Makes projects of Visual Basic, as documents carry them: [MS-OVBA], with nothing in them but what a test wants."""

import struct

from tests.support.compound import compound

CHUNK = 4_096


def compressed(octets: bytes) -> bytes:
    """A container that copies what it can, as Office's does."""
    done = b"\x01"
    for start in range(0, len(octets), CHUNK):
        chunk = octets[start : start + CHUNK]
        packed = _tokens(chunk)
        done += struct.pack("<H", 0xB000 | (len(packed) - 1)) + packed
    return done


def _tokens(chunk: bytes) -> bytes:
    done, at = b"", 0
    while at < len(chunk):
        flags, group = 0, b""
        for bit in range(8):
            if at >= len(chunk):
                break
            bits = max((at - 1).bit_length(), 4)
            longest = (0xFFFF >> bits) + 3
            length = 0
            for size in range(3, min(longest, len(chunk) - at) + 1):
                if chunk.find(chunk[at : at + size], 0, at + size - 1) < 0:
                    break
                length = size
            if length:
                found = chunk.find(chunk[at : at + length], 0, at + length - 1)
                flags |= 1 << bit
                group += struct.pack("<H", (at - found - 1) << (16 - bits) | (length - 3))
                at += length
            else:
                group += chunk[at : at + 1]
                at += 1
        done += bytes([flags]) + group
    return done


def record(kind: int, value: bytes) -> bytes:
    return struct.pack("<HI", kind, len(value)) + value


def project(
    modules: dict[str, str], storage: str = "", cache: bytes = b"\x01\x16\x03cache", code_page: int = 1_252
) -> dict[str, bytes]:
    """Streams of a project: for a document of its own kind below "Macros" or "_VBA_PROJECT_CUR"."""
    above = f"{storage}/VBA" if storage else "VBA"
    directory = record(3, struct.pack("<H", code_page)) + struct.pack("<HIIH", 9, 4, 1, 2)
    streams = {}
    for name, source in modules.items():
        directory += record(0x1A, name.encode()) + record(0x31, struct.pack("<I", len(cache)))
        text = f'Attribute VB_Name = "{name}"\r\n{source}'
        streams[f"{above}/{name}"] = cache + compressed(text.encode("cp1252"))
    return {
        f"{above}/dir": compressed(directory),
        f"{above}/_VBA_PROJECT": b"\xcc\x61\xff\xff\0\0\0",
        **streams,
    }


def vba_project(modules: dict[str, str]) -> bytes:
    """vbaProject.bin of a document that is a ZIP."""
    return compound(project(modules))
