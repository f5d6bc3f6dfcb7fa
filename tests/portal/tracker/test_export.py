"""The list as a file: what a spreadsheet reads is what was there, and nothing of it is a formula."""

import csv
import io
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.tracked import AT, NOW, accept

from outgate.portal.tracker import export as module
from outgate.portal.tracker import search
from outgate.portal.tracker.export import COLUMNS, FORMULA_MARKS, PATHS_MAX, cell, export, line
from outgate.portal.tracker.search import MessageFilter

pytestmark = pytest.mark.django_db(databases="__all__")


def records(rows_max: int = 100) -> list[list[str]]:
    text = "".join(export("alpha", MessageFilter(), now=NOW, rows_max=rows_max))
    assert text.endswith("\r\n")
    return list(csv.reader(io.StringIO(text, newline="")))


def test_columns_are_named_and_rows_have_them() -> None:
    name = accept(1, subject='a "quoted", subject', paths=("b@b.example", "c@b.example"))
    accept(2, customer="beta")

    header, row = records()
    assert tuple(header) == COLUMNS
    shown = dict(zip(header, row, strict=True))
    assert shown["reference"] == name
    assert shown["subject"] == 'a "quoted", subject'
    assert (shown["recipients"], shown["recipient_count"]) == ("b@b.example c@b.example", "2")
    assert datetime.fromisoformat(shown["time"]).timestamp() == AT - 60


@pytest.mark.parametrize("mark", FORMULA_MARKS)
def test_formula_becomes_text(mark: str) -> None:
    accept(1, subject=f"{mark}HYPERLINK(1)", reverse_path=f"{mark}1@alpha.example")

    shown = dict(zip(*records(), strict=True))
    assert shown["subject"] == f"'{mark}HYPERLINK(1)"
    assert shown["sender"] == f"'{mark}1@alpha.example"


@given(st.lists(st.text(), min_size=1, max_size=5))
def test_any_text_is_one_field_of_one_record(values: list[str]) -> None:
    values = [value.replace("\0", "") for value in values]

    read = list(csv.reader(io.StringIO(line(values), newline="")))
    assert read == [[cell(value) for value in values]]
    assert not any(field.startswith(FORMULA_MARKS) for field in read[0])


def test_export_says_that_it_ends_at_its_limit() -> None:
    names = [accept(number) for number in range(3)]

    rows = records(rows_max=2)
    assert [row[1] for row in rows[1:3]] == names[:0:-1]
    assert "limit of 2 rows" in rows[3][0]
    assert len(rows) == 4
    assert len(records(rows_max=3)) == 4  # all three, and nothing to say


def test_export_says_that_it_looked_at_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "STRETCH", 2)
    monkeypatch.setattr(module, "EXPORT_LOOKED_AT_MAX", 2)
    for number in range(4):
        accept(number)

    rows = records()
    assert len(rows) == 4
    assert "looked at the newest 2 messages" in rows[3][0]


def test_message_with_very_many_recipients_has_one_and_a_count() -> None:
    accept(1, paths=tuple(f"r{number:02}@b.example" for number in range(PATHS_MAX + 1)))

    shown = dict(zip(*records(), strict=True))
    assert shown["recipients"] == f"r00@b.example and {PATHS_MAX} more"
    assert shown["recipient_count"] == str(PATHS_MAX + 1)
