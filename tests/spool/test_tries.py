"""The table of tries, which outlives its process."""

from pathlib import Path

from outgate.spool.tries import SLOT_OCTETS, SLOTS, NoTries, TryTable

A, B = "T4226ZR000G0A", "T4226ZR000G0B"


def test_what_was_begun_and_not_ended_is_left_for_the_next(tmp_path: Path) -> None:
    table = TryTable(tmp_path / "tries")
    assert table.left() == {}
    first, _ = table.begin(A), table.begin(B)
    table.end(first)
    assert list(TryTable(tmp_path / "tries").left()) == [B], "though the first was never closed, as after a kill"


def test_what_is_left_keeps_its_slot_until_it_ends(tmp_path: Path) -> None:
    slot = TryTable(tmp_path / "tries").begin(A)
    second = TryTable(tmp_path / "tries")
    assert second.left() == {A: slot}
    assert second.begin(B) != slot
    second.end(slot)
    assert list(TryTable(tmp_path / "tries").left()) == [B]


def test_a_full_table_notes_nothing_more(tmp_path: Path) -> None:
    table = TryTable(tmp_path / "tries")
    slots = [table.begin(f"{number:013}") for number in range(SLOTS)]
    assert sorted(slots) == list(range(SLOTS))
    assert table.begin(A) == -1
    table.end(-1)
    table.end(slots[5])
    assert table.begin(A) == slots[5]


def test_an_id_of_another_length_is_not_noted(tmp_path: Path) -> None:
    assert TryTable(tmp_path / "tries").begin("short") == -1


def test_nonsense_in_the_file_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "tries"
    path.write_bytes(b"\xff" * SLOT_OCTETS + b"\0" * SLOT_OCTETS + A.encode())
    table = TryTable(path)
    assert table.left() == {A: 2}
    assert path.stat().st_size == SLOTS * SLOT_OCTETS


def test_a_new_table_is_nobody_elses(tmp_path: Path) -> None:
    TryTable(tmp_path / "tries").close()
    assert (tmp_path / "tries").stat().st_mode & 0o077 == 0


def test_without_a_table_nobody_is_suspected() -> None:
    none = NoTries()
    assert none.begin(A) == -1
    none.end(-1)
    assert none.left() == {}
