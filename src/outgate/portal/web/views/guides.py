"""Set-up guides, their scripts, and the proof at their end."""

from datetime import datetime
from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from outgate.portal.customers.models import Customer, MailPlatform, Plan
from outgate.portal.guides import proof as proofs
from outgate.portal.guides.kinds import Guide, guides_for
from outgate.portal.guides.proof import Seen
from outgate.portal.guides.script import require_tls, send_connector
from outgate.portal.guides.selectors import existing_guide, proofs_of, script_of, values_of
from outgate.portal.spf.selectors import DomainSpf, spf_of_address
from outgate.portal.tracker.reach import record_look
from outgate.portal.web.request import CallerRequest, of_customer


@require_GET
@of_customer
def index(request: CallerRequest, customer: Customer) -> HttpResponse:
    proven = proofs_of(customer)
    guides = [
        {
            "guide": guide,
            "proof": proven.get(guide.kind),
            "is_for_platform": customer.mail_platform in guide.platforms,
        }
        for guide in guides_for(customer.mail_platform)
    ]
    context = {"customer": customer, "guides": guides, "has_outbound": Plan(customer.plan).has_outbound}
    return render(request, "web/guides/index.html", context)


@require_GET
@of_customer
def show(request: CallerRequest, customer: Customer, kind: str) -> HttpResponse:
    guide = existing_guide(kind)
    values = values_of(customer)
    host = values.smarthost or "SMARTHOST"
    context = {
        "values": values,
        "is_platform": customer.mail_platform == guide.platform,
        "platform_name": MailPlatform(guide.platform).label if guide.is_cloud else "",
        "command": send_connector(host),
        "command_tls": require_tls(host),
        "has_outbound": Plan(customer.plan).has_outbound,
        "proof": proofs_of(customer).get(guide.kind),
        **_waiting(customer, guide, timezone.now()),
    }
    return render(request, f"web/guides/{guide.kind}.html", context)


def _waiting(customer: Customer, guide: Guide, since: datetime | None) -> dict[str, Any]:
    return {
        "customer": customer,
        "guide": guide,
        "is_waiting": since is not None and not proofs.is_over(since, timezone.now()),
        "since": int(since.timestamp()) if since is not None else 0,
    }


@require_GET
@of_customer
def proof(request: CallerRequest, customer: Customer, kind: str) -> HttpResponse:
    """Has the message come? Asked again and again by the page while somebody waits for it; without `since` a new wait
    begins. 204 where the page shows that already: nothing is put in the place of what somebody reads."""
    guide = existing_guide(kind)
    now = timezone.now()
    since = proofs.since_of(request.GET["since"], now) if "since" in request.GET else now
    seen = proofs.seen_since(customer, guide, since) if since is not None else None
    if seen is not None and seen.is_accepted:
        proofs.keep(actor=request.caller.actor, customer=customer, guide=guide, seen=seen)
    spf = spf_of_address(customer, seen.message.reverse_path) if seen is not None else None
    context = _waiting(customer, guide, since)
    shown = _shown(seen, spf)
    if context["is_waiting"] and request.GET.get("shown") == shown:
        return HttpResponse(status=204)
    if seen is not None and request.caller.may_see_mail:
        record_look(request.caller, customer, seen.message)
    return render(request, "web/guides/proof.html", {**context, "seen": seen, "spf": spf, "shown": shown})


def _shown(seen: Seen | None, spf: DomainSpf | None) -> str:
    """Differs where the page does."""
    if seen is None:
        return ""
    state = f"{spf.state.value}.{spf.passes}" if spf is not None else ""
    return ".".join((seen.message.queue_id, seen.message.status, str(seen.tenant_fits), state))


@require_GET
@of_customer
def script(_request: CallerRequest, customer: Customer, kind: str, name: str) -> HttpResponse:
    """A script to download, with the customer's values in it."""
    text = script_of(customer, existing_guide(kind), name)
    octets = b"\xef\xbb\xbf" + text.encode()  # the mark tells old PowerShell that it is UTF-8
    answer = HttpResponse(octets, content_type="text/plain; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="outgate-{name}.ps1"'
    return answer
