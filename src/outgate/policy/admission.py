"""Who may send: the decisions at MAIL, at RCPT and at the end of the content. Pure and total.

At RCPT they yield the set of *candidate* customers, which shrinks from recipient to recipient, since one transaction
belongs to one customer. At the end of the content exactly one must be left, and the From field must be that customer's.

On the ground of identity nobody is refused for good while the policy in hand may be old: the domain may have been
registered, or the source declared, a moment ago.

From a provider's addresses the candidates are many, and none is proven before the content: `tenant_lock` does that.
"""

import re
from collections.abc import Sequence, Set
from typing import Final

from outgate.contract.policy import Provider
from outgate.mail.address import ForwardPath, ReversePath
from outgate.policy.cloud import settle_in_cloud
from outgate.policy.cohorts import LiveCustomers
from outgate.policy.decision import Decision, Verdict
from outgate.policy.from_field import read_from
from outgate.policy.from_rule import decide_from
from outgate.policy.header import HeaderFacts
from outgate.policy.pools import Pool
from outgate.policy.proof import NO_PROOF, Proof, Shown
from outgate.policy.reasons import Reason
from outgate.policy.snapshot import Snapshot, SourceStanding
from outgate.policy.standing import RecipientDecision, SenderStanding, Settled, is_activating, not_active, only_one

__all__ = [
    "OPERATOR",
    "RecipientDecision",
    "SenderStanding",
    "Settled",
    "decide_recipient",
    "settle",
    "stand_sender",
]

OPERATOR: Final = ""  # whom mail for our own postmaster belongs to: no customer


# At MAIL


def stand_sender(snapshot: Snapshot, source: SourceStanding, reverse_path: ReversePath) -> SenderStanding:
    """Weigh source and reverse-path. `source` is from this snapshot at its present generation."""
    domain = reverse_path.domain
    provider = source.provider
    owner_id = snapshot.owner(domain) if provider is None else snapshot.owner_in(provider, domain)
    accepted: RecipientDecision | None = None
    refusal = _NO_REFUSAL
    is_foreign = False
    if not source.customers:
        refusal = Decision(Verdict.REJECT, Reason.SOURCE_UNKNOWN, source.address)
    elif source.pool is Pool.CONSUMER:
        refusal = Decision(Verdict.REJECT, Reason.POOL_CONSUMER, source.address)
    elif reverse_path.is_null:
        if source.active:
            accepted = RecipientDecision(_NULL_REVERSE_PATH, source.active)
        else:
            refusal = not_active(has_activating=source.has_activating, context=source.address)
    elif owner_id in source.active:
        customer = snapshot.customer(owner_id)
        assert customer is not None  # whoever is active is there
        accepted = RecipientDecision(_DOMAIN_OWN, customer.only)
    elif owner_id in source.customers:
        refusal = not_active(has_activating=is_activating(snapshot, owner_id), context=domain)
    else:
        # Also a domain of a customer who has not declared this source: to this one it is as foreign as any other.
        refusal = Decision(Verdict.REJECT, Reason.SENDER_NOT_REGISTERED, domain)
        is_foreign = True
    is_rewritten = provider is Provider.MICROSOFT and _SRS.search(reverse_path.local_part) is not None
    return SenderStanding(
        reverse_path, source, owner_id, is_foreign, accepted, refusal, snapshot.generation, is_rewritten
    )


# As Exchange Online rewrites: <forwarding mailbox>+SRS=<hash>=<day>=<domain>=<local part>@<the tenant's domain>, where
# it forwards, and bounces+SRS=<hash>=<day>@<the tenant's name>, where it relays.
_SRS: Final = re.compile(r"(?i:\+SRS=[^=]*+=[^=]*+=[^=]++=.|^bounces\+SRS=[^=]*+=[^=]*+$)")


# At RCPT


def decide_recipient(
    snapshot: Snapshot,
    sender: SenderStanding,
    forward_path: ForwardPath,
    candidates: Set[str] | None,
    *,
    feed_is_current: bool,
    own_domains: frozenset[str] = frozenset(),
) -> RecipientDecision:
    """May this recipient be accepted, and whose message is it then?

    candidates: what the last accepted recipient of the transaction left; None before the first.
    feed_is_current: is the snapshot known to be the newest?
    own_domains: canonical host names of this installation for whose postmaster the operator has named a mailbox; empty
    if none is named. RFC 5321 §4.5.1 wants mail for `postmaster`, and for it at these names, accepted from anybody:
    `OPERATOR` is then the only candidate, and the caller puts the operator's mailbox in the forward-path's place.
    Without a mailbox such mail would be accepted only to be lost, so it is refused.
    """
    if not forward_path.domain or (forward_path.domain in own_domains and forward_path.is_postmaster):
        accepted = _decide_postmaster(sender, is_served=bool(own_domains))
    else:
        accepted = sender.accepted or _decide_foreign(snapshot, sender, forward_path)
    if accepted.decision.verdict is not Verdict.ACCEPT:
        return RecipientDecision(_unless_stale(accepted.decision, feed_is_current), candidates or _NOBODY)
    if candidates is None or candidates is accepted.candidates or candidates == accepted.candidates:
        return accepted
    shared = candidates & accepted.candidates
    if not shared:
        return RecipientDecision(Decision(Verdict.SPLIT, Reason.RECIPIENT_SPLIT, forward_path.text), candidates)
    return RecipientDecision(accepted.decision, shared)


def _decide_postmaster(sender: SenderStanding, *, is_served: bool) -> RecipientDecision:
    if is_served:
        return RecipientDecision(_POSTMASTER, frozenset((OPERATOR,)))
    if not sender.source.is_known:
        return RecipientDecision(sender.refusal, _NOBODY)
    return RecipientDecision(Decision(Verdict.REJECT, Reason.POSTMASTER_UNSET), _NOBODY)


def _decide_foreign(snapshot: Snapshot, sender: SenderStanding, forward_path: ForwardPath) -> RecipientDecision:
    """A recipient of a sender who is not accepted as such: only Auto Forward may still admit it."""
    if sender.is_foreign:
        listed = snapshot.forwarders(f"{forward_path.local_part}@{forward_path.domain}") & sender.source.customers
        active = listed & sender.source.active
        if active:
            return RecipientDecision(_AUTO_FORWARD, active)
        if any(is_activating(snapshot, customer_id) for customer_id in listed):
            return RecipientDecision(not_active(has_activating=True, context=forward_path.text), _NOBODY)
    return RecipientDecision(sender.refusal, _NOBODY)


# At the end of the content


def settle(
    snapshot: Snapshot,
    sender: SenderStanding,
    candidates: Set[str],
    header: HeaderFacts,
    proof: Proof = NO_PROOF,
    *,
    forward_paths: Sequence[ForwardPath] = (),
    feed_is_current: bool,
) -> Settled:
    """Whose message it is, and whether its From field is theirs. `candidates`: what the last accepted recipient left.

    proof, forward_paths (all that were accepted): read only if `sender.needs_proof`, and then nothing passes without.
    The policy may have changed since RCPT: what counts is the snapshot as it is now. Only the Auto Forward list is not
    asked again; a recipient that was on it when it was accepted stays accepted.
    """
    if header.is_too_large:
        return _settled(candidates, Decision(Verdict.REJECT, Reason.HEADER_TOO_LARGE))
    if OPERATOR in candidates:
        return Settled(_POSTMASTER, OPERATOR)  # anybody may write to the postmaster, under any name
    if sender.generation != snapshot.generation:
        was, sender = sender, stand_sender(snapshot, snapshot.source(sender.source.address), sender.reverse_path)
        still = _still(candidates, _possible(sender, may_be_foreign=was.is_foreign))
        if was.source.provider is not sender.source.provider:
            # What proves the one was not looked for in the other.
            return _settled(still, Decision(Verdict.DEFER, Reason.POLICY_STALE))
        if not still:
            # Accepted at RCPT, and now somebody else's: doubt, so that the next attempt is decided as a whole.
            decision = sender.refusal if sender.accepted is None else Decision(Verdict.DEFER, Reason.POLICY_STALE)
            return _settled(candidates, _unless_stale(decision, feed_is_current))
        candidates = still
    fields = header.from_fields
    domains = read_from(fields[0]) if len(fields) == 1 else None
    if domains is None:
        return _settled(candidates, Decision(Verdict.REJECT, _flaw(fields)))
    if sender.source.provider is not None:
        shown = Shown(sender.source.provider, sender.reverse_path, domains, proof)
        settled = settle_in_cloud(snapshot, sender, candidates, shown, forward_paths)
        decision = _unless_stale(settled.decision, feed_is_current)
        if decision is settled.decision:
            return settled
        return Settled(decision, settled.customer_id, pool=settled.pool)
    customer_id, decision = decide_from(snapshot, sender, candidates, domains)
    return Settled(_unless_stale(decision, feed_is_current), customer_id)


def _still(candidates: Set[str], possible: Set[str]) -> Set[str]:
    """Those that are left. What was everybody with the provider is everybody with it now: they are never walked."""
    if isinstance(candidates, LiveCustomers) and isinstance(possible, LiveCustomers):
        return possible
    return candidates & possible


def _possible(sender: SenderStanding, *, may_be_foreign: bool) -> Set[str]:
    """The customers that could send so. A reverse-path that has become foreign since RCPT was never held against an
    Auto Forward list, so it does not profit from one."""
    if sender.accepted is not None:
        return sender.accepted.candidates
    return sender.source.active if sender.is_foreign and may_be_foreign else _NOBODY


def _flaw(from_fields: tuple[bytes, ...]) -> Reason:
    if not from_fields:
        return Reason.FROM_MISSING
    return Reason.FROM_UNREADABLE if len(from_fields) == 1 else Reason.FROM_REPEATED


# What decisions have in common


_NOBODY: Final[frozenset[str]] = frozenset()
_DOMAIN_OWN: Final = Decision(Verdict.ACCEPT, Reason.DOMAIN_OWN)
_AUTO_FORWARD: Final = Decision(Verdict.ACCEPT, Reason.AUTO_FORWARD)
_NULL_REVERSE_PATH: Final = Decision(Verdict.ACCEPT, Reason.NULL_REVERSE_PATH)
_POSTMASTER: Final = Decision(Verdict.ACCEPT, Reason.POSTMASTER)
_NO_REFUSAL: Final = Decision(Verdict.REJECT, Reason.SENDER_NOT_REGISTERED)  # stands beside an acceptance, never told

# Reasons that rest on the policy in hand. What a header is like does not depend on it.
_IDENTITY_REASONS: Final = frozenset(
    (
        Reason.SOURCE_UNKNOWN,
        Reason.SENDER_NOT_REGISTERED,
        Reason.OUTBOUND_OFF,
        Reason.FROM_MISMATCH,
        Reason.CUSTOMER_AMBIGUOUS,
        Reason.TENANT_MISMATCH,
        Reason.TENANT_UNPROVEN,
        Reason.RELAYED_MAIL,
        Reason.SIGNATURE_REQUIRED,
        Reason.POOL_CONSUMER,
        Reason.POOL_HIGH_RISK,
        Reason.POOL_RELAY,
    )
)


def _unless_stale(decision: Decision, feed_is_current: bool) -> Decision:
    """The same; or "come again" for a refusal on the ground of identity by a policy that may be old."""
    if feed_is_current or decision.reason not in _IDENTITY_REASONS:
        return decision
    return Decision(Verdict.DEFER, Reason.POLICY_STALE, decision.context)


def _settled(candidates: Set[str], decision: Decision) -> Settled:
    """A refusal before the From field was asked: the customer is known only if there is just one."""
    return Settled(decision, only_one(candidates))
