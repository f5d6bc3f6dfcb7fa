"""Reads what a customer has set about clouds and limits, and whose a domain is."""

from collections.abc import Mapping, Set
from ipaddress import IPv4Network, IPv6Network
from typing import Final

import msgspec

from outgate.contract.policy import GoogleSettings, MicrosoftSettings, PoolAction, SenderLimits, SignatureRule
from outgate.portal.customers.models import Customer, MailPlatform
from outgate.portal.feed.selectors import provider_networks
from outgate.portal.outbound.models import MicrosoftName, OutboundSettings, SendingDomain
from outgate.portal.providers.selectors import known_networks

LABELS_MAX: Final = 10  # of a name that somebody else has written and that is looked up with its parents


def settings_row(customer: Customer) -> OutboundSettings:
    """The stored row, or one with the defaults that is not stored."""
    return OutboundSettings.objects.filter(customer=customer).first() or OutboundSettings(customer=customer)


def has_tenant_lock(customer: Customer) -> bool:
    """Does the customer have that part of the settings? Also one that has left the cloud, and a tenant behind."""
    return customer.mail_platform == MailPlatform.MICROSOFT_365 or customer.microsoft_tenants.exists()


def microsoft_settings(customer: Customer) -> MicrosoftSettings:
    row = settings_row(customer)
    return MicrosoftSettings(
        tenant_ids=tuple(sorted(customer.microsoft_tenants.values_list("tenant_id", flat=True))),
        names=tuple(sorted(customer.microsoft_names.values_list("name", flat=True))),
        relayed_mail=row.relayed_mail,
        high_risk_pool=PoolAction(row.high_risk_pool),
        relay_pool=PoolAction(row.relay_pool),
        relay_pool_forwards=row.relay_pool_forwards,
    )


def google_settings(customer: Customer) -> GoogleSettings:
    return GoogleSettings(signature=SignatureRule(settings_row(customer).google_signature))


def sender_limits(customer: Customer) -> SenderLimits:
    return msgspec.convert(settings_row(customer).limits, SenderLimits)


def provider_of(network: IPv4Network | IPv6Network) -> str:
    """Whose range `network` touches, "microsoft" or "google"; empty if neither's, as far as is known here."""
    for provider, known in {**known_networks(), **provider_networks()}.items():
        if any(network.version == each.version and network.overlaps(each) for each in known):
            return provider.value
    return ""


def own_names(wanted: Mapping[str, Set[str]]) -> dict[str, set[str]]:
    """By customer id: those of the names that are its own. These are its proven domains, subdomains that such a domain
    includes, and the names of its tenants. Names of more than `LABELS_MAX` labels are taken to be nobody's."""
    parents = {name: _with_parents(name) for names in wanted.values() for name in names}
    candidates = sorted({each for names in parents.values() for each in names})
    if not candidates:
        return {customer_id: set() for customer_id in wanted}
    known: dict[tuple[str, str], bool] = {}
    domains = SendingDomain.objects.filter(verified_at__isnull=False, name__in=candidates)
    for slug, name, include in domains.values_list("customer__slug", "name", "include_subdomains"):
        known[slug, name] = include
    for slug, name in MicrosoftName.objects.filter(name__in=candidates).values_list("customer__slug", "name"):
        known.setdefault((slug, name), False)
    return {
        customer_id: {
            name
            for name in names
            if any(
                (customer_id, parent) in known and (parent == name or known[customer_id, parent])
                for parent in parents[name]
            )
        }
        for customer_id, names in wanted.items()
    }


def _with_parents(name: str) -> list[str]:
    labels = name.split(".")
    if len(labels) > LABELS_MAX or "\0" in name:  # PostgreSQL takes no NUL
        return []
    return [".".join(labels[start:]) for start in range(len(labels) - 1)]
