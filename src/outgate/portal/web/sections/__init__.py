"""The parts of Settings > Outbound Smarthost in their order, and what each shows. What their forms do stands in
`views.outbound`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from outgate.portal.customers.models import Customer
from outgate.portal.outbound.selectors import has_tenant_lock
from outgate.portal.web.request import CallerRequest
from outgate.portal.web.sections import basics, clouds, guides, limits, spf

Context = Callable[[CallerRequest, Customer], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Section:
    """One part of the page; its template is `web/outbound/<anchor>.html`, where `part` is what `context` returns.

    is_for: whether the customer has this part at all.
    """

    anchor: str
    title: str
    context: Context
    is_for: Callable[[Customer], bool] = lambda _: True

    @property
    def template(self) -> str:
        return f"web/outbound/{self.anchor}.html"


@dataclass(frozen=True, slots=True)
class Shown:
    """A section with what it shows."""

    section: Section
    part: dict[str, Any]


SECTIONS: Final = (
    Section("status", "Outbound Status", basics.status),
    Section("smarthost", "Your smarthost", basics.nothing),
    Section("domains", "Domains", basics.domains),
    Section("platform", "Mail platform", clouds.platform),
    Section("tenant", "Tenant lock", clouds.tenant, has_tenant_lock),
    Section("google", "Google signature", clouds.google, clouds.is_google),
    Section("sources", "Outbound Sources", basics.sources),
    Section("spf", "SPF records", spf.spf),
    Section("guides", "Set-up guide", guides.guides),
    Section("relays", "Sender Relay", basics.relays),
    Section("forwards", "Auto Forward", basics.forwards),
    Section("pools", "Microsoft pools", clouds.pools, has_tenant_lock),
    Section("limits", "Limits", limits.limits),
    Section("near", "Near a limit", limits.near),
    Section("locked", "Locked senders", limits.locked),
    Section("slow", "Slow lane", limits.slow),
)


def shown(request: CallerRequest, customer: Customer) -> list[Shown]:
    """The customer's sections, read from the database."""
    return [Shown(section, section.context(request, customer)) for section in SECTIONS if section.is_for(customer)]
