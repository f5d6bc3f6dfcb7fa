"""The policy in force: every customer's document, indexed by what a message shows (domain, source, destination).

Fed one document at a time, so that a change costs what changed and not what there is; made for a million domains and a
hundred thousand networks. Decides nothing: `admission` does.
"""

from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Final

from msgspec import Struct

from outgate.contract.policy import CustomerDocument, Deleted, ForeignFrom, Outbound, PolicyItem, SenderRelay
from outgate.policy.domains import DomainIndex
from outgate.policy.networks import NetworkIndex


class SourceClass(Enum):
    """What kind of address a connection comes from.

    Microsoft 365, Google, Microsoft's pools and our own processes get classes here as soon as tenant evidence is read;
    until then an address of theirs is like any other: known only if somebody declared it.
    """

    UNKNOWN = "unknown"
    DECLARED = "declared"  # an outbound source of one or more customers


class SourceStanding(Struct, frozen=True):
    """An address and whose outbound source it is. Keep it for a connection, and ask anew when `Snapshot.generation` has
    moved.

    customers: all that declared it, in whatever state. active: those of them that may send now.
    """

    address: str
    source_class: SourceClass
    customers: frozenset[str]
    active: frozenset[str]
    has_activating: bool

    @property
    def is_known(self) -> bool:
        return self.source_class is not SourceClass.UNKNOWN


class CustomerView(Struct, frozen=True):
    """One customer as decisions read it.

    outbound: OFF also where the plan has none. only: the set of this customer's id alone, made once.
    """

    customer_id: str
    outbound: Outbound
    allows_foreign_from: bool
    sender_relays: dict[str, SenderRelay]
    only: frozenset[str]
    document: CustomerDocument


_NOBODY: Final[frozenset[str]] = frozenset()
_NO_RELAYS: Final[dict[str, SenderRelay]] = {}


class Snapshot:
    """Mutable; read on the thread that feeds it.

    revision: up to which it holds everything. generation: moves with every change, also where the revision stays or
    goes back: what was derived from the snapshot is good for as long as it has not moved.
    """

    def __init__(self) -> None:
        self.revision = 0
        self.generation = 0
        self._forget()

    def _forget(self) -> None:
        self._ids_by_key: dict[str, str] = {}
        self._customers: dict[str, CustomerView] = {}
        self._domains = DomainIndex()
        self._networks = NetworkIndex()
        self._forwarders: dict[str, frozenset[str]] = {}

    # Reading

    def __len__(self) -> int:
        """Customers."""
        return len(self._customers)

    def customer(self, customer_id: str) -> CustomerView | None:
        return self._customers.get(customer_id)

    def owner(self, domain: str) -> str:
        """The id of the customer that a canonical domain belongs to, or "". Subdomains belong to somebody only where
        the proof includes them."""
        return self._domains.owner(domain)

    def proof(self, domain: str) -> str:
        """The proven domain that makes `domain` somebody's: itself or one above it; "" if it is nobody's."""
        return self._domains.proof(domain)

    def source(self, address: str) -> SourceStanding:
        """Whose source an IP address is; what is no IP address is unknown."""
        customers = self._networks.holders(address)
        if not customers:
            return SourceStanding(address, SourceClass.UNKNOWN, _NOBODY, _NOBODY, False)
        states = {customer_id: self._customers[customer_id].outbound for customer_id in customers}
        active = frozenset([customer_id for customer_id, state in states.items() if state is Outbound.ACTIVE])
        return SourceStanding(
            address, SourceClass.DECLARED, customers, active, has_activating=Outbound.ACTIVATING in states.values()
        )

    def forwarders(self, mailbox: str) -> frozenset[str]:
        """The customers, in whatever state, on whose Auto Forward list a mailbox is.

        mailbox: local part, @, canonical domain. The case of the local part does not count: it would by RFC 5321 §2.4,
        but these are typed by people, and no known host tells two people apart by it.
        """
        return self._forwarders.get(mailbox.lower(), _NOBODY)

    @property
    def contested(self) -> Mapping[str, tuple[str, ...]]:
        """Domains that more than one customer claims, with the claimants; the first has it."""
        return self._domains.contested

    @property
    def unreadable_sources(self) -> Mapping[str, tuple[str, ...]]:
        """By customer, what its document calls a source and is no network; it is not obeyed."""
        return self._networks.unreadable

    # Feeding

    def apply(self, item: PolicyItem) -> None:
        """Put one document in the place of the one before it under the same key."""
        document = item.document
        if isinstance(document, CustomerDocument):
            self._put(item.key, document)
        elif isinstance(document, Deleted):
            self._remove(item.key)
        # Of a region decisions read nothing.
        self.revision = max(self.revision, item.revision)
        self.generation += 1

    def apply_all(self, items: Iterable[PolicyItem], *, revision: int, is_complete: bool = False) -> None:
        """Apply in order; everything up to `revision` is then held. is_complete: forget all that came before."""
        if is_complete:
            self._forget()
        for item in items:
            self.apply(item)
        self.revision = revision
        self.generation += 1

    def _put(self, key: str, document: CustomerDocument) -> None:
        customer_id = document.customer_id
        if self._ids_by_key.get(key, customer_id) != customer_id:
            self._remove(key)
        if not customer_id:
            return  # the empty id is the operator's, who is no customer
        view = _view(document)
        former = self._customers.get(customer_id)
        self._ids_by_key[key] = customer_id
        self._customers[customer_id] = view
        self._reindex(view.only, former.document if former else None, document)

    def _remove(self, key: str) -> None:
        customer_id = self._ids_by_key.pop(key, "")
        view = self._customers.pop(customer_id, None)
        if view is not None:
            self._reindex(view.only, view.document, None)

    def _reindex(self, only: frozenset[str], former: CustomerDocument | None, now: CustomerDocument | None) -> None:
        (customer_id,) = only
        before, after = former or _NOTHING, now or _NOTHING
        if before.domains != after.domains:
            self._domains.replace(customer_id, before.domains, after.domains)
        if before.sources != after.sources:
            self._networks.replace(only, before.sources, after.sources)
        if before.auto_forwards != after.auto_forwards:
            self._replace_forwards(only, before.auto_forwards, after.auto_forwards)

    def _replace_forwards(self, only: frozenset[str], former: Iterable[str], now: Iterable[str]) -> None:
        before = {mailbox.lower() for mailbox in former}
        after = {mailbox.lower() for mailbox in now}
        for mailbox in before - after:
            others = self._forwarders[mailbox] - only
            if others:
                self._forwarders[mailbox] = others
            else:
                del self._forwarders[mailbox]
        for mailbox in after - before:
            self._forwarders[mailbox] = self._forwarders.get(mailbox, _NOBODY) | only


_NOTHING: Final = CustomerDocument("", "", Outbound.OFF)


def _view(document: CustomerDocument) -> CustomerView:
    return CustomerView(
        document.customer_id,
        document.outbound if document.outbound_in_plan else Outbound.OFF,
        document.foreign_from is ForeignFrom.ALLOW,
        {relay.domain: relay for relay in document.sender_relays} if document.sender_relays else _NO_RELAYS,
        frozenset((document.customer_id,)),
        document,
    )
