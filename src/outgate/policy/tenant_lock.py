"""The tenant lock: is a message from a provider's addresses of the customer that it claims to be of? Pure and total.

Microsoft 365. What a tenant id, an X-OriginatorOrg and the verified signatures say must all agree; one that disagrees
refuses the message whatever the others say, so that a victim's signed message proves nothing when another tenant sends
it again. The fields are not signed: that Exchange Online puts its own into what it sends, beside any that were there,
is what the lock rests on. Where it has put no tenant id, more is asked for: a verified signature of the customer above
the first Received field, which only the last server can have written. Notices without that (journal reports have
neither id nor signature) pass by X-OriginatorOrg alone if nobody is said to have signed in and the From field is the
customer's own.

Google. There is no tenant field; only a signature proves. It must be the topmost that verifies, since one below may
have been signed at any time and be sent again. What remains: under `SignatureRule.PREFER`, which is only for customers
on Google's platform, a message without a verified signature passes if reverse-path and From field are both the
customer's. So a Google user passes for the customer who can make Google send so, unsigned or with a key that he has
withdrawn; and so does, under either rule, who can make Google send a signed message of the customer again without a
signature of its own above. `REQUIRE` closes the first. The form that Google signs in for a domain without a key of its
own writes dots as dashes: customer.example is customer-example, but a.co.uk and a-co.uk are both a-co-uk, and the
second could be anybody's. So it proves a domain only if no other could be written so: one dot, no dash.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Final

from outgate.contract.policy import Provider, SignatureRule
from outgate.mail.evidence import DkimVerdict, SignatureResult
from outgate.policy.cohorts import NAME_SUFFIX, PROVIDER_OF, tenant_ids, tenant_names
from outgate.policy.decision import Decision, Verdict
from outgate.policy.proof import Shown
from outgate.policy.reasons import Reason
from outgate.policy.snapshot import CustomerView, Snapshot

_GAPPS_SUFFIX: Final = ".gappssmtp.com"
_GAPPS: Final = re.compile(r"([a-z0-9-]+)\.[0-9]+\.gappssmtp\.com")
_INTERNAL: Final = ("internal",)


def find_customer(snapshot: Snapshot, shown: Shown) -> tuple[str, str]:
    """The customer that a message with a null or foreign reverse-path points to, by the first evidence that points to
    any, and that evidence; or nobody. This only says who is to be proven: `judge_tenant` must agree."""
    for value, owner in _pointers(snapshot, shown):
        if owner:
            return owner, value
    return "", ""


def judge_tenant(
    snapshot: Snapshot, customer: CustomerView, shown: Shown, *, is_forward: bool = False
) -> Decision | None:
    """Why the message does not pass for the customer's, or None: it is proven, as far as the module says.

    is_forward: it is a stranger's, or rewritten, and goes to the customer's Auto Forward destinations only.
    """
    if shown.provider is Provider.MICROSOFT:
        return _judge_microsoft(snapshot, customer, shown, is_forward=is_forward)
    return _judge_google(snapshot, customer, shown)


def _pointers(snapshot: Snapshot, shown: Shown) -> Iterable[tuple[str, str]]:
    evidence = shown.proof.header
    if shown.provider is Provider.MICROSOFT:
        for tenant_id in evidence.tenant_ids:
            yield tenant_id, snapshot.tenant(tenant_id)
        for org in evidence.originator_orgs:
            yield org, snapshot.owner_in(shown.provider, org)
    for domain in _verified(shown.proof.signatures):
        yield domain, snapshot.owner_in(shown.provider, domain) or _gapps_owner(snapshot, domain)
    for domain in shown.from_domains:
        yield domain, snapshot.owner_in(shown.provider, domain)


def _verified(signatures: Sequence[SignatureResult]) -> list[str]:
    return [each.domain for each in signatures if each.verdict is DkimVerdict.PASS]


def _without_key(signatures: Sequence[SignatureResult]) -> list[str]:
    """Those that may verify, or not: nobody can say now."""
    return [each.domain for each in signatures if each.verdict is DkimVerdict.TEMPERROR]


def _are_own(snapshot: Snapshot, customer: CustomerView, provider: Provider, domains: Iterable[str]) -> bool:
    return all(snapshot.owner_in(provider, domain) == customer.customer_id for domain in domains)


# Microsoft 365


def _judge_microsoft(snapshot: Snapshot, customer: CustomerView, shown: Shown, *, is_forward: bool) -> Decision | None:
    evidence, signatures = shown.proof.header, shown.proof.signatures
    customer_id = customer.customer_id
    if not any(snapshot.tenant(tenant_id) == customer_id for tenant_id in tenant_ids(customer.document)):
        return Decision(Verdict.DEFER, Reason.TENANT_UNCONFIRMED, next(iter(evidence.tenant_ids), ""))
    for tenant_id in evidence.tenant_ids:
        if snapshot.tenant(tenant_id) != customer_id:
            return _mismatch(customer, tenant_id)
    for org in evidence.originator_orgs:
        if snapshot.owner_in(Provider.MICROSOFT, org) != customer_id:
            return _mismatch(customer, org)
    telling = signatures
    if is_forward and evidence.tenant_ids and evidence.originator_orgs:
        # The writer's signature may come along with a forward, below the first Received field, and name his tenant. Id
        # and organisation say whose tenant forwards; another customer's signature is told all the same.
        telling = tuple(
            each
            for place, each in enumerate(signatures)
            if place < evidence.signatures_on_top or snapshot.owner_in(Provider.MICROSOFT, each.domain)
        )
    for domain in _verified(telling):
        if _is_of_another_tenant(snapshot, customer, domain):
            return _mismatch(customer, domain)
    for domain in _without_key(telling):
        if _is_of_another_tenant(snapshot, customer, domain):
            return Decision(Verdict.DEFER, Reason.KEY_UNAVAILABLE, domain)
    if not evidence.tenant_ids and not _is_journal(snapshot, customer, shown):
        unproven = _judge_top(snapshot, customer, signatures[: evidence.signatures_on_top])
        if unproven is not None:
            return unproven
    signed_in = evidence.auth_as == _INTERNAL or (not evidence.auth_as and shown.reverse_path.is_null)
    if not signed_in and not customer.document.microsoft.relayed_mail:
        return Decision(Verdict.REJECT, Reason.RELAYED_MAIL, ", ".join(evidence.auth_as))
    return None


def _is_of_another_tenant(snapshot: Snapshot, customer: CustomerView, domain: str) -> bool:
    """Of a name of a tenant that is not the customer's, or of a domain of another customer. Other domains say nothing:
    forwarded mail brings its writer's signature along."""
    owner = snapshot.owner_in(Provider.MICROSOFT, domain)
    return owner != customer.customer_id and (bool(owner) or f".{domain}".endswith(NAME_SUFFIX))


def _mismatch(customer: CustomerView, value: str) -> Decision:
    """What the customer has as its own and another says to have too is a doubt, for the operator to clear up."""
    if value in tenant_ids(customer.document) or value in tenant_names(customer.document):
        return Decision(Verdict.DEFER, Reason.TENANT_UNCONFIRMED, value)
    return Decision(Verdict.REJECT, Reason.TENANT_MISMATCH, value)


def _is_journal(snapshot: Snapshot, customer: CustomerView, shown: Shown) -> bool:
    """May it pass by X-OriginatorOrg alone, which has been found to be the customer's?"""
    evidence = shown.proof.header
    return (
        bool(evidence.originator_orgs)
        and shown.reverse_path.is_null
        and not evidence.auth_as
        and _are_own(snapshot, customer, Provider.MICROSOFT, shown.from_domains)
    )


def _judge_top(snapshot: Snapshot, customer: CustomerView, on_top: Sequence[SignatureResult]) -> Decision | None:
    """on_top: the signatures that only the sending server can have made."""
    customer_id = customer.customer_id
    if any(snapshot.owner_in(Provider.MICROSOFT, domain) == customer_id for domain in _verified(on_top)):
        return None
    for domain in _without_key(on_top):
        if snapshot.owner_in(Provider.MICROSOFT, domain) == customer_id:
            return Decision(Verdict.DEFER, Reason.KEY_UNAVAILABLE, domain)
    return Decision(Verdict.REJECT, Reason.TENANT_UNPROVEN)


# Google


def _judge_google(snapshot: Snapshot, customer: CustomerView, shown: Shown) -> Decision | None:
    signatures = shown.proof.signatures
    verified = _verified(signatures)
    telling = next((domain for domain in verified if _tells(snapshot, domain)), "")
    if telling and not _may_be_own(snapshot, customer, telling):
        return Decision(Verdict.REJECT, Reason.TENANT_MISMATCH, telling)
    # A signature without a key counts as far as it would if it verified, being above those that do.
    for domain in _without_key(_above(signatures, telling)):
        if _tells(snapshot, domain) and not _may_be_own(snapshot, customer, domain):
            return Decision(Verdict.DEFER, Reason.KEY_UNAVAILABLE, domain)
    if verified and _proves(snapshot, customer, verified[0]):
        return None
    # An old declaration of an address that is Google's now makes nobody a user of Google: PREFER is not for him.
    is_on_google = PROVIDER_OF.get(customer.document.platform) is Provider.GOOGLE
    is_required = not is_on_google or customer.document.google.signature is SignatureRule.REQUIRE
    without_key = _without_key(_above(signatures, verified[0] if verified else ""))
    contradicts = bool(verified) and not _may_be_own(snapshot, customer, verified[0])  # Google signed for another
    domains = (shown.reverse_path.domain, *shown.from_domains)  # a null reverse-path's is nobody's
    if not is_required and not contradicts and _are_own(snapshot, customer, Provider.GOOGLE, domains):
        for domain in without_key:
            if not _may_be_own(snapshot, customer, domain):
                return Decision(Verdict.DEFER, Reason.KEY_UNAVAILABLE, domain)
        return None
    for domain in without_key:
        if _proves(snapshot, customer, domain):
            return Decision(Verdict.DEFER, Reason.KEY_UNAVAILABLE, domain)
    return Decision(Verdict.REJECT, Reason.SIGNATURE_REQUIRED if is_required else Reason.TENANT_UNPROVEN)


def _above(signatures: Sequence[SignatureResult], verified_domain: str) -> Sequence[SignatureResult]:
    """Those above the first verified signature of a domain; all if there is none."""
    for place, each in enumerate(signatures):
        if each.verdict is DkimVerdict.PASS and each.domain == verified_domain:
            return signatures[:place]
    return signatures


def _tells(snapshot: Snapshot, domain: str) -> bool:
    """Is it a signature of a customer, or of somebody's Google account? Others say nothing."""
    return bool(snapshot.owner_in(Provider.GOOGLE, domain)) or f".{domain}".endswith(_GAPPS_SUFFIX)


def _proves(snapshot: Snapshot, customer: CustomerView, domain: str) -> bool:
    customer_id = customer.customer_id
    return customer_id in (snapshot.owner_in(Provider.GOOGLE, domain), _gapps_owner(snapshot, domain))


def _may_be_own(snapshot: Snapshot, customer: CustomerView, domain: str) -> bool:
    """It is the customer's, or in a form that could be: such neither proves nor contradicts."""
    if _proves(snapshot, customer, domain):
        return True
    found = _GAPPS.fullmatch(domain)
    return found is not None and any(
        one.name.replace(".", "-") == found[1] and snapshot.owner(one.name) == customer.customer_id
        for one in customer.document.domains
    )


def _gapps_owner(snapshot: Snapshot, domain: str) -> str:
    """The customer whose Google account signs as `domain`, if no other domain could be written so; else ""."""
    found = _GAPPS.fullmatch(domain)
    if found is None or found[1].count("-") != 1:
        return ""
    return snapshot.owner(found[1].replace("-", "."))
