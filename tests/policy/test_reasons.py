"""The catalogue is whole, its replies are well-formed, and nothing that a peer sent can break out of one."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from outgate.policy.decision import Decision, Verdict
from outgate.policy.reasons import CATALOGUE, CONTEXT_MAX, TEXT_MAX, Reason, reply_for, reply_of, text_of
from outgate.smtp import answers

WITH_REPLY = [reason for reason in Reason if reason in CATALOGUE and CATALOGUE[reason].code]


def test_every_reason_is_in_the_catalogue_in_its_order() -> None:
    assert list(CATALOGUE) == list(Reason)


@pytest.mark.parametrize("reason", Reason)
def test_a_code_is_lower_case_words_with_hyphens(reason: Reason) -> None:
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", reason.value)


@pytest.mark.parametrize("reason", WITH_REPLY)
def test_the_class_of_the_enhanced_status_is_the_first_digit_of_the_code(reason: Reason) -> None:
    """RFC 2034 §4."""
    entry = CATALOGUE[reason]
    assert re.fullmatch(r"[245]\.\d{1,3}\.\d{1,3}", entry.status)
    assert entry.status[0] == str(entry.code)[0]


@pytest.mark.parametrize("reason", [reason for reason in Reason if reason not in WITH_REPLY])
def test_a_reason_without_a_reply_has_no_status(reason: Reason) -> None:
    assert CATALOGUE[reason].status == ""


@pytest.mark.parametrize("reason", Reason)
def test_texts_are_lines_of_ascii_that_begin_with_the_code(reason: Reason) -> None:
    entry = CATALOGUE[reason]
    assert entry.text.startswith(f"{reason}: ")
    for text in (entry.text, entry.meaning, entry.remedy):
        assert text.isascii()
        assert text.isprintable()
        assert text == text.strip()
    assert entry.meaning.endswith(".")
    assert entry.remedy.endswith(".")
    assert "{" not in entry.text.replace("{context}", "")


@pytest.mark.parametrize("reason", Reason)
def test_a_text_reads_well_without_a_context(reason: Reason) -> None:
    entry = CATALOGUE[reason]
    assert bool(entry.nameless) == ("{context}" in entry.text)
    assert "{" not in text_of(reason)


@pytest.mark.parametrize("reason", Reason)
def test_the_longest_text_fits(reason: Reason) -> None:
    assert len(text_of(reason, "x" * 1000, "0" * 13)) <= TEXT_MAX


@pytest.mark.parametrize("verdict", [Verdict.SPLIT, Verdict.DEFER, Verdict.REJECT])
def test_a_decision_is_told_with_its_context_and_reference(verdict: Verdict) -> None:
    reason = {
        Verdict.SPLIT: Reason.RECIPIENT_SPLIT,
        Verdict.DEFER: Reason.ACTIVATING,
        Verdict.REJECT: Reason.SENDER_NOT_REGISTERED,
    }[verdict]
    reply = reply_for(Decision(verdict, reason, "gamma.example"), "T4226ZR000G00")
    assert reply.code == verdict.value
    assert reply.status == CATALOGUE[reason].status
    assert "gamma.example" in reply.lines[0]
    assert reply.lines[0].endswith(" (ref T4226ZR000G00)")


def test_the_reply_to_an_unknown_source_reads_as_documented() -> None:
    assert str(reply_of(Reason.SOURCE_UNKNOWN, "192.0.2.1", "T4226ZR000G00")) == (
        "550 5.7.1 source-unknown: [192.0.2.1] may not send through this server; add it under Outbound Sources"
        " (ref T4226ZR000G00)"
    )


def test_a_more_exact_status_may_be_given() -> None:
    assert reply_of(Reason.NEXT_HOP_LACKS_EXTENSION, "no SMTPUTF8", status="5.6.7").status == "5.6.7"


@pytest.mark.parametrize(
    ("context", "shown"),
    [
        ("a\r\n250 2.0.0 queued", "a??250 2.0.0 queued"),
        ("a\x00b\x1bc\x7fd", "a?b?c?d"),
        ("bücher.example", "b?cher.example"),
        ("{context}", "{context}"),
        ("%s", "%s"),
    ],
)
def test_a_context_stays_on_its_line(context: str, shown: str) -> None:
    assert shown in text_of(Reason.FROM_MISMATCH, context)


@settings(deadline=None, max_examples=300)
@given(st.sampled_from(WITH_REPLY), st.text(max_size=300), st.text(max_size=40))
def test_no_context_breaks_out_of_a_reply(reason: Reason, context: str, reference: str) -> None:
    octets = reply_of(reason, context, reference).octets
    assert octets.endswith(b"\r\n")
    line = octets[:-2]
    assert all(0x20 <= octet <= 0x7E for octet in line)
    assert len(octets) <= 512  # RFC 5321 §4.5.3.1.5


def test_a_long_context_is_cut_visibly() -> None:
    text = text_of(Reason.FROM_MISMATCH, "x" * 1000)
    assert "x" * (CONTEXT_MAX - 3) + "..." in text
    assert "x" * CONTEXT_MAX not in text


def test_what_the_session_says_by_itself_is_what_the_catalogue_says() -> None:
    assert reply_of(Reason.MESSAGE_TOO_LARGE) == answers.TOO_LARGE
    assert reply_of(Reason.BARE_LINE_ENDING) == answers.BARE_LINE_ENDING
