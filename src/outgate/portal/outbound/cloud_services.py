"""Changes a customer's tenant lock and what it wants of the clouds' mail. Like `services`: idempotent, with audit."""

from typing import Final

from django.utils import timezone

from outgate.contract.policy import PoolAction, SenderLimits, SignatureRule
from outgate.portal.accounts import alarms, audit
from outgate.portal.accounts.audit import Actor
from outgate.portal.customers.models import Customer
from outgate.portal.errors import Invalid, NotFound
from outgate.portal.feed.changes import changes
from outgate.portal.outbound.cloud_validation import parse_limits, parse_microsoft_name, parse_tenant_id, stored_limits
from outgate.portal.outbound.documents import write_customer
from outgate.portal.outbound.models import ACTOR_MAX, MicrosoftName, MicrosoftTenant, SendingDomain
from outgate.portal.outbound.selectors import settings_row

TENANTS_MAX: Final = 50  # of one customer
NAMES_MAX: Final = 50


def confirm_tenant(*, actor: Actor, customer: Customer, tenant_id: str) -> MicrosoftTenant:
    """Take a person's word that the Microsoft 365 tenant is the customer's. Raises: Invalid."""
    with changes() as changed:
        tenant_id = parse_tenant_id("tenant_id", tenant_id)
        tenant = MicrosoftTenant.objects.filter(tenant_id=tenant_id).select_related("customer").first()
        if tenant is not None:
            if tenant.customer_id != customer.pk:
                _contested(actor, customer, "tenant.contested", tenant_id, tenant.customer)
                raise Invalid(
                    "tenant_id", f"{tenant_id} is another customer's already. Ask the operator if it is yours."
                )
            return tenant
        if customer.microsoft_tenants.count() >= TENANTS_MAX:
            raise Invalid("tenant_id", f"There are already {TENANTS_MAX} tenants. Remove some first.")
        tenant = customer.microsoft_tenants.create(
            tenant_id=tenant_id, confirmed_at=timezone.now(), confirmed_by=actor.name[:ACTOR_MAX]
        )
        write_customer(changed, customer)
        audit.record(actor, "tenant.confirmed", f"{customer.slug}/{tenant_id}")
        return tenant


def remove_tenant(*, actor: Actor, customer: Customer, tenant_id: str) -> None:
    """Mail of the tenant is refused from now on. Raises: Invalid, NotFound."""
    with changes() as changed:
        tenant_id = parse_tenant_id("tenant_id", tenant_id)
        removed, _ = customer.microsoft_tenants.filter(tenant_id=tenant_id).delete()
        if not removed:
            raise NotFound(f"{customer.slug} has no tenant {tenant_id}. See `outgate tenant show {customer.slug}`.")
        write_customer(changed, customer)
        audit.record(actor, "tenant.removed", f"{customer.slug}/{tenant_id}")


def add_microsoft_name(*, actor: Actor, customer: Customer, name: str) -> MicrosoftName:
    """Take a person's word that the `*.onmicrosoft.com` name is the customer's. Raises: Invalid."""
    with changes() as changed:
        name = parse_microsoft_name("name", name)
        row = MicrosoftName.objects.filter(name=name).select_related("customer").first()
        if row is not None and row.customer_id == customer.pk:
            return row
        proven = SendingDomain.objects.filter(name=name, verified_at__isnull=False).exclude(customer=customer)
        holder = row or proven.select_related("customer").first()
        if holder is not None:
            _contested(actor, customer, "microsoft-name.contested", name, holder.customer)
            raise Invalid("name", f"{name} is another customer's already. Ask the operator if it is yours.")
        if customer.microsoft_names.count() >= NAMES_MAX:
            raise Invalid("name", f"There are already {NAMES_MAX} names. Remove some first.")
        row = customer.microsoft_names.create(name=name)
        write_customer(changed, customer)
        audit.record(actor, "microsoft-name.added", f"{customer.slug}/{name}")
        return row


def remove_microsoft_name(*, actor: Actor, customer: Customer, name: str) -> None:
    """Raises: Invalid, NotFound."""
    with changes() as changed:
        name = parse_microsoft_name("name", name)
        removed, _ = customer.microsoft_names.filter(name=name).delete()
        if not removed:
            raise NotFound(f"{customer.slug} has no name {name}. See `outgate tenant show {customer.slug}`.")
        write_customer(changed, customer)
        audit.record(actor, "microsoft-name.removed", f"{customer.slug}/{name}")


def set_microsoft(
    *,
    actor: Actor,
    customer: Customer,
    relayed_mail: bool,
    high_risk_pool: PoolAction,
    relay_pool: PoolAction,
    relay_pool_forwards: bool,
) -> None:
    """What becomes of the proven tenant's mail that came from elsewhere, or leaves by a special pool."""
    wanted: dict[str, str | bool] = {
        "relayed_mail": relayed_mail,
        "high_risk_pool": high_risk_pool.value,
        "relay_pool": relay_pool.value,
        "relay_pool_forwards": relay_pool_forwards,
    }
    _set(actor, customer, "microsoft.changed", wanted)


def set_google(*, actor: Actor, customer: Customer, signature: SignatureRule) -> None:
    """Must mail from Google's ranges carry a signature of the customer's?"""
    _set(actor, customer, "google.changed", {"google_signature": signature.value})


def set_limits(*, actor: Actor, customer: Customer, limits: SenderLimits) -> SenderLimits:
    """How much the customer may send. Returns the limits in their one spelling. Raises: Invalid, its field such as
    "rules[1].seconds"."""
    limits = parse_limits(limits)
    with changes() as changed:
        row, stored = settings_row(customer), stored_limits(limits)
        if row.limits != stored:
            row.limits = stored
            row.save()
            write_customer(changed, customer)
            audit.record(
                actor,
                "limits.changed",
                customer.slug,
                changed=" ".join(sorted(stored)) or "defaults",
                rules=len(limits.limits),
                exempt=len(limits.exempt),
            )
    return limits


def _contested(actor: Actor, customer: Customer, action: str, value: str, holder: Customer) -> None:
    """Whose it is is not this customer's business, nor its partner's: the operator alone is told."""
    alarms.raise_alarm(actor, action, f"{customer.slug}/{value}", holder=holder.slug)


def _set(actor: Actor, customer: Customer, action: str, wanted: dict[str, str | bool]) -> None:
    with changes() as changed:
        row = settings_row(customer)
        detail = {field: value for field, value in wanted.items() if getattr(row, field) != value}
        if not detail:
            return
        for field, value in detail.items():
            setattr(row, field, value)
        row.save()
        write_customer(changed, customer)
        audit.record(actor, action, customer.slug, **detail)
