"""What goes in and out, for pydantic and for OpenAPI.

Bodies take no name that is not here and no value of another type. Examples stand beside the fields; `description` makes
whole ones of them.
"""

from datetime import datetime
from typing import Annotated, Any

from ninja import Field, Schema
from pydantic import ConfigDict

from outgate.contract.policy import ForeignFrom, Outbound, RelayTls
from outgate.portal.accounts.access import NETWORKS_MAX
from outgate.portal.accounts.models import EMAIL_MAX, NETWORK_MAX, Right, Role
from outgate.portal.customers.models import HOST_MAX, NAME_MAX, SLUG_MAX, MailPlatform, Plan
from outgate.portal.outbound.missing import Missing
from outgate.portal.outbound.models import LABEL_MAX, MAILBOX_MAX
from outgate.portal.reason_pages import Kind, ReasonActor

SENDING_ADDRESSES_MAX = 1_000  # of a region
DOMAINS_AT_ONCE_MAX = 100  # of a new customer: more are added one by one, or by a text


class In(Schema):
    """A body."""

    model_config = ConfigDict(strict=True, extra="forbid")


def optional(description: str = "", **more: Any) -> Any:
    """A field that may be left out, and is not null: look into `model_fields_set`."""
    return Field(None, description=description, json_schema_extra=_without_default, **more)


def _without_default(schema: dict[str, Any]) -> None:
    schema.pop("default", None)


Name = Annotated[str, Field(min_length=1, max_length=NAME_MAX)]
AnyPlan = Annotated[Plan, Field(strict=False)]
AnyPlatform = Annotated[MailPlatform, Field(strict=False)]
AnyForeignFrom = Annotated[ForeignFrom, Field(strict=False)]


class CustomerOut(Schema):
    """A customer."""

    id: str = Field(description="Never changes", examples=["example-ltd"])
    name: str = Field(examples=["Example Ltd"])
    partner: str = Field(description="The partner's name", examples=["default"])
    region: str = Field(description="The region's name", examples=["default"])
    plan: Plan = Field(examples=["gateway"])
    mail_platform: MailPlatform = Field(examples=["microsoft-365"])
    foreign_from: ForeignFrom = Field(description="What becomes of mail from a domain that is not the customer's")
    outbound: Outbound = Field(examples=["active"])
    created_at: datetime


class CustomerPage(Schema):
    items: list[CustomerOut]
    next: str | None = Field(description="The cursor of the next page; null at the end", examples=[None])


class AdminIn(In):
    """A new customer's first administrator."""

    email: str = Field(max_length=EMAIL_MAX, examples=["admin@second.example.com"])
    name: str = Field("", max_length=NAME_MAX, examples=["A. Admin"])
    mail_link: bool = Field(False, description="Mail a link to choose a password, in place of a first password")


class CustomerIn(In):
    """A new customer."""

    name: Name = Field(examples=["Example Ltd"])
    partner: str = optional("The partner's name; may be left out where the key reaches one only", max_length=NAME_MAX)
    region: str = optional("The region's id; may be left out where there is one only", max_length=SLUG_MAX)
    plan: AnyPlan = Field(Plan.GATEWAY, examples=["gateway"])
    mail_platform: AnyPlatform = Field(MailPlatform.OTHER, examples=["microsoft-365"])
    id: str = optional("Of the operator's choice; made from the name otherwise", max_length=SLUG_MAX)
    domains: list[Annotated[str, Field(min_length=1, max_length=HOST_MAX)]] = Field(
        [], max_length=DOMAINS_AT_ONCE_MAX, description="To begin with; each is still to be proven", examples=[[]]
    )
    admin: AdminIn = optional("Whoever administers it first; its people are added with its own keys after that")


class CustomerMadeOut(CustomerOut):
    admin_password: str | None = Field(
        description="Of the first administrator, shown this once. Null without one, where a link was mailed, and in a "
        "repeated answer, since it is not kept.",
        examples=[None],
    )


class CustomerChangeIn(In):
    """What is left out stays as it is."""

    name: Name = optional("Staff only", examples=["Example Limited"])
    partner: str = optional("The partner's name. The operator only", max_length=NAME_MAX, examples=["default"])
    region: str = optional("The region's id. Staff only", max_length=SLUG_MAX, examples=["default"])
    plan: AnyPlan = optional("Staff only", examples=["unified"])
    mail_platform: AnyPlatform = optional(examples=["google-workspace"])
    foreign_from: AnyForeignFrom = optional("What becomes of mail from a domain that is not the customer's. Staff only")


class PlatformIn(In):
    mail_platform: AnyPlatform = Field(examples=["microsoft-365"])


class DomainIn(In):
    name: str = Field(min_length=1, max_length=HOST_MAX, examples=["example.com"])
    include_subdomains: bool = optional(
        "May it send from all domains below this one too? Left out, it stays as it is; a new one is without"
    )


class DomainOut(Schema):
    name: str = Field(examples=["example.com"])
    include_subdomains: bool
    verified: bool
    challenge: str = Field(
        description="What the TXT record at the domain must hold",
        examples=["outgate-domain-verification=0f0e0d0c0b0a09080706050403020100"],
    )


class DomainPage(Schema):
    items: list[DomainOut]
    next: str | None = Field(examples=[None])


class SourceIn(In):
    network: str = Field(max_length=64, description="IPv4 or IPv6 address or network", examples=["203.0.113.7"])
    label: str = optional("Left out, it stays as it is", max_length=LABEL_MAX, examples=["Office"])


class SourceOut(Schema):
    network: str = Field(examples=["203.0.113.7/32"])
    label: str = Field(examples=["Office"])


class SourcePage(Schema):
    items: list[SourceOut]
    next: str | None = Field(examples=[None])


class ForwardIn(In):
    address: str = Field(max_length=MAILBOX_MAX, examples=["archive@example.net"])


class ForwardOut(Schema):
    address: str = Field(examples=["archive@example.net"])


class ForwardPage(Schema):
    items: list[ForwardOut]
    next: str | None = Field(examples=[None])


class RelayOut(Schema):
    domain: str = Field(examples=["example.com"])
    host: str = Field(examples=["relay.example.net"])
    port: int = Field(examples=[25])
    tls: RelayTls


class WorkerOut(Schema):
    name: str = Field(examples=["node-1/1"])
    applied: bool = Field(description="Does it act on the newest settings?")


class MissingOut(Schema):
    code: str = Field(examples=[Missing.SOURCE.code], json_schema_extra={"enum": [each.code for each in Missing]})
    meaning: str = Field(description="What becomes of mail meanwhile, for people", examples=[Missing.SOURCE.meaning])
    remedy: str = Field(description="What to do, for people", examples=[Missing.SOURCE.remedy])


class OutboundOut(Schema):
    """A customer's outbound settings, and how far they have come."""

    status: Outbound = Field(examples=["active"])
    revision: int = Field(examples=[42])
    everywhere: bool = Field(description="Do all workers act on them, and is nothing still to come?")
    applied_seconds: float | None = Field(
        description="From when they were saved until the last worker acted on them; null while that is not known",
        examples=[0.4],
    )
    workers: list[WorkerOut]
    missing: list[MissingOut] = Field(
        description="What has to be done before mail passes, whatever the switch says; mail meets the first one now"
    )
    smarthost: str = Field(examples=["smarthost.example.org"])
    domains: list[DomainOut]
    sources: list[SourceOut]
    sender_relays: list[RelayOut]
    auto_forwards: list[str] = Field(examples=[["archive@example.net"]])


class SwitchIn(In):
    on: bool


class DifferenceOut(Schema):
    difference: str = Field(
        description="As `diff -u` shows it; empty if nothing would change", examples=['-name = "A"\n+name = "B"']
    )


class LockedSenderOut(Schema):
    mailbox: str = Field(examples=["printer@example.com"])
    reason: str = Field(description="The reason code; /r/CODE explains it", examples=["sender-locked"])
    locked_at: datetime
    until: datetime


class LockedSenderPage(Schema):
    items: list[LockedSenderOut]
    next: str | None = Field(examples=[None])


class MailboxIn(In):
    mailbox: str = Field(max_length=MAILBOX_MAX, examples=["printer@example.com"])


class AuditOut(Schema):
    number: int = Field(examples=[7])
    at: datetime
    actor: str = Field(examples=["admin@example.com"])
    acting_as: str = Field(examples=[""])
    address: str = Field(examples=["203.0.113.9"])
    action: str = Field(examples=["domain.verified"])
    object: str = Field(examples=["example-ltd/example.com"])
    detail: dict[str, str | int | bool | None] = Field(examples=[{"proof": "dns"}])
    digest: str = Field(examples=["9b" * 32])


class AuditPage(Schema):
    items: list[AuditOut]
    next: str | None = Field(examples=[None])


class UserOut(Schema):
    id: int = Field(examples=[12])
    email: str = Field(examples=["admin@example.com"])
    name: str = Field(examples=["A. Admin"])
    role: Role = Field(examples=["customer-admin"])
    partner: str = Field(description="Of partner staff", examples=[""])
    customer: str = Field(description="The customer's id, of its people", examples=["example-ltd"])
    rights: list[Right] = Field(description="Of partner staff", examples=[[]])
    is_active: bool = Field(description="May the user sign in?", examples=[True])
    created_at: datetime
    link_expires_at: datetime | None = Field(
        description="Of the link to choose a password that was mailed; null while there is none", examples=[None]
    )


class UserPage(Schema):
    items: list[UserOut]
    next: str | None = Field(examples=[None])


Rights = Annotated[list[Annotated[Right, Field(strict=False)]], Field(max_length=len(Right))]


class UserIn(In):
    email: str = Field(max_length=EMAIL_MAX, examples=["admin@example.com"])
    name: str = Field("", max_length=NAME_MAX, examples=["A. Admin"])
    role: Annotated[Role, Field(strict=False)] = Field(examples=["customer-admin"])
    partner: int = optional("The id of the partner; of partner staff that the operator adds", ge=1, le=2**31)
    rights: Rights = Field([], examples=[[]])
    mail_link: bool = Field(False, description="Mail a link to choose a password, in place of a first password")


class UserChangeIn(In):
    """What is left out stays as it is."""

    email: str = optional(
        "To sign in with. Both addresses are told, all sessions end", max_length=EMAIL_MAX, examples=["new@example.com"]
    )
    rights: Rights = optional("All that partner staff may do; others have the rights of their role", examples=[[]])


class UserMadeOut(Schema):
    user: UserOut
    password: str | None = Field(
        description="Shown this once. Null where a link was mailed, and in a repeated answer, since it is not kept: "
        "ask for another one then.",
        examples=["kq2w8Zr4bT6yN1xV9mLd"],
    )


class PartnerManagementIn(In):
    on: bool


class PartnerManagementOut(Schema):
    on: bool = Field(description="May partner staff act as the customer?", examples=[True])


class NetworksIn(In):
    networks: list[Annotated[str, Field(max_length=NETWORK_MAX)]] = Field(
        max_length=NETWORKS_MAX, description="All of them; an empty list is anywhere", examples=[["198.51.100.0/24"]]
    )


class NetworksOut(Schema):
    networks: list[str] = Field(examples=[["198.51.100.0/24"]])


class PartnerIn(In):
    name: Name = Field(examples=["Northern Networks"])


class PartnerOut(Schema):
    id: int = Field(examples=[2])
    name: str = Field(examples=["Northern Networks"])


class PartnerPage(Schema):
    items: list[PartnerOut]
    next: str | None = Field(examples=[None])


class RegionIn(In):
    name: Name = Field(examples=["Europe"])
    smarthost: str = Field("", max_length=HOST_MAX, examples=["smarthost.example.org"])


class RegionChangeIn(In):
    """What is left out stays as it is."""

    smarthost: str = optional("What customers enter in their mail system", max_length=HOST_MAX)
    spf_include: str = optional("The domain whose SPF record lists the sending addresses", max_length=HOST_MAX)
    sending_addresses: list[Annotated[str, Field(max_length=45)]] = optional(
        "Where mail leaves from", max_length=SENDING_ADDRESSES_MAX, examples=[["192.0.2.25"]]
    )


class RegionOut(Schema):
    id: str = Field(description="Never changes", examples=["europe"])
    name: str = Field(examples=["Europe"])
    smarthost: str = Field(examples=["smarthost.example.org"])
    spf_include: str = Field(examples=["spf.example.org"])
    sending_addresses: list[str] = Field(examples=[["192.0.2.25"]])


class RegionPage(Schema):
    items: list[RegionOut]
    next: str | None = Field(examples=[None])


class ProviderOut(Schema):
    """What is known of a cloud's addresses."""

    name: str = Field(examples=["microsoft"])
    networks: int = Field(description="How many", examples=[41])
    confirmed_at: datetime = Field(description="When the cloud last said that the list is right")
    fetched_at: datetime | None = Field(description="When it came from there; null is the list that came with Outgate")
    failing: bool = Field(description="Did the last question go wrong?", examples=[False])


class ProvidersOut(Schema):
    items: list[ProviderOut]


class ReasonOut(Schema):
    """A reason code, as it stands in replies and records."""

    code: str = Field(examples=["source-unknown"])
    title: str
    kind: Kind = Field(description="What became of the message")
    meaning: str
    remedy: str
    actor: ReasonActor = Field(description="Who can do something about it")
    example_reply: str = Field(description="One line, or empty")


class ReasonPageOut(Schema):
    items: list[ReasonOut]
    next: str | None = Field(examples=[None])


class ErrorOut(Schema):
    field: str = Field(description="As the caller named it; empty is the whole", examples=["name"])
    detail: str = Field(examples=["This is missing. Add it."])


class ProblemOut(Schema):
    """What is wrong (RFC 9457)."""

    type: str = Field(examples=["about:blank"])
    title: str = Field(examples=["A value cannot be taken"])
    status: int = Field(examples=[422])
    code: str = Field(description="For programs; never changes", examples=["value-refused"])
    detail: str = Field(description="For people: what to do", examples=["Some values cannot be taken."])
    errors: list[ErrorOut]
