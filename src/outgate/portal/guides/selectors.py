"""What a guide shows of a customer: the same on its page and in the API."""

from dataclasses import dataclass

from outgate.portal.accounts.scope import ABSENT
from outgate.portal.customers.models import Customer
from outgate.portal.errors import NotFound
from outgate.portal.guides.kinds import Guide, guide_of
from outgate.portal.guides.models import GuideProof
from outgate.portal.guides.script import NAME, ScriptValues, set_up_script, undo_script

PORT = 25  # of every smarthost
SCRIPTS = {"set-up": set_up_script, "undo": undo_script}


@dataclass(frozen=True, slots=True)
class Values:
    """smarthost, include: empty until the operator has named them. connector: the name of connector and rule.
    addresses: that mail leaves from. domains: proven ones, by name. has_tenant, has_sources, is_on: is that done?"""

    smarthost: str
    include: str
    addresses: tuple[str, ...]
    domains: tuple[str, ...]
    has_tenant: bool
    has_sources: bool
    is_on: bool
    connector: str = NAME
    port: int = PORT

    @property
    def include_term(self) -> str:
        """What goes into the SPF record; empty as `include`."""
        return f"include:{self.include}" if self.include else ""


def existing_guide(kind: str) -> Guide:
    """Raises: NotFound."""
    guide = guide_of(kind)
    if guide is None:
        raise NotFound(ABSENT)
    return guide


def values_of(customer: Customer) -> Values:
    region = customer.region
    return Values(
        region.smarthost,
        region.spf_include,
        tuple(region.sending_addresses),
        _proven(customer),
        customer.microsoft_tenants.exists(),
        customer.sources.exists(),
        customer.outbound != "off",
    )


def proofs_of(customer: Customer) -> dict[str, GuideProof]:
    """By kind of guide."""
    return {proof.kind: proof for proof in customer.guide_proofs.all()}


def script_of(customer: Customer, guide: Guide, name: str) -> str:
    """name: of `SCRIPTS`. Raises: NotFound, if the guide has none or the region has no smarthost yet."""
    smarthost = customer.region.smarthost
    if not guide.has_script or name not in SCRIPTS or not smarthost:
        raise NotFound(ABSENT)
    names = sorted(customer.microsoft_names.values_list("name", flat=True))
    domains = (*_proven(customer), *names)
    with_exclaimer = guide.kind.endswith("exclaimer")
    return SCRIPTS[name](ScriptValues(smarthost, customer.slug, customer.name, domains, with_exclaimer))


def _proven(customer: Customer) -> tuple[str, ...]:
    found = customer.domains.filter(verified_at__isnull=False).order_by("name")
    return tuple(found.values_list("name", flat=True))
