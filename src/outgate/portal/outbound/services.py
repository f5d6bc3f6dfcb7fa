"""Changes what a customer may send: domains, sources, sender relays, auto forwards, and the switch.

Every service is idempotent where it can be: what is so already is left as it is, without a line in the audit log.
"""

import secrets
from collections.abc import Set
from ipaddress import ip_network
from typing import Final

from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from outgate.contract.policy import Outbound, RelayTls
from outgate.portal.accounts import alarms, audit
from outgate.portal.accounts.audit import Actor
from outgate.portal.customers.models import Customer, MailPlatform, Plan, Region
from outgate.portal.errors import Invalid
from outgate.portal.feed.changes import changes
from outgate.portal.outbound import validation
from outgate.portal.outbound.cloud_validation import NAME_SUFFIX
from outgate.portal.outbound.documents import write_customer
from outgate.portal.outbound.models import (
    LABEL_MAX,
    AutoForwardDestination,
    MicrosoftName,
    OutboundSource,
    Proof,
    SenderRelay,
    SendingDomain,
)
from outgate.portal.outbound.selectors import has_tenant_lock, provider_of
from outgate.portal.spf.services import want

DOMAINS_MAX: Final = 20_000  # a customer; each costs every worker about 300 octets of memory
SOURCES_MAX: Final = 1_000
SENDER_RELAYS_MAX: Final = DOMAINS_MAX
AUTO_FORWARDS_MAX: Final = 10_000
CHALLENGE_PREFIX: Final = "outgate-domain-verification="
CHALLENGE_OCTETS: Final = 16  # of randomness


class DomainNotProven(Exception):
    """The challenge is not published. public_message: what to publish."""

    def __init__(self, domain: SendingDomain) -> None:
        self.public_message = (
            f"{domain.name} has no TXT record {domain.challenge!r}. Publish it, wait until it is visible, try again."
        )
        super().__init__(self.public_message)


def add_domain(
    *,
    actor: Actor,
    customer: Customer,
    name: str,
    include_subdomains: bool | None = None,
    keeps_relays: bool = False,
) -> SendingDomain:
    """Claim a domain; it counts for nothing until it is proven. Claimed again, it is changed.

    include_subdomains: None leaves it as it is; a new domain is without. keeps_relays: see `remove_domain`.
    Raises: Invalid.
    """
    with changes() as changed:
        name = validation.parse_domain("name", name)
        domain = customer.domains.filter(name=name).first()
        if domain is None:
            _check_is_no_tenants(customer, name)
            _check_room("name", customer.domains.count(), DOMAINS_MAX, "domains")
            challenge = CHALLENGE_PREFIX + secrets.token_hex(CHALLENGE_OCTETS)
            domain = customer.domains.create(
                name=name, include_subdomains=bool(include_subdomains), challenge=challenge
            )
            want(domain=domain, now=timezone.now())
            audit.record(actor, "domain.added", _name(customer, name), include_subdomains=domain.include_subdomains)
        elif include_subdomains is not None and domain.include_subdomains != include_subdomains:
            domain.include_subdomains = include_subdomains
            domain.save(update_fields=["include_subdomains"])
            write_customer(changed, customer)
            audit.record(actor, "domain.changed", _name(customer, name), include_subdomains=include_subdomains)
            if not keeps_relays:
                _remove_relays_without_domain(actor, customer, name)
        return domain


def _check_is_no_tenants(customer: Customer, name: str) -> None:
    """There it counts at once, for mail from Microsoft; as a domain it would wait for a proof that few can publish."""
    if not f".{name}".endswith(NAME_SUFFIX):
        return
    first = (
        "Enter it"
        if has_tenant_lock(customer)
        else f"Choose the mail platform {MailPlatform.MICROSOFT_365.label}, then enter it"
    )
    raise Invalid(
        "name",
        f"{name} is the name of a tenant at Microsoft. {first} under Tenant lock, as First name of the tenant; it "
        "needs no record in DNS.",
    )


def verify_domain(*, actor: Actor, domain: SendingDomain, txt_records: Set[str]) -> None:
    """Mark `domain` proven if its challenge is published.

    Raises: DomainNotProven, Invalid (another customer's already); the database is untouched.
    """
    if domain.challenge not in txt_records:
        raise DomainNotProven(domain)
    _prove(actor, domain, Proof.DNS)


def vouch_for_domain(*, actor: Actor, domain: SendingDomain) -> None:
    """Mark `domain` proven on the operator's word. Raises: Invalid (another customer's already)."""
    _prove(actor, domain, Proof.OPERATOR)


def _prove(actor: Actor, domain: SendingDomain, proof: Proof) -> None:
    with changes() as changed:
        domain.refresh_from_db()
        if domain.is_verified:
            return
        holder = (
            SendingDomain.objects.filter(name=domain.name, verified_at__isnull=False).select_related("customer").first()
            or MicrosoftName.objects.filter(name=domain.name)
            .exclude(customer=domain.customer)
            .select_related("customer")
            .first()
        )
        if holder is not None:
            # Whose it is is not this customer's business: the operator alone is told.
            alarms.raise_alarm(
                actor, "domain.contested", _name(domain.customer, domain.name), holder=holder.customer.slug
            )
            raise Invalid("name", f"{domain.name} is another customer's already. Ask the operator if it is yours.")
        domain.proof = proof
        domain.verified_at = timezone.now()
        domain.save(update_fields=["proof", "verified_at"])
        want(domain=domain, now=domain.verified_at)
        write_customer(changed, domain.customer)
        audit.record(actor, "domain.verified", _name(domain.customer, domain.name), proof=proof.value)


def withdraw_proof(*, actor: Actor, domain: SendingDomain) -> None:
    """Make `domain` a mere claim again: nothing is sent as it, and another may prove it."""
    with changes() as changed:
        domain.refresh_from_db()
        if not domain.is_verified:
            return
        domain.proof = Proof.NONE
        domain.verified_at = None
        domain.save(update_fields=["proof", "verified_at"])
        write_customer(changed, domain.customer)
        audit.record(actor, "domain.withdrawn", _name(domain.customer, domain.name))


def remove_domain(*, actor: Actor, domain: SendingDomain, keeps_relays: bool = False) -> list[str]:
    """Returns the sending domains whose sender relays went with it: no other domain of the customer's is above them.

    keeps_relays: whoever asks sets the relays himself in the same transaction, when all domains are as they shall be.
    """
    with changes() as changed:
        customer, name = domain.customer, domain.name
        audit.record(actor, "domain.removed", _name(customer, name))
        write_customer(changed, customer)
        domain.delete()
        return [] if keeps_relays else _remove_relays_without_domain(actor, customer, name)


def _remove_relays_without_domain(actor: Actor, customer: Customer, name: str) -> list[str]:
    """Of `name` and what is below it. They would serve no mail, and a text of the customer with them is refused."""
    below = customer.sender_relays.filter(Q(domain=name) | Q(domain__endswith=f".{name}")).order_by("domain")
    stranded = [relay for relay in below if not _is_own(customer, relay.domain)]
    for relay in stranded:
        remove_sender_relay(actor=actor, relay=relay)
    return [relay.domain for relay in stranded]


def add_source(*, actor: Actor, customer: Customer, network: str, label: str | None = None) -> OutboundSource:
    """Declare where the customer's mail comes from. Declared again, it gets the new label; None leaves the one that it
    has. Raises: Invalid."""
    with changes() as changed:
        network = validation.parse_source("network", network, allow_private=settings.ALLOW_PRIVATE_ADDRESSES)
        if label is not None:
            label = validation.parse_text("label", label, LABEL_MAX, may_be_empty=True)
        source = customer.sources.filter(network=network).first()
        if source is None:
            _check_is_no_providers(network)
            _check_room("network", customer.sources.count(), SOURCES_MAX, "outbound sources")
            source = customer.sources.create(network=network, label=label or "")
            audit.record(actor, "source.added", _name(customer, network), label=source.label)
        elif label is not None and source.label != label:
            source.label = label
            source.save(update_fields=["label"])
            audit.record(actor, "source.changed", _name(customer, network), label=label)
        write_customer(changed, customer)
        return source


_PROVIDERS: Final = {
    "microsoft": (MailPlatform.MICROSOFT_365, "confirm your tenant"),
    "google": (MailPlatform.GOOGLE, "prove your domains"),
}


def _check_is_no_providers(network: str) -> None:
    """All customers of a cloud send from its ranges: as a source these would prove nothing."""
    provider = provider_of(ip_network(network))
    if provider:
        platform, then = _PROVIDERS[provider]
        raise Invalid(
            "network",
            f"{network} is of {platform.label}, and all of its customers send from there. No source is needed for it: "
            f"choose the mail platform {platform.label}, and {then}.",
        )


def remove_source(*, actor: Actor, source: OutboundSource) -> None:
    with changes() as changed:
        audit.record(actor, "source.removed", _name(source.customer, source.network))
        write_customer(changed, source.customer)
        source.delete()


def set_sender_relay(
    *,
    actor: Actor,
    customer: Customer,
    domain: str,
    host: str,
    port: int = 25,
    tls: RelayTls = RelayTls.OPPORTUNISTIC,
    login: str = "",
    password: str = "",
) -> SenderRelay:
    """Send the mail of one sending domain to `host`, whatever was set for it before. password: empty keeps the one that
    is stored for this login and host. Raises: Invalid."""
    with changes() as changed:
        domain = validation.parse_domain("domain", domain)
        if not _is_own(customer, domain):
            raise Invalid("domain", f"{domain} is not one of your domains. Add it to the domains first.")
        host = validation.parse_relay_host("host", host, allow_private=settings.ALLOW_PRIVATE_ADDRESSES)
        port = validation.parse_port("port", port)
        if any(host in (region.smarthost, *region.sending_addresses) for region in Region.objects.all()):
            raise Invalid("host", f"{host} is this service: mail would go round in circles. Enter the next host.")
        relay = customer.sender_relays.filter(domain=domain).first()
        if relay is None:
            _check_room("domain", customer.sender_relays.count(), SENDER_RELAYS_MAX, "sender relays")
            relay = SenderRelay(customer=customer, domain=domain)
        if login.strip() and not password and (relay.login, relay.host) == (login.strip(), host):
            password = relay.password  # never for another host: it would be told to whoever is named there
        login, password = validation.parse_login(login, password)
        wanted = host, port, tls.value, login, password
        if not relay._state.adding and (relay.host, relay.port, relay.tls, relay.login, relay.password) == wanted:
            return relay
        relay.host, relay.port, relay.tls, relay.login, relay.password = wanted
        relay.save()
        write_customer(changed, customer)
        audit.record(actor, "relay.set", _name(customer, domain), host=host, port=port, tls=tls.value, login=login)
        return relay


def _is_own(customer: Customer, domain: str) -> bool:
    """Is it one of the customer's domains, proven or not, or below one that includes its subdomains?"""
    _, _, parent = domain.partition(".")
    parents = [domain]
    while parent:
        parents.append(parent)
        _, _, parent = parent.partition(".")
    rows = customer.domains.filter(name__in=parents).values_list("name", "include_subdomains")
    return any(name == domain or include_subdomains for name, include_subdomains in rows)


def remove_sender_relay(*, actor: Actor, relay: SenderRelay) -> None:
    with changes() as changed:
        audit.record(actor, "relay.removed", _name(relay.customer, relay.domain), host=relay.host)
        write_customer(changed, relay.customer)
        relay.delete()


def add_auto_forward(*, actor: Actor, customer: Customer, address: str) -> AutoForwardDestination:
    """Let mail with a foreign reverse-path be forwarded to `address`. Raises: Invalid."""
    with changes() as changed:
        address = validation.parse_auto_forward("address", address)
        destination = customer.auto_forwards.filter(address=address).first()
        if destination is None:
            _check_room("address", customer.auto_forwards.count(), AUTO_FORWARDS_MAX, "auto forward destinations")
            destination = customer.auto_forwards.create(address=address)
            write_customer(changed, customer)
            audit.record(actor, "auto-forward.added", _name(customer, address))
        return destination


def remove_auto_forward(*, actor: Actor, destination: AutoForwardDestination) -> None:
    with changes() as changed:
        audit.record(actor, "auto-forward.removed", _name(destination.customer, destination.address))
        write_customer(changed, destination.customer)
        destination.delete()


def switch_outbound(*, actor: Actor, customer: Customer, on: bool) -> None:
    """Let the customer send, or stop it. On is *activating* until every live worker knows it, see `activation`; off
    holds from the moment that a worker hears of it. Raises: Invalid."""
    with changes() as changed:
        customer.refresh_from_db()
        if on == (customer.outbound != Outbound.OFF):
            return
        if on and not Plan(customer.plan).has_outbound:
            raise Invalid(
                "outbound", f"The plan {Plan(customer.plan).label} has no outbound. Choose Gateway or Unified first."
            )
        customer.outbound = (Outbound.ACTIVATING if on else Outbound.OFF).value
        customer.save(update_fields=["outbound"])
        write_customer(changed, customer)
        audit.record(actor, "outbound.on" if on else "outbound.off", customer.slug)


def _check_room(field: str, present: int, maximum: int, what: str) -> None:
    if present >= maximum:
        raise Invalid(
            field, f"There are already {maximum} {what}, the most that a customer can have. Remove some first."
        )


def _name(customer: Customer, part: str) -> str:
    return f"{customer.slug}/{part}"
