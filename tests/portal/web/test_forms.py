"""What a person typed."""

import pytest

from outgate.portal.errors import Invalid
from outgate.portal.web.forms import ENTRIES_MAX, Form


@pytest.mark.parametrize(
    ("text", "entries"),
    [
        ("a.example", ["a.example"]),
        (" a.example,b.example ;\tc.example\r\na.example\n", ["a.example", "b.example", "c.example"]),
        (", a.example ,", ["a.example"]),
        ("", [""]),  # whoever takes an entry says what is wrong with an empty one
        (" ; ", [""]),
    ],
)
def test_pasted_list_has_each_entry_once(text: str, entries: list[str]) -> None:
    assert Form(values={"name": text}).entries("name") == entries


def test_pasted_list_is_bounded() -> None:
    form = Form(values={"name": " ".join(f"d{number}" for number in range(ENTRIES_MAX + 1))})
    with pytest.raises(Invalid, match=f"These are {ENTRIES_MAX + 1}. Enter at most {ENTRIES_MAX} at once") as caught:
        form.entries("name")
    assert caught.value.field == "name"


@pytest.mark.parametrize("text", ["", "x", "-1", "1.5", "\u0661", "1" * 10])
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(Invalid, match="is not a number"):
        Form(values={"port": text}).number("port")
