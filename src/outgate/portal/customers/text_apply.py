"""A customer as a text: from the database and into it.

Applying makes the customer what the text says, wholly or not at all; a preview does the same and takes it back, so that
it finds every mistake that applying would find.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet

from outgate.contract.policy import ForeignFrom, Outbound, RelayTls, SenderLimits
from outgate.portal.accounts.alarms import outliving
from outgate.portal.accounts.audit import Actor
from outgate.portal.customers import services
from outgate.portal.customers.models import Customer, MailPlatform, Partner, Plan, Region
from outgate.portal.customers.text import (
    DEFAULT_NAME,
    CustomerText,
    DomainText,
    LimitsText,
    Problem,
    SenderRelayText,
    SourceText,
    Switch,
    TextRefused,
    write_text,
)
from outgate.portal.errors import Invalid
from outgate.portal.feed.changes import changes
from outgate.portal.outbound import cloud_services, validation
from outgate.portal.outbound import services as outbound
from outgate.portal.outbound.cloud_validation import parse_microsoft_name, parse_tenant_id
from outgate.portal.outbound.selectors import google_settings, microsoft_settings, sender_limits
from outgate.portal.policies.selectors import scan_policy
from outgate.portal.policies.services import set_scan_policy

ItemT = TypeVar("ItemT")


@dataclass(frozen=True, slots=True)
class Applied:
    """slug: the customer's id. before, after: its text; before is empty for a new one."""

    slug: str
    before: str
    after: str


def text_of(customer: Customer) -> CustomerText:
    """All that can be said of the customer in a text, each list in order."""
    return CustomerText(
        name=customer.name,
        id=customer.slug,
        partner=customer.partner.name,
        region=customer.region.name,
        plan=Plan(customer.plan),
        mail_platform=MailPlatform(customer.mail_platform),
        outbound=Switch.OFF if customer.outbound == Outbound.OFF else Switch.ON,
        foreign_from=ForeignFrom(customer.foreign_from),
        auto_forwards=tuple(sorted(customer.auto_forwards.values_list("address", flat=True))),
        microsoft=microsoft_settings(customer),
        google=google_settings(customer),
        limits=_limits_text(sender_limits(customer)),
        scanning=scan_policy(customer),
        domains=tuple(
            DomainText(each.name, each.include_subdomains, each.is_verified)
            for each in sorted(customer.domains.all(), key=lambda each: each.name)
        ),
        sources=tuple(
            SourceText(network, label) for network, label in sorted(customer.sources.values_list("network", "label"))
        ),
        sender_relays=tuple(
            SenderRelayText(domain, host, port, RelayTls(tls), login)
            for domain, host, port, tls, login in sorted(
                customer.sender_relays.values_list("domain", "host", "port", "tls", "login")
            )
        ),
    )


def _limits_text(limits: SenderLimits) -> LimitsText:
    return LimitsText(limits.limits, *(getattr(limits, name) for name in LimitsText.__struct_fields__[1:]))


def _sender_limits(text: LimitsText) -> SenderLimits:
    return SenderLimits(text.rules, *(getattr(text, name) for name in SenderLimits.__struct_fields__[1:]))


def apply_text(*, actor: Actor, text: CustomerText, create: bool = False, smarthost: str = "") -> Applied:
    """Make the customer what `text` says. What the text does not name is removed or set to its default.

    create: make its partner and region if they are not there, the region with `smarthost`.
    Raises: TextRefused, with every problem; nothing was changed.
    """
    with changes():
        applying = _Applying(actor, text)
        partner = applying.partner(create)
        region = applying.region(create, smarthost)
        applying.refuse_if_wrong()
        assert partner is not None
        assert region is not None
        customer = _find(text, partner)
        before = write_text(text_of(customer)) if customer is not None else ""
        with applying.at(""):
            if customer is None:
                customer = services.create_customer(
                    actor=actor, name=text.name, partner=partner, region=region, slug=text.id
                )
        applying.refuse_if_wrong()
        assert customer is not None
        applying.everything(customer, partner, region)
        applying.refuse_if_wrong()
        customer.refresh_from_db()
        return Applied(customer.slug, before, write_text(text_of(customer)))


def preview_text(*, actor: Actor, text: CustomerText, create: bool = False, smarthost: str = "") -> Applied:
    """What `apply_text` would do; nothing stays of it, save for alarms. Raises: TextRefused."""
    with outliving(), transaction.atomic():
        applied = apply_text(actor=actor, text=text, create=create, smarthost=smarthost)
        transaction.set_rollback(True)
    return applied


def _find(text: CustomerText, partner: Partner) -> Customer | None:
    """By id, where one is given: then the name may change. Else by name, among the partner's customers."""
    rows = Customer.objects.select_related("partner", "region")
    if text.id:
        return rows.filter(slug=text.id).first()
    return rows.filter(partner=partner, name=text.name.strip()).first()


class _Applying:
    """Collects the problems of one text while its parts are applied one after the other."""

    def __init__(self, actor: Actor, text: CustomerText) -> None:
        self._actor = actor
        self._text = text
        self._problems: list[Problem] = []

    @contextmanager
    def at(self, prefix: str, *, is_value: bool = False) -> Iterator[None]:
        """Take note of what a service says is wrong. is_value: `prefix` is the whole path."""
        try:
            yield
        except Invalid as error:
            self._problems.append(Problem(prefix if is_value else f"{prefix}{error.field}", error.public_message))

    def refuse_if_wrong(self) -> None:
        if self._problems:
            raise TextRefused(self._problems)

    def partner(self, create: bool) -> Partner | None:
        name = self._text.partner
        partner = Partner.objects.filter(name=name).first()
        if partner is None and (create or name == DEFAULT_NAME):
            with self.at("partner", is_value=True):
                partner = services.create_partner(actor=self._actor, name=name)
        elif partner is None:
            self._absent("partner", name, Partner.objects.all())
        return partner

    def region(self, create: bool, smarthost: str) -> Region | None:
        name = self._text.region
        region = Region.objects.filter(name=name).first()
        if region is None and (create or name == DEFAULT_NAME):
            with self.at("region", is_value=True):
                region = services.create_region(actor=self._actor, name=name, smarthost=smarthost)
        elif region is None:
            self._absent("region", name, Region.objects.all())
        return region

    def _absent(self, path: str, name: str, rows: "QuerySet[Partner] | QuerySet[Region]") -> None:
        known = ", ".join(rows.order_by("name").values_list("name", flat=True))
        there_are = f"There are: {known}." if known else f"There is no {path} yet."
        message = f"There is no {path} {name!r}. {there_are} --create makes a new one."
        self._problems.append(Problem(path, message))

    def everything(self, customer: Customer, partner: Partner, region: Region) -> None:
        text, actor = self._text, self._actor
        is_on = text.outbound is Switch.ON
        if not is_on:  # before the plan, which may have no outbound
            outbound.switch_outbound(actor=actor, customer=customer, on=False)
        with self.at(""):
            services.change_customer(
                actor=actor,
                customer=customer,
                name=text.name,
                partner=partner,
                region=region,
                plan=text.plan,
                mail_platform=text.mail_platform,
                foreign_from=text.foreign_from,
            )
        self._domains(customer)
        self._sources(customer)
        self._sender_relays(customer)
        self._auto_forwards(customer)
        self._microsoft(customer)
        cloud_services.set_google(actor=actor, customer=customer, signature=text.google.signature)
        with self.at("limits."):
            cloud_services.set_limits(actor=actor, customer=customer, limits=_sender_limits(text.limits))
        with self.at("scanning."):
            set_scan_policy(actor=actor, customer=customer, policy=text.scanning)
        if is_on:
            with self.at(""):
                outbound.switch_outbound(actor=actor, customer=customer, on=True)

    def _domains(self, customer: Customer) -> None:
        wanted = self._keyed(
            "domains", self._text.domains, "name", lambda item: validation.parse_domain("name", item.name)
        )
        present = {domain.name: domain for domain in customer.domains.all()}
        for name, domain in present.items():
            if name not in wanted:
                outbound.remove_domain(actor=self._actor, domain=domain, keeps_relays=True)
        for name, (path, item) in wanted.items():
            found = present.get(name)
            if found and (found.include_subdomains, found.is_verified) == (item.include_subdomains, item.verified):
                continue
            with self.at(f"{path}."):
                domain = outbound.add_domain(
                    actor=self._actor,
                    customer=customer,
                    name=name,
                    include_subdomains=item.include_subdomains,
                    keeps_relays=True,
                )
                if item.verified:
                    outbound.vouch_for_domain(actor=self._actor, domain=domain)
                else:
                    outbound.withdraw_proof(actor=self._actor, domain=domain)

    def _sources(self, customer: Customer) -> None:
        allow_private = settings.ALLOW_PRIVATE_ADDRESSES
        wanted = self._keyed(
            "sources",
            self._text.sources,
            "network",
            lambda item: validation.parse_source("network", item.network, allow_private=allow_private),
        )
        present = {source.network: source for source in customer.sources.all()}
        for network, source in present.items():
            if network not in wanted:
                outbound.remove_source(actor=self._actor, source=source)
        for network, (path, item) in wanted.items():
            if network in present and present[network].label == item.label:
                continue
            with self.at(f"{path}."):
                outbound.add_source(actor=self._actor, customer=customer, network=network, label=item.label)

    def _sender_relays(self, customer: Customer) -> None:
        wanted = self._keyed(
            "sender_relays", self._text.sender_relays, "domain", lambda it: validation.parse_domain("domain", it.domain)
        )
        for relay in customer.sender_relays.all():
            if relay.domain not in wanted:
                outbound.remove_sender_relay(actor=self._actor, relay=relay)
        for domain, (path, item) in wanted.items():
            with self.at(f"{path}."):
                outbound.set_sender_relay(
                    actor=self._actor,
                    customer=customer,
                    domain=domain,
                    host=item.host,
                    port=item.port,
                    tls=item.tls,
                    login=item.login,
                    password=item.password,
                )

    def _auto_forwards(self, customer: Customer) -> None:
        wanted = self._keyed(
            "auto_forwards", self._text.auto_forwards, "", lambda item: validation.parse_auto_forward("address", item)
        )
        present = {destination.address: destination for destination in customer.auto_forwards.all()}
        for address, destination in present.items():
            if address not in wanted:
                outbound.remove_auto_forward(actor=self._actor, destination=destination)
        for address, (path, _) in wanted.items():
            if address not in present:
                with self.at(path, is_value=True):
                    outbound.add_auto_forward(actor=self._actor, customer=customer, address=address)

    def _microsoft(self, customer: Customer) -> None:
        actor, wanted = self._actor, self._text.microsoft
        cloud_services.set_microsoft(
            actor=actor,
            customer=customer,
            relayed_mail=wanted.relayed_mail,
            high_risk_pool=wanted.high_risk_pool,
            relay_pool=wanted.relay_pool,
            relay_pool_forwards=wanted.relay_pool_forwards,
        )
        present = microsoft_settings(customer)
        tenant_ids = self._keyed("microsoft.tenant_ids", wanted.tenant_ids, "", lambda it: parse_tenant_id("", it))
        for tenant_id in present.tenant_ids:
            if tenant_id not in tenant_ids:
                cloud_services.remove_tenant(actor=actor, customer=customer, tenant_id=tenant_id)
        for tenant_id, (path, _) in tenant_ids.items():
            with self.at(path, is_value=True):
                cloud_services.confirm_tenant(actor=actor, customer=customer, tenant_id=tenant_id)
        names = self._keyed("microsoft.names", wanted.names, "", lambda it: parse_microsoft_name("", it))
        for name in present.names:
            if name not in names:
                cloud_services.remove_microsoft_name(actor=actor, customer=customer, name=name)
        for name, (path, _) in names.items():
            with self.at(path, is_value=True):
                cloud_services.add_microsoft_name(actor=actor, customer=customer, name=name)

    def _keyed(
        self, name: str, items: Iterable[ItemT], field: str, key: Callable[[ItemT], str]
    ) -> dict[str, tuple[str, ItemT]]:
        """Path and item by canonical key. Items that have none, or another's, become problems."""
        keyed: dict[str, tuple[str, ItemT]] = {}
        for index, item in enumerate(items):
            path = f"{name}[{index}]"
            value_path = f"{path}.{field}" if field else path
            with self.at(value_path, is_value=True):
                canonical = key(item)
                if canonical in keyed:
                    message = f"{canonical} is listed already at {keyed[canonical][0]}. Remove one of the two."
                    raise Invalid(field, message)
                keyed[canonical] = (path, item)
        return keyed
