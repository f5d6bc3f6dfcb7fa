"""The From rule: whose the domains of a From field must be. Pure."""

from collections.abc import Set
from typing import Final

from outgate.contract.policy import Provider
from outgate.policy.decision import Decision, Verdict
from outgate.policy.reasons import Reason
from outgate.policy.snapshot import Snapshot
from outgate.policy.standing import SenderStanding

# By whether it is forwarded, and whether it is a notice.
_SETTLED: Final = {
    (False, False): Decision(Verdict.ACCEPT, Reason.DOMAIN_OWN),
    (True, False): Decision(Verdict.ACCEPT, Reason.AUTO_FORWARD),
    (False, True): Decision(Verdict.ACCEPT, Reason.NULL_REVERSE_PATH),
}


def decide_from(
    snapshot: Snapshot,
    sender: SenderStanding,
    candidates: Set[str],
    domains: tuple[str, ...],
    *,
    is_forward: bool | None = None,
    provider: Provider | None = None,
) -> tuple[str, Decision]:
    """The From rule: every domain must be the customer's own, or nobody's where foreign ones are allowed: by the
    customer's policy, and in forwarded mail, which keeps its writer's From. Another customer's is refused always.

    Several candidates (a null or foreign reverse-path from a shared source) are told apart by the owner of the domains.
    is_forward: if None, what has a foreign reverse-path.
    """
    if is_forward is None:
        is_forward = sender.is_foreign
    owners = [snapshot.owner_in(provider, domain) for domain in domains]
    if len(candidates) == 1:
        (customer_id,) = candidates
    else:
        customer_id = next((owner for owner in owners if owner), "")
        if not customer_id:
            return "", Decision(Verdict.REJECT, Reason.CUSTOMER_AMBIGUOUS, sender.source.address)
        if customer_id not in candidates:
            return "", Decision(Verdict.REJECT, Reason.FROM_MISMATCH, domains[owners.index(customer_id)])
    is_foreign = False
    for domain, owner in zip(domains, owners, strict=True):
        if owner == customer_id:
            continue
        if owner or not (is_forward or _allows_foreign_from(snapshot, customer_id)):
            return customer_id, Decision(Verdict.REJECT, Reason.FROM_MISMATCH, domain)
        is_foreign = True
    is_auto_forward = sender.is_foreign or (is_forward and is_foreign)
    return customer_id, _SETTLED[is_auto_forward, sender.reverse_path.is_null]


def _allows_foreign_from(snapshot: Snapshot, customer_id: str) -> bool:
    customer = snapshot.customer(customer_id)
    return customer is not None and customer.allows_foreign_from
