"""What the plain parts of the page show: rows of the customer's."""

from collections.abc import Iterable
from typing import Any, Final

from django.utils import timezone

from outgate.contract.policy import RelayTls
from outgate.portal.accounts.models import Role
from outgate.portal.customers.models import Customer, MailPlatform
from outgate.portal.outbound.activation import activation_of
from outgate.portal.outbound.selectors import has_tenant_lock
from outgate.portal.web.request import CallerRequest

RELAY_TLS: Final = (
    (RelayTls.OPPORTUNISTIC.value, "If the host offers it"),
    (RelayTls.REQUIRED.value, "Required"),
    (RelayTls.VERIFIED.value, "Required, certificate verified"),
)


def nothing(_request: CallerRequest, _customer: Customer) -> dict[str, Any]:
    """The customer itself says it all."""
    return {}


def status(_request: CallerRequest, customer: Customer) -> dict[str, Any]:
    return {"activation": activation_of(customer, timezone.now())}


def domains(request: CallerRequest, customer: Customer) -> dict[str, Any]:
    return {
        "domains": list(customer.domains.order_by("name")),
        "with_relays": _with_parents(customer.sender_relays.values_list("domain", flat=True)),
        "has_tenant_lock": has_tenant_lock(customer),
        "may_vouch": request.caller.role is Role.OPERATOR,
    }


def _with_parents(names: Iterable[str]) -> set[str]:
    found = set()
    for name in names:
        while name:
            found.add(name)
            _, _, name = name.partition(".")
    return found


def sources(_request: CallerRequest, customer: Customer) -> dict[str, Any]:
    return {
        "sources": list(customer.sources.order_by("network")),
        "needs_none": customer.mail_platform in (MailPlatform.MICROSOFT_365, MailPlatform.GOOGLE),
    }


def relays(_request: CallerRequest, customer: Customer) -> dict[str, Any]:
    return {"relays": list(customer.sender_relays.order_by("domain")), "relay_tls": RELAY_TLS}


def forwards(_request: CallerRequest, customer: Customer) -> dict[str, Any]:
    return {"forwards": list(customer.auto_forwards.order_by("address"))}
