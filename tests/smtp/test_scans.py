"""Both forms of the scans, against patterns that say what is looked for, on octets chosen to be nasty."""

import re
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outgate.smtp import scans
from outgate.smtp.scans import StrayLineEnding, find_dot_in_python, has_stray_in_python

# Long runs between them, so that what is looked for falls on every place of what is looked at at once.
NASTY = st.lists(
    st.sampled_from([b"\r\n", b"\r", b"\n", b".", b"\0", b"\xff", b"\r\n.", b"\r\n.\r", b"\r\n..\r\n", b"a"])
    | st.integers(1, 40).map(lambda length: b"x" * length),
    max_size=30,
).map(b"".join)
CUTS = st.lists(st.integers(1, 9), max_size=40)
IS_COMPILED = scans.find_dot is not find_dot_in_python
FORMS = [
    pytest.param((find_dot_in_python, has_stray_in_python), id="python"),
    pytest.param(
        (scans.find_dot, scans.has_stray),
        id="compiled",
        marks=pytest.mark.skipif(not IS_COMPILED, reason="the scans are not compiled here"),
    ),
]
Forms = tuple[Callable[[bytes, int], int], Callable[[bytes], bool]]


def stray(octets: bytes) -> bool:
    return re.search(rb"\r(?!\n)|(?<!\r)\n", octets) is not None


@pytest.mark.parametrize("forms", FORMS)
@settings(deadline=None, max_examples=500)
@given(octets=NASTY, start=st.integers(0, 60))
def test_both_forms_find_what_is_there(forms: Forms, octets: bytes, start: int) -> None:
    find_dot, has_stray = forms
    assert find_dot(octets, start) == octets.find(b"\r\n.", start)
    assert has_stray(octets) == stray(octets)


@pytest.mark.parametrize("forms", FORMS)
@pytest.mark.parametrize("length", range(70))
def test_nothing_is_missed_at_any_place_of_any_length(forms: Forms, length: int) -> None:
    find_dot, has_stray = forms
    clean = b"x" * length
    assert find_dot(clean, 0) == -1
    assert not has_stray(clean)
    for place in range(length):
        with_dot = clean[:place] + b"\r\n." + clean[place:]
        assert find_dot(with_dot, 0) == place
        assert find_dot(with_dot, place + 1) == -1
        assert not has_stray(with_dot)
        for ending in (b"\r", b"\n", b"\n\r", b"\r\r\n", b"\r\n\n"):
            assert has_stray(clean[:place] + ending + clean[place:])


@pytest.mark.parametrize("forms", FORMS)
@pytest.mark.parametrize("octet", range(256))
def test_no_other_octet_is_a_line_ending(forms: Forms, octet: int) -> None:
    """Neither vertical tab nor NEL nor anything else that Unicode calls a line break."""
    _, has_stray = forms
    assert has_stray(b"a\r\n" + bytes([octet]) + b"b\r\n") == (octet in b"\r\n")


@pytest.mark.parametrize("arguments", [(), (b"a",), ("a", 0), (b"a", "0"), (b"a", -1), (b"a", 0, 0)])
@pytest.mark.skipif(not IS_COMPILED, reason="the scans are not compiled here")
def test_compiled_scans_refuse_what_is_no_octets_and_place(arguments: tuple[object, ...]) -> None:
    with pytest.raises(TypeError):
        scans.find_dot(*arguments)  # type: ignore[arg-type]


@settings(deadline=None, max_examples=300)
@given(NASTY, CUTS)
def test_stray_line_endings_are_found_across_any_cut(octets: bytes, cuts: list[int]) -> None:
    looking = StrayLineEnding()
    rest = octets
    for cut in cuts:
        looking.look(rest[:cut], is_last=False)
        rest = rest[cut:]
    looking.look(rest, is_last=False)
    assert looking.look(b"", is_last=True) == stray(octets)
