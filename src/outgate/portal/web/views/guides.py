"""Set-up guides, their scripts, and the proof at their end."""

from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from outgate.portal.accounts.scope import ABSENT
from outgate.portal.customers.models import Customer, Plan
from outgate.portal.errors import NotFound
from outgate.portal.guides import proof as proofs
from outgate.portal.guides.kinds import Guide, guide_of, guides_for
from outgate.portal.guides.script import NAME, ScriptValues, set_up_script, undo_script
from outgate.portal.spf.selectors import spf_of_address
from outgate.portal.web.request import CallerRequest, of_customer

_SCRIPTS = {"set-up": set_up_script, "undo": undo_script}


def _guide(kind: str) -> Guide:
    """Raises: NotFound."""
    guide = guide_of(kind)
    if guide is None:
        raise NotFound(ABSENT)
    return guide


@require_GET
@of_customer
def index(request: CallerRequest, customer: Customer) -> HttpResponse:
    proven = {proof.kind: proof for proof in customer.guide_proofs.all()}
    guides = [{"guide": guide, "proof": proven.get(guide.kind)} for guide in guides_for(customer.mail_platform)]
    context = {"customer": customer, "guides": guides, "has_outbound": Plan(customer.plan).has_outbound}
    return render(request, "web/guides/index.html", context)


@require_GET
@of_customer
def show(request: CallerRequest, customer: Customer, kind: str) -> HttpResponse:
    guide = _guide(kind)
    return render(request, f"web/guides/{guide.kind}.html", _context(customer, guide))


def _context(customer: Customer, guide: Guide) -> dict[str, Any]:
    domains = list(customer.domains.filter(verified_at__isnull=False).order_by("name"))
    now = timezone.now()
    return {
        "customer": customer,
        "guide": guide,
        "smarthost": customer.region.smarthost,
        "connector": NAME,
        "domains": domains,
        "has_tenant": customer.microsoft_tenants.exists(),
        "has_sources": customer.sources.exists(),
        "is_on": customer.outbound != "off",
        "include": customer.region.spf_include,
        "include_term": f"include:{customer.region.spf_include}",
        "proof": customer.guide_proofs.filter(kind=guide.kind).first(),
        "since": int(now.timestamp()),
    }


@require_GET
@of_customer
def proof(request: CallerRequest, customer: Customer, kind: str) -> HttpResponse:
    """Has the message come? Asked again and again by the page while somebody waits for it."""
    guide = _guide(kind)
    since = proofs.since_of(request.GET.get("since", ""), timezone.now())
    seen = proofs.first_seen(customer, guide, since) if since is not None else None
    if seen is not None and seen.is_accepted:
        proofs.keep(customer, guide, seen)
    context = {
        "customer": customer,
        "guide": guide,
        "seen": seen,
        "spf": spf_of_address(customer, seen.message.reverse_path) if seen is not None else None,
        "is_waiting": since is not None,
        "since": int(since.timestamp()) if since is not None else 0,
        "now": int(timezone.now().timestamp()),
    }
    return render(request, "web/guides/proof.html", context)


@require_GET
@of_customer
def script(_request: CallerRequest, customer: Customer, kind: str, name: str) -> HttpResponse:
    """A script to download, with the customer's values in it."""
    guide = _guide(kind)
    if not guide.has_script or name not in _SCRIPTS or not customer.region.smarthost:
        raise NotFound(ABSENT)
    proven = customer.domains.filter(verified_at__isnull=False).values_list("name", flat=True)
    domains = (*sorted(proven), *sorted(customer.microsoft_names.values_list("name", flat=True)))
    with_exclaimer = guide.kind.endswith("exclaimer")
    values = ScriptValues(customer.region.smarthost, customer.slug, customer.name, domains, with_exclaimer)
    octets = b"\xef\xbb\xbf" + _SCRIPTS[name](values).encode()  # the mark tells old PowerShell that it is UTF-8
    answer = HttpResponse(octets, content_type="text/plain; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="outgate-{name}.ps1"'
    return answer
