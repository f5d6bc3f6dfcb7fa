"""Changes what a customer wants of scanning."""

from outgate.contract.scanning import ScanPolicy
from outgate.portal.accounts import audit
from outgate.portal.accounts.audit import Actor
from outgate.portal.customers.models import Customer
from outgate.portal.feed.changes import changes
from outgate.portal.outbound.documents import write_customer
from outgate.portal.policies.models import ScanSettings
from outgate.portal.policies.selectors import scan_policy, stored
from outgate.portal.policies.validation import check_policy


def set_scan_policy(*, actor: Actor, customer: Customer, policy: ScanPolicy) -> None:
    """The whole policy in the place of the one before. Idempotent. Raises: Invalid."""
    check_policy(policy)
    with changes() as changed:
        before = scan_policy(customer)
        if before == policy:
            return
        ScanSettings.objects.update_or_create(customer=customer, defaults={"policy": stored(policy)})
        write_customer(changed, customer)
        names = [name for name in ScanPolicy.__struct_fields__ if getattr(before, name) != getattr(policy, name)]
        audit.record(actor, "policy.changed", customer.slug, changed=" ".join(names), on=policy.is_on)
