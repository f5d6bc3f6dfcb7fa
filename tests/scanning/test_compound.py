"""Compound files, also those that claim what is not so."""

import struct
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.compound import compound

from outgate.scanning.compound import Compound, DamagedCompound

SMALL, LARGE = b"small", bytes(range(256)) * 100
FILE = compound({"Macros/VBA/dir": SMALL, "WordDocument": LARGE})


def test_streams_are_read() -> None:
    with Compound(FILE) as opened:
        assert opened.names == [("Macros", "VBA", "dir"), ("WordDocument",)]
        assert opened.read(("Macros", "VBA", "dir"), 100) == SMALL
        assert opened.read(("WordDocument",), 1_000_000) == LARGE
        assert opened.read(("WordDocument",), 10) == LARGE[:10]
        assert opened.named("worddocument") == [("WordDocument",)]
        assert opened.has_storage("vba")
        assert not opened.has_storage("dir")


def read_all(octets: bytes) -> None:
    with Compound(octets) as opened:
        for path in opened.names:
            opened.read(path, 1_000_000)


def changed(at: int, value: int) -> bytes:
    return FILE[:at] + struct.pack("<I", value) + FILE[at + 4 :]


@pytest.mark.parametrize(
    "octets",
    [
        FILE[:600],
        FILE[:400],
        b"",
        changed(44, 0x00FFFFFF),  # more tables than it has sectors
        changed(30, 0x003F0009),  # small sectors of 2^63 octets
        changed(48, 0x00FFFFFF),  # its directory is nowhere
    ],
)
def test_damaged(octets: bytes) -> None:
    with pytest.raises(DamagedCompound):
        read_all(octets)


def test_false_sizes_cost_nothing() -> None:
    with pytest.raises(DamagedCompound), Compound(changed(64, 0x7FFFFFFF)) as opened:
        opened.read(("Macros", "VBA", "dir"), 100)


@given(st.integers(0, len(FILE) - 4), st.integers(0, 2**32 - 1))
def test_any_damage_ends_in_one_way(at: int, value: int) -> None:
    with suppress(DamagedCompound):
        read_all(changed(at, value))
