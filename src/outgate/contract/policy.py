"""Policy documents: what the workers know of each customer and region. The control plane writes, the workers obey.

A document replaces the one before it under the same key. Every change has the next global *revision*. A field that a
worker does not know is ignored, a field that it misses takes its default, so that planes of neighbouring versions work
together; what could not be obeyed so must raise `FORMAT`.
"""

from enum import StrEnum
from typing import Any, Final

from msgspec import Struct

from outgate.contract.scanning import NO_SCANNING, ScanPolicy

FORMAT: Final = 1  # of all documents; a worker refuses to follow a feed with a higher one


class Outbound(StrEnum):
    """May the customer send? ACTIVATING: saved, not yet applied by every worker; answered with 451."""

    OFF = "off"
    ACTIVATING = "activating"
    ACTIVE = "active"


class ForeignFrom(StrEnum):
    """What becomes of a From header with a domain that is no customer's, under a reverse-path of the customer's own."""

    REFUSE = "refuse"
    ALLOW = "allow"


class RelayTls(StrEnum):
    """TLS towards a sender relay. VERIFIED: the certificate must be trusted and carry the host's name."""

    OPPORTUNISTIC = "opportunistic"
    REQUIRED = "required"
    VERIFIED = "verified"


class Platform(StrEnum):
    """Where a customer's mail comes from. The address ranges of the first two are known and shared by all of their
    customers; the others declare sources of their own, and so may the first two."""

    MICROSOFT_365 = "microsoft-365"
    GOOGLE_WORKSPACE = "google-workspace"
    EXCHANGE = "exchange"
    OTHER = "other"


class PoolAction(StrEnum):
    """What becomes of mail from one of Microsoft's special pools. DELIVER: after scanning, as other mail."""

    REJECT = "reject"
    HOLD = "hold"
    DELIVER = "deliver"


class SignatureRule(StrEnum):
    """Must a DKIM signature prove whose message it is, or is it only preferred?"""

    PREFER = "prefer"
    REQUIRE = "require"


class SendingDomain(Struct, frozen=True):
    """A proven domain, canonical. Its subdomains belong to it only if the proof includes them."""

    name: str
    include_subdomains: bool = False


class OutboundSource(Struct, frozen=True):
    """A network that the customer's mail comes from, such as "198.51.100.7/32" or "2001:db8::/48"."""

    network: str
    label: str = ""


class Login(Struct, frozen=True):
    """Who we are to a sender relay. The password is in no text that this makes of itself."""

    name: str
    password: str

    def __repr__(self) -> str:
        return f"Login({self.name!r})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("name", self.name)]


class SenderRelay(Struct, frozen=True):
    """Mail of one sending domain goes to this next hop instead of the recipient's MX. login: said by AUTH (RFC 4954)
    behind TLS only; with one, TLS is required whatever `tls` says."""

    domain: str
    host: str
    port: int = 25
    tls: RelayTls = RelayTls.OPPORTUNISTIC
    login: Login | None = None


class MicrosoftSettings(Struct, frozen=True):
    """The tenant lock of a customer on Microsoft 365, and what it wants of Microsoft's pools.

    tenant_ids: of its Microsoft 365 tenants, lower-case GUIDs that a person has confirmed; while there is none, its
    mail from Microsoft's ranges waits (451). names: the tenants' `*.onmicrosoft.com` names, canonical: validation
    mails, SRS and journals use them, so that they count as the customer's domains in mail from Microsoft's ranges.
    relayed_mail: may mail pass that came into the tenant without signing in there (AuthAs other than Internal)?
    relay_pool_forwards: relay-pool mail of the proven tenant may go to Auto Forward destinations, whatever
    `relay_pool` says.
    """

    tenant_ids: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    relayed_mail: bool = True
    high_risk_pool: PoolAction = PoolAction.REJECT
    relay_pool: PoolAction = PoolAction.REJECT
    relay_pool_forwards: bool = False


class GoogleSettings(Struct, frozen=True):
    """The tenant lock of a customer on Google Workspace. signature: of a domain of the customer's, by Google."""

    signature: SignatureRule = SignatureRule.PREFER


class LimitScope(StrEnum):
    """Whose mail is counted together. MAILBOX: of one reverse-path, SRS undone. NULL: with a null reverse-path."""

    MAILBOX = "mailbox"
    DOMAIN = "domain"
    CUSTOMER = "customer"
    SOURCE = "source"
    NULL = "null"


class Counted(StrEnum):
    RECIPIENTS = "recipients"
    MESSAGES = "messages"


class Limit(Struct, frozen=True, order=True):
    """At most `maximum` in any `seconds`."""

    scope: LimitScope
    counted: Counted
    seconds: int
    maximum: int


DEFAULT_LIMITS: Final = (
    Limit(LimitScope.MAILBOX, Counted.RECIPIENTS, 300, 50),
    Limit(LimitScope.MAILBOX, Counted.RECIPIENTS, 3_600, 300),
    Limit(LimitScope.MAILBOX, Counted.RECIPIENTS, 86_400, 2_000),
    Limit(LimitScope.MAILBOX, Counted.MESSAGES, 300, 50),
    Limit(LimitScope.DOMAIN, Counted.RECIPIENTS, 3_600, 10_000),
    Limit(LimitScope.CUSTOMER, Counted.RECIPIENTS, 3_600, 20_000),
    Limit(LimitScope.CUSTOMER, Counted.RECIPIENTS, 86_400, 100_000),
    Limit(LimitScope.SOURCE, Counted.RECIPIENTS, 3_600, 20_000),
    Limit(LimitScope.NULL, Counted.MESSAGES, 3_600, 1_000),
)


class SenderLimits(Struct, frozen=True):
    """How much a customer may send; what is over it goes into the slow lane.

    exempt: mailboxes, or domains ("@example.com"), that only the customer's and the source's limits count.
    slow_messages_max, slow_octets_max: quota of the slow lane; when it is full, 451 with the time.
    lock_factor: a mailbox that wants more than so many times a limit of its own is locked; 0 never locks.
    lock_seconds: after which it is unlocked by itself; doubled with each lock within a day, at most
    `lock_max_seconds`. invalid_percent: share of recipients that next hops call unknown, of at least
    `invalid_minimum` in an hour, from which on a mailbox is locked; 0 never does.
    """

    limits: tuple[Limit, ...] = DEFAULT_LIMITS
    exempt: tuple[str, ...] = ()
    slow_messages_max: int = 10_000
    slow_octets_max: int = 2_147_483_648
    lock_factor: float = 10.0
    lock_seconds: int = 3_600
    lock_max_seconds: int = 86_400
    invalid_percent: int = 50
    invalid_minimum: int = 20


class LockedSender(Struct, frozen=True):
    """A mailbox that may not send until `until` (seconds since the epoch). reason: code of the catalogue."""

    mailbox: str
    until: float
    reason: str = ""


class CustomerDocument(Struct, frozen=True, tag="customer"):
    """All that a worker knows of one customer.

    outbound_in_plan: False refuses like `Outbound.OFF`, with the plan as the remedy.
    auto_forwards: canonical destinations ("local-part@domain", local part as written) that forwarded mail with a
    foreign reverse-path may go to.
    held_key: public key that content is sealed with when it is held, see `sealing.keys`; empty seals nothing.
    """

    customer_id: str
    name: str
    outbound: Outbound
    outbound_in_plan: bool = True
    domains: tuple[SendingDomain, ...] = ()
    sources: tuple[OutboundSource, ...] = ()
    sender_relays: tuple[SenderRelay, ...] = ()
    auto_forwards: tuple[str, ...] = ()
    foreign_from: ForeignFrom = ForeignFrom.REFUSE
    platform: Platform = Platform.OTHER
    microsoft: MicrosoftSettings = MicrosoftSettings()
    google: GoogleSettings = GoogleSettings()
    limits: SenderLimits = SenderLimits()
    locked_senders: tuple[LockedSender, ...] = ()
    scanning: ScanPolicy = NO_SCANNING
    held_key: bytes = b""


class RegionDocument(Struct, frozen=True, tag="region"):
    """A region's public face. sending_addresses: where its mail leaves from, for SPF."""

    region_id: str
    name: str
    smarthost: str
    spf_include: str = ""
    sending_addresses: tuple[str, ...] = ()


class Provider(StrEnum):
    """Of a cloud whose addresses many customers share."""

    MICROSOFT = "microsoft"
    GOOGLE = "google"


class ProviderDocument(Struct, frozen=True, tag="provider"):
    """The address ranges of a provider, as last read at their source. Key: "provider:microsoft" or "provider:google".

    version: as the source calls it, or empty. confirmed_at: when the source last said that these are right (seconds
    since the epoch); renewed at least daily.
    """

    provider: Provider
    networks: tuple[str, ...]
    version: str = ""
    confirmed_at: float = 0.0


class Deleted(Struct, frozen=True, tag="deleted"):
    """The document under this key is gone."""


Document = CustomerDocument | RegionDocument | ProviderDocument | Deleted


class PolicyItem(Struct, frozen=True):
    """One document as the feed carries it. key: kind and id, such as "customer:42"."""

    key: str
    revision: int
    document: Document
