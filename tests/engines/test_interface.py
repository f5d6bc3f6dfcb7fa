"""What goes into protocols holds nothing that could end a line or a string of them."""

from hypothesis import given
from hypothesis import strategies as st

from outgate.engines.interface import clean, too_large
from outgate.mail.findings import Category


@given(st.text())
def test_cleaned_text_ends_no_line_and_no_string(text: str) -> None:
    assert not set(clean(text)) & set("\r\n\0")


def test_too_large_is_an_answer_and_no_fault() -> None:
    assert [finding.category for finding in too_large("clamd").findings] == [Category.UNSCANNABLE]
