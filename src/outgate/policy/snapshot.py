"""The policy in force: every customer's document, indexed by what a message shows (domain, source, destination).

Fed one document at a time, so that a change costs what changed and not what there is; made for a million domains and a
hundred thousand networks. Decides nothing: `admission` does.
"""

from collections.abc import Iterable, Mapping, Set
from enum import StrEnum
from ipaddress import ip_address
from typing import Final

from msgspec import Struct

from outgate.contract.policy import (
    CustomerDocument,
    Deleted,
    ForeignFrom,
    Outbound,
    PolicyItem,
    Provider,
    ProviderDocument,
    SenderRelay,
)
from outgate.policy.cohorts import PROVIDER_OF, ClaimIndex, Cohort, LiveCustomers, tenant_ids, tenant_names
from outgate.policy.domains import DomainIndex
from outgate.policy.networks import NetworkIndex
from outgate.policy.pools import Pool
from outgate.policy.providers import ProviderIndex


class SourceClass(StrEnum):
    """What kind of address a connection comes from. A provider's is the provider's, whoever has declared it."""

    UNKNOWN = "unknown"
    DECLARED = "declared"  # an outbound source of one or more customers
    MICROSOFT = "microsoft"
    GOOGLE = "google"


class SourceStanding(Struct, frozen=True):
    """An address and whose outbound source it is. Keep it for a connection, and ask anew when `Snapshot.generation` has
    moved.

    customers: all that declared it, in whatever state; at a provider's address all that are with the provider, too, as
    they are now: those sets are live and large, so that nobody may copy or walk them for a message. active: those of
    them that may send now. provider: whose cloud the address belongs to; that it was declared proves nothing then.
    pool: Microsoft's, by range alone.
    """

    address: str
    source_class: SourceClass
    customers: Set[str]
    active: Set[str]
    has_activating: bool
    provider: Provider | None = None
    pool: Pool | None = None

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
_CLASS_OF: Final = {Provider.MICROSOFT: SourceClass.MICROSOFT, Provider.GOOGLE: SourceClass.GOOGLE}


class Snapshot:
    """Mutable; read on the thread that feeds it.

    revision: up to which it holds everything. generation: moves with every change, also where the revision stays or
    goes back: what was derived from the snapshot is good for as long as it has not moved. providers: their networks;
    feed it the packaged documents before anything else.
    """

    def __init__(self) -> None:
        self.revision = 0
        self.generation = 0
        self.providers = ProviderIndex()
        self._forget()

    def _forget(self) -> None:
        self._ids_by_key: dict[str, str] = {}
        self._customers: dict[str, CustomerView] = {}
        self._domains = DomainIndex()
        self._networks = NetworkIndex()
        self._forwarders: dict[str, frozenset[str]] = {}
        self._cohorts = {provider: Cohort() for provider in Provider}
        self._tenants = ClaimIndex()
        self._tenant_names = ClaimIndex()

    # Reading

    def __len__(self) -> int:
        """Customers."""
        return len(self._customers)

    def customer(self, customer_id: str) -> CustomerView | None:
        return self._customers.get(customer_id)

    def document(self, customer_id: str) -> CustomerDocument | None:
        view = self._customers.get(customer_id)
        return None if view is None else view.document

    def owner(self, domain: str) -> str:
        """The id of the customer that a canonical domain belongs to, or "". Subdomains belong to somebody only where
        the proof includes them."""
        return self._domains.owner(domain)

    def owner_in(self, provider: Provider | None, domain: str) -> str:
        """The same in mail from a provider's addresses: from Microsoft's a tenant's `*.onmicrosoft.com` name is a
        domain of the customer who has it. A domain that was proven goes before a name, which is only said."""
        owner = self._domains.owner(domain)
        if owner or provider is not Provider.MICROSOFT:
            return owner
        return self._tenant_names.owner(domain)

    def tenant(self, tenant_id: str) -> str:
        """The id of the customer whose Microsoft 365 tenant that is, confirmed and uncontested, or "". `tenant_id` in
        lower case."""
        return self._tenants.owner(tenant_id)

    def is_in_use(self, provider: Provider) -> bool:
        """Is any customer, in whatever state, with this provider?"""
        return bool(self._cohorts[provider].members)

    def proof(self, domain: str) -> str:
        """The proven domain that makes `domain` somebody's: itself or one above it; "" if it is nobody's."""
        return self._domains.proof(domain)

    def source(self, address: str) -> SourceStanding:
        """Whose source an IP address is; what is no IP address is unknown."""
        try:
            parsed = ip_address(address)
        except ValueError:
            return SourceStanding(address, SourceClass.UNKNOWN, _NOBODY, _NOBODY, False)
        declared = self._networks.holders_of(parsed)
        active, has_activating = _NOBODY, False
        if declared:
            states = {customer_id: self._customers[customer_id].outbound for customer_id in declared}
            active = frozenset([customer_id for customer_id, state in states.items() if state is Outbound.ACTIVE])
            has_activating = Outbound.ACTIVATING in states.values()
        cloud = self.providers.classify_parsed(parsed)
        if cloud.provider is None:
            source_class = SourceClass.DECLARED if declared else SourceClass.UNKNOWN
            return SourceStanding(address, source_class, declared, active, has_activating)
        cohort = self._cohorts[cloud.provider]
        return SourceStanding(
            address,
            _CLASS_OF[cloud.provider],
            LiveCustomers(cohort.members, declared) if declared else cohort.live,
            LiveCustomers(cohort.active, active) if declared else cohort.live_active,
            has_activating or bool(cohort.activating),
            cloud.provider,
            cloud.pool,
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
    def contested_tenants(self) -> Mapping[str, frozenset[str]]:
        """Microsoft tenant ids and names that more than one customer claims, with the claimants; they prove nobody."""
        return {**self._tenants.contested, **self._tenant_names.contested}

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
        elif isinstance(document, ProviderDocument):
            # Deleting one changes nothing, nor does a complete feed without one: the last that was read stays good.
            self.providers.replace(document)
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
        was_with, is_with = PROVIDER_OF.get(before.platform), PROVIDER_OF.get(after.platform)
        if was_with is not None and was_with is not is_with:
            self._cohorts[was_with].remove(customer_id)
        if is_with is not None:
            self._cohorts[is_with].put(customer_id, _outbound(after))
        if before.microsoft != after.microsoft:
            self._tenants.replace(only, tenant_ids(before), tenant_ids(after))
            self._tenant_names.replace(only, tenant_names(before), tenant_names(after))
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


def _outbound(document: CustomerDocument) -> Outbound:
    return document.outbound if document.outbound_in_plan else Outbound.OFF


def _view(document: CustomerDocument) -> CustomerView:
    return CustomerView(
        document.customer_id,
        _outbound(document),
        document.foreign_from is ForeignFrom.ALLOW,
        {relay.domain: relay for relay in document.sender_relays} if document.sender_relays else _NO_RELAYS,
        frozenset((document.customer_id,)),
        document,
    )
