"""The list of customers, and a new one."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from urllib.parse import urlencode

from django.contrib import messages
from django.db.models import Count, F, OuterRef, QuerySet, Subquery
from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone

from outgate.contract.policy import ForeignFrom
from outgate.portal.accounts.access import may_act_for
from outgate.portal.accounts.models import CustomerAccess, Right, Role
from outgate.portal.accounts.scope import ABSENT, customers_of, partners_of, regions_of, search_customers
from outgate.portal.accounts.team import add_first_admin
from outgate.portal.customers import services
from outgate.portal.customers.models import Customer, MailPlatform, Partner, Plan, Region
from outgate.portal.errors import Invalid, NotFound
from outgate.portal.feed.changes import changes
from outgate.portal.outbound import services as outbound
from outgate.portal.outbound.models import SendingDomain
from outgate.portal.web import figures
from outgate.portal.web.forms import Form
from outgate.portal.web.request import CallerRequest, staff_only
from outgate.portal.web.views.team import WAYS, link_url

PAGE_SIZE: Final = 25
SEARCH_MAX: Final = 100  # characters
SORTS: Final = {
    "name": ("name", "pk"),
    "plan": ("plan", "name", "pk"),
    "region": ("region__name", "name", "pk"),
    "outbound": ("outbound", "name", "pk"),
    "created": ("created_at", "pk"),
}


@staff_only
def index(request: CallerRequest) -> HttpResponse:
    """Search, sort, pages. htmx asks for the table alone while somebody types."""
    search = request.GET.get("q", "").strip()[:SEARCH_MAX]
    sort = request.GET.get("sort", "name")
    rows = search_customers(customers_of(request.caller), search)
    total = rows.count()
    pages = max(1, -(-total // PAGE_SIZE))
    number = request.GET.get("page", "1")
    page = min(max(int(number), 1), pages) if number.isascii() and number.isdecimal() and len(number) < 9 else 1
    shown = list(_sorted(rows, sort)[(page - 1) * PAGE_SIZE : page * PAGE_SIZE])
    now = timezone.now()
    mail = figures.mail_of([customer.slug for customer in shown], now - timedelta(hours=24))
    closed = set(
        CustomerAccess.objects.filter(customer__in=shown, partner_management=False).values_list(
            "customer_id", flat=True
        )
    )
    may_act = request.caller.has(Right.LOGIN_AS)
    may_edit = request.caller.has(Right.MANAGE_CUSTOMERS)
    is_operator = request.caller.role is Role.OPERATOR
    domains = _domains_of(shown)
    listed = [
        {
            "customer": customer,
            "domains": domains.get(customer.pk),
            "mail": mail.get(customer.slug),
            "is_closed": customer.pk in closed,
            "may_act": may_act and (is_operator or customer.pk not in closed),
            "may_edit": may_edit and (is_operator or customer.pk not in closed),
        }
        for customer in shown
    ]
    context = {
        "rows": listed,
        "search": search,
        "sort": sort,
        "total": total,
        "page": page,
        "pages": pages,
        "first": (page - 1) * PAGE_SIZE + 1,
        "last": min(page * PAGE_SIZE, total),
        "query": urlencode({"q": search, "sort": sort}),
        "search_query": urlencode({"q": search}),
        "is_operator": is_operator,
        "may_create": request.caller.has(Right.CREATE_CUSTOMERS),
        "has_any": bool(total or search),
    }
    is_part = request.headers.get("HX-Request") == "true"
    return render(request, "web/customers_table.html" if is_part else "web/customers.html", context)


def _sorted(rows: QuerySet[Customer], sort: str) -> QuerySet[Customer]:
    key, is_reverse = sort.removeprefix("-"), sort.startswith("-")
    columns = SORTS.get(key, SORTS["name"])
    return rows.order_by(*(f"-{column}" if is_reverse else column for column in columns))


@dataclass(frozen=True, slots=True)
class _Domains:
    """Of one customer. first: the one that was proven first."""

    first: str
    count: int


def _domains_of(customers: list[Customer]) -> dict[int, _Domains]:
    """Of those that are shown: counted for all customers before they are cut to a page it would take the most time."""
    first = SendingDomain.objects.filter(customer=OuterRef("pk")).order_by(F("verified_at").asc(nulls_last=True))
    rows = Customer.objects.filter(pk__in=[customer.pk for customer in customers], domains__isnull=False)
    rows = rows.annotate(count=Count("domains"), first=Subquery(first.values("name")[:1]))
    return {pk: _Domains(name, count) for pk, name, count in rows.values_list("pk", "first", "count")}


@staff_only
def new(request: CallerRequest) -> HttpResponse:
    """One form: who it is, where its mail comes from, its domains, its first administrator."""
    caller = request.caller
    if not caller.has(Right.CREATE_CUSTOMERS):
        raise NotFound(ABSENT)
    form = Form.of(request)
    partners, regions = list(partners_of(caller)), list(regions_of(caller))
    if request.method == "POST":
        with form.catching():
            customer, password = _create(request, form, partners, regions)
            made = {"customer": customer, "email": form.text("admin_email"), "password": password}
            made["may_act"] = may_act_for(caller, customer)
            return render(request, "web/customer_made.html", made)
    else:
        form.values = {"plan": Plan.GATEWAY.value, "mail_platform": MailPlatform.MICROSOFT_365.value}
    context: dict[str, Any] = {
        "form": form,
        "partners": [(partner.pk, partner.name) for partner in partners],
        "regions": [(region.pk, region.name) for region in regions],
        "plans": Plan.choices,
        "platforms": MailPlatform.choices,
        "ways": WAYS,
    }
    return render(request, "web/customer_new.html", context, status=200 if form.is_good else 422)


def _create(request: CallerRequest, form: Form, partners: list[Partner], regions: list[Region]) -> tuple[Customer, str]:
    """All of it or nothing. Returns the first administrator's password too, if there is one. Raises: Invalid."""
    actor = request.caller.actor
    partner = _chosen("partner", form, partners) if len(partners) != 1 else partners[0]
    region = _chosen("region", form, regions) if len(regions) != 1 else regions[0]
    password = ""
    with changes():
        customer = services.create_customer(actor=actor, name=form.text("name"), partner=partner, region=region)
        services.change_customer(
            actor=actor,
            customer=customer,
            name=customer.name,
            partner=partner,
            region=region,
            plan=_choice("plan", form, Plan),
            mail_platform=_choice("mail_platform", form, MailPlatform),
            foreign_from=ForeignFrom(customer.foreign_from),
        )
        for name in form.entries("domains") if form.text("domains") else ():
            try:
                outbound.add_domain(actor=actor, customer=customer, name=name)
            except Invalid as error:
                raise Invalid("domains", error.public_message) from error
        if email := form.text("admin_email"):
            try:
                admin = add_first_admin(
                    actor=actor,
                    customer=customer,
                    email=email,
                    name=form.text("admin_name"),
                    link_url=link_url(form),
                )
                password = admin.password
            except Invalid as error:
                raise Invalid(f"admin_{error.field}", error.public_message) from error
    messages.success(request, f"{customer.name} was created.")
    return customer, password


def _chosen(field: str, form: Form, rows: list[Any]) -> Any:
    for row in rows:
        if str(row.pk) == form.text(field):
            return row
    raise Invalid(field, f"Choose a {field}." if rows else f"There is no {field} yet. Make one first.")


def _choice(field: str, form: Form, choices: Any) -> Any:
    try:
        return choices(form.text(field))
    except ValueError as error:
        raise Invalid(field, "Choose one of these.") from error
