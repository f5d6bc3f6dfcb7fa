from hypothesis import given, settings
from hypothesis import strategies as st

from outgate.smtp.incoming import ARRIVALS_MAX, COMMAND_LINE_MAX, ENDLESS_LINE_MAX, Incoming, LineFault

Line = bytes | LineFault


def read(octets: bytes, chunk_octets: int) -> tuple[list[Line], int]:
    """The lines up to the first that has no end, where a session parts; and the most that was held after any read."""
    incoming = Incoming()
    lines: list[Line] = []
    held = 0
    for start in range(0, len(octets), chunk_octets):
        incoming.add(octets[start : start + chunk_octets])
        incoming.gather()
        while incoming.octets and (line := incoming.line()) is not None:
            lines.append(line)
            if line is LineFault.ENDLESS:
                return lines, held
        held = max(held, incoming.pending_octets)
    return lines, held


LINES = {
    "short": b"NOOP",
    "empty": b"",
    "LF": b"a\nb",
    "CR": b"a\rb",
    "CRCR": b"\r",
    "long": b"x" * 600,
    "endless": b"x" * 70_000,
}


@settings(deadline=None, max_examples=100)
@given(st.lists(st.sampled_from(list(LINES)), max_size=6), st.sampled_from([1, 2, 3, 7, 500, 4096]))
def test_lines_are_the_same_however_cut(names: list[str], chunk_octets: int) -> None:
    octets = b"".join(LINES[name] + b"\r\n" for name in names)
    if "endless" in names:
        chunk_octets = max(chunk_octets, 500)
    found, held = read(octets, chunk_octets)
    whole, _ = read(octets, len(octets) + 1)
    assert found == whole
    assert held <= COMMAND_LINE_MAX


def test_only_cr_lf_ends_a_line() -> None:
    assert read(b"a\nb\rc\n\rd\r\n", 100) == ([b"a\nb\rc\n\rd"], 0)


def test_line_of_exactly_the_limit_is_read() -> None:
    assert read(b"x" * (COMMAND_LINE_MAX - 2) + b"\r\n", 10)[0] == [b"x" * (COMMAND_LINE_MAX - 2)]


def test_longer_line_is_thrown_away_up_to_its_end() -> None:
    octets = b"x" * (COMMAND_LINE_MAX - 1) + b"\r\nNOOP\r\n"
    for chunk_octets in (1, 2, COMMAND_LINE_MAX, len(octets)):
        assert read(octets, chunk_octets)[0] == [LineFault.TOO_LONG, b"NOOP"]


def test_line_without_end_is_given_up() -> None:
    for chunk_octets in (100, 5000, 1_000_000):
        lines, held = read(b"x" * (ENDLESS_LINE_MAX - 2) + b"\r\n" + b"x" * ENDLESS_LINE_MAX + b"\r\n", chunk_octets)
        assert lines[:2] == [LineFault.TOO_LONG, LineFault.ENDLESS]
        assert held <= COMMAND_LINE_MAX


def test_many_small_reads_wait_joined() -> None:
    incoming = Incoming()
    for _ in range(10_000):
        incoming.add(b"x")
        assert len(incoming._arrived) <= ARRIVALS_MAX + 1
    assert incoming.pending_octets == 10_000
    incoming.gather()
    assert incoming.octets == b"x" * 10_000


def test_take_gives_what_is_there_and_no_more_than_asked() -> None:
    incoming = Incoming()
    incoming.add(b"abc")
    assert incoming.take(2) == b"ab"
    assert incoming.take(2) == b"c"
    assert incoming.octets == b""
    assert incoming.pending_octets == 0
