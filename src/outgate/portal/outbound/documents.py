"""Makes the documents that the workers get of the rows that people edit."""

from outgate.contract.policy import (
    CustomerDocument,
    ForeignFrom,
    Login,
    Outbound,
    OutboundSource,
    Platform,
    RegionDocument,
    RelayTls,
    SenderRelay,
    SendingDomain,
)
from outgate.portal.customers.models import Customer, Plan, Region
from outgate.portal.feed.changes import Changes
from outgate.portal.held.keys import public_key
from outgate.portal.limits.selectors import locked_senders
from outgate.portal.outbound.selectors import google_settings, microsoft_settings, sender_limits
from outgate.portal.policies.selectors import scan_policy


def customer_key(customer: Customer) -> str:
    return f"customer:{customer.slug}"


def region_key(region: Region) -> str:
    return f"region:{region.slug}"


def write_customer(changed: Changes, customer: Customer, *, is_later_part: bool = False) -> None:
    """Have the customer's document made anew when `changed` ends. is_later_part: see `Changes.write`."""
    pk = customer.pk
    changed.write(
        customer_key(customer), lambda: customer_document(Customer.objects.get(pk=pk)), is_later_part=is_later_part
    )


def write_region(changed: Changes, region: Region) -> None:
    pk = region.pk
    changed.write(region_key(region), lambda: region_document(Region.objects.get(pk=pk)))


def customer_document(customer: Customer) -> CustomerDocument:
    """All that a worker may know. Unproven domains are not in it. Lists are in an order that no database's
    collation decides, so that what is equal stays equal, and makes no new revision. Who has no key of held mail gets
    one here, so that none is without."""
    return CustomerDocument(
        customer_id=customer.slug,
        name=customer.name,
        outbound=Outbound(customer.outbound),
        outbound_in_plan=Plan(customer.plan).has_outbound,
        domains=tuple(
            SendingDomain(name, include_subdomains)
            for name, include_subdomains in sorted(
                customer.domains.filter(verified_at__isnull=False).values_list("name", "include_subdomains")
            )
        ),
        sources=tuple(
            OutboundSource(network, label)
            for network, label in sorted(customer.sources.values_list("network", "label"))
        ),
        sender_relays=tuple(
            SenderRelay(row.domain, row.host, row.port, RelayTls(row.tls), _login(row.login, row.password))
            for row in sorted(customer.sender_relays.all(), key=lambda row: row.domain)
        ),
        auto_forwards=tuple(sorted(customer.auto_forwards.values_list("address", flat=True))),
        foreign_from=ForeignFrom(customer.foreign_from),
        platform=Platform(customer.mail_platform),
        microsoft=microsoft_settings(customer),
        google=google_settings(customer),
        limits=sender_limits(customer),
        locked_senders=locked_senders(customer),
        scanning=scan_policy(customer),
        held_key=public_key(customer),
    )


def _login(name: str, password: str) -> Login | None:
    return Login(name, password) if name else None


def region_document(region: Region) -> RegionDocument:
    return RegionDocument(
        region_id=region.slug,
        name=region.name,
        smarthost=region.smarthost,
        spf_include=region.spf_include,
        sending_addresses=tuple(region.sending_addresses),
    )
