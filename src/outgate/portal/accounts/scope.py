"""Finds rows for a caller: what is outside the caller's tenant is not there, and nobody is told more."""

from typing import Any, TypeVar

from django.db.models import Model, Q, QuerySet

from outgate.portal.accounts.caller import Caller
from outgate.portal.accounts.models import ApiKey, AuditEntry, Right, Role, User
from outgate.portal.customers.models import Customer, Partner, Region
from outgate.portal.errors import NotFound
from outgate.portal.outbound.models import SendingDomain

ModelT = TypeVar("ModelT", bound=Model)
ABSENT = "There is no such page, or not for you."


def customers_of(caller: Caller) -> QuerySet[Customer]:
    """The customers that the caller may know of."""
    rows = Customer.objects.select_related("partner", "region")
    if caller.acting_for is not None:
        return rows.filter(pk=caller.acting_for.pk)
    match caller.role:
        case Role.OPERATOR:
            return rows
        case Role.PARTNER:
            rows = rows.filter(partner_id=caller.partner_id)
            if caller.scopes is None:
                return rows
            # A key acts without logging in as the customer, so that the customer's switch is asked here.
            return rows.exclude(access__partner_management=False)
        case _:
            return rows.filter(pk=caller.customer_id)


def search_customers(rows: QuerySet[Customer], text: str) -> QuerySet[Customer]:
    """Of these, those with `text` in the name, or at the beginning of the id or of a domain. Empty is all."""
    if not text:
        return rows
    by_domain = SendingDomain.objects.filter(name__startswith=text.lower()).values("customer")
    return rows.filter(Q(name__icontains=text) | Q(slug__startswith=text.lower()) | Q(pk__in=by_domain))


def customer_of(caller: Caller, slug: str) -> Customer:
    """Raises: NotFound."""
    return _one(customers_of(caller), slug=slug)


def part_of(customer: Customer, rows: QuerySet[ModelT], **identity: Any) -> ModelT:
    """One row of a customer that was found by `customer_of`. Raises: NotFound."""
    return _one(rows, customer=customer, **identity)


def partners_of(caller: Caller) -> QuerySet[Partner]:
    """The partners for whom the caller may make customers or users."""
    if not caller.is_staff:
        return Partner.objects.none()
    if caller.role is Role.OPERATOR:
        return Partner.objects.order_by("name")
    return Partner.objects.filter(pk=caller.partner_id)


def regions_of(caller: Caller) -> QuerySet[Region]:
    return Region.objects.order_by("name") if caller.is_staff else Region.objects.none()


def users_of(caller: Caller) -> QuerySet[User]:
    """The users whom the caller may manage: its own team. Those of a customer are managed by its admin, and by staff
    that is logged in as the customer: a new password for one would be another way in."""
    rows = User.objects.select_related("partner", "customer").order_by("email")
    if caller.acting_for is not None:
        return rows.filter(customer=caller.acting_for)
    if caller.role is Role.CUSTOMER_ADMIN:
        return rows.filter(customer_id=caller.customer_id)
    if caller.role is Role.OPERATOR:
        return rows
    if caller.has(Right.TEAM):
        return rows.filter(partner_id=caller.partner_id)
    return rows.none()


def user_of(caller: Caller, pk: int) -> User:
    """Raises: NotFound."""
    return _one(users_of(caller), pk=pk)


def keys_of(caller: Caller) -> QuerySet[ApiKey]:
    """The keys that the caller may see and revoke: those of its own tenant."""
    rows = ApiKey.objects.select_related("partner", "customer").order_by("-created_at")
    if caller.acting_for is not None:
        return rows.filter(customer=caller.acting_for)
    if caller.role is Role.CUSTOMER_ADMIN:
        return rows.filter(customer_id=caller.customer_id)
    if caller.role is Role.OPERATOR:
        return rows.filter(role=Role.OPERATOR)
    if caller.has(Right.TEAM):
        return rows.filter(partner_id=caller.partner_id)
    return rows.none()


def key_of(caller: Caller, prefix: str) -> ApiKey:
    """Raises: NotFound."""
    return _one(keys_of(caller), prefix=prefix)


def audit_of(caller: Caller) -> QuerySet[AuditEntry]:
    """The lines of the audit log that concern the caller's tenant, newest first."""
    rows = AuditEntry.objects.order_by("-number")
    if caller.acting_for is not None:
        return rows.filter(customer=caller.acting_for.slug)
    if caller.role is Role.OPERATOR:
        return rows
    if caller.role is Role.PARTNER:
        if not caller.has(Right.AUDIT):
            return rows.none()
        # Of a customer that has closed its door the partner sees what its own people did there, and nothing else.
        closed = Customer.objects.filter(partner_id=caller.partner_id, access__partner_management=False)
        own_work = Q(acting_as="") & Q(customer__in=closed.values("slug"))
        return rows.filter(partner_id=caller.partner_id).exclude(own_work)
    slug = Customer.objects.values_list("slug", flat=True).get(pk=caller.customer_id)
    return rows.filter(customer=slug)


def search_audit(rows: QuerySet[AuditEntry], text: str) -> QuerySet[AuditEntry]:
    """Of these, those with `text` in the actor, the action or the object. Empty is all."""
    if not text:
        return rows
    return rows.filter(Q(actor__icontains=text) | Q(action__icontains=text) | Q(object__icontains=text))


def _one(rows: QuerySet[ModelT], **identity: Any) -> ModelT:
    found = rows.filter(**identity).first()
    if found is None:
        raise NotFound(ABSENT)
    return found
