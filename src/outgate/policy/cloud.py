"""The end of the content for mail from a provider's addresses: who it is, the tenant lock, the From field, the pool."""

from collections.abc import Sequence, Set
from typing import Final

from outgate.contract.policy import PoolAction, Provider
from outgate.mail.address import ForwardPath
from outgate.mail.message import Lane
from outgate.policy.decision import Decision, Verdict
from outgate.policy.from_rule import decide_from
from outgate.policy.pool_rule import judge_rule, pool_of
from outgate.policy.pools import Pool
from outgate.policy.proof import Shown
from outgate.policy.reasons import Reason
from outgate.policy.snapshot import CustomerView, Snapshot
from outgate.policy.standing import SenderStanding, Settled, is_activating, not_active, only_one
from outgate.policy.tenant_lock import find_customer, judge_tenant

_NONE: Final = Decision(Verdict.REJECT, Reason.TENANT_UNPROVEN)  # stands beside a customer, never told


def settle_in_cloud(
    snapshot: Snapshot,
    sender: SenderStanding,
    candidates: Set[str],
    shown: Shown,
    forward_paths: Sequence[ForwardPath],
) -> Settled:
    """Who it is, the tenant lock, the From field, and last what the customer wants of the pool."""
    source = sender.source
    pool = pool_of(source.pool, shown.proof) if shown.provider is Provider.MICROSOFT else None
    pool_name = pool.value if pool is not None else ""
    if pool is Pool.CONSUMER:
        refusal = Decision(Verdict.REJECT, Reason.POOL_CONSUMER, source.address)
        return Settled(refusal, only_one(candidates), pool=pool_name)
    customer, refused = _customer_in_cloud(snapshot, sender, candidates, shown)
    if customer is None:
        return Settled(refused, only_one(candidates), pool=pool_name)
    are_forwards = _are_forwards(snapshot, customer, forward_paths)
    is_forward = sender.is_foreign or (sender.is_rewritten and are_forwards)
    unproven = judge_tenant(snapshot, customer, shown, is_forward=is_forward and are_forwards)
    if unproven is not None:
        return Settled(unproven, customer.customer_id, pool=pool_name)
    customer_id, decision = decide_from(
        snapshot, sender, customer.only, shown.from_domains, is_forward=is_forward, provider=shown.provider
    )
    if decision.verdict is Verdict.ACCEPT and pool is not None:
        rule = judge_rule(pool, customer.document.microsoft, are_forwards=are_forwards)
        if rule.reason is not None and rule.action is PoolAction.REJECT:
            decision = Decision(Verdict.REJECT, rule.reason)
        elif rule.reason is not None:
            return Settled(decision, customer_id, Lane.HELD, rule.reason.value, pool_name)
    return Settled(decision, customer_id, pool=pool_name)


def _customer_in_cloud(
    snapshot: Snapshot, sender: SenderStanding, candidates: Set[str], shown: Shown
) -> tuple[CustomerView | None, Decision]:
    """Whose message it would be: the reverse-path's, or the one that the evidence points to. The decision is of no
    account where there is one."""
    customer_id, evidence = sender.owner_id, ""
    if sender.is_foreign or sender.reverse_path.is_null:
        customer_id, evidence = find_customer(snapshot, shown)
        if not customer_id:
            customer_id = only_one(candidates)
    if customer_id in candidates:
        return snapshot.customer(customer_id), _NONE
    if not customer_id:
        return None, Decision(Verdict.REJECT, Reason.TENANT_UNPROVEN)
    if customer_id in sender.source.customers and customer_id not in sender.source.active:
        return None, not_active(has_activating=is_activating(snapshot, customer_id), context=evidence)
    return None, Decision(Verdict.REJECT, Reason.TENANT_MISMATCH, evidence)


def _are_forwards(snapshot: Snapshot, customer: CustomerView, forward_paths: Sequence[ForwardPath]) -> bool:
    """Are all recipients, and there is one, on the customer's Auto Forward list?"""
    return bool(forward_paths) and all(
        customer.customer_id in snapshot.forwarders(f"{path.local_part}@{path.domain}") for path in forward_paths
    )
