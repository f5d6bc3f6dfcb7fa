"""Short ways to say a policy in tests."""

from typing import Any

from outgate.contract.policy import (
    CustomerDocument,
    Deleted,
    ForeignFrom,
    Outbound,
    OutboundSource,
    PolicyItem,
    SenderRelay,
    SendingDomain,
)
from outgate.mail.address import NULL_REVERSE_PATH, ForwardPath, ReversePath
from outgate.policy.snapshot import Snapshot


def customer(customer_id: str, *domains: str, sources: tuple[str, ...] = (), **fields: Any) -> CustomerDocument:
    """An active customer. A domain that begins with `*.` includes its subdomains."""
    return CustomerDocument(
        customer_id,
        customer_id.title(),
        fields.pop("outbound", Outbound.ACTIVE),
        domains=tuple(SendingDomain(name.removeprefix("*."), name.startswith("*.")) for name in domains),
        sources=tuple(OutboundSource(network) for network in sources),
        **fields,
    )


def item(document: CustomerDocument, revision: int = 1) -> PolicyItem:
    return PolicyItem(f"customer:{document.customer_id}", revision, document)


def deleted(customer_id: str, revision: int = 1) -> PolicyItem:
    return PolicyItem(f"customer:{customer_id}", revision, Deleted())


def snapshot_of(*documents: CustomerDocument) -> Snapshot:
    snapshot = Snapshot()
    snapshot.apply_all([item(document) for document in documents], revision=1, is_complete=True)
    return snapshot


def reverse_path(text: str) -> ReversePath:
    return ReversePath.parse(text) if text else NULL_REVERSE_PATH


def forward_path(text: str) -> ForwardPath:
    return ForwardPath.parse(text)


__all__ = [
    "ForeignFrom",
    "Outbound",
    "SenderRelay",
    "customer",
    "deleted",
    "forward_path",
    "item",
    "reverse_path",
    "snapshot_of",
]
