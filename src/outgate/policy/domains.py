"""Whose a domain is: exact names, and those whose proof includes the subdomains."""

from collections.abc import Iterable, Mapping

from outgate.contract.policy import SendingDomain


class DomainIndex:
    """Canonical domain to customer. A domain is one customer's only.

    Where two documents claim it, who had it first keeps it, so that no later mistake takes away a domain that sends;
    the other gets it when it is given up. Workers that were fed in another order may then differ, so this is to be
    reported and mended: see `contested`.
    """

    def __init__(self) -> None:
        self._owners: dict[str, str] = {}
        self._owners_with_subdomains: dict[str, str] = {}
        self._waiting: dict[str, dict[str, bool]] = {}  # domain to waiting customers and what they say of subdomains

    def owner(self, domain: str) -> str:
        """The customer's id, or "". For a name that nobody proved the nearest proof above that includes it counts."""
        owner = self._owners.get(domain)
        if owner is not None:
            return owner
        return self._owners.get(self._proof_above(domain), "")

    def proof(self, domain: str) -> str:
        """The proven domain that makes `domain` somebody's: itself or one above it; "" if it is nobody's."""
        return domain if domain in self._owners else self._proof_above(domain)

    @property
    def contested(self) -> Mapping[str, tuple[str, ...]]:
        """Domains that more than one customer claims, with the claimants; the first has it."""
        return {domain: (self._owners[domain], *waiting) for domain, waiting in self._waiting.items()}

    def replace(self, customer_id: str, former: Iterable[SendingDomain], now: Iterable[SendingDomain]) -> None:
        """The customer's domains were `former` and are `now`; costs no more than the two lists."""
        before = {domain.name: domain.include_subdomains for domain in former}
        after = {domain.name: domain.include_subdomains for domain in now}
        for name in before.keys() - after.keys():
            self._give_up(customer_id, name)
        for name, include_subdomains in after.items():
            if before.get(name) is not include_subdomains:
                self._claim(customer_id, name, include_subdomains)

    def _proof_above(self, domain: str) -> str:
        names = self._owners_with_subdomains
        if not names:
            return ""
        _, _, above = domain.partition(".")
        while above:
            if above in names:
                return above
            _, _, above = above.partition(".")
        return ""

    def _claim(self, customer_id: str, name: str, include_subdomains: bool) -> None:
        owner = self._owners.setdefault(name, customer_id)
        if owner != customer_id:
            self._waiting.setdefault(name, {})[customer_id] = include_subdomains
        elif include_subdomains:
            self._owners_with_subdomains[name] = customer_id
        else:
            self._owners_with_subdomains.pop(name, None)

    def _give_up(self, customer_id: str, name: str) -> None:
        waiting = self._waiting.get(name, {})
        if self._owners.get(name) != customer_id:
            waiting.pop(customer_id, None)
        else:
            del self._owners[name]
            self._owners_with_subdomains.pop(name, None)
            if waiting:
                heir = next(iter(waiting))
                self._claim(heir, name, waiting.pop(heir))
        if not waiting:
            self._waiting.pop(name, None)
