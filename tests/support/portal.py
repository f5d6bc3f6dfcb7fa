"""Customers and workers for tests of the control plane."""

from datetime import UTC, datetime, timedelta

from outgate.contract.policy import CustomerDocument, Deleted
from outgate.contract.wire import Documents
from outgate.portal.accounts.audit import Actor
from outgate.portal.accounts.models import AuditEntry
from outgate.portal.customers.models import Customer, Partner, Region
from outgate.portal.customers.services import create_customer, create_partner, create_region
from outgate.portal.feed import selectors, services
from outgate.portal.outbound import services as outbound

ACTOR = Actor("operator@example.com")
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
EVERYTHING = 1_000_000


def partner(name: str = "default") -> Partner:
    return Partner.objects.filter(name=name).first() or create_partner(actor=ACTOR, name=name)


def region(name: str = "default") -> Region:
    return Region.objects.filter(name=name).first() or create_region(actor=ACTOR, name=name)


def customer(name: str = "Example") -> Customer:
    """A customer with nothing set."""
    return create_customer(actor=ACTOR, name=name, partner=partner(), region=region())


def sending_customer(name: str, domain: str, source: str = "9.9.9.9") -> Customer:
    """A customer with a proven domain and a source, switched on: activating."""
    made = customer(name)
    outbound.vouch_for_domain(actor=ACTOR, domain=outbound.add_domain(actor=ACTOR, customer=made, name=domain))
    outbound.add_source(actor=ACTOR, customer=made, network=source)
    outbound.switch_outbound(actor=ACTOR, customer=made, on=True)
    return made


def documents_since(revision: int = 0) -> Documents:
    return selectors.documents_since(revision, EVERYTHING)


def document(made: Customer) -> CustomerDocument | Deleted:
    """What the feed says of the customer."""
    found = {item.key: item.document for item in documents_since().items}[f"customer:{made.slug}"]
    assert isinstance(found, CustomerDocument | Deleted)
    return found


def living_document(made: Customer) -> CustomerDocument:
    found = document(made)
    assert isinstance(found, CustomerDocument)
    return found


def newest() -> int:
    return selectors.head().revision


def beat(worker: str, revision: int, seconds_ago: float = 0.0) -> None:
    """A heartbeat as the clerk writes it down, relative to `NOW`."""
    seen_at = NOW - timedelta(seconds=seconds_ago)
    services.record_heartbeat(worker=worker, revision=revision, queued=0, now=seen_at)


def actions() -> list[str]:
    """The audit log's actions, oldest first."""
    return list(AuditEntry.objects.order_by("pk").values_list("action", flat=True))
