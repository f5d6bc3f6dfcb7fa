"""Replays every dialogue of `tests/transcripts`: line by line, and cut in every way that a network could."""

from pathlib import Path

import pytest
from tests.support.smtp import TRANSCRIPTS, Act, Delivered, Driven, act, read_transcript

from outgate.smtp.dialogue import BUFFERED_MAX

WHOLE = 1 << 30  # octets in one read


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
def test_each_line_is_answered_in_turn(path: Path) -> None:
    transcript = read_transcript(path)
    driven = Driven(transcript.settings)
    driven.session.greet()
    expected: list[str] = []
    delivered = 0
    for number, step in enumerate(transcript.steps):
        match step:
            case bytes():
                assert driven.replies() == expected, f"before step {number}: {step!r}"
                expected = []
                driven.receive(step)
            case str():
                expected.append(step)
            case Delivered():
                assert str(driven.receiver.messages[delivered]) == str(step)
                delivered += 1
            case Act(name):
                assert driven.replies() == expected, f"before step {number}: {name}"
                expected = []
                act(driven, name)
    assert driven.replies() == expected
    assert len(driven.receiver.messages) == delivered
    _check_end(driven, transcript.steps[-1])


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
@pytest.mark.parametrize("chunk_octets", [1, 2, 3, 7, 4096, WHOLE])
def test_same_dialogue_however_the_octets_are_cut(path: Path, chunk_octets: int) -> None:
    """Pipelining and split reads included."""
    transcript = read_transcript(path)
    driven = Driven(transcript.settings)
    driven.session.greet()
    for sent, expected, name in transcript.segments():
        for start in range(0, len(sent), chunk_octets):
            driven.receive(sent[start : start + chunk_octets])
            assert driven.session.buffered_octets < BUFFERED_MAX
        assert driven.sent + driven.session.outgoing() == expected
        driven.sent = b""
        if name:
            act(driven, name)
    assert [str(message) for message in driven.receiver.messages] == transcript.delivered
    _check_end(driven, transcript.steps[-1])


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
def test_each_transcript_says_what_it_shows(path: Path) -> None:
    assert path.read_text("utf-8").startswith("# RFC ")


def _check_end(driven: Driven, last: object) -> None:
    assert driven.session.finished == (last == Act("closed")), "finished, and the transcript does not say so, or not"
