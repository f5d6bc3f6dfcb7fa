"""Whose the domains of a From field must be."""

import pytest
from tests.support.policy import ForeignFrom, customer, reverse_path, snapshot_of

from outgate.policy.admission import stand_sender
from outgate.policy.from_rule import decide_from
from outgate.policy.reasons import Reason

SNAPSHOT = snapshot_of(
    customer("alpha", "alpha.example", sources=("192.0.2.1",)),
    customer("beta", "beta.example", sources=("192.0.2.1",), foreign_from=ForeignFrom.ALLOW),
)


@pytest.mark.parametrize(
    ("candidates", "domains", "is_forward", "customer_id", "reason"),
    [
        ("alpha", ("alpha.example",), None, "alpha", Reason.DOMAIN_OWN),
        ("alpha", ("alpha.example",), True, "alpha", Reason.DOMAIN_OWN),
        ("alpha", ("x.example",), None, "alpha", Reason.FROM_MISMATCH),
        ("alpha", ("x.example",), False, "alpha", Reason.FROM_MISMATCH),
        ("alpha", ("x.example",), True, "alpha", Reason.AUTO_FORWARD),
        ("alpha", ("x.example", "beta.example"), True, "alpha", Reason.FROM_MISMATCH),
        ("beta", ("x.example",), None, "beta", Reason.DOMAIN_OWN),
        ("beta", ("alpha.example",), None, "beta", Reason.FROM_MISMATCH),
        ("alpha beta", ("beta.example",), None, "beta", Reason.DOMAIN_OWN),
        ("alpha beta", ("x.example",), None, "", Reason.CUSTOMER_AMBIGUOUS),
        ("alpha gamma", ("beta.example",), None, "", Reason.FROM_MISMATCH),
    ],
)
def test_every_domain_is_the_customers_or_nobodys_where_that_is_allowed(
    candidates: str, domains: tuple[str, ...], is_forward: bool | None, customer_id: str, reason: Reason
) -> None:
    sender = stand_sender(SNAPSHOT, SNAPSHOT.source("192.0.2.1"), reverse_path("a@alpha.example"))
    found, decision = decide_from(SNAPSHOT, sender, frozenset(candidates.split()), domains, is_forward=is_forward)
    assert (found, decision.reason) == (customer_id, reason)
