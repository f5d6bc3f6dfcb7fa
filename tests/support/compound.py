"""Makes compound files ([MS-CFB], version 3) with the streams that a test wants."""

import struct
from itertools import pairwise
from typing import Any

SECTOR = 512
SMALL = 64
CUTOFF = 4_096
END, FREE, TABLE, NONE = 0xFFFFFFFE, 0xFFFFFFFF, 0xFFFFFFFD, 0xFFFFFFFF
STORAGE, STREAM, ROOT = 1, 2, 5


def compound(streams: dict[str, bytes], class_id: bytes = bytes(16)) -> bytes:
    """streams: content by path, such as "Macros/VBA/dir"."""
    entries: list[list[Any]] = [["Root Entry", ROOT, NONE, END, 0]]  # name, type, child, first sector, size
    children: dict[int, list[int]] = {0: []}
    folders = {"": 0}
    table: list[int] = []
    sectors: list[bytes] = []
    small_table: list[int] = []
    small = b""

    def chain(octets: bytes) -> int:
        pieces = [octets[at : at + SECTOR].ljust(SECTOR, b"\0") for at in range(0, len(octets), SECTOR)]
        first = len(table)
        table.extend([*range(first + 1, first + len(pieces)), END])
        sectors.extend(pieces)
        return first

    def add(name: str, parent: int, kind: int) -> int:
        entries.append([name, kind, NONE, END, 0])
        children[parent].append(len(entries) - 1)
        children[len(entries) - 1] = []
        return len(entries) - 1

    for path, content in streams.items():
        *above, name = path.split("/")
        for depth in range(len(above)):
            folder = "/".join(above[: depth + 1])
            if folder not in folders:
                folders[folder] = add(above[depth], folders["/".join(above[:depth])], STORAGE)
        entry = entries[add(name, folders["/".join(above)], STREAM)]
        entry[4] = len(content)
        if len(content) >= CUTOFF:
            entry[3] = chain(content)
        elif content:
            count = -(-len(content) // SMALL)
            entry[3] = len(small_table)
            small_table.extend([*range(len(small_table) + 1, len(small_table) + count), END])
            small += content.ljust(count * SMALL, b"\0")
    small_first = END
    if small:
        entries[0][3], entries[0][4] = chain(small), len(small)
        packed = struct.pack(f"<{len(small_table)}I", *small_table)
        small_first = chain(packed.ljust(-(-len(packed) // SECTOR) * SECTOR, b"\xff"))
    small_count = -(-len(small_table) * 4 // SECTOR)

    right = dict.fromkeys(range(len(entries)), NONE)  # siblings hang on each other, as a tree that leans to one side
    for parent, members in children.items():
        if members:
            entries[parent][2] = members[0]
        for here, after in pairwise(members):
            right[here] = after
    directory = b""
    for number, (name, kind, child, first, size) in enumerate(entries):
        encoded = name.encode("utf-16-le") + b"\0\0"
        directory += struct.pack(
            "<64sHBBIII16sIQQIII", encoded, len(encoded), kind, 1, NONE, right[number], child,
            class_id if number == 0 else bytes(16), 0, 0, 0, first, size, 0,
        )  # fmt: skip
    directory_first = chain(directory)
    count = 1
    while count * (SECTOR // 4) < len(table) + count:
        count += 1
    table_first = len(table)
    table += [TABLE] * count
    packed = struct.pack(f"<{len(table)}I", *table).ljust(count * SECTOR, b"\xff")
    header = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16)
    header += struct.pack("<HHHHH6sIIIIIIIIII", 0x3E, 3, 0xFFFE, 9, 6, bytes(6), 0, count, directory_first, 0, CUTOFF,
                          small_first, small_count, END, 0, table_first)  # fmt: skip
    header += struct.pack(f"<{count - 1}I", *range(table_first + 1, table_first + count))
    return header.ljust(SECTOR, b"\xff") + b"".join(sectors) + packed
