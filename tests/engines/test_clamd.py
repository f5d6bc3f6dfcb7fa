"""clamd's replies: what they say, and that nothing else is believed."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outgate.engines.clamd import CHUNK_MAX, answer_of, chunk_head
from outgate.engines.interface import EngineFault
from outgate.mail.findings import Category


def test_clean() -> None:
    assert answer_of("clamd", b"stream: OK").findings == ()


@pytest.mark.parametrize(
    ("signature", "category", "name"),
    [
        ("Eicar-Test-Signature", Category.MALWARE, "Eicar-Test-Signature"),
        ("Win.Trojan.Agent-1 with words", Category.MALWARE, "Win.Trojan.Agent-1_with_words"),
        ("Heuristics.Limits.Exceeded.MaxFileSize", Category.UNSCANNABLE, "engine-limits-exceeded"),
        ("Heuristics.Encrypted.Zip", Category.ATTACHMENT, "encrypted"),
        ("Heuristics.OLE2.ContainsMacros.VBA", Category.ATTACHMENT, "macros"),
        ("Heuristics.Phishing.Email", Category.PHISHING, "Heuristics.Phishing.Email"),
        ("Heuristics.Structured.CreditCardNumber", Category.DATA_LOSS, "structured"),
    ],
)
def test_signature_says_what_the_finding_is_about(signature: str, category: Category, name: str) -> None:
    [finding] = answer_of("av", f"stream: {signature} FOUND".encode()).findings
    assert (finding.category, finding.scanner, finding.name, finding.detail) == (category, "av", name, signature)


def test_too_large_is_an_answer() -> None:
    [finding] = answer_of("clamd", b"INSTREAM size limit exceeded. ERROR").findings
    assert (finding.category, finding.name) == (Category.UNSCANNABLE, "engine-too-large")


@pytest.mark.parametrize(
    ("reply", "cause"),
    [
        (b"stream: Can't allocate memory ERROR", "error"),
        (b"UNKNOWN COMMAND", "nonsense"),
        (b"", "nonsense"),
        (b"stream: FOUND", "nonsense"),
        (b"stream: not OK", "nonsense"),
        (b"fd[1]: OK", "nonsense"),
        (b"\xff\xfe", "nonsense"),
    ],
)
def test_other_replies_are_faults(reply: bytes, cause: str) -> None:
    with pytest.raises(EngineFault) as caught:
        answer_of("clamd", reply)
    assert caught.value.cause == cause


@given(st.binary(max_size=300))
def test_nothing_but_its_words_is_taken_for_clean(reply: bytes) -> None:
    with contextlib.suppress(EngineFault):
        answer = answer_of("clamd", reply)
        assert answer.findings or reply.strip() == b"stream: OK"


@given(st.integers(1, CHUNK_MAX))
def test_length_stands_before_a_chunk(length: int) -> None:
    assert int.from_bytes(chunk_head(length), "big") == length
