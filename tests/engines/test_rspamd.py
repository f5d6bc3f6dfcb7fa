"""rspamd's verdicts as findings."""

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.engine import QUESTION

from outgate.contract.scanning import ContentAction, ScanPolicy
from outgate.engines.interface import EngineFault, Question
from outgate.engines.rspamd import RECIPIENTS_MAX, REJECTED, answer_of, fields_of, weight_of
from outgate.mail.findings import DETAIL_MAX, Category, Finding


def verdict(score: float, action: str = "no action", **more: Any) -> bytes:
    return json.dumps({"is_skipped": False, "score": score, "required_score": 15.0, "action": action, **more}).encode()


def test_score_and_symbols_make_a_finding() -> None:
    symbols = {
        "SMALL": {"name": "SMALL", "score": 0.5, "options": ["x"]},
        "BAYES_SPAM": {"name": "BAYES_SPAM", "score": 5.1},
        "GOOD": {"name": "GOOD", "score": -1.0},
    }
    [finding] = answer_of("rspamd", 200, verdict(7.5, "add header", symbols=symbols)).findings
    assert finding == Finding(
        Category.SPAM, "rspamd", "rspamd", 495, "7.5 of 15.0, BAYES_SPAM 5.1, GOOD -1.0, SMALL 0.5"
    )


@pytest.mark.parametrize("score", [0.0, -3.5])
def test_nothing_bad_is_no_finding(score: float) -> None:
    answer = answer_of("rspamd", 200, verdict(score))
    assert not answer.findings
    assert not answer.is_undecided


def test_what_rspamd_rejects_for_another_reason_than_its_score_is_rejected() -> None:
    [finding] = answer_of("rspamd", 200, verdict(1.0, "reject", is_skipped=True)).findings
    assert finding.weight == REJECTED


def test_rspamd_that_rejects_nothing_names_no_required_score() -> None:
    body = b'{"score": 7.5, "required_score": null, "action": "no action"}'
    assert answer_of("rspamd", 200, body).findings[0].weight == 495


def test_soft_reject_asks_to_come_again() -> None:
    assert answer_of("rspamd", 200, verdict(1.0, "soft reject")).is_undecided


def test_what_rspamd_rejects_is_where_the_policy_rejects_by_default() -> None:
    assert min(rule.score for rule in ScanPolicy().spam if rule.action is ContentAction.REJECT) == REJECTED


@given(st.floats(), st.floats())
def test_weights_are_in_range_and_below_rejected_exactly_below_required(score: float, required: float) -> None:
    weight = weight_of(score, required)
    assert 0 <= weight <= 1_000
    if score > 0.0 and required > 0.0:
        assert (weight >= REJECTED) == (score >= required)


@given(st.floats(0, 100), st.floats(0, 100))
def test_more_is_never_less(one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert weight_of(low, 15.0) <= weight_of(high, 15.0)


@pytest.mark.parametrize(
    ("status", "body", "cause"),
    [
        (500, b"", "error"),
        (403, verdict(1.0), "error"),
        (200, b"", "nonsense"),
        (200, b"[]", "nonsense"),
        (200, b'{"score": 1}', "nonsense"),
        (200, b'{"score": 1, "required_score": "x", "action": ""}', "nonsense"),
        (200, b'{"score": "x", "required_score": 1}', "nonsense"),
        (200, b'{"score": 1, "required_score": 15, "symbols": {"A": 1}}', "nonsense"),
        (200, b'{"score": 1, "required_score": 15, "x": ' + b"[" * 100_000, "nonsense"),
        (200, b'{"error": "overloaded", "score": 0, "action": ""}', "error"),
    ],
    ids=range(10),
)
def test_what_is_no_verdict_is_a_fault(status: int, body: bytes, cause: str) -> None:
    with pytest.raises(EngineFault) as caught:
        answer_of("rspamd", status, body)
    assert caught.value.cause == cause


@given(st.binary(max_size=200))
def test_garbage_raises_nothing_else(body: bytes) -> None:
    with contextlib.suppress(EngineFault):
        answer_of("rspamd", 200, body)


@given(st.dictionaries(st.text(max_size=300), st.floats(-1e300, 1e300), max_size=50))
def test_evidence_is_bounded(symbols: dict[str, float]) -> None:
    body = verdict(9.0, symbols={name: {"score": score} for name, score in symbols.items()})
    [finding] = answer_of("rspamd", 200, body).findings
    assert len(finding.detail) <= DETAIL_MAX


def test_rspamd_is_told_of_the_envelope_within_bounds() -> None:
    told = list(fields_of(Question("7", "", ("bob@beta.example",) * 500, "192.0.2.1")))
    assert told[0] == ("From", "")
    assert told.count(("Rcpt", "bob@beta.example")) == RECIPIENTS_MAX
    assert ("User", "7") in told
    assert ("IP", QUESTION.source) in told
