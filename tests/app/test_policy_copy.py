from pathlib import Path

import pytest

from outgate.app import policy_copy
from outgate.contract.policy import CustomerDocument, Deleted, Outbound, PolicyItem

ITEMS = (
    PolicyItem("customer:1", 5, CustomerDocument("1", "Alpha", Outbound.ACTIVE)),
    PolicyItem("customer:2", 7, Deleted()),
)


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    policy_copy.save(tmp_path / "policy", ITEMS, 7)
    assert policy_copy.load(tmp_path / "policy") == (ITEMS, 7)


def test_no_copy_is_nothing(tmp_path: Path) -> None:
    assert policy_copy.load(tmp_path / "policy") == ((), 0)


@pytest.mark.parametrize("damage", ["cut", "flip", "empty"])
def test_a_damaged_copy_is_as_good_as_none(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "policy"
    policy_copy.save(path, ITEMS, 7)
    octets = bytearray(path.read_bytes())
    if damage == "cut":
        del octets[-1]
    elif damage == "flip":
        octets[-3] ^= 1
    else:
        octets.clear()
    path.write_bytes(octets)
    assert policy_copy.load(path) == ((), 0)
