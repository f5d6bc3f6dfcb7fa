"""Reads what a customer wants of scanning."""

from typing import Any

import msgspec

from outgate.contract.scanning import ScanPolicy
from outgate.portal.customers.models import Customer
from outgate.portal.policies.models import ScanSettings


def scan_policy(customer: Customer) -> ScanPolicy:
    row = ScanSettings.objects.filter(customer=customer).first()
    return msgspec.convert(row.policy if row is not None else {}, ScanPolicy)


def stored(policy: ScanPolicy) -> dict[str, Any]:
    """What a row keeps of it."""
    defaults = msgspec.to_builtins(ScanPolicy())
    return {name: value for name, value in msgspec.to_builtins(policy).items() if value != defaults[name]}
