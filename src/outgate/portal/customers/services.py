"""Changes partners, regions and customers. What a customer may send is `outbound.services`' part."""

import re
import unicodedata
from collections.abc import Callable, Sequence

from django.utils import timezone

from outgate.contract.policy import ForeignFrom, Outbound
from outgate.portal.accounts import audit
from outgate.portal.accounts.audit import Actor
from outgate.portal.customers.models import NAME_MAX, SLUG_MAX, Customer, MailPlatform, Partner, Plan, Region
from outgate.portal.errors import Invalid
from outgate.portal.feed.changes import changes
from outgate.portal.feed.models import PolicyDocument
from outgate.portal.outbound import documents
from outgate.portal.outbound.validation import parse_address, parse_domain, parse_slug, parse_text
from outgate.portal.spf.services import ask_again, want_all


def create_partner(*, actor: Actor, name: str) -> Partner:
    """Raises: Invalid."""
    with changes():
        name = parse_text("name", name, NAME_MAX)
        if Partner.objects.filter(name=name).exists():
            raise Invalid("name", f"There is already a partner {name!r}. Choose another name.")
        partner = Partner.objects.create(name=name)
        audit.record(actor, "partner.created", name)
        return partner


def create_region(*, actor: Actor, name: str, smarthost: str = "") -> Region:
    """Raises: Invalid."""
    with changes() as changed:
        name = parse_text("name", name, NAME_MAX)
        if Region.objects.filter(name=name).exists():
            raise Invalid("name", f"There is already a region {name!r}. Choose another name.")
        slug = _free_slug(name, lambda slug: Region.objects.filter(slug=slug).exists())
        region = Region.objects.create(slug=slug, name=name, smarthost=_host("smarthost", smarthost))
        documents.write_region(changed, region)
        audit.record(actor, "region.created", slug)
        return region


def change_region(
    *, actor: Actor, region: Region, smarthost: str, spf_include: str, sending_addresses: Sequence[str]
) -> None:
    """Give the region another public face. Raises: Invalid."""
    with changes() as changed:
        region.smarthost = _host("smarthost", smarthost)
        region.spf_include = _host("spf_include", spf_include)
        region.sending_addresses = sorted({parse_address("sending_addresses", text) for text in sending_addresses})
        region.save()
        ask_again(region)
        documents.write_region(changed, region)
        audit.record(
            actor,
            "region.changed",
            region.slug,
            smarthost=region.smarthost,
            spf_include=region.spf_include,
            sending_addresses=" ".join(region.sending_addresses),
        )


def create_customer(*, actor: Actor, name: str, partner: Partner, region: Region, slug: str = "") -> Customer:
    """A customer on the plan Gateway, with nothing set and outbound off.

    slug: made from the name if empty, and then never one that another customer ever had: whose log and mail a slug
    names must not become another's. Who gives the slug of a deleted customer says that it is the same one again.
    Raises: Invalid.
    """
    with changes() as changed:
        name = parse_text("name", name, NAME_MAX)
        _check_name_is_free(partner, name)
        if slug:
            slug = parse_slug("id", slug)
            if Customer.objects.filter(slug=slug).exists():
                raise Invalid("id", f"There is already a customer with the id {slug!r}. Choose another id.")
        else:
            slug = _free_slug(name, lambda slug: PolicyDocument.objects.filter(key=f"customer:{slug}").exists())
        customer = Customer.objects.create(partner=partner, region=region, slug=slug, name=name)
        documents.write_customer(changed, customer)
        audit.record(actor, "customer.created", slug, name=name)
        return customer


def change_customer(
    *,
    actor: Actor,
    customer: Customer,
    name: str,
    partner: Partner,
    region: Region,
    plan: Plan,
    mail_platform: MailPlatform,
    foreign_from: ForeignFrom,
) -> None:
    """Set what describes the customer. What is as it was leaves no trace in the audit log. Raises: Invalid."""
    with changes() as changed:
        customer.refresh_from_db()
        name = parse_text("name", name, NAME_MAX)
        if (partner.pk, name) != (customer.partner_id, customer.name):
            _check_name_is_free(partner, name)
        if not plan.has_outbound and customer.outbound != Outbound.OFF:
            raise Invalid("plan", f"The plan {plan.label} has no outbound, and it is on. Switch outbound off first.")
        wanted = {
            "name": name,
            "partner": partner,
            "region": region,
            "plan": plan.value,
            "mail_platform": mail_platform.value,
            "foreign_from": foreign_from.value,
        }
        detail = {field: str(value) for field, value in wanted.items() if getattr(customer, field) != value}
        if not detail:
            return
        for field in detail:
            setattr(customer, field, wanted[field])
        customer.save(update_fields=list(detail))
        if detail.keys() & {"mail_platform", "region"}:
            want_all(customer=customer, now=timezone.now())
        documents.write_customer(changed, customer)
        audit.record(actor, "customer.changed", customer.slug, **detail)


def delete_customer(*, actor: Actor, customer: Customer) -> None:
    """Forget the customer, with users, settings and keys. Its mail that is under way goes on, but nobody can open any
    more what is held sealed."""
    with changes() as changed:
        audit.record(actor, "customer.deleted", customer.slug, name=customer.name)
        changed.delete(documents.customer_key(customer))
        customer.delete()


def _check_name_is_free(partner: Partner, name: str) -> None:
    if Customer.objects.filter(partner=partner, name=name).exists():
        raise Invalid("name", f"{partner} has already a customer {name!r}. Choose another name.")


def _host(field: str, text: str) -> str:
    return parse_domain(field, text) if text.strip() else ""


def _free_slug(name: str, is_taken: Callable[[str], bool]) -> str:
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode("ascii").lower()
    stem = re.sub(r"[^a-z0-9]+", "-", plain)[: SLUG_MAX - 8].strip("-") or "customer"
    slug, number = stem, 1
    while is_taken(slug):
        number += 1
        slug = f"{stem}-{number}"
    return slug
