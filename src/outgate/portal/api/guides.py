"""Routes of the set-up guides: a customer's own values, the scripts, and whether the set-up is seen to work."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from ninja import Field, Path, Query, Router, Schema

from outgate.portal.accounts.keys import Scope
from outgate.portal.accounts.scope import customer_of
from outgate.portal.api.authentication import Key, caller_of
from outgate.portal.api.pages import LIMIT_DEFAULT, Cursor, Limit, read_cursor, write_cursor
from outgate.portal.customers.models import Customer
from outgate.portal.errors import Invalid
from outgate.portal.guides.kinds import GUIDES, Guide
from outgate.portal.guides.models import GuideProof
from outgate.portal.guides.proof import WAIT_SECONDS, Seen, keep, seen_since
from outgate.portal.guides.selectors import SCRIPTS, Values, existing_guide, proofs_of, script_of, values_of
from outgate.portal.tracker.reach import record_look

router = Router(tags=["guides"])
READ: Final = Key(Scope.CUSTOMERS_READ)
PLAIN: Final = "text/plain; charset=utf-8"
Kind = Annotated[
    str,
    Path(description=f"One of {', '.join(guide.kind for guide in GUIDES)}", examples=["microsoft-365"]),
]
Script = Annotated[str, Path(description=f"One of {', '.join(SCRIPTS)}", examples=["set-up"])]


class GuideOut(Schema):
    """A guide with the customer's values. smarthost and spf_term are empty until the operator has named them."""

    kind: str = Field(examples=["microsoft-365"])
    title: str = Field(examples=["Microsoft 365 and Exchange Online"])
    for_platform: bool = Field(description="Is it the one for the customer's mail platform?")
    platform_fits: bool = Field(description="False: set the mail platform first, else this mail is a stranger's")
    smarthost: str = Field(description="The host that the mail system sends to", examples=["smtp.example.net"])
    port: int = Field(description="There is no authentication", examples=[25])
    spf_term: str = Field(description="For the customer's SPF record", examples=["include:spf.example.net"])
    sending_addresses: list[str] = Field(description="That the mail leaves from", examples=[["203.0.113.25"]])
    domains: list[str] = Field(description="Proven ones, which may send", examples=[["example.com"]])
    outbound_on: bool = Field(description="Is outbound switched on?")
    sources: bool = Field(description="Is there an outbound source?")
    tenant: bool = Field(description="Is a Microsoft tenant confirmed?")
    scripts: list[str] = Field(description="Those that can be had", examples=[["set-up", "undo"]])
    proven_at: datetime | None = Field(
        description="When a message of this kind of system was first seen to be accepted"
    )
    proven_by: str = Field(description="That message's queue id; empty before", examples=["T4226ZR000G00"])


class GuidePage(Schema):
    items: list[GuideOut]
    next: str | None = Field(examples=[None])


class SignatureOut(Schema):
    domain: str = Field(examples=["example.com"])
    verdict: str = Field(examples=["pass"])


class GuideMessageOut(Schema):
    """The newest message from such a system that was accepted, else the newest that was not."""

    queue_id: str = Field(description="More of it is under /messages", examples=["T4226ZR000G00"])
    at: datetime
    accepted: bool
    reason: str = Field(description="A code of /reasons", examples=["domain-own"])
    remedy: str = Field(description="What to do, where it was not accepted", examples=[""])
    reply: str = Field(description="That it got, where it was not accepted", examples=[""])
    source: str = Field(examples=["198.51.100.7"])
    tls: str = Field(description="Empty: none", examples=["TLSv1.3"])
    reverse_path: str = Field(examples=["somebody@example.com"])
    tenant_ids: list[str] = Field(examples=[["00000000-0000-4000-8000-000000000001"]])
    tenant_confirmed: bool | None = Field(description="null: not a question here", examples=[True])
    signatures: list[SignatureOut]


class GuideProofOut(Schema):
    proven_at: datetime | None = Field(description="As in the guide")
    message: GuideMessageOut | None


@router.get("/{slug:customer_id}/guides", auth=READ, response=GuidePage, summary="List set-up guides")
def index(request: HttpRequest, customer_id: str, cursor: Cursor = "", limit: Limit = LIMIT_DEFAULT) -> GuidePage:
    """By kind, in pages. `for_platform` marks the one to begin with."""
    customer = customer_of(caller_of(request), customer_id)
    after = read_cursor(cursor) if cursor else ""
    values, proofs = values_of(customer), proofs_of(customer)
    guides = sorted((guide for guide in GUIDES if guide.kind > after), key=lambda guide: guide.kind)
    following = write_cursor(guides[limit - 1].kind) if len(guides) > limit else None
    items = [_out(customer, each, values, proofs.get(each.kind)) for each in guides[:limit]]
    return GuidePage(items=items, next=following)


@router.get("/{slug:customer_id}/guides/{slug:kind}", auth=READ, response=GuideOut, summary="Show a set-up guide")
def show(request: HttpRequest, customer_id: str, kind: Kind) -> GuideOut:
    """The values to enter. The steps are on the portal's page and in docs/guides.md."""
    customer = customer_of(caller_of(request), customer_id)
    guide = existing_guide(kind)
    return _out(customer, guide, values_of(customer), proofs_of(customer).get(guide.kind))


@router.get(
    "/{slug:customer_id}/guides/{slug:kind}/scripts/{slug:name}",
    auth=READ,
    summary="Get a script",
    openapi_extra={
        "responses": {
            200: {
                "description": "The script",
                "content": {PLAIN: {"schema": {"type": "string"}, "example": "<#\r\nSends outgoing mail\r\n#>\r\n"}},
            }
        }
    },
)
def script(request: HttpRequest, customer_id: str, kind: Kind, name: Script) -> HttpResponse:
    """PowerShell for Exchange Online, with the customer's values in it. It needs no key or password of Outgate's."""
    customer = customer_of(caller_of(request), customer_id)
    return HttpResponse(script_of(customer, existing_guide(kind), name), PLAIN)


@router.get(
    "/{slug:customer_id}/guides/{slug:kind}/proof",
    auth=Key(Scope.MESSAGES_READ),
    response=GuideProofOut,
    summary="Look for the proof",
)
def proof(
    request: HttpRequest,
    customer_id: str,
    kind: Kind,
    since: Annotated[
        datetime | None,
        Query(
            description=f"Look at mail from then on; at most {WAIT_SECONDS // 60} minutes back, which is the default"
        ),
    ] = None,
) -> GuideProofOut:
    """Send a message to somebody outside, then ask every few seconds. The first one that is seen to be accepted is kept
    as the guide's proof, and told to the audit log."""
    caller = caller_of(request)
    customer = customer_of(caller, customer_id)
    guide = existing_guide(kind)
    seen = seen_since(customer, guide, _beginning(since))
    if seen is not None:
        record_look(caller, customer, seen.message)
    if seen is not None and seen.is_accepted:
        kept: GuideProof | None = keep(actor=caller.actor, customer=customer, guide=guide, seen=seen)
    else:
        kept = proofs_of(customer).get(guide.kind)
    return GuideProofOut(
        proven_at=kept.proven_at if kept is not None else None,
        message=_message(seen) if seen is not None else None,
    )


def _beginning(since: datetime | None) -> datetime:
    """Raises: Invalid."""
    now = timezone.now()
    earliest = now - timedelta(seconds=WAIT_SECONDS)
    if since is None:
        return earliest
    if since.tzinfo is None:
        since = since.replace(tzinfo=UTC)
    if since > now + timedelta(seconds=60):
        raise Invalid("since", "That is yet to come. Give the time at which you began, in UTC.")
    return max(since, earliest)


def _out(customer: Customer, guide: Guide, values: Values, proof: GuideProof | None) -> GuideOut:
    return GuideOut(
        kind=guide.kind,
        title=guide.title,
        for_platform=customer.mail_platform in guide.platforms,
        platform_fits=not guide.is_cloud or customer.mail_platform == guide.platform,
        smarthost=values.smarthost,
        port=values.port,
        spf_term=values.include_term,
        sending_addresses=list(values.addresses),
        domains=list(values.domains),
        outbound_on=values.is_on,
        sources=values.has_sources,
        tenant=values.has_tenant,
        scripts=list(SCRIPTS) if guide.has_script and values.smarthost else [],
        proven_at=proof.proven_at if proof is not None else None,
        proven_by=proof.queue_id if proof is not None else "",
    )


def _message(seen: Seen) -> GuideMessageOut:
    message = seen.message
    signatures: list[dict[str, Any]] = seen.evidence.get("signatures", [])
    return GuideMessageOut(
        queue_id=message.queue_id,
        at=message.at,
        accepted=seen.is_accepted,
        reason=message.reason,
        remedy=seen.reason.remedy if seen.reason is not None else "",
        reply=seen.refusal.reply if seen.refusal is not None else "",
        source=message.source,
        tls=message.tls,
        reverse_path=message.reverse_path,
        tenant_ids=seen.evidence.get("tenant_ids", []),
        tenant_confirmed=seen.tenant_fits,
        signatures=[SignatureOut(domain=each["domain"], verdict=each["verdict"]) for each in signatures],
    )
