"""Who is with a provider, and whose its tenant ids and names are. Fed and read by the snapshot; costs what changed."""

from collections.abc import Iterable, Iterator, Mapping, Set
from typing import Any, Final

from outgate.contract.policy import CustomerDocument, Outbound, Platform, Provider

PROVIDER_OF: Final = {Platform.MICROSOFT_365: Provider.MICROSOFT, Platform.GOOGLE_WORKSPACE: Provider.GOOGLE}

_NOBODY: Final[frozenset[str]] = frozenset()


class LiveCustomers(Set[str]):
    """Many customers' ids, never copied: they are as they are now, whenever they are asked. more: some beside them."""

    __slots__ = ("_members", "_more")

    def __init__(self, members: Set[str], more: frozenset[str] = _NOBODY) -> None:
        self._members = members
        self._more = more

    def __contains__(self, customer_id: object) -> bool:
        return customer_id in self._members or customer_id in self._more

    def __iter__(self) -> Iterator[str]:
        yield from self._members
        yield from self._more - self._members

    def __len__(self) -> int:
        return len(self._members) + len(self._more - self._members)

    def __bool__(self) -> bool:
        return bool(self._members) or bool(self._more)

    @classmethod
    def _from_iterable(cls, it: Iterable[Any]) -> frozenset[Any]:
        """What `&` and the like yield is no longer live. With a frozenset they cost as much as that has members."""
        return frozenset(it)


class Cohort:
    """The customers of one provider by what they may do. live, live_active: views that everybody may keep."""

    __slots__ = ("activating", "active", "live", "live_active", "members")

    def __init__(self) -> None:
        self.members: set[str] = set()
        self.active: set[str] = set()
        self.activating: set[str] = set()
        self.live = LiveCustomers(self.members)
        self.live_active = LiveCustomers(self.active)

    def put(self, customer_id: str, outbound: Outbound) -> None:
        self.remove(customer_id)
        self.members.add(customer_id)
        if outbound is Outbound.ACTIVE:
            self.active.add(customer_id)
        elif outbound is Outbound.ACTIVATING:
            self.activating.add(customer_id)

    def remove(self, customer_id: str) -> None:
        self.members.discard(customer_id)
        self.active.discard(customer_id)
        self.activating.discard(customer_id)


class ClaimIndex:
    """What should be one customer's only, and nobody's as soon as two claim it: by no order of feeding may a worker
    take the one for the other."""

    def __init__(self) -> None:
        self._claims: dict[str, frozenset[str]] = {}
        self._contested: dict[str, frozenset[str]] = {}

    def owner(self, key: str) -> str:
        """The only claimant's id, or ""."""
        claimants = self._claims.get(key, _NOBODY)
        return next(iter(claimants)) if len(claimants) == 1 else ""

    @property
    def contested(self) -> Mapping[str, frozenset[str]]:
        return self._contested

    def replace(self, only: frozenset[str], former: Iterable[str], now: Iterable[str]) -> None:
        """The claims of one customer, given as the set of its id alone, were `former` and are `now`."""
        before, after = frozenset(former), frozenset(now)
        for key in before - after:
            self._put(key, self._claims[key] - only)
        for key in after - before:
            self._put(key, self._claims.get(key, _NOBODY) | only)

    def _put(self, key: str, claimants: frozenset[str]) -> None:
        if claimants:
            self._claims[key] = claimants
        else:
            del self._claims[key]
        if len(claimants) > 1:
            self._contested[key] = claimants
        else:
            self._contested.pop(key, None)


NAME_SUFFIX: Final = ".onmicrosoft.com"  # under it Microsoft gives each tenant a name, and nobody else anything


def tenant_names(document: CustomerDocument) -> tuple[str, ...]:
    """The tenant names of a document. What is no such name is not obeyed: it would be a domain without proof."""
    return tuple(name for name in map(str.lower, document.microsoft.names) if name.endswith(NAME_SUFFIX))


def tenant_ids(document: CustomerDocument) -> tuple[str, ...]:
    """In lower case; an empty one is none."""
    return tuple(tenant_id.lower() for tenant_id in document.microsoft.tenant_ids if tenant_id)
