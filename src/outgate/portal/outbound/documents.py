"""Makes the documents that the workers get of the rows that people edit."""

from outgate.contract.policy import (
    CustomerDocument,
    ForeignFrom,
    Outbound,
    OutboundSource,
    RegionDocument,
    RelayTls,
    SenderRelay,
    SendingDomain,
)
from outgate.portal.customers.models import Customer, Plan, Region
from outgate.portal.feed.changes import Changes


def customer_key(customer: Customer) -> str:
    return f"customer:{customer.slug}"


def region_key(region: Region) -> str:
    return f"region:{region.slug}"


def write_customer(changed: Changes, customer: Customer) -> None:
    """Have the customer's document made anew when `changed` ends."""
    pk = customer.pk
    changed.write(customer_key(customer), lambda: customer_document(Customer.objects.get(pk=pk)))


def write_region(changed: Changes, region: Region) -> None:
    pk = region.pk
    changed.write(region_key(region), lambda: region_document(Region.objects.get(pk=pk)))


def customer_document(customer: Customer) -> CustomerDocument:
    """All that a worker may know. Unproven domains are not in it. Lists are in an order that no database's
    collation decides, so that what is equal stays equal, and makes no new revision."""
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
            SenderRelay(domain, host, port, RelayTls(tls))
            for domain, host, port, tls in sorted(customer.sender_relays.values_list("domain", "host", "port", "tls"))
        ),
        auto_forwards=tuple(sorted(customer.auto_forwards.values_list("address", flat=True))),
        foreign_from=ForeignFrom(customer.foreign_from),
    )


def region_document(region: Region) -> RegionDocument:
    return RegionDocument(
        region_id=region.slug,
        name=region.name,
        smarthost=region.smarthost,
        spf_include=region.spf_include,
        sending_addresses=tuple(region.sending_addresses),
    )
