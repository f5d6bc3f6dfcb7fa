"""A verdict is a class of replies; a decision cannot be changed."""

import dataclasses

import pytest

from outgate.policy.decision import Decision, Verdict
from outgate.policy.reasons import Reason


@pytest.mark.parametrize(
    ("verdict", "first_digit"), [(Verdict.ACCEPT, 2), (Verdict.SPLIT, 4), (Verdict.DEFER, 4), (Verdict.REJECT, 5)]
)
def test_a_verdict_has_its_class_of_replies(verdict: Verdict, first_digit: int) -> None:
    assert verdict.value // 100 == first_digit


def test_a_decision_cannot_be_changed() -> None:
    decision = Decision(Verdict.REJECT, Reason.SOURCE_UNKNOWN)
    with pytest.raises(dataclasses.FrozenInstanceError):
        decision.verdict = Verdict.ACCEPT  # type: ignore[misc]
