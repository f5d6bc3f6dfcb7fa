"""What decisions hand on, and what they have in common."""

from tests.support.policy import Outbound, customer, snapshot_of

from outgate.policy.decision import Verdict
from outgate.policy.reasons import Reason
from outgate.policy.standing import is_activating, not_active, only_one


def test_who_cannot_send_yet_is_asked_to_come_again_and_who_may_not_is_refused() -> None:
    assert not_active(has_activating=True, context="x").verdict is Verdict.DEFER
    assert not_active(has_activating=False, context="x").reason is Reason.OUTBOUND_OFF


def test_activating_is_a_state_of_a_customer_that_is_there() -> None:
    snapshot = snapshot_of(customer("soon", outbound=Outbound.ACTIVATING), customer("now"))
    assert [is_activating(snapshot, customer_id) for customer_id in ("soon", "now", "nobody")] == [True, False, False]


def test_only_one_is_somebody() -> None:
    assert only_one(frozenset(("a",))) == "a"
    assert only_one(frozenset()) == ""
    assert only_one(frozenset(("a", "b"))) == ""
