"""Reads what a customer wants of scanning, and what its partner has for it to take."""

from typing import Any

import msgspec
from django.db.models import QuerySet

from outgate.contract.scanning import ScanPolicy
from outgate.portal.accounts.scope import ABSENT
from outgate.portal.customers.models import Customer
from outgate.portal.errors import NotFound
from outgate.portal.policies.models import PolicyTemplate, ScanSettings


def scan_policy(customer: Customer) -> ScanPolicy:
    row = ScanSettings.objects.filter(customer=customer).first()
    return msgspec.convert(row.policy if row is not None else {}, ScanPolicy)


def stored(policy: ScanPolicy) -> dict[str, Any]:
    """What a row keeps of it."""
    defaults = msgspec.to_builtins(ScanPolicy())
    return {name: value for name, value in msgspec.to_builtins(policy).items() if value != defaults[name]}


def template_rows(customer: Customer) -> QuerySet[PolicyTemplate]:
    """Its partner's."""
    return PolicyTemplate.objects.select_related("partner").filter(partner_id=customer.partner_id)


def templates_for(customer: Customer) -> list[PolicyTemplate]:
    """Its partner's, by name."""
    return list(template_rows(customer).order_by("name"))


def template_for(customer: Customer, name: str) -> PolicyTemplate:
    """Raises: NotFound."""
    found = template_rows(customer).filter(name=name).first()
    if found is None:
        raise NotFound(ABSENT)
    return found


def template_policy(template: PolicyTemplate) -> ScanPolicy:
    return msgspec.convert(template.policy, ScanPolicy)
