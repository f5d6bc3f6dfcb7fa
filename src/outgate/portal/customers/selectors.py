"""Finds customers."""

from dataclasses import dataclass

from django.db.models import Count, Q, QuerySet

from outgate.portal.customers.models import Customer
from outgate.portal.errors import NotFound


def customer_named(text: str) -> Customer:
    """The customer whose id or, if it is the only one so called, whose name is `text`.

    Raises: NotFound.
    """
    found = list(Customer.objects.filter(Q(slug=text) | Q(name=text)).select_related("partner", "region"))
    by_slug = [customer for customer in found if customer.slug == text]
    if by_slug or len(found) == 1:
        return (by_slug or found)[0]
    if found:
        slugs = ", ".join(sorted(customer.slug for customer in found))
        raise NotFound(f"Several customers are called {text!r}. Give the id: {slugs}.")
    raise NotFound(f"There is no customer {text!r}. See `outgate customer list`.")


def customers(search: str = "") -> QuerySet[Customer]:
    """All customers by id, or those with `search` in id or name, or at the start of a domain."""
    rows = Customer.objects.select_related("partner", "region").order_by("slug")
    if search:
        matching = Q(slug__contains=search.lower()) | Q(name__icontains=search)
        by_domain = Customer.objects.filter(domains__name__startswith=search.lower()).values("pk")
        rows = rows.filter(matching | Q(pk__in=by_domain))
    return rows


@dataclass(frozen=True, slots=True)
class CustomerSummary:
    """A customer in a list. domains: how many it claims."""

    id: str
    name: str
    partner: str
    region: str
    plan: str
    outbound: str
    domains: int


def summaries(search: str = "") -> list[CustomerSummary]:
    """The same as `customers`, ready to be shown, with one question to the database."""
    rows = customers(search).annotate(domain_count=Count("domains"))
    columns = ("slug", "name", "partner__name", "region__name", "plan", "outbound", "domain_count")
    return [CustomerSummary(*row) for row in rows.values_list(*columns)]
